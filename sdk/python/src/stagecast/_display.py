"""How the command line shows a job: bars with `rich`, one line without it, JSON lines in a pipe."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from .messages import JobMessage
from .state import WatchedJob, WatchedStage, WorkAmount
from .upload import UploadProgress

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.progress import Progress, TaskID

    from .watch import Watch

_REFRESHES_PER_SECOND = 4
_BAR_WIDTH = 24


class Display(Protocol):
    """Shows one job. `close` leaves the last state on the screen."""

    def transferred(self, what: str, progress: UploadProgress) -> None: ...
    def watching(self, watch: Watch) -> None: ...
    def message(self, message: JobMessage, /) -> None: ...
    def close(self) -> None: ...


class Countdown:
    """Counts an estimate down between two updates."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._estimate: float | None = None
        self._ends_at = 0.0

    def remaining(self, estimate: float | None) -> float | None:
        """Seconds that are left if `estimate` is the latest estimate."""
        now = self._clock()
        if estimate != self._estimate:
            self._estimate = estimate
            self._ends_at = now + (estimate or 0)
        return None if estimate is None else max(0.0, self._ends_at - now)


def duration(seconds: float) -> str:
    """`45 s`, `3 min 05 s`, `2 h 07 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def size(count: float) -> str:
    """A number of bytes with its unit."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def amount(work: WorkAmount | None) -> str:
    """`5/12 chunks`, `7 rows`, or nothing if the stage reports only a percentage."""
    if work is None or work.completed is None:
        return ""
    of_total = "" if work.total is None else f"/{work.total:,.12g}"
    return f"{work.completed:,.12g}{of_total} {work.unit}".strip()


def attempt(job: WatchedJob, stage: WatchedStage) -> str:
    """`attempt 2 of 3`, or nothing in the first attempt."""
    if stage.attempt <= 1:
        return ""
    known = stage.stage == job.stage and job.max_attempts is not None
    return f"attempt {stage.attempt}" + (f" of {job.max_attempts}" if known else "")


def summary(job: WatchedJob, state: str, remaining: float | None) -> str:
    """What happens now, in a few words."""
    if job.has_ended:
        return job.status
    if state == "connecting":
        return "connecting"
    if state == "resuming":
        return "connection lost, reconnecting"
    if job.retry_at is not None:
        return f"waits until {job.retry_at} for the next attempt"
    if job.status == "queued":
        return f"queued, starts at {job.run_at}" if job.run_at else "queued"
    if job.status == "awaiting_input":
        return "waits for its input"
    return "running" if remaining is None else f"{duration(max(1, remaining))} left"


class JsonLines:
    """Prints each message as the service sent it, for programs."""

    def __init__(self, output: TextIO) -> None:
        self._output = output

    def transferred(self, what: str, progress: UploadProgress) -> None:
        pass

    def watching(self, watch: Watch) -> None:
        pass

    def message(self, message: JobMessage, /) -> None:
        self.line(dict(message.raw))

    def line(self, data: dict[str, Any]) -> None:
        print(json.dumps(data, ensure_ascii=False), file=self._output, flush=True)

    def close(self) -> None:
        pass


class OneLine:
    """Rewrites one line of the terminal. Used if `rich` is not installed."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._countdown = Countdown()
        self._watch: Watch | None = None
        self._width = 0

    def transferred(self, what: str, progress: UploadProgress) -> None:
        self._write(f"{what} {size(progress.sent)} of {size(progress.total)}")
        if progress.sent == progress.total:
            self.close()

    def watching(self, watch: Watch) -> None:
        self._watch = watch
        self._write("connecting")

    def message(self, _: JobMessage, /) -> None:
        if self._watch is not None:
            job = self._watch.snapshot
            remaining = self._countdown.remaining(job.estimated_seconds_remaining)
            self._write(one_line(job, summary(job, self._watch.state, remaining)))

    def close(self) -> None:
        if self._width:
            self._output.write("\n")
            self._output.flush()
            self._width = 0

    def _write(self, text: str) -> None:
        text = text[: shutil.get_terminal_size().columns - 3]
        # The rest of a longer text is overwritten with spaces.
        self._output.write(f"\r{text:<{self._width}}")
        self._output.flush()
        self._width = max(self._width, len(text))


def one_line(job: WatchedJob, summary: str) -> str:
    """The state of a job in one line."""
    parts = [f"{job.overall_progress:.0f} %"]
    running = next((each for each in job.stages if each.status == "running"), None)
    if running is not None:
        percent = "" if running.work and running.work.indeterminate else f"{running.progress:.0f} %"
        details = [percent, amount(running.work), attempt(job, running), running.message]
        parts.append(f"{running.stage}: {', '.join(each for each in details if each)}")
    return " | ".join([*parts, summary] if summary else parts)


class Bars:
    """A bar for the job and one for each stage, drawn several times a second by `rich`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._countdown = Countdown()
        self._live: Live | None = None
        self._transfer: Progress | None = None
        self._task: TaskID | None = None

    def transferred(self, what: str, progress: UploadProgress) -> None:
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        if self._transfer is None:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(_BAR_WIDTH),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
            )
            self._transfer = Progress(*columns, console=self._console)
            self._task = self._transfer.add_task(what, total=progress.total, completed=progress.sent)
            self._transfer.start()
        if self._task is not None:
            self._transfer.update(self._task, completed=progress.sent)

    def watching(self, watch: Watch) -> None:
        from rich.live import Live

        self.close()

        def render() -> RenderableType:
            job = watch.snapshot
            remaining = self._countdown.remaining(job.estimated_seconds_remaining)
            return view(job, summary(job, watch.state, remaining), self._console.width)

        self._live = Live(get_renderable=render, console=self._console, refresh_per_second=_REFRESHES_PER_SECOND)
        self._live.start()

    def message(self, _: JobMessage, /) -> None:
        pass  # The next refresh shows it.

    def close(self) -> None:
        for shown in (self._transfer, self._live):
            if shown is not None:
                shown.stop()
        self._transfer = self._live = None


_COLORS = {"completed": "green", "failed": "red", "cancelled": "yellow"}
_MARKS = {"completed": "✓", "failed": "✗", "cancelled": "✗"}


def view(job: WatchedJob, summary: str, width: int) -> RenderableType:
    """The bars of a job, for a terminal of `width` columns."""
    from rich.console import Group
    from rich.constrain import Constrain
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    bar_width = _BAR_WIDTH if width >= 70 else _BAR_WIDTH // 2
    # The terminal echoes Ctrl-C as two characters; in a full line, they would begin another one.
    width -= 3
    # 8 columns are left for the percentage and 8 for details.
    name_width = max(8, min(24, width - bar_width - 16))
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, max_width=name_width)
    grid.add_column(width=bar_width)
    grid.add_column(width=5, justify="right")
    grid.add_column()

    def add_row(name: Text, percent: float, details: str, *, is_unknown: bool, color: str) -> None:
        name.truncate(name_width, overflow="ellipsis")
        style = color or "bar.complete"
        bar = ProgressBar(
            total=100,
            completed=percent,
            width=bar_width,
            pulse=is_unknown,
            complete_style=style,
            finished_style=style,
        )
        shown = "" if is_unknown else f"{percent:.0f} %"
        grid.add_row(name, bar, shown, Text(details, no_wrap=True, overflow="ellipsis"))

    color = _COLORS.get(job.status, "")
    header = Text.assemble((job.job_id, "bold"), "  ", (summary, color), no_wrap=True, overflow="ellipsis")
    add_row(Text("  total"), job.overall_progress, "", is_unknown=_is_waiting(job), color=color)
    for stage in job.stages:
        color = _COLORS.get(stage.status, "")
        details = (amount(stage.work), attempt(job, stage), stage.message)
        add_row(
            Text.assemble((_MARKS.get(stage.status, " "), color), " ", stage.stage),
            stage.progress,
            ", ".join(each for each in details if each),
            is_unknown=stage.work is not None and stage.work.indeterminate,
            color=color,
        )
    return Constrain(Group(header, grid), width)


def _is_waiting(job: WatchedJob) -> bool:
    return job.status in ("queued", "awaiting_input")


def display_for(output: TextIO, *, json_lines: bool) -> Display:
    """JSON lines unless `output` is a terminal; bars if `rich` is installed."""
    if json_lines or not output.isatty():
        return JsonLines(output)
    try:
        from rich.console import Console
    except ImportError:
        return OneLine(output)
    return Bars(Console(file=output))


def is_interactive() -> bool:
    """Whether a question can be asked and answered."""
    return sys.stdin.isatty() and sys.stderr.isatty()
