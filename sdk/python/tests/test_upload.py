"""Uploads against a scripted service and bucket."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import random
from pathlib import Path
from typing import Any, BinaryIO, cast

import httpx
import pytest

import stagecast
from client_service import Bucket, call_async, call_sync, refused
from simulated import JOB, KEY
from stagecast import upload
from stagecast._transport import RetryPolicy

MB = 1024 * 1024
CONTENT = random.Random(1).randbytes(5 * MB + 17)


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RetryPolicy, "delay", lambda *_: 0.0)
    monkeypatch.setattr(upload, "_REFRESH_DELAY", 0.0)


def create(bucket: Bucket, content: Any = CONTENT, **options: Any) -> Any:
    return call_sync(bucket, lambda client: client.create(content, **options))


@pytest.mark.parametrize("call", [call_sync, call_async])
def test_large_input_is_uploaded_in_one_part_with_its_hash(call: Any) -> None:
    bucket = Bucket(CONTENT, 64 * MB)
    job = call(bucket, lambda client: client.create(CONTENT, content_type="text/csv"))
    assert job.job_id == JOB
    assert bucket.is_complete
    assert bucket.sha256() == hashlib.sha256(CONTENT).hexdigest()
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert bucket.description == {"input": {"content_type": "text/csv", "size": len(CONTENT), "sha256": digest}}


def test_hash_is_left_out_for_several_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stagecast.client.MAX_SINGLE_UPLOAD", MB)
    bucket = Bucket(CONTENT, MB)
    create(bucket)
    assert "sha256" not in bucket.description["input"]
    assert bucket.sha256() == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("concurrency", [1, 3, 100])
def test_parts_are_sent_concurrently_within_the_bound(concurrency: int) -> None:
    bucket = Bucket(CONTENT, MB)
    create(bucket, concurrency=concurrency)
    assert sorted(bucket.puts) == [1, 2, 3, 4, 5, 6]
    assert bucket.most_active <= concurrency
    assert bucket.is_complete


def test_progress_grows_to_the_size_and_reaches_it_at_the_end() -> None:
    bucket = Bucket(CONTENT, MB)
    seen: list[tuple[int, bool]] = []
    create(bucket, on_progress=lambda progress: seen.append((progress.sent, bucket.is_complete)))
    sizes = [size for size, _ in seen]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == len(CONTENT)
    assert len(sizes) > 6


@pytest.mark.parametrize("kind", ["path", "str", "bytearray", "file", "offset", "pipe"])
def test_every_kind_of_input_is_uploaded(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "input.bin"
    path.write_bytes(CONTENT)
    bucket = Bucket(CONTENT, MB)
    if kind == "pipe":

        class Pipe(io.BytesIO):
            def seekable(self) -> bool:
                return False

            def seek(self, *_: Any) -> int:
                raise OSError("a pipe cannot seek")

        create(bucket, Pipe(CONTENT))
    elif kind == "file":
        with path.open("rb") as file:
            create(bucket, file)
            assert not file.closed
    elif kind == "offset":
        path.write_bytes(b"header" + CONTENT)
        with path.open("rb") as file:
            file.read(6)
            create(bucket, file)
    else:
        create(bucket, {"path": path, "str": str(path), "bytearray": bytearray(CONTENT)}[kind])
    assert bucket.sha256() == hashlib.sha256(CONTENT).hexdigest()


def test_upload_resumes_with_what_the_service_says_is_missing() -> None:
    bucket = Bucket(CONTENT, MB)
    bucket.stored = {1: CONTENT[:MB], 4: CONTENT[3 * MB : 4 * MB]}
    seen: list[int] = []
    call_sync(bucket, lambda client: client.upload(JOB, KEY, input=CONTENT, on_progress=lambda p: seen.append(p.sent)))
    assert sorted(bucket.puts) == [2, 3, 5, 6]
    assert seen[0] == 2 * MB
    assert bucket.sha256() == hashlib.sha256(CONTENT).hexdigest()


def test_pages_of_missing_parts_are_all_sent() -> None:
    bucket = Bucket(CONTENT, MB // 4)
    bucket.page = 5
    create(bucket)
    assert bucket.is_complete
    assert len(bucket.puts) == 21


def test_complete_upload_is_left_alone() -> None:
    bucket = Bucket(CONTENT, MB)
    bucket.is_complete = True
    call_sync(bucket, lambda client: client.upload(JOB, KEY, input=CONTENT))
    assert bucket.puts == []


def test_replayed_creation_asks_what_is_missing() -> None:
    class Replayed(Bucket):
        async def __call__(self, request: httpx.Request) -> httpx.Response:
            answer = await super().__call__(request)
            if request.url.path == "/v1/jobs":
                self.generation += 1  # The URLs of the first answer have expired.
                answer.headers["idempotency-replayed"] = "true"
            return answer

    bucket = Replayed(CONTENT, MB)
    create(bucket, idempotency_key="k" * 16)
    assert len(bucket.puts) == 6


def test_replayed_creation_of_a_job_that_has_ended_returns_it() -> None:
    class Ended(Bucket):
        async def __call__(self, request: httpx.Request) -> httpx.Response:
            if request.url.path != "/v1/jobs":
                return refused(409, "job_already_finished")
            answer = await super().__call__(request)
            answer.headers["idempotency-replayed"] = "true"
            return answer

    assert create(Ended(CONTENT, MB), idempotency_key="k" * 16).is_replayed


@pytest.mark.parametrize("suffix", ["csv", "unknown"])
def test_type_of_an_opened_file_is_guessed_from_its_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"x")
    with path.open("rb") as file, upload.Source(file) as source:
        assert source.content_type == ("text/csv" if suffix == "csv" else "application/octet-stream")


def test_expired_urls_are_replaced() -> None:
    class Expiring(Bucket):
        async def put(self, part: int, request: httpx.Request) -> httpx.Response:
            if part == 3 and self.puts.count(3) == 0:
                self.generation += 1
            return await super().put(part, request)

    bucket = Expiring(CONTENT, MB)
    create(bucket)
    assert bucket.is_complete


def test_urls_that_never_work_fail_the_upload() -> None:
    class Denied(Bucket):
        async def put(self, part: int, request: httpx.Request) -> httpx.Response:
            return httpx.Response(403, content=b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>")

    with pytest.raises(stagecast.ForbiddenError, match="AccessDenied"):
        create(Denied(CONTENT, MB))


def test_part_whose_answer_was_lost_is_not_stored_twice() -> None:
    class Lossy(Bucket):
        async def put(self, part: int, request: httpx.Request) -> httpx.Response:
            answer = await super().put(part, request)
            if part == 2 and self.puts.count(2) == 1:
                raise httpx.ReadError("reset")
            return answer

    bucket = Lossy(CONTENT, MB)
    create(bucket)
    assert bucket.puts.count(2) == 2
    assert bucket.sha256() == hashlib.sha256(CONTENT).hexdigest()


def test_part_that_is_missing_after_all_is_sent() -> None:
    class Forgetful(Bucket):
        forgot = False

        async def complete(self) -> httpx.Response:
            if not self.forgot:
                self.forgot = True
                del self.stored[5]
            return await super().complete()

    bucket = Forgetful(CONTENT, MB)
    create(bucket)
    assert bucket.puts.count(5) == 2
    assert bucket.is_complete


def test_refused_content_is_an_error_with_the_code_of_s3() -> None:
    class Damaged(Bucket):
        async def put(self, part: int, request: httpx.Request) -> httpx.Response:
            return httpx.Response(400, content=b"<Error><Code>BadDigest</Code><Message>no match</Message></Error>")

    with pytest.raises(stagecast.ApiError) as caught:
        create(Damaged(CONTENT, 64 * MB))
    assert caught.value.code == "BadDigest"


def test_job_that_ended_meanwhile_ends_the_upload() -> None:
    class Cancelled(Bucket):
        async def complete(self) -> httpx.Response:
            return refused(409, "job_already_finished")

    with pytest.raises(stagecast.ConflictError, match="job_already_finished"):
        create(Cancelled(CONTENT, MB))


def test_failing_part_ends_the_other_parts() -> None:
    class Faulty(Bucket):
        async def put(self, part: int, request: httpx.Request) -> httpx.Response:
            self.puts.append(part)
            if part == 1:
                return httpx.Response(400)
            await asyncio.Event().wait()
            raise AssertionError

    bucket = Faulty(CONTENT, MB)
    with pytest.raises(stagecast.ApiError):
        create(bucket)
    assert bucket.active == 0
    assert not bucket.is_complete


def test_input_of_another_size_is_refused() -> None:
    bucket = Bucket(CONTENT, MB)
    with pytest.raises(stagecast.StagecastError, match="bytes and the job expects") as caught:
        call_sync(bucket, lambda client: client.upload(JOB, KEY, input=CONTENT[:-1]))
    assert caught.value.code == "wrong_input"
    assert bucket.puts == []


def test_file_that_changes_during_the_upload_is_not_completed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(CONTENT)

    class Changing(Bucket):
        async def put(self, part: int, request: httpx.Request) -> httpx.Response:
            if part == 2:
                await asyncio.to_thread(_append, path)
            return await super().put(part, request)

    bucket = Changing(CONTENT, MB)
    with pytest.raises(stagecast.StagecastError) as caught:
        create(bucket, path)
    assert caught.value.code == "input_changed"
    assert not bucket.is_complete


def test_file_that_becomes_shorter_fails_the_upload(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(CONTENT)
    with upload.Source(path) as source:
        os.truncate(path, 10)
        with pytest.raises(stagecast.StagecastError, match="changed"):
            source.read(0, 20)


def test_concurrency_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="concurrency"):
        create(Bucket(CONTENT, MB), concurrency=0)


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def test_opened_file_of_the_caller_stays_open() -> None:
    file = io.BytesIO(b"abc")
    with upload.Source(cast(BinaryIO, file)):
        pass
    assert not file.closed
