"""Job functions and their options."""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from ._stages import check_stage_name
from .errors import ConfigurationError

F = TypeVar("F", bound=Callable[..., Any])
Backoff = float | Callable[[int], float]

MAX_DELAY_SECONDS = 900
"""The longest delay with which a job is handed back."""

_ATTRIBUTE = "__stagecast_job__"


@dataclass(frozen=True)
class JobDefinition:
    """A job function with its options."""

    function: Callable[..., Any]
    queue: str
    stages: Mapping[str, float] | None
    retries: int
    retry_on: tuple[type[Exception], ...]
    backoff: Backoff
    executor: Literal["thread", "process"]

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    @property
    def default_stage(self) -> str:
        """The stage of a function that names none."""
        return stage_name_of(self.function)

    @property
    def claim_stages(self) -> list[str] | None:
        """The stages for the claim; None for stages that the function names as it goes."""
        return list(self.stages) if self.stages is not None else None

    def is_temporary(self, error: BaseException) -> bool:
        """Whether the next attempt may succeed."""
        return isinstance(error, self.retry_on)

    def delay_before(self, attempt: int) -> float:
        """Seconds before attempt number `attempt`, from 2."""
        delay = self.backoff(attempt - 1) if callable(self.backoff) else float(self.backoff)
        return min(max(0.0, delay), float(MAX_DELAY_SECONDS))


def exponential(base: float = 1.0, cap: float = 300.0) -> Callable[[int], float]:
    """Backoff with jitter: before retry n, from 1, half to all of `min(cap, base * 2**(n - 1))` seconds."""

    def backoff(retry: int) -> float:
        ceiling = min(cap, base * 2.0 ** min(retry - 1, 32))
        return random.uniform(ceiling / 2, ceiling)

    return backoff


def job(
    *,
    queue: str = "",
    stages: Mapping[str, float] | Sequence[str] | None = None,
    retries: int = 0,
    retry_on: type[Exception] | tuple[type[Exception], ...] = (),
    backoff: Backoff | None = None,
    executor: Literal["thread", "process"] = "thread",
) -> Callable[[F], F]:
    """Makes a function the job function of a queue. The function itself stays callable as it is.

    `stages` declares all stages in their order, with weights if it is a mapping. Without it, the function names its
    stages as it goes. `retry_on` names the exceptions after which a further attempt may succeed, `retries` the number
    of further attempts, and `backoff` the seconds before each: a number, or a function of the number of the retry.
    `executor="process"` runs the function in a child process, for work that holds the interpreter's lock.
    A coroutine function runs on the event loop.
    """
    definition_of_options = _check(queue, stages, retries, retry_on, backoff, executor)

    def decorate(function: F) -> F:
        if not callable(function):
            raise ConfigurationError("use the decorator with parentheses: @stagecast.job(queue=...)")
        definition = definition_of_options(function)
        if definition.is_async and executor == "process":
            raise ConfigurationError(
                f"{function.__qualname__} is a coroutine function: it runs on the event loop, not in a process"
            )
        setattr(function, _ATTRIBUTE, definition)
        if queue:
            register(definition)
        return function

    return decorate


def _check(
    queue: str,
    stages: Mapping[str, float] | Sequence[str] | None,
    retries: int,
    retry_on: type[Exception] | tuple[type[Exception], ...],
    backoff: Backoff | None,
    executor: str,
) -> Callable[[Callable[..., Any]], JobDefinition]:
    if callable(queue):
        raise ConfigurationError("use the decorator with parentheses: @stagecast.job(queue=...)")
    declared: dict[str, float] | None = None
    if stages is not None:
        if isinstance(stages, str):
            raise ConfigurationError(
                f"`stages` is {stages!r}: expected a list of names, or a mapping of names to weights"
            )
        declared = dict(stages) if isinstance(stages, Mapping) else dict.fromkeys(stages, 1.0)
        if not 1 <= len(declared) <= 50:
            raise ConfigurationError(f"`stages` has {len(declared)} names: expected 1 to 50")
        for name, weight in declared.items():
            check_stage_name(name)
            if not weight > 0:
                raise ConfigurationError(f"the weight of stage {name!r} is {weight!r}: expected a positive number")
    if retries < 0:
        raise ConfigurationError(f"`retries` is {retries}: expected 0 or more")
    kinds = retry_on if isinstance(retry_on, tuple) else (retry_on,)
    if retries and not kinds:
        raise ConfigurationError("`retries` needs `retry_on`: the exceptions after which another attempt may succeed")
    if kinds and not retries:
        raise ConfigurationError("`retry_on` needs `retries`: the number of further attempts")
    if executor not in ("thread", "process"):
        raise ConfigurationError(f'`executor` is {executor!r}: expected "thread" or "process"')

    def definition(function: Callable[..., Any]) -> JobDefinition:
        return JobDefinition(
            function=function,
            queue=queue,
            stages=declared,
            retries=retries,
            retry_on=kinds,
            backoff=exponential() if backoff is None else backoff,
            executor="process" if executor == "process" else "thread",
        )

    return definition


_registry: dict[str, JobDefinition] = {}


def register(definition: JobDefinition) -> None:
    known = _registry.get(definition.queue)
    if known is not None and _origin(known.function) != _origin(definition.function):
        raise ConfigurationError(
            f"queue {definition.queue!r} has two job functions, {known.function.__qualname__} and "
            f"{definition.function.__qualname__}: a queue has one; let it choose by `job.parameters`"
        )
    _registry[definition.queue] = definition


def _origin(function: Callable[..., Any]) -> tuple[str, str]:
    """Where a function is defined. A module may be imported twice: as `__main__`, and by its name."""
    code = getattr(function, "__code__", None)
    return (code.co_filename if code else function.__module__, function.__qualname__)


def registered() -> list[JobDefinition]:
    """The job functions with a queue that were imported so far."""
    return list(_registry.values())


def definition_of(function: Callable[..., Any]) -> JobDefinition:
    """The options of a job function; the defaults if it has no decorator."""
    definition = getattr(function, _ATTRIBUTE, None)
    if isinstance(definition, JobDefinition):
        return definition
    if not callable(function):
        raise ConfigurationError(f"{function!r} is no job function: decorate it with @stagecast.job(queue=...)")
    return _check("", None, 0, (), None, "thread")(function)


def snake_case(name: str) -> str:
    """`ValueError` becomes `value_error`, and `HTTPStatusError` `http_status_error`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^a-z0-9_-]", "_", words.lower())[:64] or "error"


def stage_name_of(function: Callable[..., Any]) -> str:
    """The name of a function as the name of a stage."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", getattr(function, "__name__", "run"))[:64]
    return name if re.search(r"[A-Za-z0-9]", name) else "run"
