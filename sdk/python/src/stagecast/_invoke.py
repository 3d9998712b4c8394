"""Calls a job function once, and says how it ended. Runs in the worker's thread, loop or process."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from ._channel import Channel
from ._context import set_current_job
from ._definition import JobDefinition, snake_case
from ._job import AsyncJob, Job
from ._transport import AsyncTransport, Transport
from .errors import Interrupted, StagecastError

log = logging.getLogger("stagecast")


@dataclass(frozen=True)
class Completed:
    """The function has returned, and the end of the job is stored."""


@dataclass(frozen=True)
class Stopped:
    """The function has followed an interruption."""


@dataclass(frozen=True)
class Failed:
    """The function has raised an exception."""

    code: str
    message: str
    is_temporary: bool = False


@dataclass(frozen=True)
class Crashed:
    """The process of the function has ended. The lease of the job is left to end, so that the attempt counts."""

    reason: str


Outcome = Completed | Stopped | Failed | Crashed


def invoke(definition: JobDefinition, channel: Channel, transport: Transport, failures: int) -> Outcome:
    """Runs a synchronous job function."""
    job = Job(channel, transport)
    job._failures = failures
    set_current_job(job)
    try:
        job._conclude(definition.function(job))
        return Completed()
    except BaseException as error:
        return _outcome(definition, job, error)
    finally:
        job._clean_up()
        set_current_job(None)


async def invoke_async(
    definition: JobDefinition, channel: Channel, transport: AsyncTransport, failures: int
) -> Outcome:
    """Runs a coroutine function. An interruption cancels its task."""
    job = AsyncJob(channel, transport)
    job._failures = failures
    set_current_job(job)
    try:
        await job._conclude(await definition.function(job))
        return Completed()
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) and channel.interruption() is not None:
            return Stopped()
        return _outcome(definition, job, error)
    finally:
        await asyncio.to_thread(job._clean_up)


def _outcome(definition: JobDefinition, job: Job | AsyncJob, error: BaseException) -> Outcome:
    if isinstance(error, Interrupted):
        return Stopped()
    if isinstance(error, StagecastError):
        # The service's own words for clients, without the status and the id of the request.
        code, message = error.code, error.message
    else:
        code, message = snake_case(type(error).__name__), str(error) or type(error).__name__
    is_temporary = definition.is_temporary(error)
    if channel_stopped(job):
        log.info("%s: the function raised %s after it had to stop", job.id, type(error).__name__)
        return Stopped()
    # With the context of the job: the filter for logs reads it.
    log.log(
        logging.WARNING if is_temporary else logging.ERROR,
        "%s: the function raised %s",
        job.id,
        type(error).__name__,
        exc_info=(type(error), error, error.__traceback__),
    )
    return Failed(code, message, is_temporary)


def channel_stopped(job: Job | AsyncJob) -> bool:
    """Whether the function had to stop: then its exception may be a consequence of that, and is not reported."""
    return isinstance(job._channel.interruption(), Interrupted)
