"""The known state of a watched job, and how messages and snapshots change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from .messages import (
    ENDED_STATUSES,
    Artifact,
    JobCancelled,
    JobComplete,
    JobError,
    JobFailed,
    JobMessage,
    JobSnapshot,
    JobStatus,
    ProgressUpdate,
    StageComplete,
)

StageStatus: TypeAlias = Literal["running", "completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkAmount:
    """How much of the work of a stage is done, in its own unit."""

    completed: float | None
    """The amount that is done; None if the stage does not count."""
    total: float | None
    """The whole amount; None if it is unknown."""
    unit: str
    """The plural of what is counted, such as `rows`; may be empty."""
    indeterminate: bool
    """Whether the stage does not know how much work there is. Its percentage does not grow then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedStage:
    """A stage of a watched job."""

    stage: str
    status: StageStatus = "running"
    progress: float = 0
    """Percent, 0 to 100."""
    message: str = ""
    """What the stage is doing, for display; empty after its end."""
    work: WorkAmount | None = None
    """How much of its work is done; None if it reports only a percentage, and after its end."""
    attempt: int = 1
    results: Any = None
    """None if they are too large for a message or were not received."""
    results_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedJob:
    """The known state of a job. Each change creates a new object."""

    job_id: str
    status: JobStatus = "queued"
    stage: str | None = None
    """The stage that is running or was the last to run."""
    stages: tuple[WatchedStage, ...] = ()
    """All known stages, in the order in which they ran."""
    attempt: int | None = None
    """The attempt at the current stage, from 1. Percentages start again with each attempt."""
    max_attempts: int | None = None
    """Number of attempts of the current stage; None before the second one."""
    retry_at: str | None = None
    """When the next attempt starts, while the job waits for it."""
    progress: float = 0
    """Percent of the current stage, 0 to 100."""
    overall_progress: float = 0
    """Percent of the whole job, 0 to 100."""
    message: str = ""
    """What the job is doing, for display."""
    estimated_seconds_remaining: float | None = None
    """Estimated seconds until the job ends; None if unknown."""
    seq: int = 0
    """`seq` of the last durable message."""
    run_at: str | None = None
    """When the job may start at the earliest; None if it may start at once."""
    queue: str | None = None
    """The queue of external workers that the job waits in."""
    labels: Mapping[str, str] = field(default_factory=dict)
    results: Any = None
    """The results of a completed job; None if they are too large for a message."""
    results_url: str | None = None
    """Path of results that are too large for a message; `Client.results` fetches them."""
    artifacts: tuple[Artifact, ...] = ()
    """The known files of the job; those of a running stage come with a snapshot."""
    error: JobError | None = None
    """The error of a failed job."""

    @property
    def has_ended(self) -> bool:
        """Whether the job is completed, failed or cancelled."""
        return self.status in ENDED_STATUSES


def apply_message(job: WatchedJob, message: JobMessage, snapshot_seq: int = 0) -> WatchedJob:
    """Applies a message. `snapshot_seq` is the `seq` of the last snapshot that was applied: a replayed
    message does not change what that snapshot already contains.
    """
    seq = max(job.seq, message.seq)
    match message:
        case ProgressUpdate():
            change = {
                "status": "running",
                "progress": message.progress,
                "message": message.message,
                "work": _work_of(message),
                "attempt": message.attempt or 1,
            }
            return replace(
                job,
                seq=seq,
                status="running",
                stage=message.stage,
                stages=_with_stage(job, message.stage, change),
                attempt=message.attempt or 1,
                max_attempts=message.max_attempts,
                retry_at=message.retry_at,
                progress=message.progress,
                overall_progress=message.overall_progress,
                message=message.message,
                estimated_seconds_remaining=message.estimated_seconds_remaining,
            )
        case StageComplete():
            # A replayed message may be older than the snapshot and does not set the state back.
            is_past = message.seq <= job.seq and message.stage != job.stage
            change = {**_FINISHED, "results": message.results, "results_url": message.results_url}
            artifacts = job.artifacts
            if message.seq > snapshot_seq:
                merged = {each.name: each for each in (*job.artifacts, *message.artifacts)}
                artifacts = tuple(merged.values())
            return replace(
                job,
                seq=seq,
                status="running",
                stage=job.stage if is_past else message.stage,
                stages=_with_stage(job, message.stage, change, is_past=is_past),
                progress=job.progress if is_past else 100,
                retry_at=job.retry_at if is_past else None,
                artifacts=artifacts,
            )
        case JobComplete():
            return replace(
                _ended(job, "completed"),
                seq=seq,
                stages=tuple(replace(each, **_FINISHED) for each in job.stages),
                progress=100,
                overall_progress=100,
                results=message.results,
                results_url=message.results_url,
                artifacts=message.artifacts,
            )
        case JobFailed():
            return replace(_ended(job, "failed", message.stage), seq=seq, error=message.error)
        case JobCancelled():
            return replace(_ended(job, "cancelled", message.stage), seq=seq)


def apply_snapshot(job: WatchedJob, snapshot: JobSnapshot) -> WatchedJob:
    """Applies what a snapshot contains beyond the message that is equivalent to it."""
    if snapshot.seq < job.seq:
        return job
    job = replace(
        job,
        artifacts=snapshot.artifacts,
        run_at=snapshot.run_at,
        queue=snapshot.queue,
        labels=snapshot.labels,
    )
    if _is_waiting(job.status) and _is_waiting(snapshot.status):
        return replace(job, status=snapshot.status, message=snapshot.message)
    if any(each.stage == snapshot.stage and each.status != "running" for each in job.stages):
        return job
    # If their `stage_complete` is lost or has not arrived: the stages before the running one have finished.
    stages = tuple(
        replace(each, **_FINISHED) if each.status == "running" and each.stage != snapshot.stage else each
        for each in job.stages
    )
    return replace(job, stages=stages)


_FINISHED: dict[str, Any] = {"status": "completed", "progress": 100, "message": "", "work": None}


def _is_waiting(status: JobStatus) -> bool:
    return status in ("queued", "awaiting_input")


def _work_of(message: ProgressUpdate) -> WorkAmount | None:
    if message.completed is None and not message.indeterminate:
        return None
    return WorkAmount(
        completed=message.completed,
        total=message.total,
        unit=message.unit or "",
        indeterminate=message.indeterminate,
    )


def _ended(job: WatchedJob, status: StageStatus, at: str | None = None) -> WatchedJob:
    if job.has_ended:
        return job
    change: dict[str, Any] = {"status": status, "message": "", "work": None}
    stages = job.stages if at is None else _with_stage(job, at, change)
    return replace(
        job,
        status=status,
        stage=at or job.stage,
        # No stage is running after the end of the job.
        stages=tuple(replace(each, **change) if each.status == "running" else each for each in stages),
        message="",
        retry_at=None,
        estimated_seconds_remaining=None,
    )


def _with_stage(
    job: WatchedJob, name: str, change: Mapping[str, Any], *, is_past: bool = False
) -> tuple[WatchedStage, ...]:
    stages = list(job.stages)
    if all(each.stage != name for each in stages):
        # A finished stage comes before the running one.
        position = max(len(stages) - 1, 0) if is_past else len(stages)
        stages.insert(position, WatchedStage(stage=name))
    return tuple(_changed(each, change) if each.stage == name else each for each in stages)


def _changed(stage: WatchedStage, change: Mapping[str, Any]) -> WatchedStage:
    # Between two stages, the snapshot still names the finished one as the current stage.
    is_done = stage.status == "completed" and change["status"] == "running"
    return stage if is_done and change["progress"] == 100 else replace(stage, **change)
