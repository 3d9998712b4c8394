"""Sends the input of a job: as a body, or in parts that are resumable, concurrent and verified."""

from __future__ import annotations

import asyncio
import hashlib
import io
import mimetypes
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, TypeAlias

import httpx

from ._transport import AsyncTransport, Request
from .errors import ApiError, StagecastError

Input: TypeAlias = bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO
"""The content itself, the path of a file, or a file opened in binary mode, which is read from its position."""

DEFAULT_CONTENT_TYPE = "application/octet-stream"
MAX_SINGLE_UPLOAD = 64 * 1024 * 1024
"""The largest input that is uploaded in one part, in bytes. Only for such an input does S3 verify a SHA-256."""

_SPOOL = 8 * 1024 * 1024
_CHUNK = 256 * 1024
_PUT_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_MOST_ROUNDS_WITHOUT_A_PART = 5
"""Rounds of new URLs in which no part was accepted, after which an upload fails."""

_REFRESH_DELAY = 0.25
"""Seconds before the first request for new URLs; doubles while they do not help."""


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How much of an input or of an artifact has been transferred."""

    sent: int
    """Bytes, those of earlier attempts included. Never decreases."""
    total: int
    """Size of the content, in bytes."""


class Source:
    """An input that can be read at any offset, by several threads."""

    def __init__(self, content: Input) -> None:
        name = getattr(content, "name", "")
        self._lock = threading.Lock()
        self._start = 0
        self._owns_file = True
        self._identity: tuple[int, int] | None = None
        if isinstance(content, (str, os.PathLike)):
            name = os.fspath(content)
            self._file: BinaryIO = Path(content).open("rb")  # noqa: SIM115
            self._identity = self._read_identity()
        elif isinstance(content, (bytes, bytearray, memoryview)):
            self._file = io.BytesIO(content)
        elif content.seekable():
            self._file, self._owns_file, self._start = content, False, content.tell()
        else:
            self._file = _spooled(content)
        # The name of an opened file is a number if it was opened from a descriptor.
        guessed = mimetypes.guess_type(name)[0] if isinstance(name, str) else None
        self.content_type = guessed or DEFAULT_CONTENT_TYPE
        self.size = self._file.seek(0, os.SEEK_END) - self._start

    def read(self, offset: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(self._start + offset)
            data = self._file.read(size)
        if len(data) != size:
            raise _changed()
        return data

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for offset in range(0, self.size, _CHUNK):
            digest.update(self.read(offset, min(_CHUNK, self.size - offset)))
        return digest.hexdigest()

    def check_unchanged(self) -> None:
        """Raises if the file was written to since it was opened: its parts may be of different versions."""
        if self._identity is not None and self._identity != self._read_identity():
            raise _changed()

    def close(self) -> None:
        if self._owns_file:
            self._file.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_identity(self) -> tuple[int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns


def _spooled(stream: BinaryIO) -> BinaryIO:
    """A pipe cannot be read twice, and the service wants to know its size first: copies it, large ones to the disk."""
    spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL)  # noqa: SIM115
    while chunk := stream.read(1 << 20):
        spool.write(chunk)
    return spool  # type: ignore[return-value]


def _changed() -> StagecastError:
    return StagecastError("the input changed while it was uploaded; upload it again", code="input_changed")


class Uploader:
    """Sends the missing parts of an input, and completes its upload. `path` is that of the job's upload."""

    def __init__(
        self,
        transport: AsyncTransport,
        path: str,
        key: Callable[[], Awaitable[str]],
        source: Source,
        *,
        on_progress: Callable[[UploadProgress], object] | None = None,
        concurrency: int = 4,
    ) -> None:
        if concurrency < 1:
            raise ValueError(f"`concurrency` is {concurrency}: expected at least 1")
        self._transport = transport
        self._path = path
        self._key = key
        """The access key, or a fresh token: an upload can take longer than a token is valid."""
        self._source = source
        self._on_progress = on_progress
        self._concurrency = concurrency
        self._sent_of_part: dict[int, int] = {}
        self._missing = 0
        self._reported = -1
        self._has_part_accepted = False

    async def run(self, known: Mapping[str, Any] | None = None) -> None:
        """Returns when the job has its input. `known` is what the service listed as missing, if it has already."""
        upload = known
        rounds_without_a_part = 0
        while True:
            if upload is None:
                answer = await self._transport.send(Request("GET", self._path, await self._key()))
                upload = answer.json().get("upload")
                if upload is None:
                    return
            self._check(upload)
            self._has_part_accepted = False
            try:
                if not upload["parts"]:
                    await asyncio.to_thread(self._source.check_unchanged)
                    await self._transport.send(Request("POST", self._path, await self._key()))
                    self._report(self._source.size)
                    return
                await self._send_parts(upload)
            except ApiError as error:
                if not (error.code == "upload_incomplete" or error.status in (403, 404)) or error.code == "forbidden":
                    raise
                # A URL has expired, or a part is missing after all: the service lists what is missing.
                rounds_without_a_part = 0 if self._has_part_accepted else rounds_without_a_part + 1
                if rounds_without_a_part >= _MOST_ROUNDS_WITHOUT_A_PART:
                    raise
                await asyncio.sleep(_REFRESH_DELAY * 2**rounds_without_a_part)
            upload = None

    def _check(self, upload: Mapping[str, Any]) -> None:
        if upload["size"] != self._source.size:
            raise StagecastError(
                f"the input has {self._source.size} bytes and the job expects {upload['size']}; "
                "upload the file that the job was created with",
                code="wrong_input",
            )

    async def _send_parts(self, upload: Mapping[str, Any]) -> None:
        parts = list(upload["parts"])
        listed = sum(part["size"] for part in parts)
        after = upload.get("next_after_part")
        unlisted = max(0, upload["size"] - after * upload["part_size"]) if after else 0
        self._missing = listed + unlisted
        self._sent_of_part.clear()
        self._report(self._source.size - self._missing)
        waiting = iter(parts)

        async def send_each() -> None:
            for part in waiting:
                await self._send_part(part)

        tasks = [asyncio.ensure_future(send_each()) for _ in range(min(self._concurrency, len(parts)))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send_part(self, part: Mapping[str, Any]) -> None:
        number: int = part["part"]
        headers = {name: value for name, value in part["headers"].items() if name.lower() != "host"}
        headers.setdefault("content-length", str(part["size"]))
        request = Request(
            "PUT",
            part["url"],
            headers=headers,
            content=lambda: self._chunks(number, part["offset"], part["size"]),
            timeout=_PUT_TIMEOUT,
        )
        try:
            await self._transport.send(request)
        except ApiError as error:
            self._sent_of_part[number] = 0
            # 412: an earlier attempt, whose answer was lost, has stored the part.
            if error.status != 412:
                raise
        self._has_part_accepted = True
        self._sent(number, part["size"])

    async def _chunks(self, number: int, offset: int, size: int) -> AsyncIterator[bytes]:
        self._sent_of_part[number] = 0
        for start in range(0, size, _CHUNK):
            data = await asyncio.to_thread(self._source.read, offset + start, min(_CHUNK, size - start))
            yield data
            # All of a part is reported only when it is accepted.
            self._sent(number, min(start + len(data), size - 1))

    def _sent(self, number: int, size: int) -> None:
        self._sent_of_part[number] = size
        self._report(self._source.size - self._missing + sum(self._sent_of_part.values()))

    def _report(self, sent: int) -> None:
        if sent > self._reported:
            self._reported = sent
            if self._on_progress is not None:
                self._on_progress(UploadProgress(sent, self._source.size))
