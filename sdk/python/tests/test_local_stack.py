"""The client on the real functions: `STAGECAST_LOCAL_STACK` names the executable `local`, beside the functions.

`cargo build -p handlers -p local` builds them into `target/debug`.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import stagecast
from stagecast.cli import COMPLETED, FAILED, main

EXECUTABLE = os.environ.get("STAGECAST_LOCAL_STACK", "")
PLAN = Path(__file__).parents[3] / "client" / "floor-plan" / "sample-plan.png"

pytestmark = pytest.mark.skipif(
    not EXECUTABLE, reason="STAGECAST_LOCAL_STACK does not name the executable of the local stack"
)


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    settings = ["--setting", "STAGE_PACE_MS=300", "--log-level", "error"]
    command = [EXECUTABLE, "--port", "0", "--json", *settings]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


@pytest.fixture
def client(addresses: dict[str, str]) -> Iterator[stagecast.Client]:
    # The address is that of `POST /v1/jobs`, or its origin.
    with stagecast.Client(addresses["http_api"].removesuffix("/v1/jobs")) as opened:
        yield opened


@pytest.mark.parametrize("use_websocket", [True, False])
def test_job_is_created_and_watched_to_its_end(client: stagecast.Client, use_websocket: bool) -> None:
    job = client.create(PLAN, correlation_id="python-client")
    with client.watch(job, use_websocket=use_websocket) as watch:
        messages = list(watch)
    durable = [message.seq for message in messages if message.type != "progress_update"]
    assert durable == list(range(1, len(durable) + 1))
    assert isinstance(messages[-1], stagecast.JobComplete)
    assert {message.correlation_id for message in messages} == {"python-client"}
    assert watch.snapshot.status == "completed"
    assert client.results(job) == client.snapshot(job).results == watch.snapshot.results
    assert not client.cancel(job)


def test_repeated_creation_returns_the_same_job(client: stagecast.Client) -> None:
    first = client.create(PLAN, idempotency_key="python-client-0123456789")
    second = client.create(PLAN, idempotency_key="python-client-0123456789")
    assert (first.job_id, first.access_key) == (second.job_id, second.access_key)
    assert (first.is_replayed, second.is_replayed) == (False, True)


def test_described_job_carries_its_options(client: stagecast.Client) -> None:
    limits = stagecast.Limits(run_seconds=600)
    job = client.create(PLAN, labels={"team": "maps"}, limits=limits, run_at="2026-01-01T00:00:00Z", retention_days=1)
    assert client.watch(job).wait(60).status == "completed"
    assert client.snapshot(job).labels == {"team": "maps"}


def test_cancelled_job_ends_its_watch(client: stagecast.Client) -> None:
    job = client.create(PLAN)
    with client.watch(job) as watch:
        next(watch)
        watch.cancel()
        assert watch.wait(60).status == "cancelled"


def test_input_that_is_refused_has_a_code(client: stagecast.Client) -> None:
    with pytest.raises(stagecast.ApiError) as caught:
        client.create(b"text", content_type="text/plain")
    assert (caught.value.code, caught.value.status) == ("unsupported_media_type", 415)


def test_wrong_key_is_forbidden(client: stagecast.Client) -> None:
    job = client.create(PLAN)
    with pytest.raises(stagecast.ForbiddenError):
        client.snapshot(job.job_id, "0" * 32)
    with pytest.raises(stagecast.ForbiddenError):
        client.watch(job.job_id, "0" * 32).wait(60)


def test_announced_input_is_uploaded_with_its_hash(client: stagecast.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    # The reference pipeline accepts up to 4 MB, which would be the body of the request.
    monkeypatch.setattr("stagecast.client.MAX_INLINE", 0)
    seen: list[stagecast.UploadProgress] = []
    job = client.create(PLAN, labels={"a": "b"}, on_progress=seen.append)
    assert job.upload is not None
    assert (seen[-1].sent, seen[-1].total) == (PLAN.stat().st_size, PLAN.stat().st_size)
    assert client.watch(job).wait(60).status == "completed"


def test_large_results_and_artifacts_are_fetched_from_the_bucket(client: stagecast.Client, tmp_path: Path) -> None:
    """An external worker posts them over the HTTP API, as the documentation describes it."""
    import hashlib

    import httpx

    job = client.create(b"input", worker="external", content_type="text/plain")
    base = str(client._started()[1]._transport.base)
    headers = {"authorization": f"Bearer {job.worker_key}", "content-type": "application/octet-stream"}
    content = b"a,b\n" * 100_000
    artifact = {
        "name": "a.csv",
        "content_type": "text/csv",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }

    def post(what: str, body: Any) -> Any:
        answer = httpx.post(f"{base}/v1/jobs/{job.job_id}/{what}", headers=headers, content=json.dumps(body))
        assert answer.is_success, answer.text
        return answer.json()

    epoch = post("claim", {"stages": ["one"]})["epoch"]
    announced = post("artifacts", {"epoch": epoch, **artifact})
    assert httpx.put(announced["url"], headers=announced["headers"], content=content).is_success
    results = {"text": "x" * 100_000}
    complete = {"type": "stage_complete", "stage": "one", "results": results, "artifacts": [artifact]}
    post("events", {"epoch": epoch, "after_seq": 0, "events": [complete, {"type": "job_complete"}]})

    state = client.watch(job).wait(60)
    assert state.results is None
    assert state.results_url is not None
    assert client.results(job) == results
    assert client.results(job, stage="one") == results
    assert [each.name for each in state.artifacts] == ["a.csv"]
    path = client.download_artifact(job, name="a.csv", to=tmp_path)
    assert path.read_bytes() == content


def test_command_submits_and_watches(
    addresses: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STAGECAST_URL", addresses["http_api"].removesuffix("/v1/jobs"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("STAGECAST_ACCESS_KEY", raising=False)
    assert main(["submit", str(PLAN), "--watch"]) == COMPLETED
    created, *messages = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert messages[-1]["type"] == "job_complete"
    assert main(["results", created["job_id"], "-o", str(tmp_path / "results.json")]) == COMPLETED
    assert json.loads((tmp_path / "results.json").read_bytes()) == messages[-1]["results"]
    assert main(["submit", str(Path(__file__))]) == FAILED
    assert "unsupported_media_type" in capsys.readouterr().err
