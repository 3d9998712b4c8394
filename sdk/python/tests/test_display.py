"""What the command line shows of a job."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from simulated import progress, stage_complete
from stagecast._display import Countdown, JsonLines, OneLine, amount, duration, one_line, size, summary, view
from stagecast.messages import JobError, parse_message
from stagecast.state import WatchedJob, WatchedStage, WorkAmount
from stagecast.upload import UploadProgress

RUNNING = WatchedJob(
    job_id="job_20240115_0123456789abcdef",
    status="running",
    stage="transcribe",
    stages=(
        WatchedStage(stage="decode", status="completed", progress=100),
        WatchedStage(
            stage="transcribe",
            progress=41.7,
            message="recognizes speech",
            attempt=2,
            work=WorkAmount(completed=5, total=12, unit="chunks", indeterminate=False),
        ),
    ),
    attempt=2,
    max_attempts=3,
    overall_progress=62,
)


def shown(job: WatchedJob, text: str = "1 min 12 s left", width: int = 100) -> list[str]:
    output = io.StringIO()
    Console(file=output, width=width).print(view(job, text, width))
    return [line.rstrip() for line in output.getvalue().splitlines()]


def test_bars_show_stages_with_percent_amount_and_attempt() -> None:
    header, total, decode, transcribe = shown(RUNNING)
    assert header == "job_20240115_0123456789abcdef  1 min 12 s left"
    assert total.split()[0] == "total"
    assert total.endswith("62 %")
    assert decode.split()[:2] == ["✓", "decode"]
    assert transcribe.endswith("42 % 5/12 chunks, attempt 2 of 3, recognizes speech")
    # Without colours, rich draws only the done part of the 24 columns.
    assert transcribe.count("━") == 10


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_bars_fit_the_terminal_and_leave_room_for_the_echo_of_ctrl_c(width: int) -> None:
    long = WatchedStage(stage="a" * 64, progress=5, message="b" * 300)
    output = io.StringIO()
    job = WatchedJob(job_id="j" * 40, status="running", stages=(long, *RUNNING.stages))
    Console(file=output, width=width).print(view(job, "c" * 200, width))
    lines = output.getvalue().splitlines()
    assert len(lines) == 5
    assert all(len(line) <= width - 3 for line in lines)


def test_stage_without_known_amount_shows_no_percent() -> None:
    work = WorkAmount(completed=7, total=None, unit="rows", indeterminate=True)
    job = WatchedJob(job_id="j", status="running", stages=(WatchedStage(stage="count", work=work),))
    line = shown(job)[2]
    assert line.endswith("7 rows")
    assert "%" not in line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (187, "3 min 07 s"), (7620, "2 h 07 min")],
)
def test_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(8, "8 B"), (1500, "1.5 kB"), (2_147_483_648, "2.15 GB"), (5e13, "5e+04 GB")]
)
def test_size_has_a_unit(count: float, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("completed", "total", "text"),
    [(5, 12, "5/12 rows"), (1234567, None, "1,234,567 rows"), (0.5, 2, "0.5/2 rows"), (None, None, "")],
)
def test_amount_is_short(completed: float | None, total: float | None, text: str) -> None:
    assert amount(WorkAmount(completed=completed, total=total, unit="rows", indeterminate=False)) == text


@pytest.mark.parametrize(
    ("job", "state", "text"),
    [
        ({"status": "completed"}, "ended", "completed"),
        ({}, "connecting", "connecting"),
        ({"status": "running"}, "resuming", "connection lost, reconnecting"),
        ({}, "live", "queued"),
        ({"run_at": "2027-01-15T02:00:00Z"}, "live", "queued, starts at 2027-01-15T02:00:00Z"),
        ({"status": "awaiting_input"}, "live", "waits for its input"),
        ({"status": "running", "retry_at": "T"}, "live", "waits until T for the next attempt"),
        ({"status": "running"}, "live", "90 s left"),
    ],
)
def test_summary_says_what_happens(job: dict[str, Any], state: str, text: str) -> None:
    expected = text.replace("90 s", "1 min 30 s")
    assert summary(WatchedJob(job_id="j", **job), state, 90) == expected


def test_estimate_counts_down_between_updates() -> None:
    now = 0.0
    countdown = Countdown(lambda: now)
    assert countdown.remaining(None) is None
    assert countdown.remaining(10) == 10
    now = 4.0
    assert countdown.remaining(10) == 6
    assert countdown.remaining(20) == 20
    now = 90.0
    assert countdown.remaining(20) == 0
    assert countdown.remaining(None) is None


def test_json_lines_are_the_messages_of_the_service() -> None:
    output = io.StringIO()
    frames = [progress(1, 0, 40, message="für dich"), stage_complete(2, 1, results={"a": [1.0]})]
    for frame in frames:
        message = parse_message(frame)
        assert message is not None
        JsonLines(output).message(message)
    assert [json.loads(line) for line in output.getvalue().splitlines()] == frames
    assert "für dich" in output.getvalue()


def test_one_line_overwrites_a_longer_text() -> None:
    output = io.StringIO()
    display = OneLine(output)
    display.transferred("uploading", UploadProgress(10, 1000))
    display.transferred("uploading", UploadProgress(1000, 1000))
    display.close()
    first, second = output.getvalue().strip("\r\n").split("\r")
    assert second.startswith("uploading 1 kB of 1 kB")
    assert len(second) >= len(first)
    assert output.getvalue().count("\n") == 1


def test_one_line_has_the_running_stage() -> None:
    assert one_line(RUNNING, "9 s left") == (
        "62 % | transcribe: 42 %, 5/12 chunks, attempt 2 of 3, recognizes speech | 9 s left"
    )
    failed = WatchedJob(job_id="j", status="failed", error=JobError(code="x", message="y"))
    assert one_line(failed, "failed") == "0 % | failed"
