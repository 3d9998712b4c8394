"""The worker: claims jobs from queues and runs them."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from ._claim import Claim
from ._definition import JobDefinition, definition_of, registered
from ._listener import Listener, is_websocket_url
from ._process import ProcessSlot
from ._runner import executor_of, run_claim
from ._schedule import QueueSchedule
from ._session import JobSession
from ._transport import NO_RETRY, AsyncTransport, Transport, json_request, retry_after_seconds
from ._waiting import wait_for_event
from .errors import ApiError, ConfigurationError, RateLimitedError, ServerError, StagecastError, TransportError

log = logging.getLogger("stagecast")

DEFAULT_GRACE_SECONDS = 20.0
"""Below the 30 seconds that ECS and Kubernetes wait by default between SIGTERM and SIGKILL."""

RELEASE_SECONDS = 5.0
"""How long the service has to accept that jobs are handed back; otherwise their leases end by themselves."""

_UNWIND_SECONDS = 2.0
"""How long released job functions have to reach their next safe point before the worker returns."""

_FATAL_CODES = frozenset({"invalid_worker_token", "queue_forbidden", "unknown_queue"})


class Worker:
    """Claims jobs from queues and runs up to `concurrency` of them at once.

    `stagecast.run()` is the usual way to run one. This class embeds it into a program with its own event loop:

        worker = stagecast.Worker([transcribe])
        await worker.run()      # until `worker.stop()`
    """

    def __init__(
        self,
        jobs: Iterable[Callable[..., Any]] | None = None,
        *,
        url: str | None = None,
        token: str | None = None,
        websocket_url: str | None = None,
        use_websocket: bool | None = None,
        concurrency: int | None = None,
        queues: Sequence[str] | None = None,
        grace: float | None = None,
        worker_id: str | None = None,
    ) -> None:
        """Arguments that are None are read from the environment: `STAGECAST_URL`, `STAGECAST_WORKER_TOKEN`,
        `STAGECAST_WEBSOCKET_URL`, `STAGECAST_CONCURRENCY`, `STAGECAST_QUEUES` (separated by commas),
        `STAGECAST_GRACE_SECONDS`. `jobs` are by default all functions decorated with `@stagecast.job(queue=...)`.
        `use_websocket=False` polls the queues instead of listening, as `STAGECAST_NO_WEBSOCKET=1` does.
        """
        self.url = _setting(url, "url", "STAGECAST_URL")
        self._token = _setting(token, "token", "STAGECAST_WORKER_TOKEN")
        self._websocket_url = websocket_url or os.environ.get("STAGECAST_WEBSOCKET_URL") or None
        if self._websocket_url is not None and not is_websocket_url(self._websocket_url):
            expected = "expected an address such as wss://live.example.com (STAGECAST_WEBSOCKET_URL)"
            raise ConfigurationError(f"`websocket_url` is {self._websocket_url!r}: {expected}")
        self._use_websocket = not _switch("STAGECAST_NO_WEBSOCKET") if use_websocket is None else use_websocket
        self._listening: asyncio.Task[None] | None = None
        self.concurrency = int(_number(concurrency, "concurrency", "STAGECAST_CONCURRENCY", 1, at_least=1))
        self.grace = _number(grace, "grace", "STAGECAST_GRACE_SECONDS", DEFAULT_GRACE_SECONDS, at_least=0)
        self._jobs = _select(jobs, queues)
        self.worker_id = worker_id or default_worker_id()
        self._schedules = {queue: QueueSchedule() for queue in self._jobs}
        self._answered: set[str] = set()
        self._running: dict[asyncio.Task[None], JobSession] = {}
        self._processes: list[ProcessSlot] = []
        self._idle_processes: list[ProcessSlot] = []
        self._last_queue = ""
        self._problem: StagecastError | None = None
        self._stopping = False
        self._wake: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def queues(self) -> list[str]:
        return list(self._jobs)

    @property
    def running(self) -> int:
        """The number of jobs that run."""
        return len(self._running)

    def stop(self) -> None:
        """Ends `run`: no further claim; running jobs have `grace` seconds, then they are handed back.

        Threads may call it.
        """
        self._stopping = True
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._poke)

    async def run(self) -> None:
        """Runs until `stop`. Raises an `ApiError` if the service refuses the token or a queue."""
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        log.info("worker %s: %s at %s", self.worker_id, ", ".join(self.queues), self.url)
        async with AsyncTransport(self.url) as transport:
            with Transport(self.url) as sync_transport:
                if not self._use_websocket:
                    log.info("listening is switched off: the queues are polled, at most every 30 seconds")
                elif self._websocket_url is not None:
                    self._listen(self._websocket_url)
                    for schedule in self._schedules.values():
                        schedule.will_listen(time.monotonic())
                try:
                    await self._claim_jobs(transport, sync_transport)
                finally:
                    if self._listening is not None:
                        self._listening.cancel()
                        await asyncio.gather(self._listening, return_exceptions=True)
                    await self._finish()
        if self._problem is not None:
            raise self._problem

    def _learn_websocket_url(self, url: object) -> None:
        """Listens at the address that the answer to a claim has, unless the worker was given one."""
        if url is None or self._listening is not None or not self._use_websocket:
            return
        if isinstance(url, str) and is_websocket_url(url):
            self._listen(url)
        else:
            self._use_websocket = False
            log.warning("the service names the WebSocket address %r, so the queues are polled", url)

    def _listen(self, url: str) -> None:
        listener = Listener(
            url,
            self._token,
            self.queues,
            listening=lambda queue, listener: self._reschedule(self._schedules[queue].listening, listener),
            deafened=self._deafened,
            woken=lambda queue: self._reschedule(self._schedules[queue].woken),
        )
        self._listening = asyncio.create_task(listener.run())
        self._listening.add_done_callback(_log_failure)

    def _deafened(self) -> None:
        for schedule in self._schedules.values():
            schedule.deafened(time.monotonic())
        self._poke()

    def _reschedule(self, change: Callable[..., None], *arguments: Any) -> None:
        change(*arguments)
        self._poke()

    def _poke(self) -> None:
        if self._wake is not None:
            self._wake.set()

    async def _claim_jobs(self, transport: AsyncTransport, sync_transport: Transport) -> None:
        wake = self._wake
        while wake is not None and not self._stopping and self._problem is None:
            wake.clear()
            if len(self._running) >= self.concurrency:
                await wake.wait()
                continue
            queue, due_at = self._next_queue()
            delay = due_at - time.monotonic()
            if delay > 0:
                await wait_for_event(wake, delay)
                continue
            await self._claim(queue, transport, sync_transport)

    def _next_queue(self) -> tuple[str, float]:
        """The queue to claim from next: the one that is due; of several, the one after the last."""
        names = list(self._schedules)
        after = names.index(self._last_queue) + 1 if self._last_queue in names else 0
        now = time.monotonic()
        rotated = names[after:] + names[:after]
        return min(((name, max(now, self._schedules[name].due_at)) for name in rotated), key=lambda found: found[1])

    async def _claim(self, queue: str, transport: AsyncTransport, sync_transport: Transport) -> None:
        definition, schedule = self._jobs[queue], self._schedules[queue]
        self._last_queue = queue
        listener = schedule.listener
        body: dict[str, Any] = {"worker_id": self.worker_id}
        if definition.claim_stages is not None:
            body["stages"] = definition.claim_stages
        if listener is not None:
            body["listener"] = listener
        started, claimed_at = schedule.started(), time.monotonic()
        request = json_request("POST", f"/v1/queues/{queue}/claim", body, key=self._token, policy=NO_RETRY)
        try:
            answer = await transport.send(request)
            claim = None if answer.status == 204 else Claim.parse(answer.json())
        except (TransportError, RateLimitedError, ServerError) as error:
            # If the answer to a successful claim was lost, its lease ends after 30 seconds.
            log.warning("a claim from queue %r failed: %s", queue, error)
            schedule.failed(_retry_after(error), time.monotonic())
            return
        except ApiError as error:
            if error.code in _FATAL_CODES or queue not in self._answered:
                self._problem = error
                return
            log.warning("a claim from queue %r was refused: %s", queue, error)
            schedule.failed(_retry_after(error), time.monotonic())
            return
        except (KeyError, TypeError, ValueError) as error:
            log.error("the answer to a claim from queue %r is not understood: %r", queue, error)
            schedule.failed(None, time.monotonic())
            return
        self._answered.add(queue)
        if claim is None:
            self._learn_websocket_url(answer.headers.get("websocket-url"))
            schedule.got_nothing(started, listener, retry_after_seconds(answer.headers), time.monotonic())
            return
        self._learn_websocket_url(claim.raw.get("websocket_url"))
        schedule.got_job()
        session = JobSession(
            transport,
            claim,
            definition.default_stage,
            definition.stages,
            url=self.url,
            claimed_at=claimed_at,
        )
        task = asyncio.create_task(self._run_job(definition, session, transport, sync_transport))
        self._running[task] = session
        task.add_done_callback(self._job_ended)

    async def _run_job(
        self, definition: JobDefinition, session: JobSession, transport: AsyncTransport, sync_transport: Transport
    ) -> None:
        process: ProcessSlot | None = None

        def take_process() -> ProcessSlot:
            nonlocal process
            if process is None or not process.is_alive:
                process = self._take_process()
            return process

        job_id, started_at = session.claim.job_id, time.monotonic()
        log.info("%s: claimed from queue %r, attempt %d", job_id, session.claim.queue, session.claim.attempt)
        try:
            execute = executor_of(definition, session, transport, sync_transport, take_process)
            outcome = await run_claim(definition, session, execute, can_release=True)
            log.info("%s: %s after %.1f s", job_id, outcome, time.monotonic() - started_at)
        finally:
            if process is not None and process.is_alive:
                self._idle_processes.append(process)

    def _take_process(self) -> ProcessSlot:
        while self._idle_processes:
            process = self._idle_processes.pop()
            if process.is_alive:
                return process
        process = ProcessSlot()
        self._processes = [*(known for known in self._processes if known.is_alive), process]
        return process

    def _job_ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._poke()
        _log_failure(task)

    async def _finish(self) -> None:
        """Waits for the running jobs, hands back those that take too long, and ends their processes."""
        grace = None if self._problem is not None and not self._stopping else self.grace
        deadline = None if grace is None else time.monotonic() + grace
        if self._running:
            log.info("waiting for %d running jobs", len(self._running))
        while self._running and self._wake is not None:
            if deadline is None and self._stopping:
                deadline = time.monotonic() + self.grace
            remaining = None if deadline is None else deadline - time.monotonic()
            if remaining is not None and remaining <= 0:
                break
            self._wake.clear()
            await wait_for_event(self._wake, remaining)
        if self._running:
            tasks = list(self._running)
            log.info("handing back %d jobs", len(tasks))
            releases = [asyncio.create_task(session.release()) for session in self._running.values()]
            await asyncio.wait(releases, timeout=RELEASE_SECONDS)
            tasks += releases
            await asyncio.wait(tasks, timeout=_UNWIND_SECONDS)
            for task in tasks:
                task.cancel()  # Those whose function is in a thread that has not reached a safe point.
            await asyncio.gather(*tasks, return_exceptions=True)
        for process in self._processes:
            await asyncio.to_thread(process.close)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a task of the worker failed", exc_info=error)


def default_worker_id() -> str:
    """Unique among all workers: host, process and a random part."""
    host = re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname())[:40]
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"


def _select(jobs: Iterable[Callable[..., Any]] | None, queues: Sequence[str] | None) -> dict[str, JobDefinition]:
    definitions = registered() if jobs is None else [definition_of(function) for function in jobs]
    found: dict[str, JobDefinition] = {}
    for definition in definitions:
        if not definition.queue:
            raise ConfigurationError(
                f"{definition.function.__qualname__} has no queue: decorate it with @stagecast.job(queue=...)"
            )
        if definition.queue in found:
            raise ConfigurationError(f"queue {definition.queue!r} has two job functions")
        found[definition.queue] = definition
    if queues is None and os.environ.get("STAGECAST_QUEUES"):
        queues = [name.strip() for name in os.environ["STAGECAST_QUEUES"].split(",") if name.strip()]
    if queues is not None:
        unknown = [queue for queue in queues if queue not in found]
        if unknown:
            raise ConfigurationError(
                f"`queues` has {', '.join(unknown)}: there is no job function; those of this worker are "
                f"{', '.join(found) or 'none'}"
            )
        found = {queue: found[queue] for queue in queues}
    if not found:
        raise ConfigurationError("there is no job function: decorate one with @stagecast.job(queue=...) and import it")
    return found


def _setting(value: str | None, name: str, variable: str) -> str:
    found = value or os.environ.get(variable, "").strip()
    if not found:
        raise ConfigurationError(f"`{name}` is missing: pass it, or set {variable}")
    return found


def _number(value: float | None, name: str, variable: str, default: float, *, at_least: float) -> float:
    text = os.environ.get(variable, "").strip() if value is None else str(value)
    try:
        number = float(text) if text else default
    except ValueError:
        number = at_least - 1
    if not number >= at_least:
        raise ConfigurationError(f"`{name}` is {text!r}: expected a number of {at_least} or more ({variable})")
    return number


def _switch(variable: str) -> bool:
    text = os.environ.get(variable, "").strip().lower()
    return text not in ("", "0", "n", "no", "f", "false", "off")


def _retry_after(error: StagecastError) -> float | None:
    value = error.details.get("retry_after_seconds")
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 3600 else None
