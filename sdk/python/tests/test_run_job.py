"""`run_job`: a job that was created for an external worker, without a queue."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

import stagecast
from worker_service import ScriptedService, error, scripted_service


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    with scripted_service() as found:
        yield found


def test_declared_stages_are_claimed_with_the_key_of_the_job(service: ScriptedService) -> None:
    job = service.add("job_1", None, input=b"one two", worker_key="secret")

    @stagecast.job(stages=["split", "count"])
    def count(job: stagecast.Job) -> int:
        words = job.step("split", job.input().split)
        return len(job.step("count", list, words))

    # Bytes are no JSON.
    assert stagecast.run_job(service.url, "job_1", "secret", count) == "failed"
    assert job.error["code"] == "type_error"
    assert job.claims[0]["stages"] == ["split", "count"]
    assert {call.headers["authorization"] for call in service.calls} == {"Bearer secret"}


def test_plain_function_has_one_stage_with_its_name(service: ScriptedService) -> None:
    job = service.add("job_1", None, worker_key="secret")

    async def work(found: stagecast.AsyncJob) -> str:
        found.report(50)
        while not job.progress:
            await asyncio.sleep(0.01)
        return "done"

    assert stagecast.run_job(service.url, "job_1", "secret", work) == "completed"
    assert job.claims[0]["stages"] == ["work"]
    assert job.finished == {"work": "done"}


def test_job_that_another_worker_holds_raises_the_refusal(service: ScriptedService) -> None:
    service.add("job_1", None, worker_key="secret")
    service.fault = lambda _: error(409, "job_held")
    with pytest.raises(stagecast.ConflictError) as raised:
        stagecast.run_job(service.url, "job_1", "secret", lambda job: None)
    assert raised.value.code == "job_held"


def test_lost_job_is_reported(service: ScriptedService) -> None:
    job = service.add("job_1", None, worker_key="secret")

    def work(_: stagecast.Job) -> None:
        job.epoch += 1
        job.status = "failed"

    assert stagecast.run_job(service.url, "job_1", "secret", work) == "lost"
