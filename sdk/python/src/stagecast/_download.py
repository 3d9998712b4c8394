"""Downloads artifacts to files: resumed after a broken connection, and verified."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from ._transport import Answer, AsyncTransport, Request, async_chunks
from .errors import StagecastError, TransportError
from .messages import Artifact
from .upload import UploadProgress

_MOST_FAILURES = 5
"""Consecutive connections without a byte, after which a download fails."""


async def download(
    transport: AsyncTransport,
    request: Request,
    artifact: Artifact,
    path: Path,
    on_progress: Callable[[UploadProgress], Any] | None,
) -> None:
    """Writes the artifact to `path`, which appears only when it is complete and verified."""
    partial = path.with_name(f"{path.name}.part")
    try:
        with partial.open("wb") as file:
            digest = await _Download(transport, request, artifact, file, on_progress).run()
        if digest != artifact.sha256:
            raise StagecastError(
                f"the content of {artifact.name!r} has another SHA-256 than listed: it was replaced meanwhile, or "
                "damaged; download it again",
                code="artifact_changed",
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class _Download:
    def __init__(
        self,
        transport: AsyncTransport,
        request: Request,
        artifact: Artifact,
        file: BinaryIO,
        on_progress: Callable[[UploadProgress], Any] | None,
    ) -> None:
        self._transport = transport
        self._request = request
        self._artifact = artifact
        self._file = file
        self._on_progress = on_progress
        self._digest = hashlib.sha256()
        self._received = 0

    async def run(self) -> str:
        failures = 0
        while True:
            before = self._received
            try:
                await self._receive(await self._open())
            except TransportError:
                failures = 0 if self._received > before else failures + 1
                if failures >= _MOST_FAILURES:
                    raise
                continue
            return self._digest.hexdigest()

    async def _open(self) -> Answer:
        request = self._request
        if self._received:
            request = replace(request, headers={"range": f"bytes={self._received}-"})
        return await self._transport.send(request)

    async def _receive(self, answer: Answer) -> None:
        if answer.status != 206 and self._received:
            # Without support for ranges, the content starts again.
            self._received = 0
            self._digest = hashlib.sha256()
            self._file.seek(0)
            self._file.truncate()
        async for chunk in async_chunks(answer, size=None):
            await asyncio.to_thread(self._file.write, chunk)
            self._digest.update(chunk)
            self._received += len(chunk)
            if self._on_progress is not None:
                self._on_progress(UploadProgress(self._received, self._artifact.size))
