"""Downloads of inputs and uploads of artifacts, for the synchronous and the asynchronous job."""

from __future__ import annotations

import hashlib
import io
import mimetypes
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ._transport import Answer, Request
from .errors import ApiError, ForbiddenError, ServerError, StagecastError, TransportError

CHUNK_BYTES = 1 << 20
UPLOAD_ATTEMPTS = 6
DOWNLOAD_ATTEMPTS = 6
"""Attempts without a further byte."""

Content = bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO
"""The content of a file: bytes, the path of a file, or an open binary file."""


@dataclass
class Upload:
    """A file that is to be attached. It is read twice: for its hash, and for the request."""

    artifact: dict[str, Any]
    file: BinaryIO
    owns_file: bool

    @staticmethod
    def of(name: str, content: Content, content_type: str | None) -> Upload:
        file, owns_file = _open(name, content)
        try:
            file.seek(0)
            sha256, size = hashlib.sha256(), 0
            while chunk := file.read(CHUNK_BYTES):
                sha256.update(chunk)
                size += len(chunk)
        except BaseException:
            if owns_file:
                file.close()
            raise
        guessed = content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        artifact = {"name": name, "content_type": guessed, "size": size, "sha256": sha256.hexdigest()}
        return Upload(artifact, file, owns_file)

    def chunks(self) -> Iterator[bytes]:
        self.file.seek(0)
        while chunk := self.file.read(CHUNK_BYTES):
            yield chunk

    async def async_chunks(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks():
            yield chunk

    def close(self) -> None:
        if self.owns_file:
            self.file.close()


def _open(name: str, content: Content) -> tuple[BinaryIO, bool]:
    if isinstance(content, (bytes, bytearray, memoryview)):
        return io.BytesIO(content), True
    if isinstance(content, (str, os.PathLike)):
        return Path(content).open("rb"), True
    if not (hasattr(content, "read") and hasattr(content, "seek")):
        raise TypeError(
            f"the content of {name!r} is a {type(content).__name__}: expected bytes, a path or an open binary file"
        )
    return content, False


def is_worth_another_upload(error: StagecastError) -> bool:
    """Whether a failed PUT is repeated with a new presigned URL: the old one may have expired."""
    return isinstance(error, (TransportError, ServerError, ForbiddenError)) or (
        isinstance(error, ApiError) and error.status in (408, 429)
    )


def input_request(job_id: str, key: str, offset: int) -> Request:
    """Reads the input from `offset`."""
    headers: Mapping[str, str] = {"range": f"bytes={offset}-"} if offset else {}
    return Request("GET", f"/v1/jobs/{job_id}/input", key=key, headers=headers, stream=True)


def bytes_to_skip(answer: Answer, offset: int) -> int:
    """The service answers a small input as a whole, whatever its range."""
    return 0 if answer.status == 206 else offset


class InputReader(io.RawIOBase):
    """Makes a file of the chunks of a download."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
        super().close()
