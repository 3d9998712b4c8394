"""Listens for jobs over the WebSocket API."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidURI, WebSocketException

from ._version import __version__
from ._waiting import wait_for_event
from .errors import ConfigurationError

log = logging.getLogger("stagecast")

MAX_QUEUES = 20
"""Subscriptions and listeners of one connection; the service may allow fewer."""

PING_SECONDS = 240.0
"""API Gateway ends a connection after 10 minutes without a message."""

PONG_SECONDS = 30.0
MAX_AGE_SECONDS = 110 * 60.0
"""API Gateway ends a connection after 2 hours: it is replaced before that, without a gap."""

_MAX_RECONNECT_SECONDS = 30.0


def is_websocket_url(url: str) -> bool:
    return url.startswith(("ws://", "wss://"))


class Listener:
    """Keeps one connection that listens to the queues of a worker.

    `listening(queue, listener)` is called with each new listener, `deafened()` when the connection is gone or cannot be
    opened, and `woken(queue)` for each `job_available`. All are called on the event loop.
    """

    def __init__(
        self,
        url: str,
        token: str,
        queues: Sequence[str],
        *,
        listening: Callable[[str, str], None],
        deafened: Callable[[], None],
        woken: Callable[[str], None],
        max_age: float = MAX_AGE_SECONDS,
        ping_interval: float = PING_SECONDS,
    ) -> None:
        self._url = url
        self._token = token
        self._queues = list(queues)[:MAX_QUEUES]
        self._listening = listening
        self._deafened = deafened
        self._woken = woken
        self._max_age = max_age
        self._ping_interval = ping_interval

    async def run(self) -> None:
        """Listens until it is cancelled. Reconnects with a random delay of at most 30 seconds."""
        failures = 0
        previous: _Connection | None = None
        connection: _Connection | None = None
        try:
            while True:
                try:
                    connection = await self._connect()
                except (OSError, WebSocketException, asyncio.TimeoutError) as error:
                    if isinstance(error, InvalidURI):
                        raise ConfigurationError(f"`websocket_url` is {self._url!r}: {error}") from error
                    failures += 1
                    if previous is not None and previous.is_broken:
                        await previous.close()
                        previous = None
                        self._deafened()
                    elif failures == 1 and previous is None:
                        self._deafened()
                    log.log(
                        logging.WARNING if failures == 1 else logging.DEBUG,
                        "listening is not possible, so the queues are polled: %s",
                        error or type(error).__name__,
                    )
                    await asyncio.sleep(random.uniform(0, min(_MAX_RECONNECT_SECONDS, 2.0 ** min(failures, 16))))
                    continue
                if previous is not None:
                    await previous.close()
                    previous = None
                if await connection.serve():
                    failures = 0
                    previous = connection  # Still open and receiving until the next one is connected.
                    continue
                await connection.close()
                self._deafened()
                failures = 1 if connection.has_listened else failures + 1
                await asyncio.sleep(random.uniform(0, min(_MAX_RECONNECT_SECONDS, 2.0 ** min(failures, 16))))
        finally:
            for open_one in {previous, connection} - {None}:
                if open_one is not None:
                    await open_one.close()

    async def _connect(self) -> _Connection:
        # The pings of the WebSocket protocol do not keep API Gateway from ending the connection.
        socket = await connect(
            self._url,
            open_timeout=15,
            close_timeout=2,
            ping_interval=None,
            max_size=1 << 20,
            user_agent_header=f"stagecast-python/{__version__}",
        )
        return _Connection(self, socket)


class _Connection:
    def __init__(self, listener: Listener, socket: ClientConnection) -> None:
        self.has_listened = False
        self._owner = listener
        self._socket = socket
        age = listener._max_age * random.uniform(0.9, 1.0)
        self._replace_at = time.monotonic() + age
        self._task: asyncio.Task[None] | None = None
        self._pong = asyncio.Event()

    async def serve(self) -> bool:
        """Listens and receives. True when the connection is old and has to be replaced; False when it is broken."""
        try:
            for queue in self._owner._queues:
                message = {"type": "listen", "queue": queue, "worker_token": self._owner._token, "request_id": queue}
                await self._socket.send(json.dumps(message))
        except (OSError, WebSocketException):
            return False
        self._task = asyncio.create_task(self._receive())
        next_ping = time.monotonic() + self._owner._ping_interval
        while not self._task.done():
            now = time.monotonic()
            if now >= self._replace_at:
                return True
            if now >= next_ping:
                next_ping = now + self._owner._ping_interval
                if not await self._ping():
                    return False
            await asyncio.wait([self._task], timeout=max(0.0, min(next_ping, self._replace_at) - time.monotonic()))
        return False

    @property
    def is_broken(self) -> bool:
        return self._task is None or self._task.done()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        with suppress(OSError, WebSocketException):
            await self._socket.close()

    async def _ping(self) -> bool:
        self._pong.clear()
        try:
            await self._socket.send('{"type":"ping"}')
        except (OSError, WebSocketException):
            return False
        return await wait_for_event(self._pong, PONG_SECONDS)

    async def _receive(self) -> None:
        with suppress(OSError, WebSocketException):
            async for frame in self._socket:
                try:
                    message = json.loads(frame)
                except ValueError:
                    continue
                if isinstance(message, dict):
                    self._handle(message)

    def _handle(self, message: dict[str, Any]) -> None:
        kind, queue = message.get("type"), message.get("queue")
        if kind == "listening" and queue in self._owner._queues and isinstance(message.get("listener"), str):
            self.has_listened = True
            self._owner._listening(queue, message["listener"])
        elif kind == "job_available" and queue in self._owner._queues:
            self._owner._woken(queue)
        elif kind == "pong":
            self._pong.set()
        elif kind == "error":
            # The claims of this queue report what is wrong with the token; meanwhile it is polled.
            log.warning(
                "listening to queue %r is refused: %s: %s",
                message.get("request_id"),
                message.get("code"),
                message.get("message"),
            )
