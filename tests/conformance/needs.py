"""Which scenario needs which statement of the functions' policies."""

from dataclasses import dataclass

# Timeout of a scenario that is expected to fail, in seconds on an idle machine. Passing scenarios take a
# fraction of it.
FAIL_TIMEOUT = 20


@dataclass(frozen=True)
class Scenario:
    """A scenario with its settings."""

    name: str
    timeout: int = FAIL_TIMEOUT
    # Whether jobs must stay queued: the pipeline then has no access to the table of jobs.
    queue_is_held: bool = False


CONNECTING = Scenario("connections::websocket_connection_lifecycle_works_correctly")
SUBSCRIBING = Scenario(
    "connections::job_is_associated_with_its_connection_until_disconnect"
)
CATCHING_UP = Scenario("delivery::late_subscriber_gets_the_log_from_the_beginning")
CANCELLING = Scenario(
    "delivery::queued_job_is_cancelled_for_all_subscribers",
    queue_is_held=True,
)
CANCELLING_OVER_HTTP = Scenario(
    "cancellation::subscriber_is_notified_when_the_job_is_cancelled_over_http",
    queue_is_held=True,
)
ASKING = Scenario("delivery::snapshot_over_http_equals_the_last_message")
WATCHING = Scenario(
    "progress::progress_updates_are_sent_at_start_during_and_end_of_stages"
)
LIVING_ON = Scenario("deliveries::progress_renews_the_connection")
REDELIVERING = Scenario("deliveries::duplicate_job_message_sends_the_log_again")
LIVING_ON_BY_DELIVERY = Scenario("deliveries::delivery_renews_the_connection")
SPLITTING = Scenario("deliveries::audience_over_one_chunk_is_served_in_parts")
RETRYING_A_JOB_MESSAGE = Scenario(
    "deliveries::duplicate_job_message_is_retried_after_the_lease",
    # A lease lasts for 30 seconds.
    timeout=45,
)
REQUEUEING = Scenario("abandoned::watchdog_sends_the_job_message_of_a_queued_job_again")
WORKING = Scenario("delivery::external_worker_runs_a_job_for_all_subscribers")
REPEATING = Scenario("workers::repeated_post_sends_the_log_again")
CANCELLING_A_WAITING_JOB = Scenario(
    "work_queues::waiting_job_is_cancelled_over_the_websocket"
)
CLAIMING = Scenario("work_queues::several_claimants_run_one_job_each_by_priority")
NOTIFYING = Scenario("listening::three_workers_run_jobs_without_polling")
RECLAIMING = Scenario("work_queues::job_of_a_dead_worker_is_claimed_by_another")
LIVING_ON_BY_A_WORKER = Scenario(
    "deliveries::external_progress_renews_the_connection"
)

NEEDED_BY = {
    ("websocket", "WebsocketConnectionsTable"): CONNECTING,
    ("websocket", "JobSubscribersTable"): SUBSCRIBING,
    ("websocket", "JobsTable"): SUBSCRIBING,
    ("websocket", "JobEventsTable"): CATCHING_UP,
    ("websocket", "ConnectionsPOST"): CONNECTING,
    ("websocket", "WorkQueuesTable"): CANCELLING_A_WAITING_JOB,
    ("websocket", "DeliveriesQueue"): CANCELLING,
    ("jobs", "JobsTable"): ASKING,
    ("jobs", "JobEventsTable"): ASKING,
    ("jobs", "WorkQueuesTable"): CLAIMING,
    ("jobs", "ObjectsBucket"): ASKING,
    ("jobs", "ConnectionsPOST"): NOTIFYING,
    ("jobs", "JobsQueue"): ASKING,
    ("jobs", "DeliveriesQueue"): CANCELLING_OVER_HTTP,
    ("pipeline", "WebsocketConnectionsTable"): LIVING_ON,
    ("pipeline", "JobSubscribersTable"): WATCHING,
    ("pipeline", "JobsTable"): WATCHING,
    ("pipeline", "JobEventsTable"): WATCHING,
    ("pipeline", "ObjectsBucket"): WATCHING,
    ("pipeline", "ConnectionsPOST"): WATCHING,
    ("pipeline", "JobsQueue"): RETRYING_A_JOB_MESSAGE,
    ("pipeline", "DeliveriesQueue"): REDELIVERING,
    ("delivery", "WebsocketConnectionsTable"): LIVING_ON_BY_DELIVERY,
    ("delivery", "JobSubscribersTable"): REDELIVERING,
    ("delivery", "JobsTable"): REDELIVERING,
    ("delivery", "JobEventsTable"): REDELIVERING,
    ("delivery", "WorkQueuesTable"): RECLAIMING,
    ("delivery", "ConnectionsPOST"): REDELIVERING,
    ("delivery", "JobsQueue"): REQUEUEING,
    ("delivery", "DeliveriesQueue"): SPLITTING,
    ("worker", "WebsocketConnectionsTable"): LIVING_ON_BY_A_WORKER,
    ("worker", "JobSubscribersTable"): WORKING,
    ("worker", "JobsTable"): WORKING,
    ("worker", "JobEventsTable"): WORKING,
    ("worker", "WorkQueuesTable"): CLAIMING,
    ("worker", "ObjectsBucket"): WORKING,
    ("worker", "ConnectionsPOST"): WORKING,
    ("worker", "DeliveriesQueue"): REPEATING,
}

# Statements that are not needed on the emulator, with the reason.
UNUSED_ON_EMULATOR = {
    "Logs": "ministack writes the functions' logs itself, without their role",
    "Traces": "ministack accepts no trace segments; Lambda would send them",
}

# Why no scenario on a deployed stack posts webhooks.
WEBHOOKS = (
    "a deployed function posts webhooks to public addresses only, of which the emulator has none; the scenario "
    "`grants::every_grant_is_used_and_every_call_is_granted` checks it on the local stack"
)

# Statements of one function that no scenario on a deployed stack can need, with the reason.
WITHOUT_EFFECT = {
    ("delivery", "ObjectsBucket"): "the abort of an upload has no effect that a client can see; the "
    "scenario `grants::every_grant_is_used_and_every_call_is_granted` checks it on the local stack",
    ("delivery", "WebhooksQueue"): WEBHOOKS,
    ("webhooks", "JobsTable"): WEBHOOKS,
    ("webhooks", "JobEventsTable"): WEBHOOKS,
    ("webhooks", "WebhooksQueue"): WEBHOOKS,
    ("webhooks", "StagecastWebhookSecretSecret"): WEBHOOKS,
}


def unlisted(deployed):
    """Problems of these lists for deployed statements, as pairs of function and statement."""
    expected = set(NEEDED_BY) | set(WITHOUT_EFFECT)
    expected |= {it for it in deployed if it[1] in UNUSED_ON_EMULATOR}
    return [
        f"{function} has a statement {statement} without a scenario that needs it: add one to "
        f"{__file__}"
        for function, statement in sorted(deployed - expected)
    ] + [
        f"{function} has no statement {statement}: remove it from {__file__}"
        for function, statement in sorted(expected - deployed)
    ]
