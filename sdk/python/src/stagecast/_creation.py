"""The creation of a job: the two forms of its request, and the answer. Without I/O."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from ._transport import Answer, Request

JOB_DESCRIPTION = "application/vnd.stagecast.job+json"
MAX_BODY = 4 * 1024 * 1024
"""The largest input that is the body of a request, in bytes."""
MAX_INLINE = 2 * 1024 * 1024
"""The largest input within a description, in bytes: its base64 and the parameters stay below `MAX_BODY`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Time limits of a job, in seconds; None is the limit of the product."""

    queue_seconds: int | None = None
    """Until the job is claimed for the first time."""
    run_seconds: int | None = None
    """From the first claim to the end of the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKey:
    """A job and the key to watch, read and cancel it."""

    job_id: str
    access_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Created(JobKey):
    """A created job. The service returns the keys only once: store them."""

    websocket_url: str
    """Address of the WebSocket API, for a watch on another machine."""
    status_url: str
    """Path of the snapshot on the HTTP API."""
    worker_key: str | None = field(default=None, repr=False)
    """Authorizes an external worker to run the job, if it was created with `worker="external"`."""
    is_replayed: bool = False
    """Whether an earlier request with the same idempotency key created the job."""
    upload: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    """What was missing of the input right after the creation."""


JobRef: TypeAlias = "JobKey | str"
"""A created job, or the id of one: the access key is then a separate argument, or the client has a token."""


def job_key(job: JobRef, access_key: str | None, *, has_token: bool) -> tuple[str, str | None]:
    """The id and the key in the arguments of a method; without a key, the client's token counts."""
    if isinstance(job, JobKey):
        return job.job_id, job.access_key if access_key is None else access_key
    if not access_key and not has_token:
        raise TypeError(
            f"`access_key` is missing for the job {job!r}: pass it, or the result of `create`; "
            "or give the client a `token` of the job's owner"
        )
    return job, access_key or None


def job_path(job_id: str, what: str = "") -> str:
    return f"/v1/jobs/{quote(job_id, safe='')}{what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """What `create` has been asked for, without the input."""

    queue: str | None
    priority: int | None
    parameters: Mapping[str, Any] | None
    labels: Mapping[str, str] | None
    limits: Limits | Mapping[str, int] | None
    run_at: datetime | str | None
    retention_days: int | None
    webhook: Mapping[str, Any] | None
    worker: Literal["external"] | None
    idempotency_key: str | None
    correlation_id: str | None

    @property
    def needs_description(self) -> bool:
        """Whether the job cannot be created from the plain input."""
        described = (self.parameters, self.labels, self.limits, self.run_at, self.retention_days, self.webhook)
        return any(each is not None for each in described)

    def request_with_body(self, content: bytes, content_type: str) -> Request:
        params = {
            name: str(value)
            for name, value in (("queue", self.queue), ("priority", self.priority), ("worker", self.worker))
            if value is not None
        }
        return Request(
            "POST",
            "/v1/jobs",
            params=params or None,
            headers={"content-type": content_type, **self._headers()},
            content=content,
        )

    def request_with_description(self, described_input: Mapping[str, Any] | None) -> Request:
        limits: Mapping[str, int | None] | None
        if isinstance(self.limits, Limits):
            limits = {"queue_seconds": self.limits.queue_seconds, "run_seconds": self.limits.run_seconds}
        else:
            limits = self.limits
        description = {
            "input": described_input,
            "queue": self.queue,
            "priority": self.priority,
            "parameters": self.parameters,
            "labels": self.labels,
            "limits": limits and {name: value for name, value in limits.items() if value is not None},
            "run_at": _rfc3339(self.run_at) if isinstance(self.run_at, datetime) else self.run_at,
            "retention_days": self.retention_days,
            "webhook": self.webhook,
            "worker": self.worker,
        }
        given = {name: value for name, value in description.items() if value is not None}
        return Request(
            "POST",
            "/v1/jobs",
            headers={"content-type": JOB_DESCRIPTION, **self._headers()},
            content=json.dumps(given, allow_nan=False).encode(),
        )

    def _headers(self) -> dict[str, str]:
        # Without a key, a request that is repeated after a lost answer would create a second job.
        headers = {"idempotency-key": self.idempotency_key or str(uuid.uuid4())}
        if self.correlation_id is not None:
            headers["x-correlation-id"] = self.correlation_id
        return headers


def inline_input(content: bytes, content_type: str) -> dict[str, Any]:
    """An input within a description."""
    return {"content_type": content_type, "base64": base64.b64encode(content).decode()}


def parse_created(answer: Answer) -> Created:
    body = answer.json()
    return Created(
        job_id=body["job_id"],
        access_key=body["access_key"],
        websocket_url=body["websocket_url"],
        status_url=body["status_url"],
        worker_key=body.get("worker_key"),
        is_replayed=answer.headers.get("idempotency-replayed") == "true",
        upload=body.get("upload"),
    )


def _rfc3339(at: datetime) -> str:
    if at.tzinfo is None:
        raise ValueError(
            f"`run_at` is {at!r}, without a time zone: pass an aware datetime, such as datetime.now(timezone.utc)"
        )
    return at.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
