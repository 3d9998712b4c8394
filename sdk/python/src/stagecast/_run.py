"""`stagecast.run` and `stagecast.run_job`: a worker, or one job, as a program."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from ._claim import Claim
from ._definition import JobDefinition, definition_of
from ._process import ProcessSlot, is_importing_main
from ._runner import executor_of, run_claim
from ._session import JobSession
from ._transport import AsyncTransport, Transport, json_request
from ._worker import DEFAULT_GRACE_SECONDS, RELEASE_SECONDS, Worker, default_worker_id

log = logging.getLogger("stagecast")


def run(
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
    """Runs a worker until SIGTERM or SIGINT; see `Worker` for the arguments.

    The first signal stops claims and gives running jobs `grace` seconds; then they are handed back, and `run` returns.
    A second signal ends the process at once.
    """
    if is_importing_main():
        return
    worker = Worker(
        jobs,
        url=url,
        token=token,
        websocket_url=websocket_url,
        use_websocket=use_websocket,
        concurrency=concurrency,
        queues=queues,
        grace=grace,
        worker_id=worker_id,
    )

    async def main() -> None:
        restore = _on_signals(worker.stop)
        try:
            await worker.run()
        finally:
            restore()

    asyncio.run(main())


def run_job(
    url: str,
    job_id: str,
    worker_key: str,
    function: Callable[..., Any],
    *,
    worker_id: str | None = None,
    grace: float = DEFAULT_GRACE_SECONDS,
) -> str:
    """Runs one job that was created with `?worker=external`, and returns how it ended.

    That is `completed`, `failed`, `cancelled`, `released` after SIGTERM or SIGINT, `lost` if another claim owns the
    job, or `crashed` if the process of the function ended. The claim names the stages, so the function declares them
    with `@stagecast.job(stages=[...])`; otherwise it has one stage, with its name. Raises an `ApiError` if the job
    cannot be claimed.
    """
    if is_importing_main():
        return "released"
    return asyncio.run(
        _run_job(url, job_id, worker_key, definition_of(function), worker_id or default_worker_id(), grace)
    )


async def _run_job(
    url: str, job_id: str, worker_key: str, definition: JobDefinition, worker_id: str, grace: float
) -> str:
    stages = dict(definition.stages or {definition.default_stage: 1.0})
    process: ProcessSlot | None = None

    def take_process() -> ProcessSlot:
        nonlocal process
        if process is None or not process.is_alive:
            process = ProcessSlot()
        return process

    async with AsyncTransport(url) as transport:
        with Transport(url) as sync_transport:
            claimed_at = time.monotonic()
            body = {"stages": list(stages), "worker_id": worker_id}
            answer = await transport.send(json_request("POST", f"/v1/jobs/{job_id}/claim", body, key=worker_key))
            claim = Claim.parse(answer.json(), job_id=job_id, worker_key=worker_key)
            session = JobSession(transport, claim, definition.default_stage, stages, claimed_at=claimed_at)
            execute = executor_of(definition, session, transport, sync_transport, take_process)
            running = asyncio.create_task(run_claim(definition, session, execute, can_release=False))
            stopping = asyncio.Event()
            restore = _on_signals(stopping.set)
            stopped = asyncio.create_task(stopping.wait())
            try:
                await asyncio.wait([running, stopped], return_when=asyncio.FIRST_COMPLETED)
                if not running.done():
                    await asyncio.wait([running], timeout=grace)
                if not running.done():
                    releasing = asyncio.create_task(session.release())
                    await asyncio.wait([releasing], timeout=RELEASE_SECONDS)
                    await asyncio.wait([running], timeout=2)
                return running.result() if running.done() else session.outcome
            finally:
                restore()
                stopped.cancel()
                if process is not None:
                    await asyncio.to_thread(process.close)


def _on_signals(stop: Callable[[], object]) -> Callable[[], None]:
    """Calls `stop` at the first SIGTERM or SIGINT; the second one ends the process. Returns what undoes it."""
    loop = asyncio.get_running_loop()
    has_stopped = False

    def handle(number: int) -> None:
        nonlocal has_stopped
        if has_stopped:
            log.warning("second signal: the process ends at once")
            os._exit(128 + number)
        has_stopped = True
        log.info("%s: no further jobs are claimed", signal.Signals(number).name)
        stop()

    handled: list[signal.Signals] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not in the main thread, or not on this platform: the caller stops the worker.
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, handle, number)
            handled.append(number)

    def restore() -> None:
        for number in handled:
            loop.remove_signal_handler(number)

    return restore
