"""The worker on the real functions: `STAGECAST_LOCAL_STACK` names the executable `local`, beside the functions."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

import stagecast

EXECUTABLE = os.environ.get("STAGECAST_LOCAL_STACK", "")

pytestmark = pytest.mark.skipif(
    not EXECUTABLE, reason="STAGECAST_LOCAL_STACK does not name the executable of the local stack"
)


@dataclass(frozen=True)
class Created:
    url: str
    job_id: str
    access_key: str
    worker_key: str

    def run(self, function: Any, **options: Any) -> str:
        return stagecast.run_job(self.url, self.job_id, self.worker_key, function, **options)

    def get(self, path: str = "") -> httpx.Response:
        headers = {"authorization": f"Bearer {self.access_key}"}
        return httpx.get(f"{self.url}/v1/jobs/{self.job_id}{path}", headers=headers, follow_redirects=True)

    def snapshot(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get().json()
        return found

    def cancel(self) -> None:
        headers = {"authorization": f"Bearer {self.access_key}"}
        httpx.delete(f"{self.url}/v1/jobs/{self.job_id}", headers=headers).raise_for_status()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    command = [EXECUTABLE, "--port", "0", "--json", "--log-level", "error"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["http_api"].removesuffix("/v1/jobs")
        finally:
            process.terminate()


def create(url: str, content: bytes = b"one two three", **description: Any) -> Created:
    if description:
        description = {"worker": "external", **description}
        headers = {"content-type": "application/vnd.stagecast.job+json"}
        answer = httpx.post(f"{url}/v1/jobs", json=description, headers=headers)
    else:
        headers = {"content-type": "text/plain"}
        answer = httpx.post(f"{url}/v1/jobs?worker=external", content=content, headers=headers)
    answer.raise_for_status()
    created = answer.json()
    return Created(url, created["job_id"], created["access_key"], created["worker_key"])


def test_job_runs_with_progress_files_and_results(url: str) -> None:
    job = create(
        url, parameters={"least": 3}, labels={"team": "maps"}, input={"content_type": "text/plain", "text": "a"}
    )

    @stagecast.job(stages={"read": 1, "count": 3})
    def count(job: stagecast.Job) -> dict[str, Any]:
        assert (job.parameters, job.labels, job.input(), job.content_type) == (
            {"least": 3}, {"team": "maps"}, b"a", "text/plain"
        )  # fmt: skip
        with job.stage("read") as stage:
            stage.report(40, "Reading", remaining_seconds=3)
        for _ in job.stage("count").track(range(3), unit="words"):
            time.sleep(0.05)
        job.attach("words.csv", b"word,count\n", "text/csv")
        return {"least": job.parameters["least"]}

    assert job.run(count) == "completed"
    snapshot = job.snapshot()
    assert snapshot["status"] == "completed"
    assert snapshot["results"] == {"least": 3}
    assert job.get("/artifacts/words.csv").content == b"word,count\n"
    assert [artifact["name"] for artifact in snapshot["artifacts"]] == ["words.csv"]


def test_failure_reaches_the_clients(url: str) -> None:
    job = create(url)

    def fail(job: stagecast.Job) -> None:
        job.report(1)
        raise stagecast.Failure("no_speech", "silent")

    assert job.run(fail) == "failed"
    assert job.snapshot()["error"] == {"code": "no_speech", "message": "silent"}


def test_cancellation_stops_the_function(url: str) -> None:
    job = create(url)

    async def endless(found: stagecast.AsyncJob) -> None:
        found.report(1, "Waiting")
        threading.Timer(0.2, job.cancel).start()
        while True:
            await asyncio.sleep(0.05)
            found.report(1)

    assert job.run(endless) == "cancelled"
    assert job.snapshot()["status"] == "cancelled"


def test_next_claim_continues_after_the_finished_stage(url: str) -> None:
    job = create(url)
    runs: list[str] = []

    @stagecast.job(stages=["one", "two"])
    def crash(found: stagecast.Job) -> None:
        found.step("one", lambda: runs.append("one"))
        # Another claim of the same worker: this one is lost.
        assert job.run(resume, worker_id="me") == "completed"
        found.report(1)

    @stagecast.job(stages=["one", "two"])
    def resume(found: stagecast.Job) -> str:
        found.step("one", lambda: runs.append("one"))
        return found.step("two", lambda: "done")

    outcome: list[str] = []
    thread = threading.Thread(target=lambda: outcome.append(job.run(crash, worker_id="me")))
    thread.start()
    thread.join(30)
    assert outcome == ["lost"]
    assert runs == ["one"]
    assert job.snapshot()["results"] == "done"
