"""`stagecast.tqdm`: the progress bar of tqdm, as the progress of the running job."""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterable, Iterator, Sized
from contextvars import ContextVar
from importlib import import_module
from types import TracebackType
from typing import Any, Generic, TypeVar

from ._context import current_job
from ._job import TRACK_INTERVAL, BaseJob

T = TypeVar("T")

_outer: ContextVar[weakref.ref[JobBar[Any]] | None] = ContextVar("stagecast_bar", default=None)
"""The bar that reports, in the current context. A bar that the job function has dropped without closing it is gone."""


class JobBar(Generic[T]):
    """The part of tqdm's interface that most code uses, on the running stage of a job.

    `desc` is the message and `unit` the unit. A bar within another one reports nothing, but raises `Cancelled` like it.
    """

    def __init__(
        self, job: BaseJob, iterable: Iterable[T] | None, total: float | None, options: dict[str, Any]
    ) -> None:
        self._job = job
        self.iterable = iterable
        if total is None and isinstance(iterable, Sized):
            total = len(iterable)
        self.total = total
        self.n: float = options.get("initial") or 0
        self.unit = _plural(options.get("unit") or "it")
        self.desc: str = (options.get("desc") or "").removesuffix(": ")
        self.disable = bool(options.get("disable"))
        outer = _outer.get()
        has_outer = outer is not None and outer() is not None
        stage = None if has_outer or self.disable else job._running_stage()
        self._is_outer = stage is not None
        self._stage = stage
        self._reported_at = 0.0
        if self._is_outer:
            _outer.set(weakref.ref(self))
            self.refresh()

    def __iter__(self) -> Iterator[T]:
        if self.iterable is None:
            raise TypeError("this bar has no iterable: pass one, or call update()")
        try:
            for item in self.iterable:
                self._job.check_cancelled()
                yield item
                self.update()
        finally:
            self.close()

    def __len__(self) -> int:
        return int(self.total or 0)

    def __enter__(self) -> JobBar[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def update(self, n: float | None = 1) -> bool:
        """Adds `n` to what is done."""
        self._job.check_cancelled()
        self.n += 1 if n is None else n
        if time.monotonic() - self._reported_at >= TRACK_INTERVAL:
            self.refresh()
        return False

    def set_description(self, desc: str | None = None, refresh: bool = True) -> None:
        self.desc = desc or ""
        if refresh:
            self.refresh()

    set_description_str = set_description

    def set_postfix(self, ordered_dict: Any = None, refresh: bool = True, **values: Any) -> None:
        """Shows `key=value` after the description."""
        values = {**dict(ordered_dict or {}), **values}
        self.set_postfix_str(", ".join(f"{key}={_short(value)}" for key, value in values.items()), refresh)

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None:
        self.postfix = s
        if refresh:
            self.refresh()

    postfix = ""

    def refresh(self, *_: Any, **__: Any) -> None:
        if self._stage is not None:
            self._reported_at = time.monotonic()
            self._stage.report(done=self.n, total=self.total, unit=self.unit, message=self.message)

    def reset(self, total: float | None = None) -> None:
        self.n = 0
        if total is not None:
            self.total = total
        self.refresh()

    def clear(self, *_: Any, **__: Any) -> None:
        """Nothing: there is no line to clear."""

    unpause = display = moveto = clear

    def close(self) -> None:
        if self._is_outer:
            self._is_outer = False
            outer = _outer.get()
            if outer is not None and outer() is self:
                _outer.set(None)
            if self._job._channel.interruption() is None:
                self.refresh()
            self._stage = None

    @property
    def message(self) -> str:
        return " ".join(part for part in (self.desc, self.postfix) if part)

    @staticmethod
    def write(s: str, file: Any = None, end: str = "\n", **_: Any) -> None:
        """Prints a line, as tqdm does."""
        print(s, file=file, end=end)


def _plural(unit: str) -> str:
    unit = unit.strip()
    return {"it": "", "B": "bytes"}.get(unit, unit if unit.endswith("s") else f"{unit}s")


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


class _PlainBar(JobBar[T]):
    """Outside of a job and without tqdm: iterates and prints nothing."""

    def __init__(self, iterable: Iterable[T] | None, total: float | None, options: dict[str, Any]) -> None:
        super().__init__(_NO_JOB, iterable, total, {**options, "disable": True})


class _NoJob(BaseJob):
    def __init__(self) -> None:
        pass

    def check_cancelled(self) -> None:
        pass


_NO_JOB = _NoJob()


class _Tqdm:
    """Callable like the class `tqdm.tqdm`."""

    def __call__(
        self, iterable: Iterable[T] | None = None, desc: str | None = None, total: float | None = None, **options: Any
    ) -> Any:
        """A bar: within a job function on its running stage; elsewhere that of tqdm, if it is installed."""
        job = current_job()
        if job is not None:
            return JobBar(job, iterable, total, {"desc": desc, **options})
        try:
            original = import_module("tqdm").tqdm
        except ImportError:
            return _PlainBar(iterable, total, {"desc": desc, **options})
        return original(iterable, desc=desc, total=total, **options)

    @staticmethod
    def write(s: str, file: Any = None, end: str = "\n", **_: Any) -> None:
        JobBar.write(s, file, end)


tqdm = _Tqdm()


def trange(*arguments: int, **options: Any) -> Any:
    """`tqdm(range(*arguments), **options)`."""
    return tqdm(range(*arguments), **options)
