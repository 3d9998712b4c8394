"""The access keys of submitted jobs, in files that only the user can read."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_LONGEST_RETENTION = 366 * 24 * 3600
"""No job is kept longer than a year; older files are deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """What `stagecast watch JOB` needs besides the id."""

    job_id: str
    access_key: str = field(repr=False)
    url: str
    """Address of the HTTP API."""
    websocket_url: str | None = None


class KeyStore:
    """One file for each job, of the mode 0600 in a folder of the mode 0700."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or state_folder() / "jobs"

    def save(self, job: StoredJob) -> None:
        """Raises `OSError` if the folder cannot be written."""
        path = self._path(job.job_id)
        if path is None:
            raise OSError(f"{job.job_id!r} is not a job id that can be the name of a file")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._delete_expired()
        partial = path.with_suffix(f".{os.getpid()}.part")
        partial.unlink(missing_ok=True)
        # The mode is set with the creation: the key is never readable for others.
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(
                {
                    "job_id": job.job_id,
                    "access_key": job.access_key,
                    "url": job.url,
                    "websocket_url": job.websocket_url,
                },
                file,
            )
        partial.replace(path)

    def load(self, job_id: str) -> StoredJob | None:
        path = self._path(job_id)
        if path is None:
            return None
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return StoredJob(
                job_id=data["job_id"],
                access_key=data["access_key"],
                url=data["url"],
                websocket_url=data.get("websocket_url"),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _path(self, job_id: str) -> Path | None:
        return self.folder / f"{job_id}.json" if _JOB_ID.fullmatch(job_id) else None

    def _delete_expired(self) -> None:
        oldest = time.time() - _LONGEST_RETENTION
        for path in self.folder.glob("*.json"):
            # Another process may have deleted it.
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def state_folder() -> Path:
    """The folder for the state of this user's programs, as the system defines it."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "stagecast"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "stagecast"
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "stagecast"
