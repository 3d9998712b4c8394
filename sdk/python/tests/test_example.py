"""The example examples/python-transcribe as a program, against the scripted service."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from worker_service import TOKEN, ScriptedService, scripted_service

SDK = Path(__file__).parents[1]
EXAMPLE = SDK.parents[1] / "examples" / "python-transcribe"


def run_worker(service: ScriptedService, environment: dict[str, str], condition: Callable[[], bool]) -> None:
    worker = subprocess.Popen([sys.executable, str(EXAMPLE / "worker.py")], env=environment)
    try:
        service.wait_until(condition, 30)
        worker.terminate()
        assert worker.wait(20) == 0
    finally:
        worker.kill()
        worker.wait()


@pytest.mark.skipif(not EXAMPLE.exists(), reason="outside of the repository")
def test_example_finds_the_sentences_and_continues_after_a_release(tmp_path: Path) -> None:
    talk = tmp_path / "talk.wav"
    made = subprocess.run(
        [sys.executable, str(EXAMPLE / "make_wav.py"), str(talk), "--minutes", "0.5"],
        check=True,
        capture_output=True,
        text=True,
    )
    count = int(made.stdout.split(": ")[1].split()[0])
    with scripted_service() as service:
        job = service.add("job_1", input=talk.read_bytes())
        silent = service.add("job_2", input=b"no wave file")
        environment = {
            **os.environ,
            "PYTHONPATH": str(SDK / "src"),
            "STAGECAST_URL": service.url,
            "STAGECAST_WEBSOCKET_URL": service.websocket_url,
            "STAGECAST_WORKER_TOKEN": TOKEN,
            "STAGECAST_GRACE_SECONDS": "0",
        }
        # The first worker is stopped within the job, unless the job is faster.
        run_worker(service, environment, lambda: "decode" in job.finished)
        run_worker(service, environment, lambda: service.ended("job_1", "job_2"))
    assert job.results["sentences"] == count
    assert job.artifacts["sentences.csv"].startswith(b"start,seconds,level,crossings\r\n")
    assert silent.error["code"] == "no_wave_file"
