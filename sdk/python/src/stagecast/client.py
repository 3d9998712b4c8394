"""Creates, watches and cancels jobs, and reads their results: `Client` and `AsyncClient`."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeAlias, TypeVar
from urllib.parse import quote

import httpx

from ._creation import (
    MAX_BODY,
    MAX_INLINE,
    Created,
    JobOptions,
    JobRef,
    Limits,
    inline_input,
    job_key,
    job_path,
    parse_created,
)
from ._download import download
from ._portal import Portal, Relay
from ._transport import NO_RETRY, AsyncTransport, Request, api_url
from .errors import ConfigurationError, ConflictError, NotFoundError
from .messages import JobSnapshot, JobStatus, parse_snapshot
from .upload import MAX_SINGLE_UPLOAD, Input, Source, Uploader, UploadProgress
from .watch import AsyncWatch, Watch, WebSocketUrl

_Result = TypeVar("_Result")
OnProgress: TypeAlias = Callable[[UploadProgress], Any]
OnCreated: TypeAlias = Callable[[Created], Any]
Token: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A bearer token, or a function that returns a fresh one for each request and before a watch's token expires."""

_POLL_TIMEOUT = httpx.Timeout(10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsPage:
    """A page of the jobs of an owner."""

    jobs: tuple[JobSnapshot, ...]
    next_cursor: str | None
    """For the next page; None if there are no more jobs."""


class AsyncClient:
    """Creates, watches and cancels jobs on an event loop. `Client` has the same methods for synchronous code."""

    def __init__(
        self,
        url: str | None = None,
        *,
        websocket_url: WebSocketUrl | None = None,
        token: Token | None = None,
        http_client: Callable[[], httpx.AsyncClient] | None = None,
    ) -> None:
        self._http_client = http_client() if http_client else None
        self._transport = AsyncTransport(_url(url), client=self._http_client)
        self._websocket_url = websocket_url
        self._found_websocket_url: str | None = None
        """Of the last created job; it is the same for all jobs of a service."""
        self._token = token
        self._watches: weakref.WeakSet[AsyncWatch] = weakref.WeakSet()

    async def create(
        self,
        input: Input | None = None,  # noqa: A002
        *,
        content_type: str | None = None,
        queue: str | None = None,
        priority: int | None = None,
        parameters: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        limits: Limits | Mapping[str, int] | None = None,
        run_at: datetime | str | None = None,
        retention_days: int | None = None,
        webhook: Mapping[str, Any] | None = None,
        worker: Literal["external"] | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        on_created: OnCreated | None = None,
        on_progress: OnProgress | None = None,
        concurrency: int = 4,
    ) -> Created:
        options = JobOptions(
            queue=queue,
            priority=priority,
            parameters=parameters,
            labels=labels,
            limits=limits,
            run_at=run_at,
            retention_days=retention_days,
            webhook=webhook,
            worker=worker,
            idempotency_key=idempotency_key,
            correlation_id=correlation_id,
        )
        if input is None:
            return await self._created(options.request_with_description(None), on_created)
        # Copying a pipe takes as long as the pipe.
        with await asyncio.to_thread(Source, input) as source:
            kind = content_type or source.content_type
            request = await self._creation(options, source, kind)
            created = await self._created(request, on_created)
            if created.upload is None:
                return created
            uploader = self._uploader(created, None, source, on_progress, concurrency)
            if not created.is_replayed:
                await uploader.run(created.upload)
                return created
            try:
                # The URLs of the first answer may have expired.
                await uploader.run()
            except ConflictError as error:
                # The job of the first request has had its input, and has ended.
                if error.code != "job_already_finished":
                    raise
            return created

    async def upload(
        self,
        job: JobRef,
        access_key: str | None = None,
        *,
        input: Input,  # noqa: A002
        on_progress: OnProgress | None = None,
        concurrency: int = 4,
    ) -> None:
        with await asyncio.to_thread(Source, input) as source:
            await self._uploader(job, access_key, source, on_progress, concurrency).run()

    def watch(
        self,
        job: JobRef,
        access_key: str | None = None,
        *,
        after_seq: int = 0,
        websocket_url: WebSocketUrl | None = None,
        use_websocket: bool = True,
    ) -> AsyncWatch:
        job_id, key = job_key(job, access_key, has_token=self._token is not None)
        of_job = job.websocket_url if isinstance(job, Created) else None
        address = websocket_url or self._websocket_url or of_job or self._found_websocket_url
        watch = AsyncWatch(
            job_id,
            key,
            websocket_url=address if use_websocket else None,
            after_seq=after_seq,
            poll=lambda seq: self._events(job, access_key, seq),
            cancel=lambda: self.cancel(job, access_key),
            token=self._fresh_token,
            is_token_renewable=callable(self._token),
        )
        self._watches.add(watch)
        return watch

    async def jobs(
        self,
        *,
        status: JobStatus | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> AsyncIterator[JobSnapshot]:
        """The jobs of the token's owner, newest first. Pages are requested as they are read.

        `status` and `labels` select jobs: those that have this status now, and all of these labels. A job that is
        created during the iteration may be missing.
        """
        cursor: str | None = None
        while True:
            page = await self.jobs_page(status=status, labels=labels, cursor=cursor)
            for snapshot in page.jobs:
                yield snapshot
            cursor = page.next_cursor
            if cursor is None:
                return

    async def jobs_page(
        self,
        *,
        status: JobStatus | None = None,
        labels: Mapping[str, str] | None = None,
        cursor: str | None = None,
    ) -> JobsPage:
        if self._token is None:
            raise TypeError("`token` of the client is missing: jobs are listed for the owner of a token")
        params = {f"label.{name}": value for name, value in (labels or {}).items()}
        params |= {name: value for name, value in (("status", status), ("cursor", cursor)) if value is not None}
        request = Request("GET", "/v1/jobs", await self._fresh_token(), params=params or None)
        answer = (await self._transport.send(request)).json()
        return JobsPage(
            jobs=tuple(parse_snapshot(each) for each in answer["jobs"]), next_cursor=answer.get("next_cursor")
        )

    async def snapshot(self, job: JobRef, access_key: str | None = None) -> JobSnapshot:
        answer = await self._transport.send(await self._request("GET", job, access_key))
        return parse_snapshot(answer.json())

    async def results(self, job: JobRef, access_key: str | None = None, *, stage: str | None = None) -> Any:
        return json.loads(await self.results_bytes(job, access_key, stage=stage))

    async def results_bytes(self, job: JobRef, access_key: str | None = None, *, stage: str | None = None) -> bytes:
        params = None if stage is None else {"stage": stage}
        request = await self._request("GET", job, access_key, "/results", params=params)
        return (await self._transport.send(request)).content

    async def download_artifact(
        self,
        job: JobRef,
        access_key: str | None = None,
        *,
        name: str,
        to: str | os.PathLike[str] | None = None,
        on_progress: OnProgress | None = None,
    ) -> Path:
        listed = (await self.snapshot(job, access_key)).artifacts
        artifact = next((each for each in listed if each.name == name), None)
        if artifact is None:
            names = ", ".join(repr(each.name) for each in listed) or "none"
            raise NotFoundError(f"the job has no artifact {name!r}; it has {names}", code="no_artifact")
        path = await asyncio.to_thread(_target, to, name)
        what = f"/artifacts/{quote(name, safe='')}"
        request = await self._request("GET", job, access_key, what, stream=True)
        await download(self._transport, request, artifact, path, on_progress)
        return path

    async def cancel(self, job: JobRef, access_key: str | None = None) -> bool:
        try:
            await self._transport.send(await self._request("DELETE", job, access_key))
        except ConflictError as error:
            if error.code != "job_already_finished":
                raise
            return False
        return True

    async def aclose(self) -> None:
        """Ends all watches and closes the connections."""
        for watch in list(self._watches):
            await watch.aclose()
        await self._transport.aclose()
        if self._http_client is not None:
            await self._http_client.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _creation(self, options: JobOptions, source: Source, content_type: str) -> Request:
        size = source.size
        if not options.needs_description and size <= MAX_BODY:
            return options.request_with_body(await asyncio.to_thread(source.read, 0, size), content_type)
        if size <= MAX_INLINE:
            content = await asyncio.to_thread(source.read, 0, size)
            return options.request_with_description(inline_input(content, content_type))
        described: dict[str, Any] = {"content_type": content_type, "size": size}
        if size <= MAX_SINGLE_UPLOAD:
            described["sha256"] = await asyncio.to_thread(source.sha256)
        return options.request_with_description(described)

    async def _created(self, request: Request, on_created: OnCreated | None) -> Created:
        if self._token is not None:
            request = replace(request, key=await self._fresh_token())
        created = parse_created(await self._transport.send(request))
        self._found_websocket_url = created.websocket_url
        if on_created is not None:
            on_created(created)
        return created

    async def _fresh_token(self) -> str:
        token = self._token
        if token is None or isinstance(token, str):
            return token or ""
        # The function may send a request for a token.
        found = await asyncio.to_thread(token)
        return await found if inspect.isawaitable(found) else found

    async def _key(self, job: JobRef, access_key: str | None) -> str:
        """The access key of the job, or a fresh token."""
        _, key = job_key(job, access_key, has_token=self._token is not None)
        return await self._fresh_token() if key is None else key

    async def _request(self, method: str, job: JobRef, access_key: str | None, what: str = "", **more: Any) -> Request:
        job_id, _ = job_key(job, access_key, has_token=self._token is not None)
        return Request(method, job_path(job_id, what), await self._key(job, access_key), **more)

    def _uploader(
        self,
        job: JobRef,
        access_key: str | None,
        source: Source,
        on_progress: OnProgress | None,
        concurrency: int,
    ) -> Uploader:
        job_id, _ = job_key(job, access_key, has_token=self._token is not None)
        return Uploader(
            self._transport,
            job_path(job_id, "/upload"),
            lambda: self._key(job, access_key),
            source,
            on_progress=on_progress,
            concurrency=concurrency,
        )

    async def _events(self, job: JobRef, access_key: str | None, after_seq: int) -> Any:
        request = await self._request(
            "GET",
            job,
            access_key,
            "/events",
            params={"after_seq": str(after_seq)},
            timeout=_POLL_TIMEOUT,
            policy=NO_RETRY,  # The watch has its own backoff.
        )
        return (await self._transport.send(request)).json()


class Client:
    """Creates, watches and cancels jobs. Threads may share a client; a forked process opens its own connections.

    `url` is the address of the HTTP API, by default the environment variable `STAGECAST_URL`. `websocket_url` is that
    of the WebSocket API: needed only to watch a job of which only id and key are known, because a created job has it.
    Without it, such a watch polls over HTTP. `token` is an owner token, or a function that returns a fresh one: it is
    sent with each creation, lists jobs, and opens jobs that are given by their id without an access key. A watch gets
    another one before its token expires. `http_client` makes the HTTP client, to set a proxy or TLS options.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        websocket_url: WebSocketUrl | None = None,
        token: Token | None = None,
        http_client: Callable[[], httpx.AsyncClient] | None = None,
    ) -> None:
        address = _url(url)
        self._make: Callable[[], AsyncClient] = lambda: AsyncClient(
            address, websocket_url=websocket_url, token=token, http_client=http_client
        )
        self._lock = threading.Lock()
        self._running: tuple[int, Portal, AsyncClient] | None = None

    def create(
        self,
        input: Input | None = None,  # noqa: A002
        *,
        content_type: str | None = None,
        queue: str | None = None,
        priority: int | None = None,
        parameters: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        limits: Limits | Mapping[str, int] | None = None,
        run_at: datetime | str | None = None,
        retention_days: int | None = None,
        webhook: Mapping[str, Any] | None = None,
        worker: Literal["external"] | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        on_created: OnCreated | None = None,
        on_progress: OnProgress | None = None,
        concurrency: int = 4,
    ) -> Created:
        """Creates a job, uploads its input if it is large, and returns when the job is queued.

        - `input`: the content as `bytes`, the path of a file, or a file opened in binary mode. Up to 4 MB travel in
          the request; a larger input is uploaded to the bucket in parts. None is allowed for external workers.
        - `content_type`: by default guessed from the name of the file, else `application/octet-stream`.
        - `queue`, `priority`: the queue of external workers, and 0 to 9 within it; higher is claimed first.
        - `parameters`: a JSON object for the stages. `labels`: names and texts that the snapshot contains.
        - `limits`: the time limits of the job. `run_at`: when it may start, an aware `datetime` or RFC 3339.
          `retention_days`: how long it is kept. `webhook`: `url` and `events` of its webhook.
        - `worker="external"`: the job of one external worker, which needs `worker_key` of the result.
        - `idempotency_key`: 16 to 255 characters that cannot be guessed. A creation with the same key and input within
          24 hours returns the same job, and resumes its upload. By default a new one for each call, so that a repeated
          request never creates a second job.
        - `correlation_id`: appears in the messages and logs of the job.
        - `on_created` is called when the job exists, before its input is uploaded: store its id and key then, to resume
          the upload with `upload`. `on_progress` is called while the input is sent. Both run in the calling thread.
        - `concurrency`: parts that are sent at once.

        Raises `ApiError` with the code of the [HTTP API](https://github.com/stagecast/stagecast/blob/main/docs/reference/http.md#errors)
        if the service refuses, and `TransportError` if it cannot be reached.
        """
        return self._call(
            lambda client, relay: client.create(
                input,
                content_type=content_type,
                queue=queue,
                priority=priority,
                parameters=parameters,
                labels=labels,
                limits=limits,
                run_at=run_at,
                retention_days=retention_days,
                webhook=webhook,
                worker=worker,
                idempotency_key=idempotency_key,
                correlation_id=correlation_id,
                on_created=relay(on_created),
                on_progress=relay(on_progress),
                concurrency=concurrency,
            )
        )

    def upload(
        self,
        job: JobRef,
        access_key: str | None = None,
        *,
        input: Input,  # noqa: A002
        on_progress: OnProgress | None = None,
        concurrency: int = 4,
    ) -> None:
        """Resumes an interrupted upload with the same input, on any machine, and returns when the job is queued.

        The service says which parts are missing. An input of another size is refused with the code `wrong_input`; one
        of the same size is not compared.
        """
        self._call(
            lambda client, relay: client.upload(
                job, access_key, input=input, on_progress=relay(on_progress), concurrency=concurrency
            )
        )

    def watch(
        self,
        job: JobRef,
        access_key: str | None = None,
        *,
        after_seq: int = 0,
        websocket_url: WebSocketUrl | None = None,
        use_websocket: bool = True,
    ) -> Watch:
        """Watches a job: the result is an iterator of its messages that ends with the job.

        It reconnects and resumes by itself, and polls over HTTP where WebSockets are blocked. `after_seq` skips the
        durable messages up to that number. `use_websocket=False` polls in any case.
        """
        portal, client = self._started()
        watch = client.watch(
            job, access_key, after_seq=after_seq, websocket_url=websocket_url, use_websocket=use_websocket
        )
        return Watch(watch, portal, self)

    def jobs(
        self,
        *,
        status: JobStatus | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Iterator[JobSnapshot]:
        """The jobs of the token's owner, newest first. Pages are requested as they are read.

        `status` and `labels` select jobs: those that have this status now, and all of these labels. A job that is
        created during the iteration may be missing.
        """
        cursor: str | None = None
        while True:
            page = self.jobs_page(status=status, labels=labels, cursor=cursor)
            yield from page.jobs
            cursor = page.next_cursor
            if cursor is None:
                return

    def jobs_page(
        self,
        *,
        status: JobStatus | None = None,
        labels: Mapping[str, str] | None = None,
        cursor: str | None = None,
    ) -> JobsPage:
        """One page of `jobs`: at most 25, and possibly none although more follow. `cursor` is `next_cursor` of the
        page before it.
        """
        return self._call(lambda client, _: client.jobs_page(status=status, labels=labels, cursor=cursor))

    def snapshot(self, job: JobRef, access_key: str | None = None) -> JobSnapshot:
        """The state of the job as it is now."""
        return self._call(lambda client, _: client.snapshot(job, access_key))

    def results(self, job: JobRef, access_key: str | None = None, *, stage: str | None = None) -> Any:
        """The results of a completed job, or of one of its finished stages, parsed from JSON.

        Raises `NotFoundError` with the code `no_results` if there are none (yet).
        """
        return self._call(lambda client, _: client.results(job, access_key, stage=stage))

    def results_bytes(self, job: JobRef, access_key: str | None = None, *, stage: str | None = None) -> bytes:
        """The results as JSON, byte for byte as the stage wrote them."""
        return self._call(lambda client, _: client.results_bytes(job, access_key, stage=stage))

    def download_artifact(
        self,
        job: JobRef,
        access_key: str | None = None,
        *,
        name: str,
        to: str | os.PathLike[str] | None = None,
        on_progress: OnProgress | None = None,
    ) -> Path:
        """Downloads a file of the job and returns its path.

        `to` is a file or a folder, by default `name` in the current folder. The file appears when it is complete and
        its SHA-256 is verified. Raises `NotFoundError` with the code `no_artifact` if the job has no such file (yet).
        """
        return self._call(
            lambda client, relay: client.download_artifact(
                job, access_key, name=name, to=to, on_progress=relay(on_progress)
            )
        )

    def cancel(self, job: JobRef, access_key: str | None = None) -> bool:
        """Asks the job to stop; False if it has ended already.

        A running job ends with `job_cancelled` when its stage next checks, usually within a second.
        """
        return self._call(lambda client, _: client.cancel(job, access_key))

    def close(self) -> None:
        """Ends all watches and closes the connections."""
        with self._lock:
            running, self._running = self._running, None
        if running is not None and running[0] == os.getpid():
            _, portal, client = running
            portal.run(lambda _: client.aclose())
            portal.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _started(self) -> tuple[Portal, AsyncClient]:
        with self._lock:
            # A forked process has neither the thread nor its own connections.
            if self._running is None or self._running[0] != os.getpid():
                portal = Portal()
                self._running = (os.getpid(), portal, self._make())
                weakref.finalize(self, portal.close).atexit = False
            return self._running[1:]

    def _call(self, start: Callable[[AsyncClient, Relay], Coroutine[Any, Any, _Result]]) -> _Result:
        portal, client = self._started()
        return portal.run(lambda relay: start(client, relay))


def _target(to: str | os.PathLike[str] | None, name: str) -> Path:
    path = Path(name if to is None else to)
    return path / name if path.is_dir() else path


def _url(url: str | None) -> str:
    found = url or os.environ.get("STAGECAST_URL")
    if not found:
        raise ConfigurationError("`url` is missing: pass the address of the HTTP API, or set STAGECAST_URL")
    api_url(found)
    return found


# The docstrings are written once, where most readers look.
for _name in (
    "create",
    "upload",
    "watch",
    "jobs_page",
    "snapshot",
    "results",
    "results_bytes",
    "download_artifact",
    "cancel",
):
    getattr(AsyncClient, _name).__doc__ = getattr(Client, _name).__doc__
