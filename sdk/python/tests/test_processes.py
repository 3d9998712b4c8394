"""Job functions in processes, and workers as programs that receive signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from worker_service import TOKEN, ScriptedService, scripted_service

TESTS = Path(__file__).parent


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    with scripted_service() as found:
        yield found


@contextmanager
def program(service: ScriptedService, queues: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs worker_jobs.py as a worker of these queues."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{TESTS.parent / 'src'}{os.pathsep}{TESTS}",
        "STAGECAST_URL": service.url,
        "STAGECAST_WEBSOCKET_URL": service.websocket_url,
        "STAGECAST_WORKER_TOKEN": TOKEN,
        "STAGECAST_QUEUES": queues,
        "STAGECAST_GRACE_SECONDS": "0.2",
        **variables,
    }
    process = subprocess.Popen([sys.executable, str(TESTS / "worker_jobs.py")], env=environment)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def until(service: ScriptedService, condition: Callable[[], object]) -> None:
    service.wait_until(condition, 30)


def test_function_runs_in_a_process_that_is_reused(service: ScriptedService) -> None:
    jobs = [service.add(f"job_{number}", "squares", input=b"abc", parameters={"count": 1000}) for number in range(3)]
    with program(service, "squares"):
        until(service, lambda: service.ended(*service.jobs))
    assert [job.finished["input"] for job in jobs] == [3, 3, 3]
    assert {job.finished["sum"]["total"] for job in jobs} == {332833500}
    assert len({job.finished["sum"]["pid"] for job in jobs}) == 1
    assert jobs[0].artifacts == {"total.txt": b"332833500"}


def test_crashed_process_is_left_to_the_lease_and_its_job_continues(service: ScriptedService) -> None:
    job = service.add("job_1", "crash")
    with program(service, "crash"):
        until(service, lambda: len(job.claims) == 1 and service.armed)
        job.lease_until = 0
        service.wake("crash")
        until(service, lambda: len(job.claims) == 2 and service.armed)
        assert job.checkpoint == ("crash", {"row": 3})
        assert job.releases == []
        assert job.log == []


def test_cancellation_reaches_the_process(service: ScriptedService) -> None:
    job = service.add("job_1", "endless")
    with program(service, "endless"):
        until(service, lambda: job.progress)
        service.cancel("job_1")
        until(service, lambda: service.ended("job_1"))
    assert job.log == [{"type": "job_cancelled", "stage": "loop"}]


def test_temporary_failure_of_a_process_is_attempted_again(service: ScriptedService) -> None:
    job = service.add("job_1", "flaky")
    with program(service, "flaky"):
        until(service, lambda: service.ended("job_1"))
    assert job.finished == {"flaky": 2}


def test_job_function_may_start_processes_that_import_the_main_module(service: ScriptedService) -> None:
    job = service.add("job_1", "pool")
    with program(service, "pool"):
        until(service, lambda: service.ended("job_1"))
        assert {claim["queue"] for claim in service.claims} == {"pool"}
    assert job.finished == {"with_pool": [1, 2]}


@pytest.mark.parametrize("queue", ["threads", "endless", "deaf"])
def test_sigterm_hands_the_job_back_and_exits_with_zero(service: ScriptedService, queue: str) -> None:
    job = service.add("job_1", queue)
    with program(service, queue) as process:
        until(service, lambda: job.progress)
        process.terminate()
        assert process.wait(20) == 0
    assert job.status == "queued"
    assert job.releases == [{"epoch": 1}]


def test_sigterm_lets_a_job_finish_within_the_grace(service: ScriptedService) -> None:
    job = service.add("job_1", "short")
    with program(service, "short", STAGECAST_GRACE_SECONDS="20") as process:
        until(service, lambda: job.progress)
        process.terminate()
        assert process.wait(20) == 0
    assert job.finished == {"short": "done"}


def test_second_signal_ends_the_process_at_once(service: ScriptedService) -> None:
    job = service.add("job_1", "threads", parameters={"pause": 600})
    with program(service, "threads", STAGECAST_GRACE_SECONDS="600") as process:
        until(service, lambda: job.progress)
        claims = len(service.claims)
        process.terminate()
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 128 + signal.SIGINT
    assert len(service.claims) == claims
    assert job.releases == []


def test_idle_worker_exits_at_sigint(service: ScriptedService) -> None:
    with program(service, "short,threads") as process:
        until(service, lambda: len(service.armed) == 2)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_missing_token_is_named(service: ScriptedService) -> None:
    with program(service, "short", STAGECAST_WORKER_TOKEN="") as process:
        assert process.wait(20) == 1
