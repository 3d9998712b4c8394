"""The worker against the scripted service, in the test's process."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, overload

import pytest

import stagecast
from stagecast._context import current_job
from stagecast._worker import Worker
from worker_service import TOKEN, Call, Fault, ScriptedService, error, scripted_service


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    with scripted_service() as found:
        yield found


@contextmanager
def running(
    service: ScriptedService, *jobs: Callable[..., Any], listen: bool = True, **options: Any
) -> Iterator[Worker]:
    """Runs a worker in a thread of this process until the block ends."""
    options = {"url": service.url, "token": TOKEN, "grace": 0.2, "use_websocket": listen, **options}
    worker = Worker(jobs, **options)
    problems: list[BaseException] = []

    def target() -> None:
        try:
            asyncio.run(worker.run())
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=target)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(20)
        assert not thread.is_alive()
    if problems:
        raise problems[0]


F = TypeVar("F", bound=Callable[..., Any])


@overload
def job(function: F, /) -> F: ...
@overload
def job(**options: Any) -> Callable[[F], F]: ...
def job(function: Any = None, /, **options: Any) -> Any:
    """The decorator with a queue, without the registry that all tests would share."""

    def decorate(decorated: Callable[..., Any]) -> Callable[..., Any]:
        made = stagecast.job(**{k: v for k, v in options.items() if k != "queue"})(decorated)
        definition = made.__stagecast_job__  # type: ignore[attr-defined]
        object.__setattr__(definition, "queue", options.get("queue", "transcripts"))
        return made

    return decorate if function is None else decorate(function)


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def test_job_runs_with_stages_progress_and_a_result(service: ScriptedService) -> None:
    @job
    def transcribe(job: stagecast.Job) -> dict[str, int]:
        with job.stage("decode"):
            text = job.input().decode()
        words = 0
        for word in job.stage("transcribe").track(text.split(), unit="words", message="Listening"):
            words += len(word) > 0
        return {"words": words}

    created = service.add("job_1", input=b"one two three")
    with running(service, transcribe):
        service.wait_until(lambda: service.ended("job_1"))
    assert created.log == [
        {"type": "stage_complete", "stage": "decode", "results": None},
        {"type": "stage_complete", "stage": "transcribe", "results": {"words": 3}},
        {"type": "job_complete"},
    ]
    assert types(created.posts[-1]["events"])[-2:] == ["stage_complete", "job_complete"]


def test_function_without_stages_has_one_with_its_name(service: ScriptedService) -> None:
    @job
    def resize(job: stagecast.Job) -> int:
        job.report(40, "Halfway")
        return 7

    created = service.add("job_1")
    with running(service, resize):
        service.wait_until(lambda: service.ended("job_1"))
    assert created.finished == {"resize": 7}
    assert "stages" not in service.claims[0]


def test_declared_stages_are_claimed_and_skipped_ones_complete(service: ScriptedService) -> None:
    @job(stages={"a": 1, "b": 1, "c": 8})
    def three(job: stagecast.Job) -> str:
        with job.stage("b") as stage:
            stage.report(50, "half")
            time.sleep(0.3)
            stage.report(51)
        return "end"

    created = service.add("job_1")
    with running(service, three):
        service.wait_until(lambda: service.ended("job_1"))
    assert service.claims[0]["stages"] == ["a", "b", "c"]
    assert created.finished == {"a": None, "c": None, "b": "end"}
    assert {"overall_progress": 5, "progress": 50}.items() <= next(
        event for event in created.progress if event["progress"] == 50
    ).items()


def test_async_function_runs_on_the_loop(service: ScriptedService) -> None:
    async def numbers() -> Any:
        for number in range(3):
            yield number

    @job
    async def add(job: stagecast.AsyncJob) -> int:
        text = (await job.input()).decode()
        async with job.stage("sum") as stage:
            total = 0
            async for number in stage.track(numbers(), total=3):
                total += number
            await stage.checkpoint({"total": total}, wait=True)
            stage.result = total
        assert await job.step("length", len, text) == 4
        await job.attach("a.txt", b"content")
        return total

    created = service.add("job_1", input=b"four")
    with running(service, add):
        service.wait_until(lambda: service.ended("job_1"))
    assert created.finished == {"sum": 3, "length": 4, "result": 3}
    assert created.artifacts == {"a.txt": b"content"}


def test_concurrency_bounds_the_running_jobs(service: ScriptedService) -> None:
    gate, lock = threading.Event(), threading.Lock()
    now: list[int] = [0]
    peaks: list[int] = []

    @job
    def wait(job: stagecast.Job) -> None:
        with lock:
            now[0] += 1
            peaks.append(now[0])
        gate.wait(10)
        with lock:
            now[0] -= 1

    ids = [f"job_{number}" for number in range(6)]
    for job_id in ids:
        service.add(job_id)
    with running(service, wait, concurrency=3) as worker:
        service.wait_until(lambda: len(peaks) == 3)
        claims = len(service.claims)
        assert worker.running == 3
        gate.set()
        service.wait_until(lambda: service.ended(*ids))
    assert claims == 3
    assert max(peaks) == 3


def test_empty_claim_arms_the_listener_and_a_wake_up_claims(service: ScriptedService) -> None:
    @job
    def quick(job: stagecast.Job) -> None: ...

    with running(service, quick):
        service.wait_until(lambda: service.armed)
        claims = len(service.claims)
        assert service.claims[-1]["listener"] == "transcripts#0"
        service.add("job_1")
        service.wait_until(lambda: service.ended("job_1"))
        service.wait_until(lambda: service.armed)
    assert len(service.claims) == claims + 2


def test_address_of_the_websocket_is_in_the_answer_to_an_empty_claim(service: ScriptedService) -> None:
    @job
    def quick(job: stagecast.Job) -> None: ...

    with running(service, quick):
        service.wait_until(lambda: service.armed)
    assert "listener" not in service.claims[0]
    assert len(service.connections) == 1


def test_address_of_the_websocket_is_in_the_answer_with_a_job(service: ScriptedService) -> None:
    @job
    def until_listening(job: stagecast.Job) -> None:
        service.wait_until(lambda: service.listens)

    service.add("job_1")
    with running(service, until_listening):
        service.wait_until(lambda: service.ended("job_1"))
    assert service.jobs["job_1"].status == "completed"


def test_given_address_of_the_websocket_overrides_that_of_the_service(
    service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    @job
    def quick(job: stagecast.Job) -> None: ...

    service.named_websocket_url = "ws://127.0.0.1:1"
    monkeypatch.setenv("STAGECAST_WEBSOCKET_URL", service.websocket_url)
    with running(service, quick):
        service.wait_until(lambda: service.armed)


@pytest.mark.parametrize("named", [None, "https://live.example.com"])
def test_worker_polls_without_an_address_of_the_websocket(service: ScriptedService, named: str | None) -> None:
    @job
    def quick(job: stagecast.Job) -> None: ...

    service.named_websocket_url = named
    with running(service, quick):
        service.wait_until(lambda: len(service.claims) >= 2)
        service.add("job_1")
        service.wait_until(lambda: service.ended("job_1"))
    assert not service.connections


def test_websocket_is_switched_off_by_a_variable(service: ScriptedService, monkeypatch: pytest.MonkeyPatch) -> None:
    @job
    def quick(job: stagecast.Job) -> None: ...

    monkeypatch.setenv("STAGECAST_NO_WEBSOCKET", "1")
    with running(service, quick, use_websocket=None):
        service.wait_until(lambda: len(service.claims) >= 2)
    assert not service.connections


def test_given_address_that_is_no_websocket_is_refused() -> None:
    with pytest.raises(stagecast.ConfigurationError, match="wss://live"):
        Worker([job(lambda _: None)], url="http://localhost", token=TOKEN, websocket_url="https://live.example.com")


def test_lost_connection_is_replaced_and_armed_again(service: ScriptedService) -> None:
    @job
    def quick(job: stagecast.Job) -> None: ...

    with running(service, quick):
        service.wait_until(lambda: service.armed)
        service.connections[0].close()
        service.wait_until(lambda: service.armed and "transcripts#1" in service.armed)
        service.add("job_1")
        service.wait_until(lambda: service.ended("job_1"))


def test_worker_polls_without_a_websocket(service: ScriptedService) -> None:
    @job
    def quick(job: stagecast.Job) -> None: ...

    with running(service, quick, listen=False):
        service.wait_until(lambda: len(service.claims) >= 3)
        service.add("job_1")
        service.wait_until(lambda: service.ended("job_1"))
    assert all("listener" not in claim for claim in service.claims)


def test_refused_listening_falls_back_to_polling(service: ScriptedService, caplog: pytest.LogCaptureFixture) -> None:
    @job
    def quick(job: stagecast.Job) -> None: ...

    service.refuse_listening = True
    with running(service, quick):
        service.wait_until(lambda: service.listens)
        service.add("job_1")
        service.wait_until(lambda: service.ended("job_1"))
    assert "listening to queue 'transcripts' is refused" in caplog.text


def test_several_queues_take_turns(service: ScriptedService) -> None:
    order: list[str] = []

    @job(queue="a")
    def first(job: stagecast.Job) -> None:
        order.append("a")

    @job(queue="b")
    def second(job: stagecast.Job) -> None:
        order.append("b")

    for number in range(3):
        service.add(f"a_{number}", "a")
        service.add(f"b_{number}", "b")
    with running(service, first, second):
        service.wait_until(lambda: service.ended(*service.jobs))
    assert order == ["a", "b"] * 3


def test_cancellation_stops_the_function_at_a_safe_point(service: ScriptedService) -> None:
    @job
    def endless(job: stagecast.Job) -> None:
        with job.stage("work") as stage:
            while True:
                stage.report(1, "working")
                time.sleep(0.01)

    created = service.add("job_1")
    with running(service, endless):
        service.wait_until(lambda: created.progress)
        service.cancel("job_1")
        service.wait_until(lambda: service.ended("job_1"))
    assert created.log == [{"type": "job_cancelled", "stage": "work"}]


def test_cancellation_cancels_the_task_of_an_async_function(service: ScriptedService) -> None:
    @job
    async def endless(job: stagecast.AsyncJob) -> None:
        for percent in range(100):
            job.report(percent)
            await asyncio.sleep(0.01)
        await asyncio.sleep(60)

    created = service.add("job_1")
    with running(service, endless):
        service.wait_until(lambda: created.progress)
        service.cancel("job_1")
        service.wait_until(lambda: service.ended("job_1"))
    assert created.status == "cancelled"


def test_except_exception_does_not_swallow_a_cancellation(service: ScriptedService) -> None:
    @job
    def stubborn(job: stagecast.Job) -> None:
        while True:
            try:
                job.report(1)
                time.sleep(0.01)
            except Exception:  # noqa: PERF203
                continue

    created = service.add("job_1", cancel_requested=True)
    with running(service, stubborn):
        service.wait_until(lambda: service.ended("job_1"))
    assert created.status == "cancelled"


def test_lost_lease_stops_the_function(service: ScriptedService) -> None:
    seen: list[type[BaseException]] = []

    @job
    def work(job: stagecast.Job) -> None:
        try:
            while True:
                job.report(1)
                time.sleep(0.01)
        except BaseException as problem:
            seen.append(type(problem))
            raise

    created = service.add("job_1")
    with running(service, work) as worker:
        service.wait_until(lambda: created.progress)
        with service.lock:
            created.epoch += 1
            created.status = "completed"
        service.wait_until(lambda: worker.running == 0 and seen)
    assert seen == [stagecast.LeaseLost]
    assert created.log == []


def test_exception_fails_the_job_with_the_name_of_its_class(service: ScriptedService) -> None:
    class NoSpeechError(Exception):
        pass

    @job
    def work(job: stagecast.Job) -> None:
        with job.stage("listen"):
            raise NoSpeechError("the recording is silent")

    created = service.add("job_1")
    with running(service, work):
        service.wait_until(lambda: service.ended("job_1"))
    assert created.log == [
        {
            "type": "job_failed",
            "error": {"code": "no_speech_error", "message": "the recording is silent"},
            "stage": "listen",
        }
    ]


def test_failure_has_the_code_of_the_function(service: ScriptedService) -> None:
    @job
    def work(job: stagecast.Job) -> None:
        with job.stage("done"):
            pass
        raise stagecast.Failure("no_speech", "silent")

    created = service.add("job_1")
    with running(service, work):
        service.wait_until(lambda: service.ended("job_1"))
    assert types(created.log) == ["stage_complete", "job_failed"]
    assert created.error == {"code": "no_speech", "message": "silent"}


def test_temporary_failure_is_attempted_again_with_finished_stages(service: ScriptedService) -> None:
    attempts: list[int] = []
    decoded: list[int] = []

    @job(retries=2, retry_on=ConnectionError, backoff=0.01)
    def work(job: stagecast.Job) -> int:
        attempts.append(job.attempt)
        job.step("decode", lambda: decoded.append(1))
        with job.stage("send") as stage:
            stage.checkpoint({"sent": stage.state["sent"] + 1 if stage.state else 1})
            if len(attempts) < 3:
                raise ConnectionError("down")
            return int(stage.state["sent"])

    created = service.add("job_1")
    with running(service, work):
        service.wait_until(lambda: service.ended("job_1"))
    assert attempts == [1, 2, 3]
    assert decoded == [1]
    assert created.finished == {"decode": None, "send": 3}


def test_last_attempt_fails_the_job(service: ScriptedService) -> None:
    @job(retries=1, retry_on=ConnectionError, backoff=0)
    def work(job: stagecast.Job) -> None:
        raise ConnectionError("down")

    created = service.add("job_1")
    with running(service, work):
        service.wait_until(lambda: service.ended("job_1"))
    assert created.error == {"code": "connection_error", "message": "down"}


def test_long_backoff_hands_the_job_back_and_counts_the_attempts(service: ScriptedService) -> None:
    seen: list[tuple[int, Any]] = []

    @job(retries=1, retry_on=ConnectionError, backoff=90)
    def work(job: stagecast.Job) -> None:
        with job.stage("send") as stage:
            seen.append((job.attempt, stage.state))
            stage.checkpoint({"sent": 5})
            raise ConnectionError("down")

    created = service.add("job_1")
    with running(service, work):
        service.wait_until(lambda: created.releases)
        assert created.releases == [{"epoch": 1, "delay_seconds": 90}]
        assert created.checkpoint == ("send", {"stagecast_retry": {"failures": 1}, "state": {"sent": 5}})
        created.claimable_at = 0
        service.wake("transcripts")
        service.wait_until(lambda: service.ended("job_1"))
    assert seen == [(1, None), (2, {"sent": 5})]
    assert created.error["code"] == "connection_error"


def test_crashed_workers_job_resumes_from_its_checkpoint(service: ScriptedService) -> None:
    @job
    def work(job: stagecast.Job) -> list[Any]:
        with job.stage("one") as one:
            assert one.finished
        with job.stage("two") as two:
            return [one.result, job.finished["one"], two.state, job.checkpoint, job.artifacts]

    created = service.add(
        "job_1", finished={"one": {"n": 1}}, checkpoint=("two", {"row": 9}), seq=1, large_results=True,
        log=[{"type": "stage_complete", "stage": "one", "results": {"n": 1}}],
    )  # fmt: skip
    with running(service, work):
        service.wait_until(lambda: service.ended("job_1"))
    assert created.finished["two"] == [{"n": 1}, {"n": 1}, {"row": 9}, {"row": 9}, []]


def test_lost_answers_and_conflicts_leave_each_event_once(service: ScriptedService) -> None:
    script: list[Fault] = [
        "lose_answer",
        error(503, "conflict_retry"),
        "lose_request",
        "repeat",
        (429, {"message": "x"}),
    ]

    def fault(call: Call) -> Fault | None:
        return script.pop(0) if script and call.path.endswith("/events") else None

    service.fault = fault

    @job
    def work(job: stagecast.Job) -> int:
        for name in "abc":
            job.step(name, str, name)
        return 3

    created = service.add("job_1")
    with running(service, work):
        service.wait_until(lambda: service.ended("job_1"))
    assert not script
    assert created.finished == {"a": "a", "b": "b", "c": "c", "result": 3}


def test_refused_post_fails_the_job_with_its_code(service: ScriptedService) -> None:
    def fault(call: Call) -> Fault | None:
        return error(409, "too_many_artifacts") if b'"artifacts"' in call.body else None

    service.fault = fault

    @job
    def work(job: stagecast.Job) -> None:
        with job.stage("draw"):
            job.attach("plan.png", b"png")
        with job.stage("next"):
            pass

    created = service.add("job_1")
    with running(service, work):
        service.wait_until(lambda: service.ended("job_1"))
    assert created.error["code"] == "too_many_artifacts"


def test_input_and_artifacts_are_streamed_without_the_key(service: ScriptedService, tmp_path: Path) -> None:
    content = bytes(range(256)) * 2000
    paths: list[Path] = []

    @job
    def work(job: stagecast.Job) -> None:
        with job.stage("read"):
            path = job.input_file()
            paths.append(path)
            assert path.read_bytes() == job.input() == content
            with job.input_stream() as stream:
                assert stream.read(10) == content[:10]
            job.attach("copy.bin", path)
            with path.open("rb") as file:
                job.attach("copy.txt", file)
            job.attach("bytes.csv", b"a,b", "text/csv; header=present")

    created = service.add("job_1", input=content)
    with running(service, work):
        service.wait_until(lambda: service.ended("job_1"))
    assert created.status == "completed"
    assert created.artifacts == {"copy.bin": content, "copy.txt": content, "bytes.csv": b"a,b"}
    listed = created.log[0]["artifacts"]
    assert [artifact["content_type"] for artifact in listed] == [
        "application/octet-stream",
        "text/plain",
        "text/csv; header=present",
    ]
    assert not paths[0].parent.exists()


def test_stop_hands_running_jobs_back_with_their_checkpoint(service: ScriptedService) -> None:
    seen: list[BaseException] = []

    @job
    def endless(job: stagecast.Job) -> None:
        with job.stage("first"):
            pass
        with job.stage("second") as stage:
            try:
                for row in range(10_000):
                    stage.checkpoint({"row": row})
                    time.sleep(0.01)
            except BaseException as problem:
                seen.append(problem)
                raise

    created = service.add("job_1")
    with running(service, endless, grace=0.1):
        service.wait_until(lambda: created.checkpoint)
    assert created.status == "queued"
    assert created.releases == [{"epoch": 1}]
    assert list(created.finished) == ["first"]
    assert isinstance(seen[0], stagecast.Released)


def test_stop_ends_although_the_service_does_not_answer(
    service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stagecast._worker.RELEASE_SECONDS", 0.3)

    @job
    def endless(job: stagecast.Job) -> None:
        while True:
            job.report(1)
            time.sleep(0.01)

    created = service.add("job_1")
    with running(service, endless, grace=0):
        service.wait_until(lambda: created.progress)
        service.fault = lambda call: "lose_request" if call.path.startswith("/v1/jobs") else None
    assert created.status == "running"
    assert created.releases == []


def test_stop_lets_jobs_finish_within_the_grace(service: ScriptedService) -> None:
    started, finish = threading.Event(), threading.Event()

    @job
    def work(job: stagecast.Job) -> None:
        started.set()
        finish.wait(10)

    created = service.add("job_1")
    with running(service, work, grace=30) as worker:
        started.wait(10)
        worker.stop()
        service.add("job_2")
        finish.set()
    assert created.status == "completed"
    assert service.jobs["job_2"].status == "queued"


@pytest.mark.parametrize(
    ("queue", "token", "code"),
    [("transcripts", "stw_wrong", "invalid_worker_token"), ("forbidden", TOKEN, "queue_forbidden")],
)
def test_refused_token_ends_the_worker(service: ScriptedService, queue: str, token: str, code: str) -> None:
    @job(queue=queue)
    def work(job: stagecast.Job) -> None: ...

    worker = Worker([work], url=service.url, token=token)
    with pytest.raises(stagecast.ForbiddenError) as raised:
        asyncio.run(worker.run())
    assert raised.value.code == code
    assert token not in str(raised.value)


def test_failed_claims_are_repeated(service: ScriptedService) -> None:
    script: list[Fault] = ["lose_request", (503, {"message": "Service Unavailable"}), (200, {"strange": 1})]
    service.fault = lambda call: script.pop(0) if script and call.path.endswith("/claim") else None

    @job
    def work(job: stagecast.Job) -> None: ...

    service.add("job_1")
    with running(service, work):
        service.wait_until(lambda: service.ended("job_1"))
    assert not script


def test_log_records_carry_the_job(service: ScriptedService) -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    setattr(handler, "emit", records.append)  # noqa: B010
    handler.addFilter(stagecast.JobLogFilter())
    library = logging.getLogger("some.library")
    library.addHandler(handler)

    @job
    def work(job: stagecast.Job) -> None:
        with job.stage("decode"):
            library.warning("inside")

    service.add("job_1")
    try:
        with running(service, work):
            service.wait_until(lambda: service.ended("job_1"))
        library.warning("outside")
    finally:
        library.removeHandler(handler)
    fields = [[getattr(record, name) for name in ("job_id", "queue", "stage", "attempt")] for record in records]
    assert fields == [["job_1", "transcripts", "decode", 1], [None, None, None, None]]
    assert current_job() is None


def test_progress_posts_are_thinned_and_the_last_one_arrives(service: ScriptedService) -> None:
    @job
    def work(job: stagecast.Job) -> None:
        with job.stage("count") as stage:
            for number in range(20_000):
                stage.report(done=number, total=20_000, unit="rows")
            time.sleep(0.5)

    created = service.add("job_1")
    with running(service, work):
        service.wait_until(lambda: service.ended("job_1"))
    assert created.progress[-1]["completed"] == 19_999
    assert len(created.posts) < 20
