"""The job and its stages, as job functions see them."""

from __future__ import annotations

import asyncio
import inspect
import io
import logging
import shutil
import tempfile
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sized
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Generic, TypeVar, overload

from ._channel import Channel
from ._files import (
    DOWNLOAD_ATTEMPTS,
    UPLOAD_ATTEMPTS,
    Content,
    InputReader,
    Upload,
    bytes_to_skip,
    input_request,
    is_worth_another_upload,
)
from ._protocol import RETRY
from ._stages import StageError
from ._transport import NO_RETRY, AsyncTransport, Request, Transport, async_chunks, chunks, json_request
from .errors import StagecastError, TransportError

T = TypeVar("T")
J = TypeVar("J", bound="BaseJob")

TRACK_INTERVAL = 0.1
"""Shortest time between two reports of `track`, in seconds. The session thins them further."""


class BaseJob:
    """What `Job` and `AsyncJob` have in common. None of it blocks."""

    def __init__(self, channel: Channel, log: logging.Logger | None = None) -> None:
        self._channel = channel
        self._claim = channel.claim
        self._stage: BaseStage[Any] | None = None
        self._folder: Path | None = None
        self.log = log or logging.getLogger("stagecast.job")
        """A logger for the job function; the records of any logger carry the job with `JobLogFilter`."""

    @property
    def id(self) -> str:
        return self._claim.job_id

    @property
    def queue(self) -> str | None:
        """The queue; None for a job that was created for an external worker."""
        return self._claim.queue

    @property
    def priority(self) -> int | None:
        """0 to 9; higher is claimed first. None for a job without a queue."""
        return self._claim.priority

    @property
    def attempt(self) -> int:
        """The number of this claim, from 1, plus the attempts that failed before."""
        return self._claim.attempt + self._failures

    _failures = 0

    @property
    def content_type(self) -> str:
        """The media type of the input."""
        return self._claim.content_type

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self._claim.parameters

    @property
    def labels(self) -> Mapping[str, str]:
        return self._claim.labels

    @property
    def created_at(self) -> str | None:
        """RFC 3339; None if the service does not say it."""
        return self._claim.created_at

    @property
    def run_until(self) -> str | None:
        """When the job exceeds its time limit, RFC 3339; None without a limit."""
        return self._claim.run_until

    @property
    def artifacts(self) -> tuple[Mapping[str, Any], ...]:
        """The files that earlier claims have attached."""
        return self._claim.artifacts

    @property
    def finished(self) -> Mapping[str, Any]:
        """The results of the finished stages, by name, those of earlier claims included."""
        return self._channel.finished()

    @property
    def checkpoint(self) -> Any:
        """The last stored state of the unfinished stage, also of an earlier claim; None without one."""
        found = self._channel.checkpoint()
        return None if found is None else found[1]

    @property
    def current_stage(self) -> str | None:
        """The name of the stage that the function started last."""
        return None if self._stage is None else self._stage.name

    @property
    def folder(self) -> Path:
        """A temporary folder, which is deleted when the job function ends."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="stagecast-"))
        return self._folder

    def check_cancelled(self) -> None:
        """Raises `Cancelled`, `LeaseLost` or `Released` if the function has to stop."""
        error = self._channel.interruption()
        if error is not None:
            raise error

    def report(self, percent: float | None = None, message: str | None = None, **more: Any) -> None:
        """Reports progress of the running stage; see `Stage.report`.

        A function without stages has one with its name. After the last stage, nothing is reported.
        """
        self.check_cancelled()
        stage = self._running_stage()
        if stage is not None:
            stage.report(percent, message, **more)

    def track(self, items: Iterable[T], **more: Any) -> Iterator[T]:
        """Iterates and reports progress of the running stage; see `Stage.track`."""
        stage = self._running_stage()
        return iter(items) if stage is None else stage.track(items, **more)

    def _running_stage(self) -> BaseStage[Any] | None:
        name = self._channel.begin_default()
        if name is None:
            return None
        if self._stage is None or self._stage.name != name:
            self._stage = self._new_stage(name)
        return self._stage

    def _new_stage(self, name: str) -> BaseStage[Any]:
        raise NotImplementedError

    def _clean_up(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class BaseStage(Generic[J]):
    """What `Stage` and `AsyncStage` have in common. None of it blocks."""

    def __init__(self, job: J, name: str, *, is_finished: bool) -> None:
        self._job = job
        self._channel = job._channel
        self.name = name
        self.finished = is_finished
        """Whether the stage had finished before. Then `result` has its results, and what it reports is ignored."""
        self._result: Any = job.finished.get(name) if is_finished else None
        self._message = ""

    @property
    def result(self) -> Any:
        """The results of the stage: any JSON value. The value that the function returns replaces those of the last."""
        return self._result

    @result.setter
    def result(self, value: Any) -> None:
        if not self.finished:
            self._result = value
            self._channel.set_result(self.name, value)

    @property
    def state(self) -> Any:
        """The last state that `checkpoint` stored, also in an earlier claim; None without one."""
        found = self._channel.checkpoint()
        return found[1] if found is not None and found[0] == self.name else None

    def report(
        self,
        percent: float | None = None,
        message: str | None = None,
        *,
        done: float | None = None,
        total: float | None = None,
        unit: str | None = None,
        remaining_seconds: float | None = None,
    ) -> None:
        """Reports progress: a percentage, or `done` of `total` units. Call it as often as you like.

        With `done` and without `total`, clients see the count and no percentage. A message stays until the next one.
        Without `remaining_seconds`, the service estimates the remaining time.
        """
        self._job.check_cancelled()
        if self.finished:
            return
        if message is not None:
            self._message = message
        extra: dict[str, Any] = {}
        if done is not None:
            extra["completed"] = max(0, int(done))
            if total is not None:
                total = max(int(total), extra["completed"])
                extra["total"] = total
                if percent is None:
                    percent = 100 * done / total if total else 100
            elif percent is None:
                extra["indeterminate"] = True
            if unit:
                extra["unit"] = unit
        if remaining_seconds is not None:
            extra["estimated_seconds_remaining"] = max(0, int(remaining_seconds))
        self._channel.progress(self.name, None if percent is None else int(percent), self._message, extra)

    def track(
        self,
        items: Iterable[T],
        *,
        total: int | None = None,
        unit: str | None = None,
        message: str | None = None,
        initial: int = 0,
    ) -> Iterator[T]:
        """Yields the items and reports how many are done. Raises `Cancelled` before the next item.

        `total` is that of `len(items)` if it has one. `initial` counts items that were done before.
        """
        if total is None and isinstance(items, Sized):
            total = initial + len(items)
        counter = _Counter(self, initial, total, unit, message)
        for item in items:
            counter.check()
            yield item
            counter.add()
        counter.end()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} of {self._job.id}>"

    def _enter(self) -> None:
        self._job.check_cancelled()
        self._channel.enter(self.name)

    def _exit(self, kind: type[BaseException] | None) -> None:
        if kind is not None:
            self._channel.abandon(self.name)
            return
        self._channel.end(self.name, self._result)
        self._job.check_cancelled()


class _Counter:
    """Counts items and reports now and then, and at the end."""

    def __init__(
        self, stage: BaseStage[Any], done: int, total: int | None, unit: str | None, message: str | None
    ) -> None:
        self._stage, self._done, self._total, self._unit = stage, done, total, unit
        self._reported_at = time.monotonic()
        stage.report(done=done, total=total, unit=unit, message=message)

    def check(self) -> None:
        self._stage._job.check_cancelled()

    def add(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._reported_at >= TRACK_INTERVAL:
            self._reported_at = now
            self._report()

    def end(self) -> None:
        self._report()

    def _report(self) -> None:
        self._stage.report(done=self._done, total=self._total, unit=self._unit)


class Stage(BaseStage["Job"]):
    """A stage of a `Job`. It ends with its `with` block; without one, with the next stage or the function."""

    def checkpoint(self, state: Any, *, wait: bool = False) -> None:
        """Stores a state, any JSON value of at most 256 KB, from which the stage can continue after a crash.

        At most one a second is stored, the last one always. `wait` returns when it is stored.
        """
        self._job.check_cancelled()
        ticket = self._channel.store(self.name, state, wait)
        if wait and ticket is not None:
            self._channel.wait(ticket)

    def complete(self, result: Any = None) -> None:
        """Ends the stage and returns when its results are stored."""
        if self.finished:
            return
        ticket = self._channel.complete(self.name, self._result if result is None else result)
        self.finished = True
        if result is not None:
            self._result = result
        if ticket is not None:
            self._channel.wait(ticket)
        self._job.check_cancelled()

    def __enter__(self) -> Stage:
        self._enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit(kind)


class AsyncStage(BaseStage["AsyncJob"]):
    """A stage of an `AsyncJob`, for `async with`."""

    async def checkpoint(self, state: Any, *, wait: bool = False) -> None:
        """See `Stage.checkpoint`."""
        self._job.check_cancelled()
        ticket = self._channel.store(self.name, state, wait)
        if wait and ticket is not None:
            await self._job._wait(ticket)

    async def complete(self, result: Any = None) -> None:
        """See `Stage.complete`."""
        if self.finished:
            return
        ticket = self._channel.complete(self.name, self._result if result is None else result)
        self.finished = True
        if result is not None:
            self._result = result
        if ticket is not None:
            await self._job._wait(ticket)
        self._job.check_cancelled()

    @overload
    def track(self, items: AsyncIterable[T], **more: Any) -> AsyncIterator[T]: ...
    @overload
    def track(self, items: Iterable[T], **more: Any) -> Iterator[T]: ...
    def track(self, items: AsyncIterable[T] | Iterable[T], **more: Any) -> AsyncIterator[T] | Iterator[T]:
        """See `Stage.track`; an async iterable is iterated with `async for`."""
        if isinstance(items, AsyncIterable):
            return self._track_async(items, **more)
        return super().track(items, **more)

    async def _track_async(
        self,
        items: AsyncIterable[T],
        *,
        total: int | None = None,
        unit: str | None = None,
        message: str | None = None,
        initial: int = 0,
    ) -> AsyncIterator[T]:
        counter = _Counter(self, initial, total, unit, message)
        async for item in items:
            counter.check()
            yield item
            counter.add()
        counter.end()

    async def __aenter__(self) -> AsyncStage:
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit(kind)


class Job(BaseJob):
    """A claimed job, as a synchronous job function receives it."""

    def __init__(self, channel: Channel, transport: Transport, log: logging.Logger | None = None) -> None:
        super().__init__(channel, log)
        self._transport = transport

    def stage(self, name: str, weight: float = 1) -> Stage:
        """Starts a stage, which ends the one before. `weight` is its share of the overall progress."""
        self.check_cancelled()
        stage = Stage(self, name, is_finished=not self._channel.begin(name, weight))
        self._stage = stage
        return stage

    def step(self, name: str, function: Callable[..., T], /, *arguments: Any, weight: float = 1, **keywords: Any) -> T:
        """Runs `function(*arguments, **keywords)` as a stage and returns its value, which is the stage's result.

        If the stage has finished in an earlier claim, the stored result is returned instead.
        """
        with self.stage(name, weight) as stage:
            if stage.finished:
                stored: T = stage.result
                return stored
            value = function(*arguments, **keywords)
            stage.complete(value)
        return value

    def input(self) -> bytes:
        """The whole input."""
        return b"".join(self._download())

    def input_stream(self) -> BinaryIO:
        """The input as a binary file that is read from the network. A broken connection is resumed."""
        reader: Any = io.BufferedReader(InputReader(self._download()), 1 << 20)
        stream: BinaryIO = reader
        return stream

    def input_file(self, path: str | Path | None = None) -> Path:
        """Downloads the input to a file, by default one in `folder`, and returns its path."""
        target = self.folder / "input" if path is None else Path(path)
        with target.open("wb") as file:
            for chunk in self._download():
                file.write(chunk)
        return target

    def attach(self, name: str, content: Content, content_type: str | None = None) -> None:
        """Uploads a file of at most 5 GB: bytes, a path, or an open binary file. It belongs to the running stage.

        The media type is by default that of the name's extension. Clients see the file when the stage ends.
        """
        self.check_cancelled()
        upload = Upload.of(name, content, content_type)
        try:
            for attempt in range(1, UPLOAD_ATTEMPTS + 1):
                announced = self._transport.send(self._announcement(upload)).json()
                try:
                    self._transport.send(_put(announced, upload.chunks))
                    break
                except StagecastError as error:
                    if attempt == UPLOAD_ATTEMPTS or not is_worth_another_upload(error):
                        raise
                time.sleep(RETRY.delay(attempt))
                self.check_cancelled()
        finally:
            upload.close()
        self._channel.attach(upload.artifact)

    def _announcement(self, upload: Upload) -> Request:
        return _announcement(self, upload)

    def _download(self) -> Iterator[bytes]:
        offset, failures = 0, 0
        while True:
            self.check_cancelled()
            answer = self._transport.send(input_request(self.id, self._claim.worker_key, offset))
            skip = bytes_to_skip(answer, offset)
            try:
                for chunk in chunks(answer):
                    kept = chunk[skip:] if skip else chunk
                    skip = max(0, skip - len(chunk))
                    if kept:
                        offset += len(kept)
                        failures = 0
                        yield kept
                        self.check_cancelled()
                return
            except TransportError:
                failures += 1
                if failures == DOWNLOAD_ATTEMPTS:
                    raise
                time.sleep(RETRY.delay(failures))

    def _new_stage(self, name: str) -> Stage:
        return Stage(self, name, is_finished=name in self.finished)

    def _conclude(self, value: Any) -> None:
        self._channel.wait(self._channel.conclude(value))


class AsyncJob(BaseJob):
    """A claimed job, as an asynchronous job function receives it."""

    def __init__(self, channel: Channel, transport: AsyncTransport, log: logging.Logger | None = None) -> None:
        super().__init__(channel, log)
        self._transport = transport

    def stage(self, name: str, weight: float = 1) -> AsyncStage:
        """See `Job.stage`; use it with `async with`."""
        self.check_cancelled()
        stage = AsyncStage(self, name, is_finished=not self._channel.begin(name, weight))
        self._stage = stage
        return stage

    async def step(
        self,
        name: str,
        function: Callable[..., Awaitable[T]] | Callable[..., T],
        /,
        *arguments: Any,
        weight: float = 1,
        **keywords: Any,
    ) -> T:
        """See `Job.step`. A coroutine function is awaited."""
        async with self.stage(name, weight) as stage:
            if stage.finished:
                stored: T = stage.result
                return stored
            called: Any = function(*arguments, **keywords)
            value: T = await called if inspect.isawaitable(called) else called
            await stage.complete(value)
        return value

    async def input(self) -> bytes:
        """The whole input."""
        return b"".join([chunk async for chunk in self.input_stream()])

    async def input_stream(self) -> AsyncIterator[bytes]:
        """The chunks of the input. A broken connection is resumed."""
        offset, failures = 0, 0
        while True:
            self.check_cancelled()
            answer = await self._transport.send(input_request(self.id, self._claim.worker_key, offset))
            skip = bytes_to_skip(answer, offset)
            try:
                async for chunk in async_chunks(answer):
                    kept = chunk[skip:] if skip else chunk
                    skip = max(0, skip - len(chunk))
                    if kept:
                        offset += len(kept)
                        failures = 0
                        yield kept
                        self.check_cancelled()
                return
            except TransportError:
                failures += 1
                if failures == DOWNLOAD_ATTEMPTS:
                    raise
                await asyncio.sleep(RETRY.delay(failures))

    async def input_file(self, path: str | Path | None = None) -> Path:
        """See `Job.input_file`."""
        target = self.folder / "input" if path is None else Path(path)
        file = await asyncio.to_thread(target.open, "wb")
        try:
            async for chunk in self.input_stream():
                await asyncio.to_thread(file.write, chunk)
        finally:
            file.close()
        return target

    async def attach(self, name: str, content: Content, content_type: str | None = None) -> None:
        """See `Job.attach`."""
        self.check_cancelled()
        upload = await asyncio.to_thread(Upload.of, name, content, content_type)
        try:
            for attempt in range(1, UPLOAD_ATTEMPTS + 1):
                announced = (await self._transport.send(_announcement(self, upload))).json()
                try:
                    await self._transport.send(_put(announced, upload.async_chunks))
                    break
                except StagecastError as error:
                    if attempt == UPLOAD_ATTEMPTS or not is_worth_another_upload(error):
                        raise
                await asyncio.sleep(RETRY.delay(attempt))
                self.check_cancelled()
        finally:
            upload.close()
        self._channel.attach(upload.artifact)

    def _new_stage(self, name: str) -> AsyncStage:
        return AsyncStage(self, name, is_finished=name in self.finished)

    async def _wait(self, ticket: int) -> None:
        future = getattr(self._channel, "ticket_future", None)
        if future is None:
            raise StageError("this job cannot be awaited", code="not_asynchronous")
        await asyncio.wrap_future(future(ticket))

    async def _conclude(self, value: Any) -> None:
        await self._wait(self._channel.conclude(value))


def _announcement(job: BaseJob, upload: Upload) -> Request:
    body = {"epoch": job._claim.raw["epoch"], **upload.artifact}
    return json_request("POST", f"/v1/jobs/{job.id}/artifacts", body, key=job._claim.worker_key)


def _put(announced: Mapping[str, Any], content: Callable[[], Any]) -> Request:
    # Presigned: the key stays here.
    return Request("PUT", announced["url"], headers=announced["headers"], content=content, policy=NO_RETRY)
