"""Watches a job over a WebSocket, or over HTTP where WebSockets are blocked."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from . import _feed
from ._feed import Authorize, Close, Command, Connect, Feed, Poll, Send, Transport, WatchState
from ._portal import Portal
from ._version import __version__
from .errors import StagecastError
from .messages import JobMessage
from .state import WatchedJob

WebSocketUrl: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""`websocket_url` of a created job. A function is called for each connection, so that the address can carry a fresh
token of the environment's authorizer."""

_OPEN_TIMEOUT = 10.0
_CLOSE_TIMEOUT = 1.0
_MAX_FRAME = 1 << 20
"""API Gateway's frames have at most 128 KB."""

_wire_log = logging.getLogger("stagecast.websocket")
# At its level DEBUG, websockets logs all frames, which contain the access key.
_wire_log.setLevel(logging.INFO)


class _Driver:
    """Executes the commands of a feed and reports to it what has happened."""

    def __init__(
        self,
        feed: Feed,
        websocket_url: WebSocketUrl | None,
        poll: Callable[[int], Awaitable[Any]],
        token: Callable[[], Awaitable[str]],
    ) -> None:
        self.feed = feed
        self.unread: list[JobMessage] = []
        self.news = asyncio.Event()
        """Set when a message is unread or the watch is over."""
        self._websocket_url = websocket_url
        self._poll = poll
        self._token = token
        self._token_tasks: set[asyncio.Task[None]] = set()
        self._reports: deque[Callable[[float], None]] = deque()
        self._wake = asyncio.Event()
        self._sockets: dict[int, ClientConnection] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        """The task of each connection and poll, by its number."""

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self.report(self.feed.start)
            while True:
                while self._reports:
                    self._reports.popleft()(time.monotonic())
                deadline = self.feed.deadline
                if deadline is not None and deadline <= time.monotonic():
                    self.feed.advance(time.monotonic())
                for command in self.feed.take_commands():
                    await self._execute(command)
                self._publish()
                if self.feed.is_over:
                    return
                deadline = self.feed.deadline
                delay = 3600.0 if deadline is None else max(0.0, deadline - time.monotonic())
                timer = loop.call_later(delay, self._wake.set)
                try:
                    await self._wake.wait()
                finally:
                    timer.cancel()
                self._wake.clear()
        finally:
            self.feed.close()
            for number in list(self._tasks):
                self._end(number)
            for task in self._token_tasks:
                task.cancel()
            await asyncio.gather(*self._tasks.values(), *self._token_tasks, return_exceptions=True)

    def report(self, event: Callable[[float], None]) -> None:
        self._reports.append(event)
        self._wake.set()

    def _publish(self) -> None:
        for message in self.feed.take_messages():
            _feed.append_message(self.unread, message)
            self.news.set()

    async def _execute(self, command: Command) -> None:
        match command:
            case Connect(number):
                self._spawn(number, self._hold(number))
            case Poll(number, after_seq):
                self._spawn(number, self._request(number, after_seq))
            case Authorize(number):
                task = asyncio.get_running_loop().create_task(self._authorize(number))
                self._token_tasks.add(task)
                task.add_done_callback(self._token_tasks.discard)
            case Close(number):
                self._end(number)
            case Send(number, text):
                if (socket := self._sockets.get(number)) is not None:
                    # The task of the connection reports a loss.
                    with contextlib.suppress(ConnectionClosed):
                        await socket.send(text)

    def _end(self, number: int) -> None:
        """Ends a connection or a poll. An open connection is closed with the code 1000, which ends its task."""
        if (socket := self._sockets.pop(number, None)) is not None:
            closing = asyncio.get_running_loop().create_task(socket.close())
            self._tasks[-number] = closing
            closing.add_done_callback(lambda _: self._tasks.pop(-number, None))
        elif number in self._tasks and -number not in self._tasks:
            self._tasks[number].cancel()

    def _spawn(self, number: int, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number, None))

    async def _hold(self, number: int) -> None:
        """Keeps a connection open and reports its frames."""
        reason = "the connection was closed"
        try:
            async with connect(
                await self._address(),
                open_timeout=_OPEN_TIMEOUT,
                close_timeout=_CLOSE_TIMEOUT,
                # The feed checks the connection itself, with messages that the service answers.
                ping_interval=None,
                max_size=_MAX_FRAME,
                logger=_wire_log,
                user_agent_header=f"stagecast-python/{__version__}",
            ) as socket:
                self._sockets[number] = socket
                self.report(lambda now: self.feed.opened(number, now))
                async for text in socket:
                    self.report(lambda now, text=text: self.feed.received(number, text, now))  # type: ignore[misc]
        except (OSError, WebSocketException, TimeoutError, asyncio.TimeoutError) as error:
            reason = str(error) or type(error).__name__
        except Exception as error:  # Of the caller's function, or an invalid address: a failed connection as any other.
            reason = f"{type(error).__name__}: {error}"
        finally:
            self._sockets.pop(number, None)
            self.report(lambda now: self.feed.lost(number, reason, now))

    async def _address(self) -> str:
        url = self._websocket_url
        if not callable(url):
            return url or ""
        # The function may send a request for a token.
        found = await asyncio.to_thread(url)
        return await found if inspect.isawaitable(found) else found

    async def _authorize(self, number: int) -> None:
        try:
            token = await self._token()
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            self.report(lambda now: self.feed.unauthorized(number, reason, now))
        else:
            self.report(lambda now: self.feed.authorized(number, token, now))

    async def _request(self, number: int, after_seq: int) -> None:
        try:
            answer = await self._poll(after_seq)
        except Exception as error:
            # Without a report, the watch would wait for the answer forever.
            failure = error if isinstance(error, StagecastError) else StagecastError(f"{type(error).__name__}: {error}")
            self.report(lambda now: self.feed.poll_failed(number, failure, now))
        else:
            self.report(lambda now: self.feed.polled(number, answer, now))


class AsyncWatch:
    """The messages of a job, as an asynchronous iterator that ends with the job.

    Durable messages arrive once and in order, progress only if it is newer. A reader that is slower than the job gets
    the latest of consecutive progress updates. Use `async with`, so that a loop that is left early closes the
    connection. A refusal of the service, such as `forbidden`, is raised by the iteration.
    """

    def __init__(
        self,
        job_id: str,
        access_key: str | None,
        *,
        websocket_url: WebSocketUrl | None,
        after_seq: int,
        poll: Callable[[int], Awaitable[Any]],
        cancel: Callable[[], Awaitable[object]],
        token: Callable[[], Awaitable[str]],
        is_token_renewable: bool,
    ) -> None:
        self._feed = Feed(
            job_id,
            access_key,
            after_seq=after_seq,
            use_websocket=websocket_url is not None,
            is_token_renewable=is_token_renewable,
        )
        self._driver = _Driver(self._feed, websocket_url, poll, token)
        self._cancel = cancel
        self._task: asyncio.Task[None] | None = None
        self._has_raised = False

    @property
    def snapshot(self) -> WatchedJob:
        """The job as known now, with all its stages. Each change creates a new object."""
        return self._feed.job

    @property
    def state(self) -> WatchState:
        """`connecting`, `live`, `resuming` or `ended`."""
        return self._feed.state

    @property
    def transport(self) -> Transport | None:
        """`websocket` or `http` while live, otherwise None."""
        return self._feed.transport

    @property
    def seq(self) -> int:
        """`seq` of the last durable message, for the `after_seq` of a later watch."""
        return self._feed.seq

    def __aiter__(self) -> AsyncWatch:
        return self

    async def __anext__(self) -> JobMessage:
        task = self._start()
        while not self._driver.unread:
            if task.done():
                await self._finish(task)
                raise StopAsyncIteration
            self._driver.news.clear()
            await self._driver.news.wait()
        return self._driver.unread.pop(0)

    async def wait(self, timeout: float | None = None) -> WatchedJob:
        """Waits for the end of the job and returns its last state. Skips the messages that are not read yet.

        Raises `TimeoutError` after `timeout` seconds; the watch stays open.
        """

        async def drain() -> None:
            async for _ in self:
                pass

        try:
            await asyncio.wait_for(drain(), timeout)
        except asyncio.TimeoutError:
            # Before Python 3.11, it is another class than the built-in one.
            raise TimeoutError(f"{self.snapshot.job_id} has not ended within {timeout} s") from None
        return self.snapshot

    async def cancel(self) -> None:
        """Asks the job to stop. Returns when the service has accepted it, also if the job has ended already."""
        await self._cancel()
        self._driver.report(self._feed.wake)

    async def aclose(self) -> None:
        """Ends the watch. The job continues."""
        self._feed.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._driver.unread.clear()

    async def __aenter__(self) -> AsyncWatch:
        self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _start(self) -> asyncio.Task[None]:
        if self._task is None:
            loop = asyncio.get_running_loop()
            driver = self._driver
            task = self._task = loop.create_task(driver.run())
            task.add_done_callback(lambda _: driver.news.set())
            # The task does not refer to the watch: a watch that is no longer used closes its connection.
            weakref.finalize(self, _cancel_from_any_thread, loop, task).atexit = False
        return self._task

    async def _finish(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.result()
        if self._feed.error is not None and not self._has_raised:
            self._has_raised = True
            raise self._feed.error


def _cancel_from_any_thread(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    if not loop.is_closed() and not task.done():
        loop.call_soon_threadsafe(task.cancel)


class Watch:
    """The messages of a job, as an iterator that ends with the job.

    Durable messages arrive once and in order, progress only if it is newer. A reader that is slower than the job gets
    the latest of consecutive progress updates. Use `with`, so that a loop that is left early closes the connection. A
    refusal of the service, such as `forbidden`, is raised by the iteration.
    """

    def __init__(self, watch: AsyncWatch, portal: Portal, client: object) -> None:
        self._watch = watch
        self._portal = portal
        self._client = client
        """Without this reference, a client of which only the watch is used would be closed."""

    @property
    def snapshot(self) -> WatchedJob:
        """The job as known now, with all its stages. Each change creates a new object."""
        return self._watch.snapshot

    @property
    def state(self) -> WatchState:
        """`connecting`, `live`, `resuming` or `ended`."""
        return self._watch.state

    @property
    def transport(self) -> Transport | None:
        """`websocket` or `http` while live, otherwise None."""
        return self._watch.transport

    @property
    def seq(self) -> int:
        """`seq` of the last durable message, for the `after_seq` of a later watch."""
        return self._watch.seq

    def __iter__(self) -> Watch:
        return self

    def __next__(self) -> JobMessage:
        async def following() -> JobMessage | None:
            # A StopAsyncIteration cannot leave a coroutine.
            return await anext(self._watch, None)

        message = self._portal.run(lambda _: following())
        if message is None:
            raise StopIteration
        return message

    def wait(self, timeout: float | None = None) -> WatchedJob:
        """Waits for the end of the job and returns its last state. Skips the messages that are not read yet.

        Raises `TimeoutError` after `timeout` seconds; the watch stays open.
        """
        return self._portal.run(lambda _: self._watch.wait(timeout))

    def cancel(self) -> None:
        """Asks the job to stop. Returns when the service has accepted it, also if the job has ended already."""
        self._portal.run(lambda _: self._watch.cancel())

    def close(self) -> None:
        """Ends the watch. The job continues."""
        if not self._portal.is_closed:
            self._portal.run(lambda _: self._watch.aclose())

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
