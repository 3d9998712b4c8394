"""The listener over real connections to the scripted service."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from stagecast._listener import Listener
from worker_service import TOKEN, ScriptedService, scripted_service


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    with scripted_service() as found:
        yield found


def listen(
    service: ScriptedService, condition: Callable[[list[tuple[str, ...]]], bool], **options: float
) -> list[tuple[str, ...]]:
    """Listens to two queues until the condition holds; returns what was called."""
    calls: list[tuple[str, ...]] = []

    async def run() -> None:
        listener = Listener(
            service.websocket_url,
            TOKEN,
            ["a", "b"],
            listening=lambda queue, listener: calls.append(("listening", queue, listener)),
            deafened=lambda: calls.append(("deafened",)),
            woken=lambda queue: calls.append(("woken", queue)),
            **options,
        )
        task = asyncio.create_task(listener.run())
        try:
            while not condition(calls):
                await asyncio.sleep(0.005)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    return calls


def test_listener_sends_the_token_and_reports_its_id_for_each_queue(service: ScriptedService) -> None:
    calls = listen(service, lambda calls: len(calls) == 2)
    assert calls == [("listening", "a", "a#0"), ("listening", "b", "b#0")]
    assert service.listens[0] == {"type": "listen", "queue": "a", "worker_token": TOKEN, "request_id": "a"}


def test_listener_reports_wake_ups_of_its_queues_only(service: ScriptedService) -> None:
    def condition(calls: list[tuple[str, ...]]) -> bool:
        if len(calls) == 2:
            service.connections[0].send('{"type":"job_available","queue":"other"}')
            service.connections[0].send("no JSON")
            service.connections[0].send('{"message":"Forbidden","connectionId":"x","requestId":"y"}')
            service.connections[0].send('{"type":"job_available","queue":"b"}')
            calls.append(("sent",))
        return ("woken", "b") in calls

    assert [call for call in listen(service, condition) if call[0] == "woken"] == [("woken", "b")]


def test_old_connection_is_replaced_without_being_deafened(service: ScriptedService) -> None:
    calls = listen(service, lambda calls: ("listening", "b", "b#1") in calls, max_age=0.05)
    assert ("deafened",) not in calls


def test_silent_connection_is_pinged(service: ScriptedService) -> None:
    calls = listen(service, lambda _: service.pings >= 2, ping_interval=0.05)
    assert ("deafened",) not in calls


def test_broken_connection_is_reported_and_replaced(service: ScriptedService) -> None:
    def condition(calls: list[tuple[str, ...]]) -> bool:
        if len(calls) == 2:
            threading.Thread(target=service.connections[0].close).start()
            calls.append(("closed",))
        return ("listening", "b", "b#1") in calls

    calls = listen(service, condition)
    assert calls.index(("deafened",)) < calls.index(("listening", "b", "b#1"))
