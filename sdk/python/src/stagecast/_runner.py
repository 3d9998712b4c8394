"""Runs one claimed job from its claim to its end: attempts, retries, failure, cancellation, release."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable

from ._definition import JobDefinition
from ._invoke import Crashed, Failed, Outcome, Stopped, invoke, invoke_async
from ._process import ProcessSlot
from ._session import JobSession
from ._threads import run_in_thread
from ._transport import AsyncTransport, Transport
from .errors import ApiError, Cancelled, Interrupted, StagecastError

log = logging.getLogger("stagecast")

LONG_DELAY_SECONDS = 30.0
"""A longer wait for the next attempt hands the job back, so that the worker's slot is free."""

Execute = Callable[[int], Awaitable[Outcome]]
"""Calls the job function; the argument is the number of failed attempts."""


def executor_of(
    definition: JobDefinition,
    session: JobSession,
    transport: AsyncTransport,
    sync_transport: Transport,
    process: Callable[[], ProcessSlot],
) -> Execute:
    async def in_loop(failures: int) -> Outcome:
        task = asyncio.create_task(invoke_async(definition, session, transport, failures))

        def interrupt() -> None:
            if isinstance(session.interruption(), Interrupted):
                task.cancel()

        session.on_interruption(interrupt)
        return await task

    async def in_thread(failures: int) -> Outcome:
        return await run_in_thread(
            f"stagecast-{session.claim.job_id}", lambda: invoke(definition, session, sync_transport, failures)
        )

    async def in_process(failures: int) -> Outcome:
        return await process().run(definition, session, failures)

    if definition.is_async:
        return in_loop
    return in_process if definition.executor == "process" else in_thread


async def run_claim(definition: JobDefinition, session: JobSession, execute: Execute, *, can_release: bool) -> str:
    """Returns how the claim ended: a final status of the job, `released`, `lost` or `crashed`."""
    driver = asyncio.create_task(session.drive())
    job_id = session.claim.job_id
    try:
        try:
            await session.load_finished()
        except StagecastError as error:
            log.warning("%s: the results of finished stages cannot be read: %s", job_id, error)
            await session.release(int(LONG_DELAY_SECONDS))
            return await _ended(driver, session)
        failures = session.claim.failures
        while True:
            outcome = await execute(failures)
            if isinstance(outcome, Crashed):
                log.error("%s: %s; the lease ends within 30 seconds", job_id, outcome.reason)
                return "crashed"
            if isinstance(outcome, Failed) and outcome.is_temporary and failures < definition.retries:
                failures += 1
                if await _wait_for_retry(definition, session, outcome, failures, can_release=can_release):
                    continue
            await _finish(session, outcome)
            return await _ended(driver, session)
    finally:
        driver.cancel()


async def _wait_for_retry(
    definition: JobDefinition, session: JobSession, failed: Failed, failures: int, *, can_release: bool
) -> bool:
    """Waits for the next attempt. False if the job is not attempted again in this claim."""
    delay = definition.delay_before(failures + 1)
    attempts = definition.retries + 1
    log.info("%s: attempt %d of %d starts in %.1f s", session.claim.job_id, failures + 1, attempts, delay)
    session.announce_retry(f"Attempt {failures + 1} of {attempts} starts in {math.ceil(delay)} s: {failed.message}")
    # The number of failures travels with the checkpoint of a stage.
    if delay > LONG_DELAY_SECONDS and can_release and session.running_stage is not None:
        await session.release(math.ceil(delay), failures)
        return False
    if await session.is_interrupted_within(delay):
        return False
    session.retry()
    return True


async def _finish(session: JobSession, outcome: Outcome) -> None:
    """Posts the end that the function's outcome amounts to, unless the claim is over."""
    if session.is_over:
        return
    interruption = session.interruption()
    try:
        if isinstance(interruption, Cancelled):
            await session.cancel()
        elif isinstance(interruption, Interrupted):
            return
        elif isinstance(outcome, Stopped):
            await session.fail("interrupted", "the job function stopped without a cancellation")
        elif isinstance(outcome, Failed):
            await session.fail(outcome.code, outcome.message)
    except ApiError as error:
        log.error("%s: the end of the job is refused, so it is handed back: %s", session.claim.job_id, error)
        await session.release()


async def _ended(driver: asyncio.Task[None], session: JobSession) -> str:
    await driver
    if session.lost_code is not None:
        log.warning("%s: the claim is lost: %s", session.claim.job_id, session.lost_code)
    return session.outcome
