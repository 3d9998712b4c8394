"""The messages of a job and its snapshot, as typed and immutable objects.

Unknown fields are ignored, so that a newer service works with an older client. `raw` of each object is
the JSON object that the service sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar, cast

JobStatus: TypeAlias = Literal["awaiting_input", "queued", "running", "completed", "failed", "cancelled"]
"""The status of a job. The last three are final."""

ENDED_STATUSES: frozenset[str] = frozenset({"completed", "failed", "cancelled"})
"""The statuses after which a job never changes again."""

_Built = TypeVar("_Built")


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file that the job has produced."""

    name: str
    """Unique within the job."""
    content_type: str
    size: int
    """Size of the content, in bytes."""
    sha256: str
    """SHA-256 of the content, as 64 lower-case hexadecimal digits."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobError:
    """Why a job failed."""

    code: str
    """For programs, such as `not_an_image`."""
    message: str
    """What went wrong and what to do, for display."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressUpdate:
    """The progress of the running stage. Not logged: a later update replaces it."""

    type: ClassVar[Literal["progress_update"]] = "progress_update"
    job_id: str
    stage: str
    progress: float
    """Percent of the stage, 0 to 100. Never decreases within an attempt."""
    overall_progress: float
    """Percent of the whole job, 0 to 100."""
    message: str
    """What the stage is doing, for display."""
    seq: int
    """`seq` of the last durable message before the update."""
    timestamp: str
    correlation_id: str
    estimated_seconds_remaining: float | None = None
    """Estimated seconds until the job ends; None while unknown."""
    attempt: int | None = None
    """The attempt at the stage, from 1."""
    max_attempts: int | None = None
    """Number of attempts of the stage; None before the second one."""
    retry_at: str | None = None
    """When the next attempt starts, while the job waits for it."""
    completed: float | None = None
    """The amount of work that is done, in `unit`."""
    total: float | None = None
    """The whole amount of work, in `unit`; None if the stage does not know it."""
    unit: str | None = None
    """The plural of what is counted, such as `rows`."""
    indeterminate: bool = False
    """Whether the stage does not know how much work there is. `progress` does not grow then."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageComplete:
    """A stage has finished. Durable."""

    type: ClassVar[Literal["stage_complete"]] = "stage_complete"
    job_id: str
    stage: str
    seq: int
    """Number of the message among the durable messages of the job, from 1."""
    timestamp: str
    correlation_id: str
    results: Any = None
    """The results of the stage; None if they are too large for a message."""
    results_url: str | None = None
    """Path of results that are too large for a message; `Client.results` fetches them."""
    artifacts: tuple[Artifact, ...] = ()
    """The files that the stage has attached."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobComplete:
    """All stages have finished. Durable, the last message of its job."""

    type: ClassVar[Literal["job_complete"]] = "job_complete"
    job_id: str
    seq: int
    timestamp: str
    correlation_id: str
    results: Any = None
    """The results of the last stage; None if they are too large for a message."""
    results_url: str | None = None
    """Path of results that are too large for a message; `Client.results` fetches them."""
    artifacts: tuple[Artifact, ...] = ()
    """All files of the job."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed:
    """The job has failed. Durable, the last message of its job."""

    type: ClassVar[Literal["job_failed"]] = "job_failed"
    job_id: str
    error: JobError
    seq: int
    timestamp: str
    correlation_id: str
    stage: str | None = None
    """The stage that was running, if any."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCancelled:
    """The job was cancelled. Durable, the last message of its job."""

    type: ClassVar[Literal["job_cancelled"]] = "job_cancelled"
    job_id: str
    seq: int
    timestamp: str
    correlation_id: str
    stage: str | None = None
    """The stage that was running, if any."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


EndMessage: TypeAlias = JobComplete | JobFailed | JobCancelled
"""The last message of a job."""

DurableMessage: TypeAlias = StageComplete | EndMessage
"""A message that is logged before it is sent. A watch yields each once, in the order of `seq`."""

JobMessage: TypeAlias = ProgressUpdate | DurableMessage
"""A message of a job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSnapshot:
    """The state of a job when it was read."""

    job_id: str
    status: JobStatus
    seq: int
    """`seq` of the last durable message of the job."""
    created_at: str
    updated_at: str
    correlation_id: str
    stage: str | None = None
    """The stage that is running or was the last to run."""
    progress: float = 0
    """Percent of that stage, 0 to 100."""
    overall_progress: float = 0
    """Percent of the whole job, 0 to 100."""
    message: str = ""
    """What the stage is doing, for display."""
    estimated_seconds_remaining: float | None = None
    attempt: int | None = None
    """The attempt at the stage, from 1; None before the first stage."""
    max_attempts: int | None = None
    retry_at: str | None = None
    """When the next attempt starts, while the job waits for it."""
    run_at: str | None = None
    """When the job may start at the earliest; None if it may start at once."""
    queue: str | None = None
    """The queue of external workers that the job waits in; None for a job of the pipeline."""
    owner: str | None = None
    """The owner of the job; None if it was created without an owner token."""
    labels: Mapping[str, str] = field(default_factory=dict)
    completed: float | None = None
    total: float | None = None
    unit: str | None = None
    indeterminate: bool = False
    results: Any = None
    """The results of a completed job; None if they are too large for a message."""
    results_url: str | None = None
    error: JobError | None = None
    """The error of a failed job."""
    artifacts: tuple[Artifact, ...] = ()
    """The files that the job has so far."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def has_ended(self) -> bool:
        """Whether the job is completed, failed or cancelled."""
        return self.status in ENDED_STATUSES


_MESSAGES: dict[str, type[JobMessage]] = {
    kind.type: kind for kind in (ProgressUpdate, StageComplete, JobComplete, JobFailed, JobCancelled)
}


def is_end(message: JobMessage) -> bool:
    """Whether this is the last message of its job."""
    return isinstance(message, (JobComplete, JobFailed, JobCancelled))


def parse_message(data: Mapping[str, Any]) -> JobMessage | None:
    """The message of a job in a JSON object; None if its `type` is another one.

    Raises `ValueError` if a required field is missing.
    """
    kind = _MESSAGES.get(data.get("type", ""))
    return None if kind is None else _build(kind, data)


def parse_snapshot(data: Mapping[str, Any]) -> JobSnapshot:
    """The snapshot in a JSON object. Raises `ValueError` if a required field is missing."""
    return _build(JobSnapshot, data)


def message_of_snapshot(snapshot: JobSnapshot) -> ProgressUpdate | EndMessage | None:
    """The message that is equivalent to a snapshot; None while the job waits for its start."""
    common: dict[str, Any] = {
        "job_id": snapshot.job_id,
        "seq": snapshot.seq,
        "correlation_id": snapshot.correlation_id,
        "timestamp": snapshot.updated_at,
    }
    read = snapshot.raw or {name: getattr(snapshot, name) for name in _names(JobSnapshot)}

    def copied(*names: str) -> dict[str, Any]:
        return {name: read[name] for name in names if name in read}

    match snapshot.status:
        case "completed":
            body = {"results": None, **copied("results", "results_url", "artifacts")}
            return _build(JobComplete, {"type": "job_complete", **common, **body})
        case "failed":
            unknown = {"code": "internal", "message": "the job failed without an error message"}
            body = {"error": read.get("error") or unknown, **copied("stage")}
            return _build(JobFailed, {"type": "job_failed", **common, **body})
        case "cancelled":
            return _build(JobCancelled, {"type": "job_cancelled", **common, **copied("stage")})
        case "running" if snapshot.stage is not None:
            body = copied(*(_names(ProgressUpdate) - common.keys()))
            return _build(ProgressUpdate, {"type": "progress_update", **common, **body})
    return None


@cache
def _names(kind: type[Any]) -> frozenset[str]:
    return frozenset(each.name for each in fields(kind)) - {"raw"}


@cache
def _required(kind: type[Any]) -> frozenset[str]:
    return frozenset(each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING)


def _build(kind: type[_Built], data: Mapping[str, Any]) -> _Built:
    # mypy does not know that a type variable of a class is hashable.
    built: Any = kind
    values = {name: data[name] for name in _names(built) if name in data}
    missing = sorted(_required(built) - values.keys())
    if missing:
        raise ValueError(f"the service sent a {kind.__name__} without the field '{missing[0]}'")
    if isinstance(values.get("error"), Mapping):
        values["error"] = _build(JobError, values["error"])
    if "artifacts" in values:
        listed = values["artifacts"] or ()
        values["artifacts"] = tuple(each if isinstance(each, Artifact) else _build(Artifact, each) for each in listed)
    return cast(_Built, built(**values, raw=data))
