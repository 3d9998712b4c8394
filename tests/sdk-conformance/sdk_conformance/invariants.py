"""What holds in every scenario: checked on the recorded requests and on the output of the driver.

Each violation starts with the name of its invariant.
"""

import itertools
import json

from .faults import contains
from .job_model import DURABLE_TYPES, END_TYPES

HEARTBEAT_GAP_SECONDS = 15
"""A worker posts every 10 s, and its lease ends after 30 s."""
UNANSWERED_GAP_SECONDS = 25
"""The same if a post got no answer: the worker has to repeat it before its lease ends."""
PROGRESS_IN_A_SECOND = 8
"""The pipeline sends at most 4 progress updates a second for a job."""
CONNECTS_IN_5_SECONDS = 10
REFUSALS = {"lease_lost", "seq_conflict", "job_already_finished", "forbidden"}
INVALID = {
    "invalid_body",
    "invalid_json",
    "unknown_type",
    "unknown_stage",
    "stage_finished",
    "not_cancelled",
    "seq_conflict",
    "body_too_large",
    "artifact_not_uploaded",
    "not_found",
    "forbidden",
    "invalid_worker_token",
    "invalid_message",
}


def check(run, jobs):
    """All violations of a run."""
    exchanges, outputs = run.service.exchanges, run.outputs
    if run.scenario.mode == "watch":
        yield from _watch(run, exchanges, outputs, jobs[0])
    else:
        for job in jobs:
            yield from _worker(run, [each for each in exchanges if each.job_id == job.job_id], job)
        yield from _queue(run, exchanges)
    yield from _requests_are_valid(exchanges)


def _requests_are_valid(exchanges):
    for each in exchanges:
        if each.code in INVALID and each.fault not in ("answer", "reply"):
            yield f"requests_are_valid: {each} was refused: {json.dumps(each.json)[:300]}"


# Workers


class _Claim:
    """What the worker knows of a claim from the answers that it received."""

    def __init__(self, exchange):
        self.epoch = exchange.epoch
        self.seq = exchange.answer["seq"]
        self.last_contact = exchange.ended
        self.allowed_gap = HEARTBEAT_GAP_SECONDS
        self.over = None
        """Why the worker may post nothing more."""
        self.checkpoint = 0
        """The number of the last checkpoint."""
        self.unanswered = None
        """The last post, if it had no valid answer and has to be repeated."""


def _worker(run, exchanges, job):
    claim = None
    posts = [each for each in exchanges if each.kind == "events"]
    for before, after in itertools.pairwise(posts):
        # The service looks every 0.05 s whether the client has given up a request that hangs.
        noticed = 0.1 + 3 * run.lag if before.fault == "hang" else 0
        if before.ended is None or after.started < before.ended - noticed:
            yield f"posts_are_serial: {after} started during {before}"
    reports = [each.started for each in posts if set(each.event_types) == {"progress_update"}]
    for first, last in zip(reports, reports[PROGRESS_IN_A_SECOND:]):
        if last - first < 1:
            yield f"progress_is_thinned: {PROGRESS_IN_A_SECOND + 1} posts of progress within {last - first:.2f} s"
            break
    late = 3 * run.lag
    for each in exchanges:
        if each.kind in ("claim", "queue_claim"):
            if each.is_answered and each.status == 200:
                claim = _Claim(each)
            continue
        if each.kind not in ("events", "announce", "release"):
            continue
        if claim is None:
            yield f"claims_first: {each} came before an answered claim"
            continue
        if each.json.get("epoch") != claim.epoch:
            yield f"posts_have_the_epoch_of_the_claim: {each}, and the epoch of the claim is {claim.epoch}"
            continue
        if claim.over:
            yield f"no_post_after_the_end: {each} came after {claim.over}"
        if each.kind == "events":
            yield from _post(each, claim, late)
        if each.is_answered and each.code in REFUSALS:
            claim.over = f"the answer {each.code} to #{each.number}"
        if each.kind == "release" and each.is_answered and each.status == 200:
            claim.over = f"the release #{each.number}"
    if claim and not claim.over:
        ended_at = run.drivers[-1].exited_at
        gap = ended_at - run.service.started - claim.last_contact if ended_at else 0
        if gap > claim.allowed_gap + late:
            yield f"lease_is_renewed: {gap:.1f} s without a post at the end, while the worker held {job.job_id}"


def _post(post, claim, late):
    gap = post.started - claim.last_contact
    if gap > claim.allowed_gap + late:
        yield f"lease_is_renewed: {gap:.1f} s without a post before {post}"
    is_repeat = claim.unanswered is not None and post.body == claim.unanswered.body
    if claim.unanswered is not None and not is_repeat:
        yield (
            f"repeats_have_the_same_body: {post} follows {claim.unanswered}, which had no answer, with another body: "
            f"{post.body[:300]!r} instead of {claim.unanswered.body[:300]!r}"
        )
    if post.json.get("after_seq") != claim.seq and not is_repeat:
        yield f"after_seq_is_the_last_answered: {post} should have the after_seq {claim.seq}"
    for event in post.json.get("events", []) if not is_repeat else []:
        if event.get("type") == "checkpoint":
            if event.get("number", 0) <= claim.checkpoint:
                yield f"checkpoints_are_numbered: {post} has {event.get('number')} after {claim.checkpoint}"
            if not post.is_answered or post.status == 200 or post.status >= 500:
                claim.checkpoint = event.get("number", 0)
    if len(post.json.get("events", [])) > 10:
        yield f"posts_have_at_most_10_events: {post}"
    claim.last_contact = post.ended if post.is_answered else post.started
    claim.allowed_gap = HEARTBEAT_GAP_SECONDS if post.is_answered else UNANSWERED_GAP_SECONDS
    if post.is_answered and post.status == 200:
        claim.unanswered = None
        claim.seq = post.answer["seq"]
        if post.answer["status"] in END_TYPES.values():
            claim.over = f"the end of the job in #{post.number}"
    elif not post.is_answered or post.status >= 500 or post.status == 429:
        # Progress may be replaced by newer progress; a durable event and a checkpoint may not.
        if DURABLE_TYPES.union(["checkpoint"]).intersection(post.event_types):
            claim.unanswered = post


def _queue(run, exchanges):
    if run.scenario.mode != "queue":
        return
    slots = run.drivers[0].config["concurrency"]
    held = {}
    last = None
    listening_since = listening = None
    exits = [driver.exited_at - run.service.started for driver in run.drivers if driver.exited_at]
    for each in exchanges:
        if exits and each.started > exits[0]:
            # Another process.
            held, last, listening_since, listening = {}, None, None, None
            exits.pop(0)
        if each.kind == "listen" and each.is_answered and not each.code:
            listening_since = each.ended
            listening = run.service.connections[each.connection - 1]
            last = None
        if listening and listening.ended_at is not None and each.started > listening.ended_at:
            listening_since = listening = None
        if each.kind == "queue_claim":
            if len(held) >= slots:
                yield f"claims_only_with_a_free_slot: {each} while the worker held {sorted(held)}"
            is_listening = listening_since is not None and each.started > listening_since + 0.5 + 3 * run.lag
            if is_listening and "listener" not in each.json:
                yield f"claims_carry_the_listener: {each} has no `listener`"
            # A claim with another listener arms it.
            is_poll = last is not None and last.json.get("listener") == each.json.get("listener")
            if is_poll and slots == 1 and last.status == 204 and last.is_answered:
                wait = float(run.service.options.get("retry_after", 5)) / 2
                if each.started - last.ended < wait and not run.scenario.service.get("wakes"):
                    yield f"polls_respect_retry_after: {each} came {each.started - last.ended:.2f} s after a 204"
            last = each
            if each.status == 200 and each.is_answered:
                held[each.job_id] = each.epoch
        is_over = each.is_answered and (
            each.code in REFUSALS or (each.answer or {}).get("status") in END_TYPES.values() or each.kind == "release"
        )
        if each.kind in ("events", "release", "announce") and is_over and held.pop(each.job_id, None) is not None:
            last = None


# Watchers


def _watch(run, exchanges, outputs, job):
    messages = [output["message"] for output in outputs if output["event"] == "message"]
    yield from _order_of(run, messages, job)
    yield from _progress_of(messages)
    yield from _resumption(run, exchanges)
    yield from _end_of(run, exchanges, outputs, job)
    connects = [each.started for each in exchanges if each.kind == "connect"]
    for first, last in zip(connects, connects[CONNECTS_IN_5_SECONDS:]):
        if last - first < 5:
            yield f"reconnects_with_backoff: {CONNECTS_IN_5_SECONDS + 1} connections within {last - first:.1f} s"
            break
    polls = [each for each in exchanges if each.kind == "poll"]
    for before, after in itertools.pairwise(polls):
        if before.ended is None or after.started < before.ended:
            yield f"polls_are_serial: {after} started during {before}"
            continue
        interval = (before.answer or {}).get("retry_after") if before.is_answered and before.status == 200 else None
        # After a request to cancel, and when a connection was lost, in between.
        causes = [each.started for each in exchanges if each.kind in ("cancel", "cancel_job")]
        causes += [each.ended_at for each in run.service.connections if each.ended_at is not None]
        is_hastened = any(before.started <= cause <= after.started for cause in causes)
        if interval and not is_hastened and after.started - before.ended < 0.9 * interval:
            yield f"polls_respect_retry_after: {after} came {after.started - before.ended:.2f} s after {before}"


def _order_of(run, messages, job):
    after = run.scenario.driver.get("after_seq", 0)
    durable = [message for message in messages if message["type"] != "progress_update"]
    printed = [message["seq"] for message in durable]
    undelivered = set(run.scenario.expect.get("undelivered", []))
    expected = [message["seq"] for message in job.log if message["seq"] > after and message["seq"] not in undelivered]
    expected = run.scenario.expect.get("delivered", expected)
    if run.drivers[-1].is_killed or run.scenario.expect.get("exit", 0) != 0:
        expected = expected[: len(printed)]
    if printed != expected:
        yield f"durable_messages_once_and_in_order: the driver printed {printed}, and the log has {expected}"
        return
    for message in durable:
        fields = {"type", "seq", "stage", "results", "results_url", "error"}
        logged = job.sent_message(job.log[message["seq"] - 1])
        sent = {key: value for key, value in logged.items() if key in fields}
        got = {key: message.get(key) for key in sent}
        if not contains(got, sent):
            yield f"messages_are_unchanged: {json.dumps(message)[:300]} should be {json.dumps(sent)[:300]}"


def _progress_of(messages):
    latest, last_durable, has_ended = {}, 0, False
    for message in messages:
        if has_ended:
            yield f"nothing_after_the_end: {json.dumps(message)[:200]}"
        if message["type"] != "progress_update":
            last_durable = message["seq"]
            has_ended = message["type"] in END_TYPES
            continue
        if message["seq"] < last_durable:
            yield f"progress_is_not_stale: {json.dumps(message)[:200]} came after the message {last_durable}"
        attempt = (message["stage"], message.get("attempt") or 1)
        if message["progress"] < latest.get(attempt, 0):
            yield f"progress_never_goes_back: {latest[attempt]} % and then {json.dumps(message)[:200]}"
        latest[attempt] = message["progress"]


def _resumption(run, exchanges):
    seen_connections = set()
    for each in exchanges:
        if each.kind == "subscribe":
            after = each.json.get("after_seq", 0)
            ended = [
                connection.seen_seq_at_end
                for connection in run.service.connections[: each.connection - 1]
                if connection.seen_seq_at_end is not None and connection.ended_by != "client"
            ]
            least = max([run.scenario.driver.get("after_seq", 0), *ended])
            if each.connection not in seen_connections and after < least:
                yield f"resumes_after_the_last_seq: {each} should have an after_seq of {least} or more"
            seen_connections.add(each.connection)
        elif each.kind == "poll":
            after = int(each.query.get("after_seq", 0))
        else:
            continue
        if after > each.sent_seq:
            yield f"resumes_after_the_last_seq: {each} skips messages that were never sent"


def _end_of(run, exchanges, outputs, job):
    driver = run.drivers[-1]
    if driver.is_killed:
        return
    ends = [output for output in outputs if output["event"] == "end"]
    if len(ends) != 1:
        yield f"ends_with_the_job: the driver printed {len(ends)} times `end`"
        return
    ended_at = ends[0]["at"] - run.service.started
    if job.has_ended and not ends[0].get("error") and ends[0].get("status") != job.status:
        yield f"ends_with_the_job: the status is {ends[0].get('status')}, and the job is {job.status}"
    late = [each for each in exchanges if each.started > ended_at + 0.5 + 3 * run.lag]
    if late:
        yield f"ends_with_the_job: {late[0]} came after the end"
