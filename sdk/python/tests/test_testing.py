"""`stagecast.testing`, which runs job functions in memory."""

from __future__ import annotations

import stagecast
from stagecast import testing


@stagecast.job(stages={"read": 1, "send": 3}, retries=1, retry_on=OSError)
def send(job: stagecast.Job) -> dict[str, int]:
    words = job.step("read", lambda: job.input().decode().split())
    with job.stage("send") as stage:
        first = stage.state or 0
        for number, word in enumerate(stage.track(words[first:], total=len(words), initial=first, unit="words"), first):
            if word == job.parameters.get("broken"):
                raise OSError("broken")
            stage.checkpoint(number + 1)
        job.attach("words.txt", " ".join(words).encode())
    return {"words": len(words)}


def test_outcome_has_results_stages_progress_checkpoints_and_files() -> None:
    outcome = testing.run(send, input=b"one two")
    assert (outcome.status, outcome.results, outcome.error) == ("completed", {"words": 2}, None)
    assert outcome.stages == {"read": ["one", "two"], "send": {"words": 2}}
    assert outcome.checkpoints == [("send", 1), ("send", 2)]
    assert outcome.artifacts == {"words.txt": b"one two"}
    assert {"completed": 2, "total": 2, "overall_progress": 100}.items() <= outcome.progress[-1].items()


def test_function_continues_from_what_an_earlier_claim_has_left() -> None:
    outcome = testing.run(send, finished={"read": ["a", "b", "c"]}, checkpoint=("send", 2))
    assert outcome.checkpoints == [("send", 3)]
    assert outcome.results == {"words": 3}


def test_temporary_failure_and_cancellation_are_outcomes() -> None:
    outcome = testing.run(send, input=b"one two", parameters={"broken": "two"})
    assert (outcome.status, outcome.is_temporary) == ("failed", True)
    assert outcome.error == {"code": "os_error", "message": "broken"}
    cancelled = testing.run(send, input=b"one two", cancel_after=2)
    assert (cancelled.status, cancelled.is_temporary, list(cancelled.stages)) == ("cancelled", False, ["read"])


def test_coroutine_function_runs() -> None:
    async def work(job: stagecast.AsyncJob) -> str:
        await job.attach("a", b"content")
        async with job.stage("one") as stage:
            await stage.checkpoint(1, wait=True)
        return (await job.input()).decode()

    outcome = testing.run(work, input=b"text")
    assert (outcome.status, outcome.results, outcome.artifacts) == ("completed", "text", {"a": b"content"})


def test_result_that_is_no_json_fails() -> None:
    outcome = testing.run(lambda job: object())
    assert outcome.error is not None
    assert outcome.error["code"] == "type_error"


def test_current_job_is_that_of_the_function_only() -> None:
    seen = []
    testing.run(lambda job: seen.append(stagecast.current_job() is job))
    assert seen == [True]
    assert stagecast.current_job() is None


def test_invalid_stage_is_the_error_of_the_worker() -> None:
    outcome = testing.run(lambda job: job.stage("not a name"))
    assert outcome.error is not None
    assert outcome.error["code"] == "invalid_stage_name"
