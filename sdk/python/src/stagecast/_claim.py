"""The answer to a claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_RETRY_KEY = "stagecast_retry"


@dataclass(frozen=True)
class Claim:
    """A claimed job, as the service describes it."""

    job_id: str
    worker_key: str = field(repr=False)
    raw: Mapping[str, Any] = field(repr=False)
    queue: str | None = None
    priority: int | None = None
    attempt: int = 1
    content_type: str = "application/octet-stream"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    created_at: str | None = None
    run_until: str | None = None
    checkpoint: tuple[str, Any] | None = None
    """The stage and its last state, or None."""
    failures: int = 0
    """How many attempts failed before a worker released the job to wait for the next one."""
    artifacts: tuple[Mapping[str, Any], ...] = ()

    @staticmethod
    def parse(answer: Mapping[str, Any], *, job_id: str | None = None, worker_key: str | None = None) -> Claim:
        """Parses the answer to a claim. That of a claim by job id has no `worker_key`."""
        found = answer.get("checkpoint")
        checkpoint = (found["stage"], found["state"]) if found else None
        failures = 0
        if checkpoint is not None and isinstance(checkpoint[1], dict) and _RETRY_KEY in checkpoint[1]:
            wrapped = checkpoint[1]
            failures = int(wrapped[_RETRY_KEY].get("failures", 0))
            checkpoint = (checkpoint[0], wrapped["state"]) if "state" in wrapped else None
        return Claim(
            job_id=job_id or answer["job_id"],
            worker_key=worker_key or answer["worker_key"],
            raw=answer,
            queue=answer.get("queue"),
            priority=answer.get("priority"),
            attempt=answer.get("attempt", 1),
            content_type=answer.get("content_type", "application/octet-stream"),
            parameters=answer.get("parameters") or {},
            labels=answer.get("labels") or {},
            created_at=answer.get("created_at"),
            run_until=answer.get("run_until"),
            checkpoint=checkpoint,
            failures=failures,
            artifacts=tuple(answer.get("artifacts") or ()),
        )


def retry_state(failures: int, checkpoint: tuple[str, Any] | None) -> dict[str, Any]:
    """The state of a checkpoint that passes the number of failed attempts on to the worker that continues the job."""
    state: dict[str, Any] = {_RETRY_KEY: {"failures": failures}}
    return state if checkpoint is None else {**state, "state": checkpoint[1]}
