"""HTTP with retries: one policy, which a synchronous and an asynchronous transport share.

`_exchange` decides everything without I/O: it yields what to send and how long to sleep, and receives responses and
errors. The two transports execute its steps. A key is never sent to the target of a redirect: the presigned URLs of
Stagecast are valid by themselves.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import httpx

from ._version import __version__
from .errors import ConfigurationError, TransportError, api_error

JSON_AS_BYTES = "application/octet-stream"
"""Media type of JSON bodies of workers.

API Gateway passes `application/json` on as a string, in which quotes, backslashes and line breaks count twice against
the 6 MB that Lambda accepts.
"""

DEFAULT_TIMEOUT = httpx.Timeout(40.0, connect=10.0)
"""API Gateway answers within 30 seconds."""

_MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)


_is_ours: ContextVar[bool] = ContextVar("stagecast_request", default=False)


class _DropOwnRequests(logging.Filter):
    """Drops httpx's record of each request of this package: it has the URL, and a presigned URL is a secret."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002
        return not _is_ours.get()


logging.getLogger("httpx").addFilter(_DropOwnRequests())


@contextmanager
def _own_request() -> Iterator[None]:
    token = _is_ours.set(True)
    try:
        yield
    finally:
        _is_ours.reset(token)


@dataclass(frozen=True)
class RetryPolicy:
    """Full-jitter backoff: before retry n, from 1, a random time up to `min(cap, base * 2**n)` seconds."""

    attempts: int = 8
    base: float = 0.125
    cap: float = 10.0

    def delay(self, retry: int, retry_after: float | None = None) -> float:
        """Seconds before retry number `retry`; at least `retry_after`, which the service asked for."""
        jitter = random.uniform(0, min(self.cap, self.base * 2 ** min(retry, 32)))
        return jitter if retry_after is None else min(retry_after, 60.0) + jitter


NO_RETRY = RetryPolicy(attempts=1)


@dataclass(frozen=True)
class Request:
    """A request that is safe to repeat. `url` is absolute, or a path of the API."""

    method: str
    url: str
    key: str | None = field(default=None, repr=False)
    params: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | Callable[[], Any] | None = None
    """A body, or a function that opens it anew for each attempt: an iterable, or an async iterable, of bytes."""
    stream: bool = False
    """The body of a successful answer is left unread: the caller reads and closes `Answer.raw`."""
    timeout: httpx.Timeout | None = None
    policy: RetryPolicy = RetryPolicy()


def json_request(method: str, url: str, body: Any, *, key: str | None = None, **more: Any) -> Request:
    """A request with a JSON body as the worker routes take it. NaN and Infinity raise a `ValueError`."""
    headers = {"content-type": JSON_AS_BYTES, **more.pop("headers", {})}
    content = json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    return Request(method, url, key, headers=headers, content=content, **more)


@dataclass(frozen=True)
class Answer:
    """A successful answer (2xx)."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    raw: httpx.Response

    def json(self) -> Any:
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise TransportError(
                f"the answer is not JSON: {error}", code="invalid_answer", status=self.status
            ) from error


@dataclass(frozen=True)
class _Send:
    request: Request
    url: httpx.URL
    key: str | None = field(repr=False)


@dataclass(frozen=True)
class _Sleep:
    seconds: float


_Exchange = Generator["_Send | _Sleep", "httpx.Response | Exception | None", Answer]


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """The header `retry-after` in seconds; None without one, and for the date that HTTP also allows."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86_400 else None


def is_retryable(status: int) -> bool:
    """Whether a request that got this status is repeated: the throttle, time-outs, and faults of the service."""
    return status in (408, 429) or status >= 500


def _exchange(base: httpx.URL, request: Request) -> _Exchange:
    first = _absolute(base, request)
    url, key, redirects, retry = first, request.key, 0, 0
    while True:
        outcome = yield _Send(request, url, key)
        wait: float | None = None
        if isinstance(outcome, httpx.Response):
            status, headers = outcome.status_code, outcome.headers
            if status in _REDIRECTS and "location" in headers and request.method in ("GET", "HEAD"):
                redirects += 1
                if redirects > _MAX_REDIRECTS:
                    raise TransportError(f"more than {_MAX_REDIRECTS} redirects from {first.host}", code="redirects")
                url = url.join(headers["location"])
                # Also within the origin: the local stack serves the bucket under the address of the API.
                key = None
                continue
            if 200 <= status < 300:
                return Answer(status, headers, b"" if request.stream else outcome.content, outcome)
            problem: Exception = api_error(status, outcome.content, headers)
            if not is_retryable(status):
                raise problem
            wait = retry_after_seconds(headers)
        else:
            problem = TransportError(
                f"{request.method} {first.copy_with(query=None)} got no answer: {outcome or type(outcome).__name__}",
                code="no_answer",
            )
            problem.__cause__ = outcome
        retry += 1
        if retry >= request.policy.attempts:
            raise problem
        yield _Sleep(request.policy.delay(retry, wait))
        # A presigned URL may have expired: ask for a new one.
        url, key, redirects = first, request.key, 0


def _absolute(base: httpx.URL, request: Request) -> httpx.URL:
    url = httpx.URL(request.url)
    if url.is_relative_url:
        # `join` would drop the path of a base such as https://api.example.com/stage.
        url = httpx.URL(f"{str(base).rstrip('/')}/{request.url.lstrip('/')}")
    return url.copy_merge_params(dict(request.params)) if request.params else url


def api_url(url: str) -> httpx.URL:
    """Checks the address of an HTTP API."""
    parsed = httpx.URL(url.strip())
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigurationError(
            f"`url` is {url!r}: expected the address of the HTTP API, such as https://api.example.com"
        )
    return parsed


def _headers(send: _Send) -> dict[str, str]:
    headers = {"user-agent": f"stagecast-python/{__version__}", **send.request.headers}
    if send.key:
        headers["authorization"] = f"Bearer {send.key}"
    return headers


def _build(client: httpx.Client | httpx.AsyncClient, send: _Send) -> httpx.Request:
    content = send.request.content
    return client.build_request(
        send.request.method,
        send.url,
        headers=_headers(send),
        content=content() if callable(content) else content,
        timeout=send.request.timeout or DEFAULT_TIMEOUT,
    )


class Transport:
    """Sends requests synchronously. Threads may share it."""

    def __init__(self, url: str, *, client: httpx.Client | None = None) -> None:
        self.base = api_url(url)
        self._client = client or httpx.Client(follow_redirects=False)
        self._owns_client = client is None

    def send(self, request: Request) -> Answer:
        """Raises `ApiError` for a refused request and `TransportError` without an answer."""
        exchange = _exchange(self.base, request)
        outcome: httpx.Response | Exception | None = None
        while True:
            try:
                step = exchange.send(outcome)
            except StopIteration as stop:
                answer: Answer = stop.value
                return answer
            if isinstance(step, _Sleep):
                time.sleep(step.seconds)
                outcome = None
                continue
            try:
                with _own_request():
                    response = self._client.send(_build(self._client, step), stream=True, follow_redirects=False)
                if not (request.stream and response.is_success):
                    try:
                        response.read()
                    finally:
                        response.close()
                outcome = response
            except httpx.TransportError as error:
                outcome = error

    def close(self) -> None:
        if self._owns_client:
            self._client.close()

    def __enter__(self) -> Transport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncTransport:
    """Sends requests on an event loop."""

    def __init__(self, url: str, *, client: httpx.AsyncClient | None = None) -> None:
        self.base = api_url(url)
        self._client = client or httpx.AsyncClient(follow_redirects=False)
        self._owns_client = client is None

    async def send(self, request: Request) -> Answer:
        """Raises `ApiError` for a refused request and `TransportError` without an answer."""
        exchange = _exchange(self.base, request)
        outcome: httpx.Response | Exception | None = None
        while True:
            try:
                step = exchange.send(outcome)
            except StopIteration as stop:
                answer: Answer = stop.value
                return answer
            if isinstance(step, _Sleep):
                await asyncio.sleep(step.seconds)
                outcome = None
                continue
            try:
                with _own_request():
                    response = await self._client.send(_build(self._client, step), stream=True, follow_redirects=False)
                if not (request.stream and response.is_success):
                    try:
                        await response.aread()
                    finally:
                        await response.aclose()
                outcome = response
            except httpx.TransportError as error:
                outcome = error

    async def attempt(self, request: Request) -> httpx.Response:
        """Sends a request once and follows no redirect. Raises `httpx.TransportError` without an answer."""
        step = _Send(request, _absolute(self.base, request), request.key)
        with _own_request():
            return await self._client.send(_build(self._client, step), follow_redirects=False)

    async def aclose(self) -> None:
        if self._owns_client:
            await self._client.aclose()

    async def __aenter__(self) -> AsyncTransport:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def chunks(answer: Answer, size: int = 1 << 20) -> Iterator[bytes]:
    """The body of a streamed answer of `Transport`; closes it at the end. Raises `TransportError` if it breaks off."""
    try:
        yield from answer.raw.iter_bytes(size)
    except httpx.TransportError as error:
        raise TransportError(f"the body broke off: {error or type(error).__name__}", code="no_answer") from error
    finally:
        answer.raw.close()


async def async_chunks(answer: Answer, size: int | None = 1 << 20) -> AsyncIterator[bytes]:
    """The same for `AsyncTransport`. With None, chunks are as they arrive, and a broken body loses none of them."""
    try:
        async for chunk in answer.raw.aiter_bytes(size):
            yield chunk
    except httpx.TransportError as error:
        raise TransportError(f"the body broke off: {error or type(error).__name__}", code="no_answer") from error
    finally:
        await answer.raw.aclose()
