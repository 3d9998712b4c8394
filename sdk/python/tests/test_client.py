"""Requests and answers of the client, synchronous and asynchronous, against a scripted service."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import logging
import os
import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest

import stagecast
from client_service import URL, Handler, call_async, call_sync, created, http_client, refused
from simulated import JOB, KEY, snapshot
from stagecast._portal import Portal
from stagecast._transport import RetryPolicy

Call = Callable[..., Any]


@pytest.fixture(params=[call_sync, call_async], ids=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    found: Call = request.param
    return found


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RetryPolicy, "delay", lambda *_: 0.0)


def recorded(*answers: httpx.Response) -> tuple[Handler, list[httpx.Request]]:
    seen: list[httpx.Request] = []
    rest = iter(answers)

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return next(rest)

    return handler, seen


# Creation


def test_small_input_is_the_body_and_its_type_is_guessed_from_the_name(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes(b"a,b\n")
    handler, (seen) = recorded(created())
    job = call(handler, lambda client: client.create(path, queue="transcripts", priority=7))
    assert (job.job_id, job.access_key, job.websocket_url) == (JOB, KEY, "wss://live.test")
    (request,) = seen
    assert (request.method, request.url.path) == ("POST", "/v1/jobs")
    assert dict(request.url.params) == {"queue": "transcripts", "priority": "7"}
    assert request.content == b"a,b\n"
    assert request.headers["content-type"] == "text/csv"
    assert "authorization" not in request.headers


@pytest.mark.parametrize("size", [0, 1, 4 * 1024 * 1024])
def test_bytes_up_to_4_mb_are_the_body(call: Call, size: int) -> None:
    handler, seen = recorded(created())
    call(handler, lambda client: client.create(b"x" * size))
    assert len(seen[0].content) == size
    assert seen[0].headers["content-type"] == "application/octet-stream"


def test_repeated_request_has_the_same_idempotency_key(call: Call) -> None:
    handler, seen = recorded(httpx.Response(503), created(), created())

    async def twice(client: Any) -> None:
        await client.create(b"x")
        await client.create(b"x")

    call_async(handler, twice)
    first, repeated, other = (request.headers["idempotency-key"] for request in seen)
    assert first == repeated
    assert uuid.UUID(first) != uuid.UUID(other)


def test_own_idempotency_key_and_correlation_id_are_sent(call: Call) -> None:
    answer = created()
    answer.headers["idempotency-replayed"] = "true"
    handler, seen = recorded(answer)
    job = call(handler, lambda client: client.create(b"x", idempotency_key="k" * 20, correlation_id="order-1"))
    assert seen[0].headers["idempotency-key"] == "k" * 20
    assert seen[0].headers["x-correlation-id"] == "order-1"
    assert job.is_replayed


def test_options_are_sent_as_a_description_with_the_input_inline(call: Call) -> None:
    handler, seen = recorded(created())
    at = datetime(2027, 1, 15, 4, tzinfo=timezone(timedelta(hours=2)))
    call(
        handler,
        lambda client: client.create(
            b"\x00\xff",
            content_type="image/png",
            queue="q",
            priority=0,
            parameters={"columns": ["price"]},
            labels={"team": "maps"},
            limits=stagecast.Limits(run_seconds=60),
            run_at=at,
            retention_days=3,
            webhook={"events": ["job_complete"]},
        ),
    )
    assert seen[0].headers["content-type"] == "application/vnd.stagecast.job+json"
    assert json.loads(seen[0].content) == {
        "input": {"content_type": "image/png", "base64": base64.b64encode(b"\x00\xff").decode()},
        "queue": "q",
        "priority": 0,
        "parameters": {"columns": ["price"]},
        "labels": {"team": "maps"},
        "limits": {"run_seconds": 60},
        "run_at": "2027-01-15T02:00:00Z",
        "retention_days": 3,
        "webhook": {"events": ["job_complete"]},
    }


def test_job_of_an_external_worker_can_do_without_input(call: Call) -> None:
    handler, seen = recorded(created(worker_key="w" * 32))
    job = call(handler, lambda client: client.create(worker="external"))
    assert json.loads(seen[0].content) == {"worker": "external"}
    assert job.worker_key == "w" * 32


def test_time_without_zone_is_refused(call: Call) -> None:
    handler, seen = recorded()
    with pytest.raises(ValueError, match="time zone"):
        call(handler, lambda client: client.create(b"x", run_at=datetime(2027, 1, 1)))  # noqa: DTZ001
    assert seen == []


def test_nan_in_parameters_is_refused(call: Call) -> None:
    handler, seen = recorded()
    with pytest.raises(ValueError, match="JSON"):
        call(handler, lambda client: client.create(b"x", parameters={"a": float("nan")}))
    assert seen == []


def test_token_is_requested_for_each_creation(call: Call) -> None:
    tokens = iter(["one", "two"])
    handler, seen = recorded(created(), created())
    call(handler, lambda client: client.create(b"x"), token=lambda: next(tokens))
    call(handler, lambda client: client.create(b"x"), token="fixed")
    assert [request.headers["authorization"] for request in seen] == ["Bearer one", "Bearer fixed"]


def test_refusal_has_code_status_and_details(call: Call) -> None:
    handler, _ = recorded(refused(400, "unknown_queue", queues=["a"]))
    with pytest.raises(stagecast.ApiError) as caught:
        call(handler, lambda client: client.create(b"x", queue="b"))
    error = caught.value
    assert (error.code, error.status, error.request_id, error.details) == (
        "unknown_queue",
        400,
        "req_1",
        {"queues": ["a"]},
    )


def test_keys_are_not_in_representations() -> None:
    handler, _ = recorded(created(worker_key="w" * 32))
    job = call_sync(handler, lambda client: client.create(b"x"))
    assert KEY not in repr(job)
    assert "w" * 32 not in repr(job)


def test_callback_runs_in_the_calling_thread() -> None:
    handler, _ = recorded(created())
    threads: list[threading.Thread] = []
    call_sync(
        handler, lambda client: client.create(b"x", on_created=lambda _: threads.append(threading.current_thread()))
    )
    assert threads == [threading.current_thread()]


def test_url_comes_from_the_environment_and_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STAGECAST_URL", raising=False)
    for kind in (stagecast.Client, stagecast.AsyncClient):
        with pytest.raises(stagecast.ConfigurationError, match="STAGECAST_URL"):
            kind()
        with pytest.raises(stagecast.ConfigurationError, match="ftp"):
            kind("ftp://x")
    monkeypatch.setenv("STAGECAST_URL", URL)
    stagecast.Client().close()


# Reading


@pytest.mark.parametrize("by_object", [True, False])
def test_snapshot_is_read_with_the_access_key(call: Call, by_object: bool) -> None:
    handler, seen = recorded(httpx.Response(200, json=snapshot(3, 1, queue="q", labels={"a": "b"}, future=1)))
    job = stagecast.JobKey(job_id=JOB, access_key=KEY)
    state = call(handler, lambda client: client.snapshot(job) if by_object else client.snapshot(JOB, KEY))
    assert seen[0].url.path == f"/v1/jobs/{JOB}"
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert (state.status, state.seq, state.queue, state.labels) == ("running", 1, "q", {"a": "b"})
    assert state.raw["future"] == 1


def test_missing_access_key_is_an_error_before_the_request(call: Call) -> None:
    handler, seen = recorded()
    with pytest.raises(TypeError, match="access_key"):
        call(handler, lambda client: client.results(JOB))
    assert seen == []


def fresh_tokens() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"token-{next(numbers)}"


def bearers(seen: list[httpx.Request]) -> list[str]:
    return [request.headers["authorization"].removeprefix("Bearer ") for request in seen]


def test_token_opens_a_job_that_is_given_by_its_id(call: Call) -> None:
    state = httpx.Response(200, json=snapshot(0, 0, owner="user-7"))
    handler, seen = recorded(state, httpx.Response(200, json=[1]), httpx.Response(202, json={}), state)

    async def use_async(client: Any) -> None:
        await client.snapshot(JOB)
        await client.results(JOB)
        await client.cancel(JOB)
        await client.snapshot(JOB, KEY)

    def use(client: Any) -> Any:
        if isinstance(client, stagecast.AsyncClient):
            return use_async(client)
        client.snapshot(JOB)
        client.results(JOB)
        client.cancel(JOB)
        return client.snapshot(JOB, KEY)

    call(handler, use, token=fresh_tokens())
    # A fresh one for each request; a key that is passed counts.
    assert bearers(seen) == ["token-1", "token-2", "token-3", KEY]


def test_token_of_an_asynchronous_function_resumes_an_upload(call: Call) -> None:
    async def token() -> str:
        return "token"

    handler, seen = recorded(httpx.Response(200, json=snapshot(0, 0, "queued")))
    call(handler, lambda client: client.upload(JOB, input=b"abc"), token=token)
    assert bearers(seen) == ["token"]


def test_jobs_are_listed_in_pages_with_their_filters(call: Call) -> None:
    def page(*numbers: int, cursor: str | None = None) -> httpx.Response:
        jobs = [{**snapshot(0, number), "owner": "user-7"} for number in numbers]
        return httpx.Response(200, json={"jobs": jobs, **({"next_cursor": cursor} if cursor else {})})

    # A page can be empty although more follow.
    handler, seen = recorded(page(3, 2, cursor="a"), page(cursor="b"), page(1))

    async def collect(found: Any) -> list[int]:
        return [job.seq async for job in found]

    def use(client: Any) -> Any:
        found = client.jobs(status="running", labels={"team": "blue"})
        if isinstance(client, stagecast.AsyncClient):
            return collect(found)
        return [job.seq for job in found]

    assert call(handler, use, token=fresh_tokens()) == [3, 2, 1]
    assert [dict(request.url.params) for request in seen] == [
        {"label.team": "blue", "status": "running"},
        {"label.team": "blue", "status": "running", "cursor": "a"},
        {"label.team": "blue", "status": "running", "cursor": "b"},
    ]
    assert bearers(seen) == ["token-1", "token-2", "token-3"]


def test_jobs_are_not_listed_without_a_token(call: Call) -> None:
    handler, seen = recorded()
    with pytest.raises(TypeError, match="token"):
        call(handler, lambda client: client.jobs_page())
    assert not seen


def test_large_results_are_read_from_the_bucket_without_the_key(call: Call) -> None:
    body = b'{"digits": 123456789012345678901234567890}'
    redirect = httpx.Response(307, headers={"location": "https://bucket.test/r?signature=s"})
    handler, seen = recorded(redirect, httpx.Response(200, content=body))
    results = call(handler, lambda client: client.results(JOB, KEY, stage="count"))
    assert results == {"digits": 123456789012345678901234567890}
    assert dict(seen[0].url.params) == {"stage": "count"}
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert "authorization" not in seen[1].headers


def test_results_are_available_byte_for_byte(call: Call) -> None:
    handler, _ = recorded(httpx.Response(200, content=b'{"a":1.0,"a":2}'))
    assert call(handler, lambda client: client.results_bytes(JOB, KEY)) == b'{"a":1.0,"a":2}'


@pytest.mark.parametrize(
    ("answer", "expected"), [(httpx.Response(202, json={}), True), (refused(409, "job_already_finished"), False)]
)
def test_cancel_says_whether_the_job_was_still_there(call: Call, answer: httpx.Response, expected: bool) -> None:
    handler, seen = recorded(answer)
    assert call(handler, lambda client: client.cancel(JOB, KEY)) is expected
    assert seen[0].method == "DELETE"


def test_forbidden_is_raised(call: Call) -> None:
    handler, _ = recorded(refused(403, "forbidden"))
    with pytest.raises(stagecast.ForbiddenError):
        call(handler, lambda client: client.cancel(JOB, "wrong"))


# Artifacts


class Broken(httpx.AsyncByteStream):
    def __init__(self, data: bytes) -> None:
        self.data = data

    async def __aiter__(self) -> Any:
        yield self.data
        raise httpx.ReadError("connection reset")


class Files:
    """Serves one artifact; each request gets `step` bytes before its connection breaks."""

    def __init__(self, content: bytes, step: int | None = None, *, ranges: bool = True, sha256: str = "") -> None:
        self.content = content
        self.step = step
        self.ranges = ranges
        self.sha256 = sha256 or hashlib.sha256(content).hexdigest()
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.host != "bucket.test":
            if request.url.path.endswith("/artifacts/a.csv"):
                return httpx.Response(307, headers={"location": "https://bucket.test/a?signature=s"})
            listed = {"name": "a.csv", "content_type": "text/csv", "size": len(self.content), "sha256": self.sha256}
            return httpx.Response(200, json=snapshot(1, 0, artifacts=[listed]))
        self.requests.append(request)
        assert "authorization" not in request.headers
        start = int(request.headers.get("range", "bytes=0-")[6:-1]) if self.ranges else 0
        rest = self.content[start:]
        if self.step is None or len(rest) <= self.step:
            return httpx.Response(206 if start else 200, content=rest)
        if not self.ranges:
            self.step += 1
        return httpx.Response(206 if start else 200, stream=Broken(rest[: self.step]))


def test_artifact_is_downloaded_and_verified(call: Call, tmp_path: Path) -> None:
    sizes: list[int] = []
    path = call(
        Files(b"x" * 3_000_000),
        lambda client: client.download_artifact(
            JOB, KEY, name="a.csv", to=tmp_path, on_progress=lambda p: sizes.append(p.sent)
        ),
    )
    assert path == tmp_path / "a.csv"
    assert path.read_bytes() == b"x" * 3_000_000
    assert sizes == sorted(sizes)
    assert sizes[-1] == 3_000_000


def test_broken_download_is_resumed_where_it_broke(call: Call, tmp_path: Path) -> None:
    files = Files(bytes(range(256)) * 8, step=1000)
    path = call(files, lambda client: client.download_artifact(JOB, KEY, name="a.csv", to=tmp_path / "out"))
    assert path.read_bytes() == files.content
    assert [request.headers.get("range") for request in files.requests] == [None, "bytes=1000-", "bytes=2000-"]


def test_download_without_ranges_starts_again(call: Call, tmp_path: Path) -> None:
    files = Files(b"abcdefgh", step=6, ranges=False)
    path = call(files, lambda client: client.download_artifact(JOB, KEY, name="a.csv", to=tmp_path))
    assert path.read_bytes() == files.content


def test_download_that_makes_no_progress_fails_and_leaves_nothing(call: Call, tmp_path: Path) -> None:
    files = Files(b"abcdefgh", step=0)
    with pytest.raises(stagecast.TransportError):
        call(files, lambda client: client.download_artifact(JOB, KEY, name="a.csv", to=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_artifact_with_another_hash_is_refused(call: Call, tmp_path: Path) -> None:
    with pytest.raises(stagecast.StagecastError, match="SHA-256") as caught:
        call(
            Files(b"abc", sha256="0" * 64), lambda client: client.download_artifact(JOB, KEY, name="a.csv", to=tmp_path)
        )
    assert caught.value.code == "artifact_changed"
    assert list(tmp_path.iterdir()) == []


def test_unknown_artifact_names_the_known_ones(call: Call) -> None:
    with pytest.raises(stagecast.NotFoundError, match=r"'a\.csv'"):
        call(Files(b""), lambda client: client.download_artifact(JOB, KEY, name="b.csv"))


# The synchronous façade


def test_client_works_inside_a_running_event_loop() -> None:
    async def notebook() -> Any:
        handler, _ = recorded(httpx.Response(200, json=snapshot(1, 0)))
        return call_sync(handler, lambda client: client.snapshot(JOB, KEY))

    assert asyncio.run(notebook()).seq == 0


def test_client_is_used_by_several_threads() -> None:
    with stagecast.Client(URL, http_client=http_client(lambda _: httpx.Response(200, json=snapshot(1, 0)))) as client:
        results: list[int] = []
        threads = [threading.Thread(target=lambda: results.append(client.snapshot(JOB, KEY).seq)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [0] * 8


def test_closed_client_starts_again_when_it_is_used() -> None:
    client = stagecast.Client(URL, http_client=http_client(lambda _: httpx.Response(200, json=snapshot(1, 0))))
    for _ in range(2):
        assert client.snapshot(JOB, KEY).seq == 0
        client.close()
    client.close()


def test_unused_client_leaves_no_thread() -> None:
    client = stagecast.Client(URL, http_client=http_client(lambda _: httpx.Response(200, json=snapshot(1, 0))))
    client.snapshot(JOB, KEY)
    assert any(thread.name == "stagecast-client" for thread in threading.enumerate())
    del client
    assert not any(thread.name == "stagecast-client" for thread in threading.enumerate())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_process_opens_its_own_connections() -> None:
    made: list[int] = []

    def make() -> httpx.AsyncClient:
        made.append(os.getpid())
        return http_client(lambda _: httpx.Response(200, json=snapshot(1, 0)))()

    with stagecast.Client(URL, http_client=make) as client:
        client.snapshot(JOB, KEY)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                client.snapshot(JOB, KEY)
                code = 0 if made[-1] == os.getpid() else 1
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        client.snapshot(JOB, KEY)
    assert made == [os.getpid()]


def test_exception_of_a_callback_cancels_the_call() -> None:
    cancelled = threading.Event()
    portal = Portal()

    async def endless(callback: Any) -> None:
        try:
            callback(1)
            await asyncio.sleep(3600)
        finally:
            cancelled.set()

    def fail(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        portal.run(lambda relay: endless(relay(fail)))
    assert cancelled.is_set()
    portal.close()


def test_keys_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    handler, _ = recorded(created(), httpx.Response(200, json=snapshot(1, 0)))

    def use(client: Any) -> None:
        client.snapshot(client.create(b"x"))

    call_sync(handler, use)
    assert caplog.records
    assert KEY not in caplog.text


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    import inspect

    public = [name for name in vars(stagecast.Client) if not name.startswith("_") and name != "close"]
    for name in public:
        sync, asynchronous = getattr(stagecast.Client, name), getattr(stagecast.AsyncClient, name)
        assert inspect.signature(sync).parameters == inspect.signature(asynchronous).parameters
        assert sync.__doc__ == asynchronous.__doc__
    assert len(public) == 10
