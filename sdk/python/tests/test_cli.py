"""The command `stagecast`, against a small service on local ports."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import stagecast
from fake_service import REPORT, FakeService, fake_service
from stagecast import cli
from stagecast.cli import CANCELLED, COMPLETED, FAILED, INTERRUPTED, USAGE, main

STAGES = [{"name": "decode", "total": 2}, {"name": "transcribe", "total": 3, "unit": "chunks"}]


@pytest.fixture(scope="module")
def service() -> Iterator[FakeService]:
    with fake_service() as running:
        yield running


@pytest.fixture(autouse=True)
def environment(service: FakeService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STAGECAST_URL", service.url)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.delenv("STAGECAST_ACCESS_KEY", raising=False)
    monkeypatch.delenv("STAGECAST_TOKEN", raising=False)
    service.requests.clear()


def script(tmp_path: Path, **more: Any) -> str:
    path = tmp_path / "input.json"
    path.write_text(json.dumps({"stages": STAGES, **more}))
    return str(path)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def submit(capsys: pytest.CaptureFixture[str], tmp_path: Path, **more: Any) -> str:
    assert main(["submit", script(tmp_path, **more)]) == COMPLETED
    job_id: str = lines(capsys)[0]["job_id"]
    return job_id


def test_submit_and_watch_prints_json_lines_to_the_end(
    service: FakeService, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code = main(["submit", script(tmp_path), "--queue", "transcripts", "--priority", "7", "--watch"])
    assert code == COMPLETED
    created, *messages = lines(capsys)
    assert created["type"] == "created"
    durable = [each["type"] for each in messages if each["type"] != "progress_update"]
    assert durable == ["stage_complete", "stage_complete", "job_complete"]
    assert messages[-1]["results"] == {"words": 3}
    assert service.requests == [("POST", "/v1/jobs?queue=transcripts&priority=7")]


@pytest.mark.parametrize(("end", "code"), [("completed", COMPLETED), ("failed", FAILED)])
def test_exit_code_is_that_of_the_job(capsys: pytest.CaptureFixture[str], tmp_path: Path, end: str, code: int) -> None:
    assert main(["submit", script(tmp_path, end=end), "--watch"]) == code


def test_watch_after_submit_needs_no_key(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    job_id = submit(capsys, tmp_path)
    assert main(["watch", job_id]) == COMPLETED
    assert lines(capsys)[-1]["type"] == "job_complete"
    assert main(["watch", job_id, "--no-websocket"]) == COMPLETED
    assert lines(capsys)[-1]["type"] == "job_complete"


def test_stored_job_is_watched_at_the_service_where_it_was_submitted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(capsys, tmp_path)
    monkeypatch.setenv("STAGECAST_URL", "http://127.0.0.1:1")
    assert main(["watch", job_id]) == COMPLETED


def test_key_is_taken_from_the_environment_and_from_the_option(
    service: FakeService, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(capsys, tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("HOME", str(tmp_path / "other"))
    assert main(["watch", job_id]) == USAGE
    assert "STAGECAST_ACCESS_KEY" in capsys.readouterr().err
    assert main(["watch", job_id, "--key", service.jobs[job_id].key]) == COMPLETED
    monkeypatch.setenv("STAGECAST_ACCESS_KEY", service.jobs[job_id].key)
    assert main(["watch", job_id]) == COMPLETED
    assert main(["watch", job_id, "--key", "wrong"]) == FAILED
    assert "forbidden" in capsys.readouterr().err


def test_no_output_contains_a_key(service: FakeService, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    job_id = submit(capsys, tmp_path)
    main(["submit", script(tmp_path), "--watch", "--json"])
    for command in ("watch", "results", "artifacts", "cancel"):
        main([command, job_id])
    output = capsys.readouterr()
    for job in service.jobs.values():
        assert job.key not in output.out + output.err


def test_cancelled_job_is_exit_code_3(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    job_id = submit(capsys, tmp_path, pause=60)
    assert main(["cancel", job_id]) == COMPLETED
    assert lines(capsys) == [{"job_id": job_id, "cancel_requested": True}]
    assert main(["watch", job_id]) == CANCELLED


def test_results_are_printed_and_written_byte_for_byte(capsysbinary: Any, tmp_path: Path) -> None:
    assert main(["submit", script(tmp_path), "--watch"]) == COMPLETED
    job_id = json.loads(capsysbinary.readouterr().out.splitlines()[0])["job_id"]
    assert main(["results", job_id]) == COMPLETED
    assert capsysbinary.readouterr().out == b'{"words": 3}'
    assert main(["results", job_id, "-o", str(tmp_path / "results.json")]) == COMPLETED
    assert (tmp_path / "results.json").read_bytes() == b'{"words": 3}'


def test_artifacts_are_listed_and_downloaded(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["submit", script(tmp_path), "--watch"]) == COMPLETED
    job_id = lines(capsys)[0]["job_id"]
    assert main(["artifacts", job_id]) == COMPLETED
    assert [each["name"] for each in lines(capsys)] == ["report.csv"]
    assert main(["artifacts", job_id, "report.csv", "-o", str(tmp_path / "out.csv")]) == COMPLETED
    assert (tmp_path / "out.csv").read_bytes() == REPORT
    assert main(["artifacts", job_id, "unknown.csv"]) == FAILED
    assert "report.csv" in capsys.readouterr().err


def test_refusal_is_exit_code_1_with_the_code(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["submit", script(tmp_path), "--queue", "unknown"]) == FAILED
    assert "unknown_queue" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["submit", "x", "--priority", "high"],
        ["submit", "x", "--parameters", "{"],
        ["submit", "x", "--parameters", "[1]"],
        ["submit", "x", "--parameters", "@/missing"],
        ["submit", "x", "--label", "team"],
        ["watch"],
        ["unknown"],
    ],
)
def test_invalid_command_line_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == USAGE


def test_missing_file_and_missing_url_are_exit_code_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert main(["submit", str(tmp_path / "missing")]) == USAGE
    assert "missing" in capsys.readouterr().err
    monkeypatch.delenv("STAGECAST_URL")
    assert main(["submit", script(tmp_path)]) == USAGE
    assert "STAGECAST_URL" in capsys.readouterr().err


def test_all_options_are_passed_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def create(self: Any, content: Any, **options: Any) -> Any:
        seen.update(options, content=content)
        raise stagecast.TransportError("stop")

    monkeypatch.setattr(stagecast.Client, "create", create)
    parameters = tmp_path / "p.json"
    parameters.write_text('{"a": 1}')
    command = [
        "submit",
        "in.csv",
        "--queue",
        "q",
        "--parameters",
        f"@{parameters}",
        "--label",
        "a=b",
        "--label",
        "c=d=e",
    ]
    more = [
        "--run-at",
        "2027-01-15T02:00:00Z",
        "--content-type",
        "text/csv",
        "--idempotency-key",
        "k",
        "--run-seconds",
        "9",
    ]
    assert main([*command, *more]) == FAILED
    assert seen["content"] == Path("in.csv")
    assert seen["parameters"] == {"a": 1}
    assert seen["labels"] == {"a": "b", "c": "d=e"}
    assert seen["limits"] == stagecast.Limits(run_seconds=9)
    assert (seen["run_at"], seen["content_type"], seen["idempotency_key"]) == ("2027-01-15T02:00:00Z", "text/csv", "k")
    assert seen["retention_days"] is None


def test_standard_input_is_an_input(
    service: FakeService, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps({"stages": STAGES}).encode())))
    assert main(["submit", "-", "--watch"]) == COMPLETED


def test_key_that_cannot_be_stored_is_a_warning(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for name in ("XDG_STATE_HOME", "HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "file"))
    assert main(["submit", script(tmp_path), "--watch"]) == COMPLETED
    assert "not stored" in capsys.readouterr().err


def test_repeated_warning_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    handler = cli._Warnings()
    for text in ("a", "b", "a"):
        handler.emit(logging.makeLogRecord({"msg": text}))
    assert capsys.readouterr().err.splitlines() == ["warning: a", "warning: b"]


@pytest.mark.parametrize(("length", "is_printed"), [(3, True), (100, False)])
def test_only_short_results_are_printed_after_the_bars(
    capsys: pytest.CaptureFixture[str], length: int, is_printed: bool
) -> None:
    cli._show_end(stagecast.WatchedJob(job_id="job_1", status="completed", results=list(range(length))))
    output = capsys.readouterr()
    assert (output.out != "") == is_printed
    assert ("stagecast results job_1" in output.err) != is_printed


# As a process


def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    path = os.pathsep.join(each for each in sys.path if each)
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "stagecast.cli", *arguments]
    return subprocess.Popen(command, env=environment, text=True, **{"stdout": subprocess.PIPE, **options})


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_interrupted_watch_is_exit_code_130_and_the_job_goes_on(service: FakeService, tmp_path: Path) -> None:
    arguments = ("submit", script(tmp_path, pause=60), "--watch")
    with start(*arguments, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        created = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED
    assert f"stagecast watch {created['job_id']}" in err
    assert "Traceback" not in err
    assert not service.jobs[created["job_id"]].cancelled.is_set()


def test_closed_pipe_ends_the_command_without_a_traceback(tmp_path: Path) -> None:
    with start("submit", script(tmp_path, pause=0.05), "--watch", stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        assert process.wait(30) == FAILED
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize("answer", ["n", "y"])
def test_terminal_shows_bars_and_ctrl_c_asks(service: FakeService, tmp_path: Path, answer: str) -> None:
    import pty

    ours, theirs = pty.openpty()
    terminal = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    # The job stays in its first stage.
    stages = [{"name": "decode", "total": 500, "unit": "blocks"}]
    path = tmp_path / "input.json"
    path.write_text(json.dumps({"stages": stages, "pause": 0.2}))
    process = start("submit", str(path), "--watch", start_new_session=True, **terminal)
    os.close(theirs)
    output = read_until(ours, "blocks")
    assert "━" in output
    process.send_signal(signal.SIGINT)
    output += read_until(ours, "[y/N]")
    os.write(ours, f"{answer}\n".encode())
    output += read_until(ours, "stagecast watch" if answer == "n" else "is requested")
    assert process.wait(30) == INTERRUPTED
    os.close(ours)
    (job,) = [each for each in service.jobs.values() if each.job_id in output]
    assert job.key not in output
    assert job.cancelled.is_set() == (answer == "y")


def read_until(terminal: int, text: str) -> str:
    output = ""
    deadline = time.monotonic() + 30
    while text not in output:
        assert time.monotonic() < deadline, output
        output += os.read(terminal, 65536).decode(errors="replace")
    return output
