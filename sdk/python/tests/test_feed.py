"""The state machine of a watch, against a scripted service on a virtual clock."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from simulated import JOB, KEY, Simulation, job_complete, progress, snapshot, stage_complete, timestamp
from stagecast import _feed
from stagecast.errors import ForbiddenError
from stagecast.messages import JobComplete, JobFailed, ProgressUpdate, StageComplete


class Service(Simulation):
    """Answers as the service does: `log` holds the durable messages, `state` the current snapshot."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.log: list[dict[str, Any]] = []
        self.state = snapshot(0, 0)
        self.retry_after: float | None = 2
        self.polls_work = False

    def on_send(self, number: int, frame: dict[str, Any]) -> None:
        if frame["type"] == "subscribe":
            self.subscribed(number, frame, self.state)
            for message in self.log[frame.get("after_seq", 0) :]:
                self.deliver(number, message)
        else:
            self.status(number, frame, self.state)

    def on_poll(self, number: int, after_seq: int) -> None:
        if not self.polls_work:
            super().on_poll(number, after_seq)
            return
        answer = {"recovered": True, "events": self.log[after_seq:], "snapshot": self.state}
        self.answer_poll(number, {**answer, "more": False, "retry_after": self.retry_after})

    def types(self) -> list[str]:
        return [message.type for message in self.messages]

    def subscribes(self) -> list[dict[str, Any]]:
        return [frame for _, _, frame in self.sent if frame["type"] == "subscribe"]


def with_end(service: Service, at: float = 5) -> None:
    service.log = [stage_complete(at, 1), job_complete(at, 2, {"words": 3})]
    service.state = snapshot(at, 2, "completed", results={"words": 3})


# Order and end


def test_watch_yields_the_log_and_ends_with_the_job() -> None:
    service = Service()
    with_end(service)
    service.start()
    service.run(10)
    assert service.types() == ["stage_complete", "job_complete"]
    assert service.feed.state == "ended"
    assert service.feed.error is None
    assert service.feed.job.results == {"words": 3}
    assert service.open == set()


def test_subscribe_carries_the_key_and_no_after_seq_at_first() -> None:
    service = Service()
    service.start()
    service.run(1)
    (request,) = service.subscribes()
    assert request["job_id"] == JOB
    assert request["access_key"]
    assert "after_seq" not in request


def test_snapshot_of_a_running_job_is_yielded_as_progress() -> None:
    service = Service()
    service.state = snapshot(3, 0, progress=40, overall_progress=20, message="reads")
    service.start()
    service.run(1)
    (update,) = service.messages
    assert isinstance(update, ProgressUpdate)
    assert (update.progress, update.message) == (40, "reads")
    assert service.feed.state == "live"
    assert service.feed.transport == "websocket"


def test_messages_of_another_job_are_ignored() -> None:
    service = Service()
    service.start()
    service.deliver(1, {**progress(1, 0, 50), "job_id": "job_20240115_ffffffffffffffff"}, delay=0.5)
    service.run(1)
    assert [each.progress for each in service.messages if isinstance(each, ProgressUpdate)] == [0]


def test_unknown_types_and_fields_are_ignored() -> None:
    service = Service()
    service.start()
    service.deliver(1, {"type": "from_the_future", "job_id": JOB}, delay=0.5)
    service.deliver(1, progress(1, 0, 50, from_the_future=1), delay=0.5)
    service.run(1)
    assert service.feed.job.progress == 50


@pytest.mark.parametrize(
    "text", ["", "[1]", "\xff", '{"type":"stage_complete"}', '{"type":"subscribed"}', '{"type":7}']
)
def test_invalid_frame_does_not_end_the_watch(text: str) -> None:
    service = Service()
    service.start()
    service.run(1)
    service.feed.received(1, text, service.now)
    assert service.feed.state == "live"


# Missing messages


def test_missing_message_is_requested_after_a_delay() -> None:
    service = Service()
    service.start()
    service.run(1)
    service.log = [stage_complete(1, 1)]
    service.deliver(1, progress(2, 1, 10, "two"))
    service.run(2)
    assert len(service.subscribes()) == 1  # It may still be in flight.
    service.run(4)
    assert len(service.subscribes()) == 2
    assert service.types()[-2:] == ["stage_complete", "progress_update"]


def test_message_that_is_only_late_is_not_requested() -> None:
    service = Service()
    service.start()
    service.run(1)
    service.deliver(1, progress(2, 1, 10, "two"))
    service.deliver(1, stage_complete(1, 1), delay=1)
    service.run(20)
    assert len(service.subscribes()) == 1


def test_every_third_request_for_missing_messages_uses_a_new_connection() -> None:
    service = Service()
    service.start()
    service.run(1)
    service.deliver(1, progress(2, 1, 10, "two"))  # The service never sends message 1.
    service.run(40)
    assert len(service.connects) >= 2
    assert 2 in service.open
    assert 1 not in service.open


def test_replay_limit_delays_the_next_request() -> None:
    class Limited(Service):
        def on_send(self, number: int, frame: dict[str, Any]) -> None:
            if len(self.subscribes()) == 2:
                self.error(number, frame, "replay_limited", retry_after_seconds=30)
            else:
                super().on_send(number, frame)

    service = Limited()
    service.start()
    service.run(1)
    service.deliver(1, progress(2, 1, 10, "two"))
    service.run(3)
    assert len(service.subscribes()) == 2
    service.log = [stage_complete(1, 1)]
    service.run(30)
    assert len(service.subscribes()) == 2
    service.run(40)
    assert service.types()[-2:] == ["stage_complete", "progress_update"]


def test_lost_log_is_replaced_by_the_snapshot() -> None:
    class Expired(Service):
        def on_send(self, number: int, frame: dict[str, Any]) -> None:
            self.subscribed(
                number, frame, snapshot(9, 7, "failed", error={"code": "x", "message": "y"}), recovered=False
            )

    service = Expired()
    service.start()
    service.run(1)
    (end,) = service.messages
    assert isinstance(end, JobFailed)
    assert (end.seq, end.error.code) == (7, "x")


# Connections


def test_lost_connection_is_replaced_and_resumed_after_the_last_seq() -> None:
    service = Service()
    service.start()
    service.run(1)
    service.log = [stage_complete(1, 1)]
    service.deliver(1, service.log[0])
    service.run(2)
    service.lose(1)
    service.log.append(job_complete(3, 2))
    service.run(10)
    assert service.subscribes()[1]["after_seq"] == 1
    assert service.types() == ["progress_update", "stage_complete", "job_complete"]


def test_state_is_resuming_between_connections() -> None:
    service = Service()
    service.start()
    states = [service.feed.state]
    service.run(1)
    states.append(service.feed.state)
    service.feed.lost(1, "closed", 1)
    assert [*states, service.feed.state] == ["connecting", "live", "resuming"]
    assert service.feed.transport is None


def test_delay_before_a_connection_grows_to_30_seconds_with_full_jitter() -> None:
    class Refusing(Service):
        def on_connect(self, number: int) -> None:
            self.lose(number, 0.01)

    delays: list[list[float]] = []
    for seed in range(60):
        service = Refusing(seed=seed)
        service.start()
        service.run(600)
        delays.append([b - a - 0.01 for a, b in itertools.pairwise(service.connects)])
    for attempt in range(6):
        bound = min(30, 0.5 * 2**attempt)
        observed = [each[attempt] for each in delays]
        assert max(observed) <= bound + 1e-9
        assert max(observed) > bound * 0.8
        assert min(observed) < bound * 0.2
    assert max(max(each) for each in delays) <= 30 + 1e-9


def test_silence_of_a_running_job_is_probed_and_a_dead_connection_replaced() -> None:
    class Silent(Service):
        def on_send(self, number: int, frame: dict[str, Any]) -> None:
            if frame["type"] == "subscribe":
                super().on_send(number, frame)

    service = Silent()
    service.start()
    service.run(60)
    probes = [at for at, _, frame in service.sent if frame["type"] == "request_status"]
    assert probes
    assert probes[0] == pytest.approx(_feed.SILENCE_BEFORE_PROBE, abs=0.1)
    assert len(service.connects) == 2  # No reply within 10 s.
    assert 1 not in service.open


def test_probe_carries_the_key() -> None:
    service = Service()
    service.start()
    service.run(100)
    assert {frame["access_key"] for _, _, frame in service.sent} == {KEY}
    assert {frame["type"] for _, _, frame in service.sent} == {"subscribe", "request_status"}


def test_lost_last_message_is_noticed_by_the_probe() -> None:
    service = Service()
    service.start()
    service.run(1)
    with_end(service)  # Both messages are lost on their way.
    service.run(60)
    assert service.types() == ["progress_update", "stage_complete", "job_complete"]
    assert len(service.connects) == 1


def test_idle_connection_of_a_waiting_job_is_kept_open_with_a_probe() -> None:
    service = Service()
    service.state = snapshot(0, 0, "queued")
    service.start()
    service.run(3000)
    probes = [at for at, _, frame in service.sent if frame["type"] == "request_status"]
    assert len(probes) == 9
    assert all(b - a <= 301 for a, b in itertools.pairwise(probes))
    assert len(service.connects) == 1


def test_connection_is_replaced_before_two_hours_without_a_gap() -> None:
    service = Service()
    service.start()
    service.run(2 * 3600)
    first, second = service.connects
    assert first == 0
    assert 100 * 60 <= second <= 110 * 60 + 1
    assert service.open == {2}
    assert service.feed.state == "live"


def test_old_connection_delivers_until_the_new_one_is_subscribed() -> None:
    class Slow(Service):
        def on_connect(self, number: int) -> None:
            self.at(0.02 if number == 1 else 5, lambda now: self.opened(number, now))

    service = Slow()
    service.start()
    service.run(99 * 60)
    while len(service.connects) == 1:
        service.run(service.now + 1)
    assert service.open == {1}
    service.deliver(1, progress(6600, 0, 77))
    service.run(service.now + 1)
    assert service.feed.job.progress == 77


def test_failed_replacement_leaves_the_old_connection_in_use() -> None:
    class Refusing(Service):
        def on_connect(self, number: int) -> None:
            if number == 1 or number > 3:
                super().on_connect(number)
            else:
                self.lose(number, 0.01)

    service = Refusing()
    service.start()
    service.run(2 * 3600)
    assert service.open == {4}
    assert service.polls == []


def test_gateway_frame_without_type_as_a_reply_replaces_the_connection() -> None:
    class Failing(Service):
        def on_send(self, number: int, frame: dict[str, Any]) -> None:
            if number == 1:
                self.deliver(1, {"message": "Internal server error", "connectionId": "x", "requestId": "r"})
            else:
                super().on_send(number, frame)

    service = Failing()
    service.start()
    service.run(10)
    assert service.open == {2}


@pytest.mark.parametrize("code", ["forbidden", "job_not_found", "invalid_job_id", "invalid_message"])
def test_permanent_refusal_ends_the_watch(code: str) -> None:
    class Refusing(Service):
        def on_send(self, number: int, frame: dict[str, Any]) -> None:
            self.error(number, frame, code)

    service = Refusing()
    service.start()
    service.run(10)
    assert service.feed.error is not None
    assert service.feed.error.code == code
    assert isinstance(service.feed.error, ForbiddenError) == (code == "forbidden")
    assert service.feed.deadline is None


def test_internal_error_is_retried_over_another_connection() -> None:
    class Faulty(Service):
        def on_send(self, number: int, frame: dict[str, Any]) -> None:
            if number == 1:
                self.error(number, frame, "internal")
            else:
                super().on_send(number, frame)

    service = Faulty()
    with_end(service)
    service.start()
    service.run(10)
    assert service.types() == ["stage_complete", "job_complete"]


def test_close_ends_the_watch_and_closes_all_connections() -> None:
    service = Service()
    service.start()
    service.run(1)
    service.feed.close()
    assert [type(each).__name__ for each in service.feed.take_commands()] == ["Close"]
    assert service.feed.deadline is None
    service.feed.received(1, "{}", 2)
    service.feed.polled(5, {}, 2)
    assert service.feed.take_commands() == []


# HTTP


class Blocked(Service):
    """WebSockets are blocked: the handshake fails, or with `hangs` is never answered."""

    hangs = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.polls_work = True

    def on_connect(self, number: int) -> None:
        if not self.hangs:
            self.lose(number, 0.05)


def test_watch_polls_after_two_failed_connections() -> None:
    service = Blocked()
    with_end(service)
    service.start()
    service.run(5)
    assert len(service.connects) >= 2
    assert service.types() == ["stage_complete", "job_complete"]


def test_watch_polls_if_the_handshake_is_not_answered() -> None:
    class Hanging(Blocked):
        hangs = True

    service = Hanging()
    with_end(service)
    service.start()
    service.run(60)
    assert service.polls == [(_feed.CONNECT_TIMEOUT, 0)]
    assert service.feed.state == "ended"


def test_polls_follow_retry_after_with_jitter_and_continue_after_the_last_seq() -> None:
    service = Blocked(use_websocket=False)
    service.log = [stage_complete(1, 1)]
    service.state = snapshot(1, 1, stage="two")
    service.retry_after = 7
    service.start()
    service.run(60)
    assert service.connects == []
    assert [after for _, after in service.polls] == [0] + [1] * (len(service.polls) - 1)
    gaps = [b[0] - a[0] - 0.02 for a, b in itertools.pairwise(service.polls)]
    assert all(7 <= gap <= 7.7 + 1e-9 for gap in gaps)
    assert service.types() == ["stage_complete", "progress_update"]
    assert service.feed.transport == "http"


@pytest.mark.parametrize(("asked", "bounds"), [(0, (1, 1.1)), (9999, (60, 66)), (None, (60, 66))])
def test_poll_interval_is_bounded(asked: float | None, bounds: tuple[float, float]) -> None:
    service = Blocked(use_websocket=False)
    service.retry_after = asked
    service.start()
    service.run(300)
    gaps = [b[0] - a[0] - 0.02 for a, b in itertools.pairwise(service.polls)]
    assert gaps
    assert all(bounds[0] <= gap <= bounds[1] + 1e-9 for gap in gaps)


def test_further_pages_are_requested_at_once() -> None:
    class Paged(Blocked):
        def on_poll(self, number: int, after_seq: int) -> None:
            page = self.log[after_seq : after_seq + 1]
            answer = {"recovered": True, "events": page, "snapshot": self.state}
            self.answer_poll(number, {**answer, "more": after_seq + 1 < len(self.log), "retry_after": 0})

    service = Paged(use_websocket=False)
    service.log = [stage_complete(1, seq, f"stage_{seq}") for seq in range(1, 6)] + [job_complete(2, 6)]
    service.state = snapshot(2, 6, "completed")
    service.start()
    service.run(0.5)
    assert [message.seq for message in service.messages] == [1, 2, 3, 4, 5, 6]


def test_page_without_messages_is_not_requested_again_at_once() -> None:
    class Empty(Blocked):
        def on_poll(self, number: int, after_seq: int) -> None:
            answer = {"recovered": True, "events": [], "snapshot": self.state, "more": True, "retry_after": 0}
            self.answer_poll(number, answer)

    service = Empty(use_websocket=False)
    service.start()
    service.run(10)
    assert len(service.polls) <= 10


def test_watch_returns_to_websockets_and_stops_polling() -> None:
    class Blocking(Blocked):
        def on_connect(self, number: int) -> None:
            if self.now < 20:
                super().on_connect(number)
            else:
                Simulation.on_connect(self, number)

    service = Blocking()
    service.log = [stage_complete(1, 1)]
    service.state = snapshot(1, 1, stage="two")
    service.start()
    service.run(100)
    assert service.feed.transport == "websocket"
    assert service.subscribes()[0]["after_seq"] == 1
    polls = len(service.polls)
    service.run(200)
    assert len(service.polls) == polls
    assert service.types() == ["stage_complete", "progress_update"]


def test_failed_polls_back_off_and_recover() -> None:
    class Failing(Blocked):
        def on_poll(self, number: int, after_seq: int) -> None:
            if self.now < 60:
                self.refuse_poll(number, "internal", 500)
            else:
                super().on_poll(number, after_seq)

    service = Failing(use_websocket=False)
    with_end(service)
    service.start()
    service.run(59)
    assert service.feed.state == "connecting"
    service.run(200)
    assert service.types() == ["stage_complete", "job_complete"]


def test_service_without_the_route_ends_only_a_watch_without_websockets() -> None:
    class Old(Blocked):
        def on_poll(self, number: int, after_seq: int) -> None:
            self.refuse_poll(number, "not_found", 404)

    for use_websocket in (False, True):
        service = Old(use_websocket=use_websocket)
        service.start()
        service.run(100)
        assert service.feed.is_over is not use_websocket


def test_forbidden_poll_ends_the_watch() -> None:
    class Refused(Blocked):
        def on_poll(self, number: int, after_seq: int) -> None:
            self.refuse_poll(number, "forbidden", 403)

    service = Refused()
    service.start()
    service.run(100)
    assert service.feed.error is not None
    assert service.feed.error.code == "forbidden"


@pytest.mark.parametrize("answer", [{}, {"snapshot": None, "events": []}, {"snapshot": {}, "events": [1]}])
def test_invalid_answer_to_a_poll_is_a_failed_poll(answer: dict[str, Any]) -> None:
    class Strange(Blocked):
        def on_poll(self, number: int, after_seq: int) -> None:
            if self.now < 5:
                self.answer_poll(number, answer)
            else:
                super().on_poll(number, after_seq)

    service = Strange(use_websocket=False)
    with_end(service)
    service.start()
    service.run(60)
    assert service.feed.state == "ended"


def test_wake_polls_at_once() -> None:
    service = Blocked(use_websocket=False)
    service.retry_after = 60
    service.start()
    service.run(1)
    service.feed.wake(service.now)
    service.run(2)
    assert [at for at, _ in service.polls] == [0, 1]


# Readers


def test_slow_reader_gets_only_the_latest_of_consecutive_updates() -> None:
    service = Service()
    service.start()
    service.run(1)
    for percent in (10, 20, 30):
        service.feed.received(1, json.dumps(progress(1, 0, percent)), 1)
    service.feed.received(1, json.dumps(stage_complete(2, 1)), 2)
    service.feed.received(1, json.dumps(progress(3, 1, 5, "two")), 3)
    service.feed.received(1, json.dumps(progress(3, 1, 6, "two")), 3)
    kept = service.feed.take_messages()
    assert [(each.type, getattr(each, "progress", None)) for each in kept] == [
        ("progress_update", 30),
        ("stage_complete", None),
        ("progress_update", 6),
    ]


def test_key_is_not_in_the_representation_of_a_command() -> None:
    service = Service()
    service.start()
    service.feed.opened(1, 0)
    (command,) = service.feed.take_commands()
    assert repr(command) == "Send(connection=1, type='subscribe')"


# Random faults


class Unreliable(Simulation):
    """A job of several stages over a network that delays, reorders, duplicates and drops frames and connections.

    As the real service does, it sends a durable message again to a connection only in answer to a `subscribe`, and
    only if it was not sent there before.
    """

    STAGES = 5

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed)
        self.faults = random.Random(seed + 1_000_000)
        self.rate = self.faults.choice([0.0, 0.05, 0.2, 0.4])
        self.healthy_after = 90.0
        self.blocked = self.faults.random() < 0.2
        self.expired_below = self.faults.choice([0, 0, 0, 2])
        self.log: list[dict[str, Any]] = []
        self.current: dict[str, Any] = snapshot(0, 0, "queued")
        self.replayed: dict[int, int] = {}
        self.subscribed_connections: set[int] = set()
        self._plan()

    def chance(self) -> bool:
        return self.now < self.healthy_after and self.faults.random() < self.rate

    def _plan(self) -> None:
        at = 1.0
        for stage in range(self.STAGES):
            attempts = self.faults.choice([1, 1, 2])
            for attempt in range(1, attempts + 1):
                percent = 0.0
                for _ in range(self.faults.randint(1, 6)):
                    at += self.faults.random() * 6
                    percent = min(100, percent + self.faults.randint(0, 30))
                    self.at(at, self._progress(stage, percent, attempt))
            at += 0.5
            self.at(at, self._complete(stage))
        self.at(at + 0.2, self._end())

    def _progress(self, stage: int, percent: float, attempt: int) -> Callable[[float], None]:
        def act(now: float) -> None:
            seq = len(self.log)
            update = progress(now, seq, percent, f"stage_{stage}", attempt=attempt)
            self.current = {**snapshot(now, seq), **{k: v for k, v in update.items() if k not in ("type", "timestamp")}}
            self._publish(update)

        return act

    def _complete(self, stage: int) -> Callable[[float], None]:
        def act(now: float) -> None:
            self.log.append(stage_complete(now, len(self.log) + 1, f"stage_{stage}", stage))
            self.current = {**self.current, "seq": len(self.log), "progress": 100, "updated_at": timestamp(now)}
            self._publish(self.log[-1])

        return act

    def _end(self) -> Callable[[float], None]:
        def act(now: float) -> None:
            self.log.append(job_complete(now, len(self.log) + 1, "done"))
            self.current = snapshot(now, len(self.log), "completed", results="done")
            self._publish(self.log[-1])

        return act

    def _publish(self, frame: dict[str, Any]) -> None:
        for number in self.subscribed_connections & self.open:
            self._transmit(number, frame)

    def _transmit(self, number: int, frame: dict[str, Any]) -> None:
        if self.chance():
            return
        self.deliver(number, frame, delay=self.faults.random() * (2 if self.chance() else 0.05))
        if self.chance():
            self.deliver(number, frame, delay=self.faults.random() * 3)
        if self.chance() and self.faults.random() < 0.3:
            self.lose(number, self.faults.random())

    def on_connect(self, number: int) -> None:
        if (self.blocked and self.now < 40) or self.chance():
            if self.faults.random() < 0.5:
                self.lose(number, self.faults.random())
        else:
            super().on_connect(number)

    def on_send(self, number: int, frame: dict[str, Any]) -> None:
        if self.chance():
            return
        if frame["type"] == "request_status":
            self.status(number, frame, self.current)
            return
        after = frame.get("after_seq", 0)
        self.subscribed_connections.add(number)
        recovered = after >= self.expired_below or len(self.log) <= after
        self.subscribed(number, frame, self.current, recovered=recovered)
        if recovered:
            start = max(after, self.replayed.get(number, 0))
            for message in self.log[start:]:
                self._transmit(number, message)
        self.replayed[number] = len(self.log)

    def on_poll(self, number: int, after_seq: int) -> None:
        if self.chance():
            super().on_poll(number, after_seq)
            return
        recovered = after_seq >= self.expired_below or len(self.log) <= after_seq
        page = self.log[after_seq : after_seq + 2] if recovered else []
        more = recovered and after_seq + 2 < len(self.log)
        answer = {"recovered": recovered, "events": page, "snapshot": self.current, "more": more, "retry_after": 1}
        self.answer_poll(number, answer, delay=self.faults.random())


@pytest.mark.parametrize("seed", range(200))
def test_every_durable_message_arrives_once_and_in_order_despite_faults(seed: int) -> None:
    service = Unreliable(seed)
    service.start()
    service.run(1200)
    assert service.feed.is_over, "the watch has not ended"
    assert service.feed.error is None
    assert isinstance(service.messages[-1], JobComplete)
    assert service.messages[-1].results == "done"
    durable = [each.seq for each in service.messages if not isinstance(each, ProgressUpdate)]
    expected = list(range(1, Unreliable.STAGES + 2))
    if service.expired_below == 0:
        assert durable == expected
    else:
        assert durable == sorted(set(durable))
        assert durable[-1] == expected[-1]
    _assert_progress_goes_forwards(service)
    assert service.feed.job.status == "completed"
    assert all(stage.status == "completed" for stage in service.feed.job.stages)


def _assert_progress_goes_forwards(service: Simulation) -> None:
    seq = 0
    best: dict[str, tuple[int, float]] = {}
    finished: set[str] = set()
    for message in service.messages:
        assert message.seq >= seq
        seq = message.seq
        if isinstance(message, ProgressUpdate):
            reached = (message.attempt or 1, message.progress)
            assert reached >= best.get(message.stage, (0, 0.0))
            assert message.stage not in finished or message.progress == 100
            best[message.stage] = reached
        elif isinstance(message, StageComplete):
            finished.add(message.stage)
