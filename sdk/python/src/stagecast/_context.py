"""The job that runs in the current thread or task."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._job import BaseJob

_current: ContextVar[BaseJob | None] = ContextVar("stagecast_job", default=None)


def current_job() -> BaseJob | None:
    """The job of the current context: that of the running job function, also in what it calls."""
    return _current.get()


set_current_job = _current.set
