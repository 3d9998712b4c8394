"""The driver of a watch, over real WebSocket connections on a local port and scripted HTTP answers."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from websockets.asyncio.server import ServerConnection

import stagecast
from client_service import URL, http_client, live_server, refused
from simulated import JOB, KEY, job_complete, progress, snapshot, stage_complete
from stagecast import JobComplete, StageComplete, _feed


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_feed, "BACKOFF_FIRST", 0.01)
    monkeypatch.setattr(_feed, "BACKOFF_LONGEST", 0.02)
    monkeypatch.setattr(_feed, "POLL_INTERVAL", (0.01, 0.02))


class Live:
    """The WebSocket API with one job."""

    def __init__(self) -> None:
        self.log: list[dict[str, Any]] = []
        self.state = snapshot(0, 0)
        self.requests: list[dict[str, Any]] = []
        self.connections = 0
        self.closed = threading.Event()
        """A connection has ended."""
        self.close_codes: list[int | None] = []

    async def __call__(self, socket: ServerConnection) -> None:
        self.connections += 1
        try:
            async for text in socket:
                request = json.loads(text)
                self.requests.append(request)
                await self.answer(socket, request)
        finally:
            await socket.wait_closed()
            self.close_codes.append(socket.protocol.close_code)
            self.closed.set()

    async def answer(self, socket: ServerConnection, request: dict[str, Any]) -> None:
        reply = {"type": "subscribed", "job_id": JOB, "seq": self.state["seq"], "recovered": True}
        await socket.send(json.dumps({**reply, "status": self.state, "request_id": request["request_id"]}))
        for message in self.log[request.get("after_seq", 0) :]:
            await socket.send(json.dumps(message))


def ended(live: Live) -> Live:
    live.log = [stage_complete(1, 1), job_complete(2, 2, {"words": 3})]
    live.state = snapshot(2, 2, "completed", results={"words": 3})
    return live


def no_http(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("blocked")


def client(address: str | None, http: Callable[[httpx.Request], httpx.Response] = no_http) -> stagecast.Client:
    return stagecast.Client(URL, websocket_url=address, http_client=http_client(http))


def test_watch_iterates_to_the_end_of_the_job() -> None:
    live = ended(Live())
    with live_server(live) as address, client(address) as api:
        watch = api.watch(JOB, KEY)
        assert [message.type for message in watch] == ["stage_complete", "job_complete"]
        assert (watch.state, watch.seq, watch.snapshot.results) == ("ended", 2, {"words": 3})
        assert list(watch) == []
        assert live.closed.wait(30)
    assert live.requests[0]["access_key"] == KEY


def test_async_watch_iterates_to_the_end_of_the_job() -> None:
    async def run(address: str) -> list[str]:
        api = stagecast.AsyncClient(URL, websocket_url=address, http_client=http_client(no_http))
        async with api, api.watch(JOB, KEY) as watch:
            return [message.type async for message in watch]

    with live_server(ended(Live())) as address:
        assert asyncio.run(run(address)) == ["stage_complete", "job_complete"]


def test_lost_connection_is_resumed() -> None:
    class Flaky(Live):
        async def answer(self, socket: ServerConnection, request: dict[str, Any]) -> None:
            if self.connections == 1:
                self.log = [stage_complete(1, 1)]
                await super().answer(socket, request)
                ended(self)
                socket.transport.abort()
            else:
                await super().answer(socket, request)

    live = Flaky()
    with live_server(live) as address, client(address) as api:
        durable = [message.seq for message in api.watch(JOB, KEY) if message.type != "progress_update"]
    assert durable == [1, 2]
    assert [request.get("after_seq") for request in live.requests] == [None, 1]


def test_watch_falls_back_to_http_and_follows_retry_after() -> None:
    polls: list[httpx.Request] = []

    def http(request: httpx.Request) -> httpx.Response:
        polls.append(request)
        log = [stage_complete(1, 1), job_complete(2, 2)]
        done = len(polls) > 1
        state = snapshot(2, 2, "completed") if done else snapshot(1, 1, stage="two")
        after = int(request.url.params["after_seq"])
        body = {"recovered": True, "events": (log if done else log[:1])[after:], "snapshot": state}
        return httpx.Response(200, json={**body, "more": False, "retry_after": None if done else 1})

    with client("ws://127.0.0.1:1/live", http) as api:
        types = [message.type for message in api.watch(JOB, KEY)]
    assert types == ["stage_complete", "progress_update", "job_complete"]
    assert polls[0].headers["authorization"] == f"Bearer {KEY}"
    assert [poll.url.params["after_seq"] for poll in polls] == ["0", "1"]


def test_unexpected_error_of_a_poll_is_a_failed_poll() -> None:
    polls = 0

    def http(_: httpx.Request) -> httpx.Response:
        nonlocal polls
        polls += 1
        if polls == 1:
            raise RuntimeError("a fault of the HTTP client")
        body = {"recovered": True, "events": [job_complete(1, 1)], "snapshot": snapshot(1, 1, "completed")}
        return httpx.Response(200, json={**body, "more": False, "retry_after": None})

    with client(None, http) as api:
        assert api.watch(JOB, KEY).wait(30).status == "completed"


def test_watch_without_an_address_polls() -> None:
    def http(request: httpx.Request) -> httpx.Response:
        body = {"recovered": True, "events": [job_complete(1, 1)], "snapshot": snapshot(1, 1, "completed")}
        return httpx.Response(200, json={**body, "more": False, "retry_after": None})

    with client(None, http) as api, api.watch(JOB, KEY) as watch:
        assert isinstance(next(watch), JobComplete)


def test_refusal_is_raised_once() -> None:
    with client(None, lambda _: refused(403, "forbidden")) as api:
        watch = api.watch(JOB, "wrong")
        with pytest.raises(stagecast.ForbiddenError):
            next(watch)
        assert list(watch) == []


def test_address_function_is_called_for_each_connection_and_may_fail() -> None:
    calls = 0

    with live_server(ended(Live())) as address:

        def fresh() -> str:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise RuntimeError("no token")
            return f"{address}?token={calls}"

        api = stagecast.Client(URL, websocket_url=fresh, http_client=http_client(no_http))
        with api:
            assert api.watch(JOB, KEY).wait(10).status == "completed"
    assert calls == 2


def test_loop_that_is_left_early_closes_the_connection() -> None:
    live = Live()
    with live_server(live) as address, client(address) as api:
        with api.watch(JOB, KEY) as watch:
            for _ in watch:
                break
        assert live.closed.wait(30)
        assert live.close_codes == [1000]
        assert watch.state == "ended"
        assert list(watch) == []


def test_abandoned_watch_closes_its_connection() -> None:
    live = Live()
    with live_server(live) as address, client(address) as api:
        watch = api.watch(JOB, KEY)
        next(watch)
        del watch
        gc.collect()
        assert live.closed.wait(30)


def test_closing_the_client_ends_its_watches() -> None:
    live = Live()
    with live_server(live) as address:
        with client(address) as api:
            watch = api.watch(JOB, KEY)
            next(watch)
        assert live.closed.wait(30)
        assert watch.state == "ended"


def test_watch_keeps_its_client_open() -> None:
    with live_server(ended(Live())) as address:
        watch = client(address).watch(JOB, KEY)
        gc.collect()
        assert watch.wait(10).status == "completed"
        watch.close()


def test_abandoned_client_closes_the_connections_of_its_watches() -> None:
    live = Live()
    with live_server(live) as address:
        watch = client(address).watch(JOB, KEY)
        next(watch)
        del watch
        gc.collect()
        assert live.closed.wait(30)


def test_watch_of_a_closed_client_says_so() -> None:
    with live_server(Live()) as address:
        with client(address) as api:
            watch = api.watch(JOB, KEY)
            next(watch)
        with pytest.raises(RuntimeError, match="closed"):
            next(watch)
        watch.close()


def test_wait_times_out_and_the_watch_goes_on() -> None:
    class Delayed(Live):
        async def answer(self, socket: ServerConnection, request: dict[str, Any]) -> None:
            await super().answer(socket, request)
            await asyncio.to_thread(released.wait, 10)
            await socket.send(json.dumps(job_complete(1, 1)))

    released = threading.Event()
    with live_server(Delayed()) as address, client(address) as api, api.watch(JOB, KEY) as watch:
        with pytest.raises(TimeoutError, match=JOB):
            watch.wait(0.05)
        released.set()
        assert watch.wait(10).has_ended


def test_connection_is_served_while_the_caller_does_something_else() -> None:
    class Probing(Live):
        async def answer(self, socket: ServerConnection, request: dict[str, Any]) -> None:
            if request["type"] == "request_status":
                probed.set()
            await super().answer(socket, request)

    probed = threading.Event()
    live = Probing()
    live.state = snapshot(0, 0, progress=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_feed, "SILENCE_BEFORE_PROBE", 0.01)
        with live_server(live) as address, client(address) as api, api.watch(JOB, KEY) as watch:
            next(watch)
            assert probed.wait(10)


def test_progress_is_skipped_for_a_slow_reader_and_durable_messages_are_not() -> None:
    class Chatty(Live):
        async def answer(self, socket: ServerConnection, request: dict[str, Any]) -> None:
            await super().answer(socket, request)
            for percent in range(1, 100):
                await socket.send(json.dumps(progress(1, 0, percent)))
            for message in (stage_complete(2, 1), job_complete(2, 2)):
                await socket.send(json.dumps(message))

    with live_server(Chatty()) as address, client(address) as api, api.watch(JOB, KEY) as watch:
        first = next(watch)
        while not watch.snapshot.has_ended:
            time.sleep(0.001)
        messages = [first, *watch]
    updates = [message.progress for message in messages if isinstance(message, stagecast.ProgressUpdate)]
    assert len(updates) <= 2
    assert updates[-1] == 99
    assert [message.seq for message in messages[len(updates) :]] == [1, 2]


def test_cancel_asks_over_http_and_polls_at_once() -> None:
    state = {"cancelled": False}

    def http(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            state["cancelled"] = True
            return httpx.Response(202, json={})
        cancelled = {
            "type": "job_cancelled",
            **{k: v for k, v in job_complete(1, 1).items() if k not in ("type", "results")},
        }
        body = {"recovered": True, "events": [cancelled] if state["cancelled"] else []}
        found = snapshot(1, 1, "cancelled") if state["cancelled"] else snapshot(1, 0)
        return httpx.Response(200, json={**body, "snapshot": found, "more": False, "retry_after": 60})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_feed, "POLL_INTERVAL", (3600.0, 3600.0))
        with client(None, http) as api, api.watch(JOB, KEY) as watch:
            next(watch)
            watch.cancel()
            assert watch.wait(10).status == "cancelled"


def test_two_watches_of_one_client_are_independent() -> None:
    with live_server(ended(Live())) as address, client(address) as api:
        first, second = api.watch(JOB, KEY), api.watch(JOB, KEY, after_seq=1)
        assert isinstance(next(first), StageComplete)
        assert isinstance(next(second), JobComplete)
        assert isinstance(next(first), JobComplete)


def test_keys_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with live_server(ended(Live())) as address, client(address) as api:
        api.watch(JOB, KEY).wait(10)
    refusing = client("ws://127.0.0.1:1/live", lambda _: refused(403, "forbidden"))
    with refusing as api, pytest.raises(stagecast.ForbiddenError):
        api.watch(JOB, KEY).wait(10)
    assert caplog.records
    assert KEY not in caplog.text


def test_watch_by_a_token_authenticates_again_on_the_open_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_feed, "TOKEN_RETRY_INTERVAL", 0.01)

    class Short(Live):
        """Every token has expired when it arrives, so that the next one is needed at once."""

        async def answer(self, socket: ServerConnection, request: dict[str, Any]) -> None:
            times = {"timestamp": self.state["updated_at"], "token_expires_at": self.state["updated_at"]}
            if request["type"] == "subscribe":
                reply: dict[str, Any] = {"type": "subscribed", "job_id": JOB, "seq": 0, "recovered": True}
                reply["status"] = self.state
            else:
                reply = {"type": "authenticated", "owner": "user-7", "subscriptions": 1}
            await socket.send(json.dumps({**reply, **times, "request_id": request["request_id"]}))
            if len(self.requests) == 3:
                await socket.send(json.dumps(job_complete(2, 1)))

    async def token() -> str:
        tokens.append(f"token-{len(tokens) + 1}")
        return tokens[-1]

    tokens: list[str] = []
    live = Short()
    with live_server(live) as address:
        api = stagecast.Client(URL, websocket_url=address, http_client=http_client(no_http), token=token)
        with api:
            assert api.watch(JOB).wait(30).status == "completed"
    assert [request["type"] for request in live.requests] == ["subscribe", "authenticate", "authenticate"]
    assert [request["token"] for request in live.requests] == ["token-1", "token-2", "token-3"]
    assert live.connections == 1
    assert all("access_key" not in request for request in live.requests)
