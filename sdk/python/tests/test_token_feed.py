"""A watch with owner tokens: the state machine against a scripted service."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from simulated import JOB, Simulation, common, progress, snapshot, stage_complete, timestamp
from stagecast.errors import ForbiddenError

LIFETIME = 300.0


class Service(Simulation):
    """Accepts every token for `LIFETIME` seconds."""

    def __init__(self, **options: Any) -> None:
        super().__init__(key=None, **options)
        self.seq = 0

    def frames(self, kind: str) -> list[tuple[float, dict[str, Any]]]:
        return [(at, frame) for at, _, frame in self.sent if frame["type"] == kind]

    def times(self) -> dict[str, Any]:
        return {"timestamp": timestamp(self.now), "token_expires_at": timestamp(self.now + LIFETIME)}

    def on_send(self, number: int, frame: dict[str, Any]) -> None:
        if frame["type"] == "subscribe":
            self.subscribed(number, frame, snapshot(self.now, self.seq), **self.times())
        elif frame["type"] == "authenticate":
            reply = {"type": "authenticated", "owner": "user-7", "subscriptions": 1, **self.times()}
            self.deliver(number, {**reply, "request_id": frame["request_id"]})
        elif frame["type"] == "request_status":
            self.status(number, frame, snapshot(self.now, self.seq))

    def expire(self, number: int, delay: float) -> None:
        notice = {"type": "error", "code": "token_expired", "message": "expired", "request_id": "req_1_a"}
        self.deliver(number, {**notice, "details": {"job_id": JOB}}, delay)


def test_connection_authenticates_again_before_each_expiry() -> None:
    service = Service()
    service.start()
    service.run(1000.0)
    assert [frame["token"] for _, frame in service.frames("subscribe")] == ["token-1"]
    authenticated = service.frames("authenticate")
    assert [frame["token"] for _, frame in authenticated] == ["token-2", "token-3", "token-4", "token-5"]
    times = [0.0, *(at for at, _ in authenticated)]
    assert all(0 < later - earlier < LIFETIME for earlier, later in itertools.pairwise(times))
    # A probe has the token, and never the key of another watch.
    assert all("token" in frame and "access_key" not in frame for _, frame in service.frames("request_status"))


def test_ended_subscription_is_opened_again_with_a_fresh_token_after_the_last_seq() -> None:
    service = Service()
    service.start()
    service.run(1.0)
    service.seq = 1
    service.deliver(1, stage_complete(1.0, 1))
    service.expire(1, 0.1)
    service.run(2.0)
    (_, first), (_, second) = service.frames("subscribe")
    assert (first["token"], "after_seq" in first) == ("token-1", False)
    assert (second["token"], second["after_seq"]) == ("token-2", 1)
    # The snapshots of both subscriptions are progress of the running job.
    assert [message.type for message in service.messages] == ["progress_update", "stage_complete", "progress_update"]
    assert len(service.connects) == 1


def test_fixed_token_is_used_until_the_service_ends_the_subscription() -> None:
    service = Service(is_token_renewable=False)
    service.start()
    service.expire(1, LIFETIME + 30)
    service.run(1000.0)
    assert not service.frames("authenticate")
    assert service.feed.is_over
    assert service.feed.error is not None
    assert service.feed.error.code == "token_expired"


def test_failed_function_is_called_again_and_the_watch_goes_on() -> None:
    class Failing(Service):
        def on_authorize(self, number: int) -> None:
            if len(self.authorizations) in (1, 3, 4):
                self.at(0.02, lambda now: self.feed.unauthorized(number, "down", now))
            else:
                super().on_authorize(number)

    service = Failing()
    service.start()
    service.run(290.0)
    # The first connection has no token and is replaced; the refresh of the second succeeds at the third attempt.
    assert len(service.connects) == 2
    assert [frame["token"] for _, frame in service.frames("subscribe")] == ["token-2"]
    assert [frame["token"] for _, frame in service.frames("authenticate")] == ["token-5"]
    assert service.feed.transport == "websocket"


@pytest.mark.parametrize(
    ("code", "details", "ends"),
    [
        ("invalid_token", {"reason": "invalid_signature"}, True),
        ("token_forbidden", {"scope": "watch"}, True),
        ("forbidden", {}, True),
        ("invalid_token", {"reason": "expired"}, False),
        ("invalid_token", {"reason": "unknown_key"}, False),
        ("token_keys_unavailable", {"retry_after_seconds": 4}, False),
    ],
)
def test_refused_token_ends_the_watch_unless_the_next_one_may_be_accepted(
    code: str, details: dict[str, Any], ends: bool
) -> None:
    class Refusing(Service):
        def on_send(self, number: int, frame: dict[str, Any]) -> None:
            if number == 1:
                self.error(number, frame, code, **details)
            else:
                super().on_send(number, frame)

    service = Refusing()
    service.start()
    service.run(60.0)
    assert service.feed.is_over is ends
    if ends:
        assert service.feed.error is not None
        assert service.feed.error.code == code
        assert isinstance(service.feed.error, ForbiddenError) is (code == "forbidden")
    else:
        assert [frame["token"] for _, frame in service.frames("subscribe")] == ["token-1", "token-2"]
        assert service.feed.transport == "websocket"
        if "retry_after_seconds" in details:
            assert service.connects[1] >= 4


def test_refused_refresh_is_repeated_while_the_earlier_token_lasts() -> None:
    class Unavailable(Service):
        def on_send(self, number: int, frame: dict[str, Any]) -> None:
            if frame["type"] == "authenticate" and len(self.frames("authenticate")) == 1:
                self.error(number, frame, "token_keys_unavailable", retry_after_seconds=10)
            else:
                super().on_send(number, frame)

    service = Unavailable()
    service.start()
    service.run(LIFETIME)
    (refused, _), (accepted, _) = service.frames("authenticate")
    assert 10 <= accepted - refused < 12
    assert len(service.connects) == 1


def test_refresh_that_extends_nothing_subscribes_again() -> None:
    class Ended(Service):
        def on_send(self, number: int, frame: dict[str, Any]) -> None:
            if frame["type"] == "authenticate":
                reply = {"type": "authenticated", "owner": "user-7", "subscriptions": 0, **self.times()}
                self.deliver(number, {**reply, "request_id": frame["request_id"]})
            else:
                super().on_send(number, frame)

    service = Ended()
    service.start()
    service.run(LIFETIME)
    assert [frame["token"] for _, frame in service.frames("subscribe")] == ["token-1", "token-2"]


def test_messages_during_a_refresh_are_yielded() -> None:
    service = Service()
    service.start()
    service.deliver(1, progress(240.0, 0, 50), 240.01)
    service.deliver(1, {"type": "job_complete", **common(241.0, 1), "results": None}, 241.0)
    service.run(1000.0)
    assert [getattr(message, "progress", None) for message in service.messages if message.seq == 0].count(50) == 1
    assert service.messages[-1].type == "job_complete"
    assert service.feed.error is None
