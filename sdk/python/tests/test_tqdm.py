"""`stagecast.tqdm` within a job and outside of one; the job is a recording one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import stagecast
from stagecast._claim import Claim
from stagecast._context import set_current_job
from stagecast._job import Job
from stagecast._tqdm import JobBar, _plural
from stagecast._transport import Transport


class RecordingChannel:
    """Implements what bars use of `Channel`."""

    url = "http://127.0.0.1:1"
    claim = Claim("job_1", "key", {"epoch": 1})

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        self.problem: BaseException | None = None

    def interruption(self) -> BaseException | None:
        return self.problem

    def begin_default(self) -> str:
        return "work"

    def finished(self) -> dict[str, Any]:
        return {}

    def progress(self, stage: str, percent: int | None, message: str, extra: Mapping[str, Any]) -> None:
        self.reports.append({"percent": percent, "message": message, **extra})


@pytest.fixture
def channel() -> Iterator[RecordingChannel]:
    found = RecordingChannel()
    with Transport(found.url) as transport:
        set_current_job(Job(found, transport))  # type: ignore[arg-type]
        yield found
        set_current_job(None)


def test_bar_reports_description_unit_and_count(channel: RecordingChannel) -> None:
    assert list(stagecast.tqdm([1, 2, 3], desc="Reading", unit="row")) == [1, 2, 3]
    assert channel.reports[0] == {
        "percent": 0, "message": "Reading", "completed": 0, "total": 3, "unit": "rows"
    }  # fmt: skip
    assert {"percent": 100, "completed": 3}.items() <= channel.reports[-1].items()


def test_bar_without_iterable_counts_updates(channel: RecordingChannel) -> None:
    with stagecast.tqdm(total=10, unit="B") as bar:
        bar.update(4)
        bar.set_description("Part two: ")
        bar.set_postfix(loss=0.12345, epoch=2)
        bar.update(6)
    assert channel.reports[-1] == {
        "percent": 100, "message": "Part two:  loss=0.123, epoch=2", "completed": 10, "total": 10, "unit": "bytes"
    }  # fmt: skip


def test_bar_without_total_is_indeterminate(channel: RecordingChannel) -> None:
    list(stagecast.tqdm(iter("ab")))
    assert channel.reports[-1] == {"percent": None, "message": "", "completed": 2, "indeterminate": True}


def test_inner_bars_report_nothing(channel: RecordingChannel) -> None:
    for _ in stagecast.tqdm(range(2), desc="outer"):
        for _ in stagecast.tqdm(range(100), desc="inner"):
            pass
    assert {report["message"] for report in channel.reports} == {"outer"}
    list(stagecast.tqdm(range(2), desc="next"))
    assert channel.reports[-1]["message"] == "next"


def test_dropped_bar_does_not_silence_the_next(channel: RecordingChannel) -> None:
    bar = stagecast.tqdm(total=3, desc="dropped")
    del bar
    list(stagecast.tqdm(range(2), desc="next"))
    assert channel.reports[-1]["message"] == "next"


def test_disabled_bar_reports_nothing_but_iterates(channel: RecordingChannel) -> None:
    assert list(stagecast.trange(3, disable=True)) == [0, 1, 2]
    assert channel.reports == []


def test_bar_raises_the_cancellation_before_the_next_item(channel: RecordingChannel) -> None:
    items = iter(stagecast.tqdm(range(5)))
    assert (next(items), next(items)) == (0, 1)
    channel.problem = stagecast.Cancelled()
    with pytest.raises(stagecast.Cancelled):
        next(items)


def test_bar_reset_and_length(channel: RecordingChannel) -> None:
    bar = stagecast.tqdm(total=4)
    bar.update(None)
    assert (bar.n, len(bar)) == (1, 4)
    bar.reset(total=8)
    bar.close()
    assert (bar.n, channel.reports[-1]["total"]) == (0, 8)
    with pytest.raises(TypeError, match="no iterable"):
        list(bar)


def test_outside_of_a_job_the_original_prints(capsys: pytest.CaptureFixture[str]) -> None:
    tqdm = pytest.importorskip("tqdm")
    bar = stagecast.tqdm(range(3), desc="plain")
    assert isinstance(bar, tqdm.tqdm)
    assert list(bar) == [0, 1, 2]
    assert "plain" in capsys.readouterr().err


def test_outside_of_a_job_without_the_original_nothing_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with stagecast.tqdm(range(3), desc="plain") as bar:
        assert isinstance(bar, JobBar)
        assert list(bar) == [0, 1, 2]
        bar.set_description("x")
    stagecast.tqdm.write("line")
    assert capsys.readouterr() == ("line\n", "")


@pytest.mark.parametrize(("unit", "plural"), [("it", ""), ("B", "bytes"), ("row", "rows"), (" rows", "rows")])
def test_unit_is_in_the_plural(unit: str, plural: str) -> None:
    assert _plural(unit) == plural
