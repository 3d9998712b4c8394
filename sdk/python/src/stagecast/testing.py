"""Runs job functions in unit tests: in this process, in memory, without a service and without waiting.

outcome = stagecast.testing.run(transcribe, input=b"...", parameters={"language": "en"})
assert outcome.results == {"words": 3}
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from ._claim import Claim
from ._context import set_current_job
from ._definition import definition_of
from ._invoke import Failed, invoke, invoke_async
from ._protocol import ClaimProtocol, Send
from ._stages import StageTracker
from ._transport import AsyncTransport, Transport
from .errors import Cancelled

__all__ = ["JobOutcome", "run"]

T = TypeVar("T")

_URL = "http://stagecast.invalid"


@dataclass
class JobOutcome:
    """What a job function has done."""

    status: str = "running"
    """`completed`, `failed` or `cancelled`."""
    stages: dict[str, Any] = field(default_factory=dict)
    """The results of the finished stages, in the order of their ends."""
    progress: list[dict[str, Any]] = field(default_factory=list)
    """The progress updates, each with `stage`, `progress` and `message`."""
    checkpoints: list[tuple[str, Any]] = field(default_factory=list)
    """The stored states, each with its stage."""
    artifacts: dict[str, bytes] = field(default_factory=dict)
    """The contents of the attached files."""
    error: dict[str, str] | None = None
    """`code` and `message` of a failure."""
    is_temporary: bool = False
    """Whether a worker would attempt the job again, as often as `retries` allows."""

    @property
    def results(self) -> Any:
        """The results of the job: those of the stage that finished last."""
        return next(reversed(self.stages.values())) if self.stages else None


def run(
    function: Callable[..., Any],
    *,
    input: bytes = b"",  # noqa: A002
    content_type: str = "application/octet-stream",
    parameters: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    finished: Mapping[str, Any] | None = None,
    checkpoint: tuple[str, Any] | None = None,
    attempt: int = 1,
    cancel_after: int | None = None,
) -> JobOutcome:
    """Calls a job function once. It may be a coroutine function; not within a running event loop.

    `finished` and `checkpoint`, a stage and its state, are what an earlier claim has left. With `cancel_after`, a
    client cancels the job after that number of progress updates.
    """
    definition = definition_of(function)
    raw = {
        "job_id": "job_20260101_0000000000000000",
        "worker_key": "key",
        "queue": definition.queue or None,
        "epoch": 1,
        "seq": len(finished or {}),
        "attempt": attempt,
        "content_type": content_type,
        "parameters": dict(parameters or {}),
        "labels": dict(labels or {}),
        "finished": [{"stage": stage, "results": results} for stage, results in (finished or {}).items()],
    }
    if checkpoint is not None:
        raw["checkpoint"] = {"stage": checkpoint[0], "state": checkpoint[1]}
    outcome = JobOutcome(stages=dict(finished or {}))
    channel = _MemoryChannel(Claim.parse(raw), outcome, definition.default_stage, definition.stages, cancel_after)
    handler = _files(outcome, input)
    with _no_current_job():
        if definition.is_async:
            ended = asyncio.run(_run_async(definition, channel, handler))
        else:
            with httpx.Client(transport=httpx.MockTransport(handler)) as client:
                ended = invoke(definition, channel, Transport(_URL, client=client), 0)
    if isinstance(ended, Failed):
        channel.fail(ended.code, ended.message)
        outcome.is_temporary = ended.is_temporary
    elif outcome.status == "running":
        channel.cancel()
    return outcome


async def _run_async(
    definition: Any, channel: _MemoryChannel, handler: Callable[[httpx.Request], httpx.Response]
) -> Any:
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
        return await invoke_async(definition, channel, AsyncTransport(_URL, client=client), 0)


@contextmanager
def _no_current_job() -> Iterator[None]:
    """A test may run within a job."""
    token = set_current_job(None)
    try:
        yield
    finally:
        token.var.reset(token)


def _files(outcome: JobOutcome, content: bytes) -> Callable[[httpx.Request], httpx.Response]:
    """The routes for the input and for files."""

    def handle(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/input"):
            return httpx.Response(200, content=content)
        if path.endswith("/artifacts"):
            name = json.loads(request.content)["name"]
            return httpx.Response(200, json={"url": f"{_URL}/upload/{name}", "headers": {}})
        outcome.artifacts[path.rpartition("/")[2]] = request.content
        return httpx.Response(200)

    return handle


class _MemoryChannel:
    """Implements `Channel` with the state machines of the worker, and a service that accepts every post."""

    url = _URL

    def __init__(
        self,
        claim: Claim,
        outcome: JobOutcome,
        default_stage: str,
        declared: Mapping[str, float] | None,
        cancel_after: int | None,
    ) -> None:
        self.claim = claim
        self._outcome = outcome
        self._cancel_after = cancel_after
        self._protocol = ClaimProtocol(claim.raw, 0.0)
        self._stages = StageTracker(claim, self._protocol, default_stage, declared)
        self._now = 0.0

    def interruption(self) -> BaseException | None:
        return Cancelled("a client cancelled the job") if self._protocol.cancel_requested else None

    def begin(self, stage: str, weight: float) -> bool:
        return self._post(self._stages.begin(stage, weight))

    def begin_default(self) -> str | None:
        return self._post(self._stages.begin_default())

    def enter(self, stage: str) -> None:
        self._stages.enter(stage)

    def end(self, stage: str, result: Any) -> None:
        self._stages.end(stage, result)

    def abandon(self, stage: str) -> None:
        self._stages.abandon(stage)

    def set_result(self, stage: str, result: Any) -> None:
        self._stages.set_result(stage, result)

    def complete(self, stage: str, result: Any) -> int | None:
        return self._post(self._stages.complete(stage, result))

    def progress(self, stage: str, percent: int | None, message: str, extra: Mapping[str, Any]) -> None:
        self._stages.progress(stage, percent, message, extra)
        self._post(None)

    def store(self, stage: str, state: Any, urgent: bool) -> int | None:
        return self._post(self._stages.store(stage, state, urgent=urgent))

    def attach(self, artifact: Mapping[str, Any]) -> None:
        self._stages.attach(artifact)

    def conclude(self, value: Any) -> int:
        return self._post(self._stages.conclude(value))

    def finished(self) -> dict[str, Any]:
        return dict(self._stages.finished)

    def checkpoint(self) -> tuple[str, Any] | None:
        return self._stages.checkpoint

    def wait(self, ticket: int) -> None:
        error = self._protocol.error_of(ticket)
        if error is not None:
            raise error

    def ticket_future(self, ticket: int) -> concurrent.futures.Future[None]:
        future: concurrent.futures.Future[None] = concurrent.futures.Future()
        error = self._protocol.error_of(ticket)
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
        return future

    def fail(self, code: str, message: str) -> None:
        self._post(self._stages.fail(code, message))

    def cancel(self) -> None:
        self._post(self._stages.cancel())

    def _post(self, result: T) -> T:
        """Posts all that is due, as if the intervals between posts had passed."""
        self._now += 1.0
        while isinstance(step := self._protocol.next(self._now), Send):
            events = json.loads(step.body)["events"]
            for event in events:
                self._apply(event)
            count = self._cancel_after
            answer = {
                "seq": self._protocol.seq
                + sum(event["type"] not in ("progress_update", "checkpoint") for event in events),
                "status": self._outcome.status,
                "cancel_requested": count is not None and len(self._outcome.progress) >= count,
            }
            self._protocol.answered(200, json.dumps(answer).encode(), {}, self._now)
        return result

    def _apply(self, event: dict[str, Any]) -> None:
        outcome, kind = self._outcome, event.pop("type")
        if kind == "progress_update":
            outcome.progress.append(event)
        elif kind == "checkpoint":
            outcome.checkpoints.append((event["stage"], event["state"]))
        elif kind == "stage_complete":
            outcome.stages[event["stage"]] = event["results"]
        elif kind == "job_complete":
            outcome.status = "completed"
        elif kind == "job_failed":
            outcome.status, outcome.error = "failed", event["error"]
        else:
            outcome.status = "cancelled"
        event["type"] = kind
