"""The state machine of a claimed job, without I/O and without time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stagecast
from stagecast._claim import Claim
from stagecast._overall import OverallProgress
from stagecast._protocol import ClaimProtocol, Done, Send, Wait
from stagecast._stages import StageError, StageTracker
from worker_service import ScriptedJob, error

CLAIM = {"epoch": 3, "seq": 7, "cancel_requested": False}
OK = {"seq": 7, "status": "running", "cancel_requested": False}


def protocol(**fields: Any) -> ClaimProtocol:
    return ClaimProtocol({**CLAIM, **fields}, 0.0)


def sent(machine: ClaimProtocol, now: float) -> dict[str, Any]:
    step = machine.next(now)
    assert isinstance(step, Send)
    body: dict[str, Any] = json.loads(step.body)
    return body


def answer(machine: ClaimProtocol, now: float, status: int = 200, body: Any = OK, **headers: str) -> None:
    machine.answered(status, body if isinstance(body, bytes) else json.dumps(body).encode(), headers, now)


def waits_until(machine: ClaimProtocol, now: float) -> float:
    step = machine.next(now)
    assert isinstance(step, Wait)
    return step.until


def post(machine: ClaimProtocol, now: float, **fields: Any) -> list[dict[str, Any]]:
    """Sends what is due and accepts it."""
    events: list[dict[str, Any]] = sent(machine, now)["events"]
    seq = machine.seq + sum(event["type"] not in ("progress_update", "checkpoint") for event in events)
    answer(machine, now, body={**OK, "seq": seq, **fields})
    return events


def test_heartbeat_is_due_ten_seconds_after_the_last_accepted_post_was_sent() -> None:
    machine = protocol()
    assert waits_until(machine, 0) == 10
    assert sent(machine, 10) == {"epoch": 3, "after_seq": 7, "events": []}
    answer(machine, 12)
    assert waits_until(machine, 12) == 20
    assert machine.lease_remaining(12) == 28


def test_progress_waits_for_its_interval_and_only_the_latest_is_sent() -> None:
    machine = protocol()
    machine.progress("a", {"progress": 1})
    assert [event["progress"] for event in post(machine, 1)] == [1]
    for percent in (2, 3, 4):
        machine.progress("a", {"progress": percent})
    assert waits_until(machine, 1) == 1.25
    assert [event["progress"] for event in post(machine, 1.25)] == [4]
    assert waits_until(machine, 1.25) == 11.25


def test_durable_event_does_not_wait_and_replaces_the_progress_of_its_stage() -> None:
    machine = protocol()
    machine.progress("a", {"progress": 1})
    post(machine, 0)
    machine.progress("a", {"progress": 99})
    machine.checkpoint("a", 1)
    ticket = machine.finish_stage("a", {"n": 1})
    machine.progress("b", {"progress": 0})
    assert not machine.is_settled(ticket)
    assert [(event["type"], event["stage"]) for event in post(machine, 0.01)] == [
        ("stage_complete", "a"),
        ("progress_update", "b"),
    ]
    assert machine.is_settled(ticket)
    assert machine.error_of(ticket) is None
    assert machine.seq == 8


def test_checkpoints_are_stored_once_a_second_the_last_one_always() -> None:
    machine = protocol()
    machine.checkpoint("a", 1)
    assert [event["state"] for event in post(machine, 5)] == [1]
    tickets = [machine.checkpoint("a", state) for state in (2, 3)]
    assert waits_until(machine, 5) == 6
    assert [event["state"] for event in post(machine, 6)] == [3]
    assert all(machine.is_settled(ticket) for ticket in tickets)


def test_urgent_checkpoint_is_sent_at_once_also_if_another_follows() -> None:
    machine = protocol()
    machine.checkpoint("a", 1)
    post(machine, 5)
    machine.checkpoint("a", 2, urgent=True)
    machine.checkpoint("a", 3)
    assert [event["state"] for event in post(machine, 5)] == [3]


def test_checkpoint_over_its_limit_is_refused_at_once() -> None:
    with pytest.raises(stagecast.Failure, match="262,14") as raised:
        protocol().checkpoint("a", "x" * 262_143)
    assert raised.value.code == "checkpoint_too_large"
    with pytest.raises(ValueError, match="JSON"):
        protocol().checkpoint("a", float("nan"))


def test_results_over_the_limit_of_a_post_are_refused_at_once() -> None:
    with pytest.raises(stagecast.Failure, match="attach them") as raised:
        protocol().finish_stage("a", "x" * 4_000_000)
    assert raised.value.code == "results_too_large"


def test_post_has_at_most_ten_events_and_four_megabytes() -> None:
    machine = protocol()
    for number in range(12):
        machine.finish_stage(f"s{number}", number)
    machine.progress("t", {"progress": 0})
    assert len(post(machine, 0)) == 10
    assert [event["type"] for event in post(machine, 0)] == ["stage_complete", "stage_complete", "progress_update"]
    for name in "abc":
        machine.finish_stage(name, "x" * 1_900_000)
    machine.checkpoint("d", "x")
    assert [len(post(machine, 1)) for _ in range(2)] == [2, 2]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (None, None),
        (500, {}),
        (503, {"error": {"code": "conflict_retry", "message": ""}}),
        (429, {"message": "Too Many Requests"}),
        (408, {}),
        (200, b"<html>a captive portal</html>"),
        (200, {"seq": "x"}),
    ],
)
def test_unclear_outcome_repeats_the_same_body(status: int | None, body: Any) -> None:
    machine = protocol()
    machine.finish_stage("a", 1)
    first = machine.next(0)
    if status is None:
        machine.unanswered(1)
    else:
        answer(machine, 1, status, body)
    machine.finish_stage("b", 2)
    machine.progress("c", {"progress": 1})
    until = waits_until(machine, 1)
    assert 1 <= until <= 1.25 + 1e-9
    assert machine.next(until) == first
    answer(machine, until, body={**OK, "seq": 8})
    assert [event["stage"] for event in post(machine, until)] == ["b", "c"]


def test_retry_after_of_the_answer_is_respected() -> None:
    machine = protocol()
    machine.next(10)
    answer(machine, 10, 503, {}, **{"retry-after": "7"})
    assert 17 <= waits_until(machine, 10) <= 17.25


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (409, "lease_lost"),
        (409, "seq_conflict"),
        (409, "job_already_finished"),
        (403, "forbidden"),
        (401, "invalid_worker_token"),
        (404, "not_found"),
    ],
)
def test_lost_claim_ends_everything(status: int, code: str) -> None:
    machine = protocol()
    tickets = [machine.finish_stage("a", 1), machine.complete()]
    machine.next(0)
    tickets.append(machine.checkpoint("b", 1))
    answer(machine, 0, *error(status, code))
    assert machine.lost == code
    tickets += [machine.finish_stage("c", 1), machine.fail("x", "y"), machine.release()]
    machine.progress("c", {"progress": 1})
    assert isinstance(machine.next(0), Done)
    assert all(isinstance(machine.error_of(ticket), stagecast.LeaseLost) for ticket in tickets)


def test_refused_post_is_dropped_and_only_the_failure_follows() -> None:
    machine = protocol()
    refused = machine.finish_stage("a", 1)
    machine.next(0)
    later = machine.finish_stage("b", 2)
    answer(machine, 0, *error(409, "artifact_not_uploaded", name="x"))
    after = machine.finish_stage("c", 3)
    machine.progress("c", {"progress": 1})
    for ticket in (refused, later, after):
        problem = machine.error_of(ticket)
        assert isinstance(problem, stagecast.ConflictError)
        assert problem.details == {"name": "x"}
    assert waits_until(machine, 0) == 10
    ended = machine.fail("artifact_not_uploaded", "it is not there", "c")
    assert [event["type"] for event in post(machine, 0, status="failed")] == ["job_failed"]
    assert machine.ended == "failed"
    assert machine.is_settled(ended)
    assert isinstance(machine.next(0), Done)


def test_release_follows_queued_events_and_the_last_checkpoint() -> None:
    machine = protocol()
    machine.checkpoint("b", 1)
    post(machine, 0)
    machine.finish_stage("a", 1)
    machine.checkpoint("b", 2)
    machine.progress("b", {"progress": 4})
    ticket = machine.release(30)
    late = machine.finish_stage("b", 3)
    assert isinstance(machine.error_of(late), stagecast.Released)
    assert [event["type"] for event in post(machine, 0)] == ["stage_complete", "checkpoint"]
    step = machine.next(0)
    assert step == Send("release", b'{"epoch":3,"delay_seconds":30}')
    machine.unanswered(0)
    assert machine.next(5) == step
    answer(machine, 5, body={"job_id": "j", "status": "queued"})
    assert (machine.ended, machine.error_of(ticket), machine.next(5)) == ("released", None, Done())


@pytest.mark.parametrize(
    ("reply", "ended", "lost"),
    [
        (error(404, "not_found"), "released", None),
        (error(409, "lease_lost"), None, "lease_lost"),
        (error(400, "invalid_body"), None, "invalid_body"),
    ],
)
def test_refused_release_ends_the_claim(reply: Any, ended: str | None, lost: str | None) -> None:
    machine = protocol()
    machine.release()
    machine.next(0)
    answer(machine, 0, *reply)
    assert (machine.ended, machine.lost, machine.is_over) == (ended, lost, True)


def test_cancellation_is_learned_from_an_answer_and_posted() -> None:
    machine = protocol()
    post(machine, 10, cancel_requested=True)
    assert machine.cancel_requested
    machine.checkpoint("a", 1)
    machine.cancel("a")
    assert post(machine, 10, status="cancelled") == [{"type": "job_cancelled", "stage": "a"}]
    assert machine.ended == "cancelled"


def test_job_that_ended_otherwise_ends_the_claim() -> None:
    machine = protocol()
    ticket = machine.finish_stage("a", 1)
    post(machine, 0, status="failed")
    assert (machine.ended, machine.error_of(ticket)) == ("failed", None)


def test_claim_is_given_up_after_fifteen_minutes_without_an_answer() -> None:
    machine = protocol()
    now = 10.0
    while isinstance(step := machine.next(now), (Send, Wait)):
        if isinstance(step, Send):
            machine.unanswered(now)
        now = max(now + 0.01, step.until) if isinstance(step, Wait) else now
    assert machine.lost == "service_unreachable"
    assert 900 <= now <= 910


def test_answer_without_a_post_is_ignored() -> None:
    machine = protocol()
    answer(machine, 0, *error(409, "lease_lost"))
    machine.unanswered(0)
    assert machine.lost is None


# Random schedules: whatever is lost, repeated or refused for a while, the job ends with each event once, in order.

FAULTS = ["none", "none", "lose_request", "lose_answer", "repeat", "conflict", "throttled", "late_copy"]


@settings(max_examples=300, deadline=None)
@given(
    stages=st.lists(st.integers(0, 6), min_size=0, max_size=13),
    faults=st.lists(st.sampled_from(FAULTS), max_size=60),
    end=st.sampled_from(["complete", "fail", "cancel", "release"]),
    pauses=st.lists(st.floats(0, 12), min_size=1, max_size=20),
)
def test_random_faults_leave_each_event_once_and_in_order(
    stages: list[int], faults: list[str], end: str, pauses: list[float]
) -> None:
    job = ScriptedJob("job_1", cancel_requested=end == "cancel")
    machine = ClaimProtocol(job.claim({}), 0.0)
    now = 0.0
    copies: list[tuple[Callable[..., Any], dict[str, Any]]] = []
    expected: list[tuple[str, str]] = []
    planned = list(faults)
    steps = [("stage", number, count) for number, count in enumerate(stages)] + [("end", 0, 0)]
    ended_ticket = 0
    for turn in range(2000):
        if steps and turn % 3 == 0:
            kind, number, count = steps.pop(0)
            if kind == "stage":
                for percent in range(count):
                    machine.progress(f"s{number}", {"progress": percent})
                    machine.checkpoint(f"s{number}", percent)
                machine.finish_stage(f"s{number}", {"n": number})
                expected.append(("stage_complete", f"s{number}"))
            else:
                calls: dict[str, Callable[[], int]] = {
                    "complete": machine.complete,
                    "cancel": machine.cancel,
                    "release": machine.release,
                }
                ended_ticket = machine.fail("x", "y") if end == "fail" else calls[end]()
        step = machine.next(now)
        if isinstance(step, Done):
            break
        if isinstance(step, Wait):
            now = min(step.until, now + pauses[turn % len(pauses)]) if steps else step.until
            continue
        body = json.loads(step.body)
        assert len(body.get("events", [])) <= 10
        fault = planned.pop(0) if planned else "none"
        route: Callable[..., Any] = job.release if step.route == "release" else job.post
        if fault == "late_copy" and copies:
            # A copy of an earlier post that the network held back is applied now.
            old_route, old = copies[-1]
            old_route(old, now)
        copies.append((route, body))
        if fault == "conflict":
            answer(machine, now, *error(503, "conflict_retry"))
        elif fault == "throttled":
            answer(machine, now, 429, {"message": "Too Many Requests"})
        elif fault == "lose_request":
            machine.unanswered(now)
        else:
            reply = route(body, now)
            if fault == "repeat":
                reply = route(body, now)
            if fault == "lose_answer":
                machine.unanswered(now)
            else:
                answer(machine, now, *reply)
    last = {"complete": "job_complete", "fail": "job_failed", "cancel": "job_cancelled"}.get(end)
    if last:
        expected.append((last, ""))
    assert [(event["type"], event.get("stage", "")) for event in job.log] == expected
    assert machine.is_settled(ended_ticket)
    assert machine.error_of(ended_ticket) is None
    assert machine.ended == {"complete": "completed", "fail": "failed", "cancel": "cancelled"}.get(end, "released")


# Overall progress.


def test_overall_progress_of_equal_dynamic_stages_is_the_formula_of_the_service() -> None:
    overall = OverallProgress(None, ["a"])
    overall.start("b", 1)
    assert not overall.is_needed
    assert overall.at("b", 50) == 50  # floor(100 * (1 + 0.5) / 3)
    overall.finish("b")
    overall.start("c", 1)
    assert overall.at("c", 0) == 50
    assert overall.at("c", 100) == 75


def test_overall_progress_by_declared_weights() -> None:
    overall = OverallProgress({"decode": 1, "transcribe": 9})
    assert overall.is_needed
    overall.start("decode", 1)
    assert overall.at("decode", 50) == 5
    overall.finish("decode")
    overall.start("transcribe", 9)
    assert [overall.at("transcribe", percent) for percent in (0, 29, 100)] == [10, 36, 100]


def test_overall_progress_never_goes_back() -> None:
    overall = OverallProgress(None)
    overall.start("short", 1)
    assert overall.at("short", 100) == 50
    overall.finish("short")
    overall.start("long", 99)
    assert overall.at("long", 0) == 50


# Stages.


def tracker(claim: dict[str, Any] | None = None, **options: Any) -> tuple[StageTracker, ClaimProtocol]:
    raw = {**CLAIM, "job_id": "j", "worker_key": "k", **(claim or {})}
    machine = ClaimProtocol(raw, 0.0)
    return StageTracker(Claim.parse(raw), machine, "work", **options), machine


def events_of(machine: ClaimProtocol) -> list[tuple[str, Any]]:
    return [(event.get("stage", event["type"]), event.get("results")) for event in post(machine, 0)]


def test_end_of_a_stage_is_posted_with_the_start_of_the_next_one() -> None:
    stages, machine = tracker()
    stages.begin("a")
    post(machine, 0)
    stages.enter("a")
    stages.end("a", 1)
    assert waits_until(machine, 1) == 10
    stages.begin("b")
    assert events_of(machine) == [("a", 1), ("b", None)]


def test_returned_value_is_the_result_of_the_last_stage() -> None:
    stages, machine = tracker()
    stages.begin("a")
    stages.end("a", 1)
    stages.conclude({"n": 2})
    assert events_of(machine) == [("a", {"n": 2}), ("job_complete", None)]


def test_returned_value_after_a_completed_stage_gets_a_stage() -> None:
    stages, machine = tracker()
    stages.begin("a")
    stages.complete("a", 1)
    stages.conclude(2)
    assert events_of(machine) == [("a", 1), ("result", 2), ("job_complete", None)]


def test_returned_value_that_is_already_stored_gets_no_stage() -> None:
    stages, machine = tracker()
    stages.begin("a")
    stages.complete("a", 1)
    stages.conclude(1)
    assert events_of(machine) == [("a", 1), ("job_complete", None)]


def test_returned_value_that_no_declared_stage_can_carry_is_an_error() -> None:
    stages, _ = tracker(declared={"a": 1.0})
    stages.begin("a")
    stages.complete("a", 1)
    with pytest.raises(stagecast.Failure, match="another result") as raised:
        stages.conclude(2)
    assert raised.value.code == "result_not_stored"


def test_job_whose_stages_finished_earlier_only_completes() -> None:
    stages, machine = tracker({"finished": [{"stage": "a", "results": 1}]}, declared={"a": 1.0})
    assert not stages.begin("a")
    stages.conclude(2)
    assert events_of(machine) == [("job_complete", None)]


def test_skipped_declared_stages_complete_before_the_last() -> None:
    stages, machine = tracker(declared={"a": 1.0, "b": 1.0, "c": 1.0})
    stages.begin("a")
    stages.conclude("end")
    assert events_of(machine) == [("b", None), ("c", None), ("a", "end"), ("job_complete", None)]
    stages, machine = tracker(declared={"a": 1.0, "b": 1.0})
    stages.conclude("end")
    assert events_of(machine) == [("a", None), ("b", "end"), ("job_complete", None)]


def test_stage_cannot_start_within_the_block_of_another() -> None:
    stages, _ = tracker()
    stages.begin("a")
    stages.enter("a")
    assert stages.begin("a")
    with pytest.raises(StageError, match="not nested"):
        stages.begin("b")


@pytest.mark.parametrize("name", ["", "a b", "ä", "x" * 65, None])
def test_invalid_stage_name_is_an_error(name: Any) -> None:
    stages, _ = tracker()
    with pytest.raises(StageError, match="1 to 64 letters"):
        stages.begin(name)


def test_undeclared_stage_invalid_weight_and_too_many_stages_are_errors() -> None:
    stages, _ = tracker(declared={"a": 1.0})
    with pytest.raises(StageError, match="not declared"):
        stages.begin("b")
    with pytest.raises(StageError, match="positive number"):
        stages.begin("a", 0)
    stages, _ = tracker({"finished": [{"stage": f"s{number}", "results": None} for number in range(50)]})
    with pytest.raises(StageError, match="at most 50"):
        stages.begin("b")


def test_failure_and_cancellation_keep_the_stage_that_ended() -> None:
    for name in ("fail", "cancel"):
        stages, machine = tracker()
        stages.begin("a")
        stages.end("a", 1)
        stages.fail("x", "y") if name == "fail" else stages.cancel()
        assert events_of(machine)[0] == ("a", 1)


def test_result_that_is_no_json_fails_the_job_and_not_its_end() -> None:
    stages, machine = tracker()
    stages.begin("a")
    stages.end("a", object())
    with pytest.raises(TypeError):
        stages.conclude(None)
    stages.fail("type_error", "not JSON")
    assert events_of(machine) == [("job_failed", None)]


def test_artifacts_belong_to_the_running_stage_or_to_the_end_of_the_job() -> None:
    stages, machine = tracker()
    stages.begin("a")
    stages.attach({"name": "1"})
    stages.attach({"name": "1", "size": 2})
    stages.complete("a", None)
    stages.attach({"name": "2"})
    stages.conclude(None)
    assert [event.get("artifacts") for event in post(machine, 0)] == [[{"name": "1", "size": 2}], [{"name": "2"}]]


def test_percentage_of_a_stage_stays_within_its_range_and_does_not_go_back() -> None:
    stages, machine = tracker()
    stages.begin("a")
    percents = []
    for now, percent in enumerate([-5, 40, 30, None, 120]):
        stages.progress("a", percent, "")
        percents.append(post(machine, now)[0]["progress"])
    assert percents == [0, 40, 40, 40, 100]


def test_only_the_default_stage_starts_by_itself() -> None:
    stages, _ = tracker()
    assert stages.begin_default() == "work"
    stages.complete("work", None)
    assert stages.begin_default() is None
    stages, _ = tracker(declared={"a": 1.0})
    assert stages.begin_default() is None
    stages, _ = tracker(declared={"work": 1.0})
    assert stages.begin_default() == "work"
