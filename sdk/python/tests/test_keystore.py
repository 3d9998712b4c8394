"""The files with access keys."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from stagecast._keystore import KeyStore, StoredJob, state_folder

JOB = StoredJob(
    job_id="job_20240115_0123456789abcdef", access_key="secret", url="https://api.test", websocket_url="wss://live.test"
)


def test_stored_job_is_loaded(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "jobs")
    assert store.load(JOB.job_id) is None
    store.save(JOB)
    assert store.load(JOB.job_id) == JOB
    store.save(JOB)  # A repeated submission with the same idempotency key.
    assert [path.name for path in (tmp_path / "jobs").iterdir()] == [f"{JOB.job_id}.json"]
    assert "secret" not in repr(JOB)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_only_the_user_can_read_the_key(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        KeyStore(tmp_path / "jobs").save(JOB)
    finally:
        os.umask(before)
    (path,) = (tmp_path / "jobs").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "jobs").stat().st_mode) == 0o700


@pytest.mark.parametrize("job_id", ["../../etc/passwd", "", ".", "a/b", "a\\b", "x" * 200, "a.b", "a\n"])
def test_id_that_is_no_file_name_is_not_looked_up(tmp_path: Path, job_id: str) -> None:
    store = KeyStore(tmp_path)
    assert store.load(job_id) is None
    with pytest.raises(OSError, match="not a job id"):
        store.save(StoredJob(job_id=job_id, access_key="k", url=""))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"job_id": 1}', "\xff"])
def test_damaged_file_is_as_if_it_was_not_there(tmp_path: Path, content: str) -> None:
    (tmp_path / f"{JOB.job_id}.json").write_text(content, encoding="latin-1")
    assert KeyStore(tmp_path).load(JOB.job_id) is None


def test_files_older_than_any_job_are_deleted(tmp_path: Path) -> None:
    old, recent = tmp_path / "job_old.json", tmp_path / "job_recent.json"
    for path, age_days in ((old, 400), (recent, 300)):
        path.write_text("{}")
        os.utime(path, (path.stat().st_mtime - age_days * 86400,) * 2)
    KeyStore(tmp_path).save(JOB)
    assert not old.exists()
    assert recent.exists()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the XDG folders are those of Linux and BSD")
def test_state_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder() == tmp_path / "stagecast"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_folder() == tmp_path / ".local/state/stagecast"
