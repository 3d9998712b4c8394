"""The exceptions of the package.

StagecastError
├── ApiError                  the service refused a request
│   ├── ForbiddenError        401, 403
│   ├── NotFoundError         404
│   ├── ConflictError         409
│   ├── RateLimitedError      429, after all attempts
│   └── ServerError           5xx, after all attempts
├── TransportError            no answer, after all attempts
├── ConfigurationError        a setting is missing or invalid
└── Failure                   raised by a job function, to fail the job with a code

Interrupted (BaseException)   raised in a job function that has to stop
├── Cancelled                 a client cancelled the job
├── LeaseLost                 another claim owns the job
└── Released                  the worker shuts down and has handed the job back
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any


class StagecastError(Exception):
    """Base of all errors of the package.

    `code` is a stable identifier in snake_case. `details` has the further fields of the service's error, such as
    `field` or `retry_after_seconds`. `request_id` and `status` are None unless the service answered.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "error",
        status: int | None = None,
        request_id: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.request_id = request_id
        self.details: dict[str, Any] = dict(details or {})

    def __str__(self) -> str:
        about = [part for part in (self.status and f"HTTP {self.status}", self.request_id) if part]
        suffix = f" ({', '.join(about)})" if about else ""
        return f"{self.code}: {self.message}{suffix}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword arguments are lost by the default, and workers pass errors between processes.
        return (_rebuild, (type(self), self.message, self.__dict__))


def _rebuild(kind: type[StagecastError], message: str, attributes: dict[str, Any]) -> StagecastError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.__dict__.update(attributes)
    return error


class ApiError(StagecastError):
    """The service refused a request. `code` is one of the codes of the HTTP or WebSocket API."""


class ForbiddenError(ApiError):
    """401 or 403: the key or token is missing, wrong, expired or lacks the permission."""


class NotFoundError(ApiError):
    """404: there is no such route, queue, result or artifact."""


class ConflictError(ApiError):
    """409: the state of the job does not allow the request."""


class RateLimitedError(ApiError):
    """429: a throttle was still exceeded at the last attempt."""


class ServerError(ApiError):
    """5xx: the service still failed at the last attempt."""


class TransportError(StagecastError):
    """No answer was received: the network, DNS, TLS or a time-out failed at each attempt."""


class ConfigurationError(StagecastError):
    """A setting is missing or invalid."""

    def __init__(self, message: str, *, code: str = "invalid_configuration", **more: Any) -> None:
        super().__init__(message, code=code, **more)


class Failure(StagecastError):
    """Raised by a job function to fail its job with a code of its choice.

    `code` has at most 64 letters, digits, `_` and `-`; `message` is shown to the clients that watch the job.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message, code=code)


class Interrupted(BaseException):
    """Base of the exceptions that stop a job function at its next safe point.

    It is no `Exception`, so that `except Exception` around one item of the work does not swallow it.
    """


class Cancelled(Interrupted):
    """A client cancelled the job."""


class LeaseLost(Interrupted):
    """Another claim owns the job, or the job has ended: nothing that this worker posts is accepted any more."""


class Released(Interrupted):
    """The worker shuts down. It has handed the job back, and another worker continues it."""


_BY_STATUS: dict[int, type[ApiError]] = {
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitedError,
}


def api_error(status: int, body: bytes, headers: Mapping[str, str]) -> ApiError:
    """Parses an error answer. API Gateway's own errors have only a `message`, those of S3 are XML, and a proxy's may be
    any text.
    """
    try:
        answer = json.loads(body)
    except ValueError:
        elements = re.findall(rb"<(Code|Message|RequestId)>([^<]+)</", body[:4096])
        names = {b"Code": "code", b"Message": "message", b"RequestId": "request_id"}
        answer = {names[name]: text.decode(errors="replace") for name, text in elements}
    answer = answer if isinstance(answer, dict) else {}
    error = answer.get("error")
    error = dict(error) if isinstance(error, dict) else answer
    code = error.pop("code", None)
    message = error.pop("message", None)
    request_id = error.pop("request_id", None) or headers.get("x-request-id") or headers.get("apigw-requestid")
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
    return kind(
        message if isinstance(message, str) else f"the service answered with status {status}",
        code=code if isinstance(code, str) else f"http_{status}",
        status=status,
        request_id=request_id,
        details=error,
    )
