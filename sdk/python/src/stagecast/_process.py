"""Runs job functions in a child process. The parent keeps the lease, so the child may hold the interpreter's lock.

The child is started once and runs one job after another. Parent and child exchange pickled tuples over a pipe.

The parent sends `("run", run, function, claim, url, failures)`, `("interrupt", run, error)` and
`("reply", id, error, value)`; the child sends `("call", id, name, arguments)`, `("progress", arguments)` and
`("outcome", outcome)`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import multiprocessing
import os
import pickle
import queue
import signal
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from ._claim import Claim
from ._definition import JobDefinition, definition_of
from ._invoke import Crashed, Failed, Outcome, invoke
from ._session import JobSession
from ._transport import Transport
from .errors import LeaseLost

log = logging.getLogger("stagecast")

CHILD_NAME = "stagecast-job"
_CALLS = frozenset(
    {"begin", "begin_default", "enter", "end", "abandon", "set_result", "complete", "store", "attach", "conclude"}
    | {"finished", "checkpoint"}
)
_PROGRESS_INTERVAL = 0.05
_EXIT_SECONDS = 2.0
"""How long an idle child has to exit after its pipe is closed."""


def is_importing_main() -> bool:
    """Whether a new process imports the main module, which must not start another worker.

    That is a process for job functions, or one that a job function has started.
    """
    process = multiprocessing.current_process()
    return process.name == CHILD_NAME or bool(getattr(process, "_inheriting", False))


class ProcessSlot:
    """A child process and the threads that serve its pipe."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        context = multiprocessing.get_context("spawn")
        self._pipe, child_pipe = context.Pipe()
        # No daemon: job functions may start processes. `close` ends the child, and so does the end of this process.
        self._process = context.Process(target=_child, args=(child_pipe,), name=CHILD_NAME)
        self._process.start()
        child_pipe.close()
        self._session: JobSession | None = None
        self._run = 0
        self._outcome: asyncio.Future[Outcome] | None = None
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.is_alive = True
        for target in (self._read, self._write):
            threading.Thread(target=target, name=f"{CHILD_NAME}-pipe", daemon=True).start()

    async def run(self, definition: JobDefinition, session: JobSession, failures: int) -> Outcome:
        self._session = session
        self._outcome = self._loop.create_future()
        self._run += 1
        run = self._run
        self._outgoing.put(("run", run, definition.function, session.claim, session.url, failures))
        session.on_interruption(lambda: self._outgoing.put(("interrupt", run, session.interruption())))
        if not self.is_alive:
            self._ended()
        try:
            return await self._outcome
        finally:
            self._session = None

    def close(self) -> None:
        """Ends the child, also within a job."""
        self.is_alive = False
        self._outgoing.put(None)
        if self._session is None:
            self._process.join(_EXIT_SECONDS)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()

    def _write(self) -> None:
        with suppress(OSError, ValueError):
            while (message := self._outgoing.get()) is not None:
                self._send(message)
        with suppress(OSError):
            self._pipe.close()

    def _send(self, message: tuple[Any, ...]) -> None:
        try:
            self._pipe.send(message)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            # The function is not at the top level of its module.
            problem = Failed("not_picklable", f"the job function cannot be sent to its process: {error}")
            self._loop.call_soon_threadsafe(self._settle, problem)

    def _read(self) -> None:
        with suppress(OSError, EOFError, ValueError, TypeError):
            while True:
                message = self._pipe.recv()
                session = self._session
                if message[0] == "outcome":
                    self._loop.call_soon_threadsafe(self._settle, message[1])
                elif session is None:
                    continue
                elif message[0] == "progress":
                    session.progress(*message[1])
                else:
                    self._call(session, *message[1:])
        self.is_alive = False
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ended)

    def _call(self, session: JobSession, number: int, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "wait":
            future = session.ticket_future(*arguments)
            future.add_done_callback(lambda done: self._outgoing.put(("reply", number, done.exception(), None)))
            return
        error: BaseException | None = None
        value: Any = None
        try:
            if name not in _CALLS:
                raise ValueError(f"unknown call {name!r}")
            value = getattr(session, name)(*arguments)
        except BaseException as problem:
            error = problem
        self._outgoing.put(("reply", number, error, value))

    def _settle(self, outcome: Outcome) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(outcome)

    def _ended(self) -> None:
        self._process.join(1)
        self._settle(Crashed(f"the process ended with exit code {self._process.exitcode}"))


def _child(pipe: Connection) -> None:
    # The parent decides what a signal means: the terminal and systemd send it to both.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    runs: queue.SimpleQueue[tuple[_PipeChannel, Any, int]] = queue.SimpleQueue()
    link = _Link(pipe, runs)
    while True:
        channel, function, failures = runs.get()
        with Transport(channel.url) as transport:
            outcome = invoke(definition_of(function), channel, transport, failures)
        channel.flush()
        link.channel = None
        link.send(("outcome", outcome))


class _Link:
    """The child's end of the pipe."""

    def __init__(self, pipe: Connection, runs: queue.SimpleQueue[tuple[_PipeChannel, Any, int]]) -> None:
        self.channel: _PipeChannel | None = None
        self._pipe = pipe
        self._runs = runs
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._replies: dict[int, queue.SimpleQueue[tuple[BaseException | None, Any]]] = {}
        threading.Thread(target=self._read, name="stagecast-pipe", daemon=True).start()

    def send(self, message: tuple[Any, ...]) -> None:
        with self._lock:
            self._pipe.send(message)

    def call(self, name: str, *arguments: Any) -> Any:
        number = next(self._numbers)
        reply: queue.SimpleQueue[tuple[BaseException | None, Any]] = queue.SimpleQueue()
        self._replies[number] = reply
        try:
            self.send(("call", number, name, arguments))
            error, value = reply.get()
        finally:
            del self._replies[number]
        if error is not None:
            raise error
        return value

    def _read(self) -> None:
        try:
            while True:
                channel = self.channel
                if channel is not None:
                    channel.flush_if_due()
                    if not self._pipe.poll(_PROGRESS_INTERVAL):
                        continue
                message = self._pipe.recv()
                if message[0] == "run":
                    run, function, claim, url, failures = message[1:]
                    self.channel = _PipeChannel(self, run, claim, url)
                    self._runs.put((self.channel, function, failures))
                elif message[0] == "interrupt":
                    if channel is not None and channel.run == message[1]:
                        channel.interrupt(message[2])
                else:
                    reply = self._replies.get(message[1])
                    if reply is not None:
                        reply.put(message[2:])
        except (EOFError, OSError):
            pass
        except BaseException:
            # Such as a module that cannot be imported here.
            traceback.print_exc()
        finally:
            # The parent has closed the pipe or has died: without its heartbeats the lease ends.
            os._exit(1)


class _PipeChannel:
    """Implements `Channel` in the child."""

    def __init__(self, link: _Link, run: int, claim: Claim, url: str) -> None:
        self.run = run
        self.claim = claim
        self.url = url
        self._link = link
        self._interruption: BaseException | None = None
        self._lock = threading.Lock()
        self._pending: tuple[Any, ...] | None = None
        self._sent_at = float("-inf")

    def interruption(self) -> BaseException | None:
        return self._interruption

    def interrupt(self, error: BaseException | None) -> None:
        self._interruption = error or LeaseLost("the worker has stopped")

    def progress(self, stage: str, percent: int | None, message: str, extra: Mapping[str, Any]) -> None:
        with self._lock:
            self._pending = (stage, percent, message, dict(extra))
        self.flush_if_due()

    def flush_if_due(self) -> None:
        if self._pending is not None and time.monotonic() - self._sent_at >= _PROGRESS_INTERVAL:
            self.flush()

    def flush(self) -> None:
        with self._lock:
            if self._pending is not None:
                self._link.send(("progress", self._pending))
                self._pending, self._sent_at = None, time.monotonic()

    def _call(self, name: str, *arguments: Any) -> Any:
        self.flush()
        return self._link.call(name, *arguments)

    def begin(self, stage: str, weight: float) -> bool:
        return bool(self._call("begin", stage, weight))

    def begin_default(self) -> str | None:
        name: str | None = self._call("begin_default")
        return name

    def enter(self, stage: str) -> None:
        self._call("enter", stage)

    def end(self, stage: str, result: Any) -> None:
        self._call("end", stage, result)

    def abandon(self, stage: str) -> None:
        self._call("abandon", stage)

    def set_result(self, stage: str, result: Any) -> None:
        self._call("set_result", stage, result)

    def complete(self, stage: str, result: Any) -> int | None:
        ticket: int | None = self._call("complete", stage, result)
        return ticket

    def store(self, stage: str, state: Any, urgent: bool) -> int | None:
        ticket: int | None = self._call("store", stage, state, urgent)
        return ticket

    def attach(self, artifact: Mapping[str, Any]) -> None:
        self._call("attach", artifact)

    def conclude(self, value: Any) -> int:
        return int(self._call("conclude", value))

    def finished(self) -> dict[str, Any]:
        found: dict[str, Any] = self._call("finished")
        return found

    def checkpoint(self) -> tuple[str, Any] | None:
        found: tuple[str, Any] | None = self._call("checkpoint")
        return found

    def wait(self, ticket: int) -> None:
        self._call("wait", ticket)
