"""Runs the protocol of one claimed job on an event loop. Job functions call it from any thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import httpx

from ._claim import Claim
from ._protocol import ClaimProtocol, Done, Send, Wait
from ._stages import StageTracker
from ._transport import JSON_AS_BYTES, NO_RETRY, AsyncTransport, Request
from ._waiting import wait_for_event
from .errors import Cancelled, Interrupted, LeaseLost, Released

log = logging.getLogger("stagecast")

_POST_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
"""Below the lease of 30 seconds, so that a post that hangs is repeated within it."""

T = TypeVar("T")


class JobSession:
    """Implements `Channel`."""

    def __init__(
        self,
        transport: AsyncTransport,
        claim: Claim,
        default_stage: str,
        declared: Mapping[str, float] | None = None,
        *,
        url: str = "",
        claimed_at: float | None = None,
    ) -> None:
        self.claim = claim
        self.url = url or str(transport.base)
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._protocol = ClaimProtocol(claim.raw, time.monotonic() if claimed_at is None else claimed_at)
        self._stages = StageTracker(claim, self._protocol, default_stage, declared)
        self._wake = asyncio.Event()
        self._waiting: list[tuple[int, concurrent.futures.Future[None]]] = []
        self._is_released = False
        self._has_stopped = False
        self._listeners: list[Callable[[], None]] = []
        self._notified: type[BaseException] | None = None

    # Channel: called by the job function, in its thread.

    def interruption(self) -> BaseException | None:
        protocol = self._protocol
        if self._is_released:
            return Released("the worker has handed the job back")
        if protocol.lost is not None:
            return LeaseLost(protocol.lost)
        if protocol.ended is not None:
            return LeaseLost(f"the job is {protocol.ended}")
        if protocol.refused is not None:
            return protocol.refused
        if protocol.cancel_requested:
            return Cancelled("a client cancelled the job")
        return None

    def begin(self, stage: str, weight: float) -> bool:
        return self._do(lambda: self._stages.begin(stage, weight))

    def begin_default(self) -> str | None:
        return self._do(self._stages.begin_default)

    def enter(self, stage: str) -> None:
        self._do(lambda: self._stages.enter(stage))

    def end(self, stage: str, result: Any) -> None:
        self._do(lambda: self._stages.end(stage, result))

    def abandon(self, stage: str) -> None:
        self._do(lambda: self._stages.abandon(stage))

    def set_result(self, stage: str, result: Any) -> None:
        self._do(lambda: self._stages.set_result(stage, result))

    def complete(self, stage: str, result: Any) -> int | None:
        return self._do(lambda: self._stages.complete(stage, result))

    def progress(self, stage: str, percent: int | None, message: str, extra: Mapping[str, Any]) -> None:
        with self._lock:
            had_progress = self._protocol.has_progress
            self._stages.progress(stage, percent, message, extra)
        if not had_progress:
            self.poke()

    def store(self, stage: str, state: Any, urgent: bool) -> int | None:
        return self._do(lambda: self._stages.store(stage, state, urgent=urgent))

    def attach(self, artifact: Mapping[str, Any]) -> None:
        self._do(lambda: self._stages.attach(artifact))

    def conclude(self, value: Any) -> int:
        return self._do(lambda: self._stages.conclude(value))

    def finished(self) -> dict[str, Any]:
        with self._lock:
            return dict(self._stages.finished)

    def checkpoint(self) -> tuple[str, Any] | None:
        with self._lock:
            return self._stages.checkpoint

    def wait(self, ticket: int) -> None:
        self.ticket_future(ticket).result()

    def ticket_future(self, ticket: int) -> concurrent.futures.Future[None]:
        """Resolves when the outcome of a ticket is known."""
        future: concurrent.futures.Future[None] = concurrent.futures.Future()
        future.set_running_or_notify_cancel()  # An asyncio task that waits for it cannot cancel it.
        with self._lock:
            self._waiting.append((ticket, future))
            self._settle_locked()
        return future

    # The runner: called on the event loop.

    @property
    def running_stage(self) -> str | None:
        return self._stages.running

    @property
    def outcome(self) -> str:
        """A final status of the job, `released`, or `lost`."""
        return self._protocol.ended or "lost"

    @property
    def lost_code(self) -> str | None:
        return self._protocol.lost

    @property
    def is_over(self) -> bool:
        return self._protocol.is_over

    def on_interruption(self, listener: Callable[[], None]) -> None:
        """Calls `listener` on the event loop when the job function has to stop, and when the reason changes."""
        self._listeners.append(listener)
        if self.interruption() is not None:
            listener()

    async def load_finished(self) -> None:
        """Fetches the results of finished stages that are too large for the answer to the claim."""
        for stage in self.claim.raw.get("finished") or ():
            if stage.get("results") is None and stage.get("results_url"):
                request = Request("GET", stage["results_url"], key=self.claim.worker_key)
                self._stages.finished[stage["stage"]] = (await self._transport.send(request)).json()

    async def fail(self, code: str, message: str) -> None:
        ticket = self._do(lambda: self._stages.fail(code, message))
        await self._settled(ticket)

    async def cancel(self) -> None:
        ticket = self._do(self._stages.cancel)
        await self._settled(ticket)

    async def release(self, delay_seconds: int = 0, failures: int = 0) -> None:
        """Hands the job back. The job function is interrupted."""
        ticket = self._do(lambda: self._stages.release(delay_seconds, failures))
        self._is_released = True
        self._notify()
        await self._settled(ticket)

    def announce_retry(self, message: str) -> None:
        """Shows clients that the running stage will be attempted again."""
        stage = self._stages.running
        if stage is not None:
            self.progress(stage, None, message, {})

    async def is_interrupted_within(self, seconds: float) -> bool:
        """Waits, unless the job function has to stop."""
        interrupted = asyncio.Event()
        self.on_interruption(interrupted.set)
        return await wait_for_event(interrupted, seconds)

    def retry(self) -> None:
        """The job function is about to be called again."""
        self._do(self._stages.retry)

    async def drive(self) -> None:
        """Posts until the claim is over."""
        path = f"/v1/jobs/{self.claim.job_id}"
        try:
            while True:
                self._wake.clear()
                with self._lock:
                    step = self._protocol.next(time.monotonic())
                    self._settle_locked()
                self._notify()
                if isinstance(step, Done):
                    return
                if isinstance(step, Wait):
                    await wait_for_event(self._wake, step.until - time.monotonic())
                    continue
                await self._post(path, step)
        finally:
            with self._lock:
                self._has_stopped = True
                self._settle_locked()

    async def _post(self, path: str, step: Send) -> None:
        request = Request(
            "POST",
            f"{path}/{step.route}",
            key=self.claim.worker_key,
            headers={"content-type": JSON_AS_BYTES},
            content=step.body,
            timeout=_POST_TIMEOUT,
            policy=NO_RETRY,
        )
        try:
            response = await self._transport.attempt(request)
        except httpx.TransportError as error:
            log.debug("a post for %s got no answer: %s", self.claim.job_id, error or type(error).__name__)
            with self._lock:
                self._protocol.unanswered(time.monotonic())
            return
        with self._lock:
            self._protocol.answered(response.status_code, response.content, response.headers, time.monotonic())
            self._settle_locked()
        self._notify()

    async def _settled(self, ticket: int) -> None:
        """Waits for the outcome of an event that ends the claim."""
        with suppress(Interrupted):
            await asyncio.wrap_future(self.ticket_future(ticket))

    def poke(self) -> None:
        """Something is to be posted. Threads may call it."""
        # The loop is closed if the worker has exited while this thread, a daemon's, still runs.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake.set)

    def _do(self, action: Callable[[], T]) -> T:
        with self._lock:
            result = action()
            self._settle_locked()
        self.poke()
        return result

    def _settle_locked(self) -> None:
        waiting = []
        for ticket, future in self._waiting:
            if not self._protocol.is_settled(ticket):
                if self._has_stopped:
                    future.set_exception(LeaseLost("the worker has stopped"))
                else:
                    waiting.append((ticket, future))
                continue
            error = self._protocol.error_of(ticket)
            if error is None:
                future.set_result(None)
            elif self._is_released and isinstance(error, Interrupted):
                future.set_exception(Released("the worker has handed the job back"))
            else:
                future.set_exception(error)
        self._waiting = waiting

    def _notify(self) -> None:
        interruption = self.interruption()
        if interruption is not None and type(interruption) is not self._notified:
            self._notified = type(interruption)
            for listener in self._listeners:
                listener()
