"""Checks that every statement of every function's policy is needed.

For each statement, the scenario listed here passes with the whole policy and fails when the statement
is removed from the deployed role, and the function's log names the denied action.
"""

import json
import queue
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pace import limit
from progress import say
from stacks import FUNCTIONS

# The number of stack pairs, on which scenarios run concurrently: they mostly wait.
PAIRS = 3

# Timeout of a scenario that is expected to fail, in seconds on an idle machine. Passing scenarios take a
# fraction of it.
FAIL_TIMEOUT = 20

# Timeout of a scenario that is expected to pass.
PASS_TIMEOUT = 180

# Maximum time that a function runs on after its scenario has failed, in seconds.
LONGEST_RUN = 90

# The prefixes of the functions' resources in the template.
PREFIXES = {name: name.capitalize() for name in FUNCTIONS}


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

# Statements of one function that no scenario on a deployed stack can need, with the reason.
WITHOUT_EFFECT = {
    ("delivery", "ObjectsBucket"): "the abort of an upload has no effect that a client can see; the "
    "scenario `grants::every_grant_is_used_and_every_call_is_granted` checks it on the local stack",
}


class Pair:
    """A stack with the reference pipeline and one with the scripted pipeline."""

    def __init__(self, stacks, number):
        originals = "reference", "scripted"
        names = [f"{original}-{number}" for original in originals]
        self.outputs = [stacks.copy(*it) for it in zip(originals, names)]
        self.resources = [stacks.resources(name) for name in names]
        self.iam = stacks.emulator.client("iam")
        self.logs = stacks.emulator.client("logs")
        self.dynamodb = stacks.emulator.client("dynamodb")

    def policies(self, function):
        """The policies of a function in both stacks, by role."""
        roles = [resources[f"{PREFIXES[function]}Role"] for resources in self.resources]
        answers = [self.iam.get_role_policy(RoleName=role, PolicyName="grants") for role in roles]
        return {answer["RoleName"]: answer["PolicyDocument"] for answer in answers}

    def statements(self, function):
        """The statements of a function's policy, by name."""
        document = next(iter(self.policies(function).values()))
        return {statement["Sid"]: statement for statement in document["Statement"]}

    def put(self, policies):
        """Writes policies to their roles."""
        for role, document in policies.items():
            self.iam.put_role_policy(
                RoleName=role, PolicyName="grants", PolicyDocument=json.dumps(document)
            )

    def denials(self, function, actions, since):
        """The log lines about denials of these actions to the function."""
        groups = [resources[f"{PREFIXES[function]}LogGroup"] for resources in self.resources]
        pages = self.logs.get_paginator("filter_log_events")
        messages = [
            event["message"]
            for group in groups
            for page in pages.paginate(logGroupName=group, startTime=since)
            for event in page["events"]
        ]
        return [
            message
            for message in messages
            # The message of the service, or the function's own for a 403 without a message.
            if any(
                f"{words} {action}" in message
                for words in ("not authorized to perform:", "role allows")
                for action in actions
            )
        ]

    def was_denied(self, function, actions, since):
        """Whether the function's logs report a denial of one of these actions. The emulator writes the
        logs when the invocation ends, so this waits for them."""
        began = time.monotonic()
        while not self.denials(function, actions, since):
            if time.monotonic() - began > limit(LONGEST_RUN):
                return False
            time.sleep(1)
        return True

    def empty(self):
        """Deletes the items that a failed scenario has left in the tables."""
        for resources in self.resources:
            for logical_id, name in resources.items():
                if not logical_id.endswith("Table"):
                    continue
                table = self.dynamodb.describe_table(TableName=name)["Table"]
                keys = [key["AttributeName"] for key in table["KeySchema"]]
                pages = self.dynamodb.get_paginator("scan").paginate(TableName=name)
                for item in (item for page in pages for item in page["Items"]):
                    self.dynamodb.delete_item(TableName=name, Key={key: item[key] for key in keys})


def without(policies, statement):
    """Copies of policies without a statement."""
    return {
        role: document | {"Statement": [it for it in document["Statement"] if it["Sid"] != statement]}
        for role, document in policies.items()
    }


def prove(pair, scenarios, scenario, needed):
    """Checks that a scenario passes, and that it fails without each of these statements."""
    problems = []
    held = pair.policies("pipeline") if scenario.queue_is_held else {}
    pair.put(without(held, "JobsTable"))

    def run(timeout):
        return scenarios.one(pair.outputs, scenario.name, timeout, scenario.queue_is_held)

    passed, output = run(PASS_TIMEOUT)
    if not passed:
        problems.append(f"{scenario.name} fails with whole policies:\n{output}")
        needed = []
    for function, statement in needed:
        policies = pair.policies(function)
        actions = pair.statements(function)[statement]["Action"]
        since = int(time.time() * 1000)
        pair.put(without(policies, statement))
        passed, output = run(scenario.timeout)
        pair.put(policies)
        where = f"the statement {statement} of {function}"
        if passed:
            problems.append(f"{where} is not needed: {scenario.name} passes without it")
        elif not pair.was_denied(function, actions, since):
            problems.append(
                f"without {where} {scenario.name} fails, but {function} does not log a denial of "
                f"{' or '.join(actions)}:\n{output}"
            )
        else:
            say(f"without {statement}, {function} fails {scenario.name}")
        pair.empty()
    pair.put(held)
    return problems


def listed(pair):
    """Problems of the lists above: each deployed statement must be in one of them."""
    deployed = {
        (function, statement) for function in PREFIXES for statement in pair.statements(function)
    }
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


def check(stacks, scenarios):
    """Checks that every statement is needed, and prints those that cannot be checked here."""
    pairs = queue.SimpleQueue()
    for number in range(PAIRS):
        pairs.put(Pair(stacks, number))
    pair = pairs.get()
    problems = listed(pair)
    pairs.put(pair)

    def task(scenario):
        pair = pairs.get()
        try:
            needed = [it for it, needing in NEEDED_BY.items() if needing == scenario]
            return prove(pair, scenarios, scenario, needed)
        finally:
            pairs.put(pair)

    # The longest scenarios start first.
    order = sorted(set(NEEDED_BY.values()), key=lambda it: (-it.timeout, it.name))
    with ThreadPoolExecutor(PAIRS) as pool:
        for found in pool.map(task, order):
            problems += found
    for statement, reason in UNUSED_ON_EMULATOR.items():
        say(f"not checked: {statement} of every function: {reason}")
    for (function, statement), reason in WITHOUT_EFFECT.items():
        say(f"not checked: {statement} of {function}: {reason}")
    if problems:
        raise SystemExit("\n".join(problems))
