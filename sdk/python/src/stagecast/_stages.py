"""The stages of a claimed job: which one runs, which have finished, and what of them is posted when.

Without I/O and without locks. A stage whose block has ended is *held*: its end is posted together with the start of the
next stage or with the end of the job, so that the value that the job function returns can be the result of its last
stage. The result of a job is that of the stage that finishes last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ._claim import Claim, retry_state
from ._overall import OverallProgress
from ._protocol import ClaimProtocol
from .errors import Failure, StagecastError

MAX_STAGES = 50
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

IMPLIED_RESULT_STAGE = "result"
"""The stage that carries the returned value if it is not the result of the stage that finished last."""


class StageError(StagecastError):
    """A job function uses its stages in a way that the protocol does not have."""


def check_stage_name(name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise StageError(
            f"the stage name {name!r} is invalid: use 1 to 64 letters, digits, `_` and `-`", code="invalid_stage_name"
        )
    return name


@dataclass
class _Stage:
    name: str
    percent: int = 0
    result: Any = None
    is_entered: bool = False
    has_ended: bool = False
    artifacts: dict[str, Mapping[str, Any]] = field(default_factory=dict)


class StageTracker:
    def __init__(
        self,
        claim: Claim,
        protocol: ClaimProtocol,
        default_stage: str,
        declared: Mapping[str, float] | None = None,
    ) -> None:
        self._protocol = protocol
        self._declared = declared
        self._default_stage = default_stage
        self.finished: dict[str, Any] = {}
        for stage in claim.raw.get("finished") or ():
            self.finished[stage["stage"]] = stage.get("results")
        self._finished_before = frozenset(self.finished)
        self._overall = OverallProgress(declared, self.finished)
        self.checkpoint = claim.checkpoint
        self._stage: _Stage | None = None
        self._artifacts_after: dict[str, Mapping[str, Any]] = {}

    @property
    def running(self) -> str | None:
        """The stage that runs; None before the first one, between two, and in a finished one."""
        return self._stage.name if self._stage is not None and not self._stage.has_ended else None

    def begin(self, name: str, weight: float = 1) -> bool:
        """Starts a stage. False if it has finished: what it reports is ignored."""
        check_stage_name(name)
        if not weight > 0:
            raise StageError(
                f"the weight of stage {name!r} is {weight!r}: expected a positive number", code="invalid_weight"
            )
        running = self._stage
        if running is not None and running.name == name and not running.has_ended:
            return True
        if running is not None and running.is_entered and not running.has_ended:
            raise StageError(
                f"stage {name!r} cannot start while the block of stage {running.name!r} runs: stages are not nested",
                code="nested_stage",
            )
        self.flush()
        if name in self.finished:
            return False
        if self._declared is not None and name not in self._declared:
            raise StageError(
                f"stage {name!r} is not declared; `stages` has {', '.join(self._declared)}", code="undeclared_stage"
            )
        if len(self.finished) >= MAX_STAGES:
            raise StageError(
                f"stage {name!r} would be the 51st: a job has at most {MAX_STAGES}", code="too_many_stages"
            )
        self._stage = _Stage(name)
        self._overall.start(name, weight)
        self.progress(name, 0, "")
        return True

    def enter(self, name: str) -> None:
        """The block of a stage begins: no other stage can start before it ends."""
        if self._stage is not None and self._stage.name == name:
            self._stage.is_entered = True

    def end(self, name: str, result: Any) -> None:
        """The block of a stage has ended."""
        if self.running == name and self._stage is not None:
            self._stage.has_ended = True
            self._stage.result = result

    def abandon(self, name: str) -> None:
        """The block of a stage was left by an exception."""
        if self.running == name and self._stage is not None:
            self._stage.is_entered = False

    def set_result(self, name: str, result: Any) -> None:
        if self._stage is not None and self._stage.name == name:
            self._stage.result = result

    def complete(self, name: str, result: Any) -> int | None:
        """Posts the end of a stage at once. Returns its ticket, or None if the stage had finished before."""
        if self._stage is None or self._stage.name != name:
            return None
        return self._finish(result)

    def flush(self) -> None:
        """Posts the end of the stage that ran last, if it is still to be posted."""
        if self._stage is not None:
            self._finish(self._stage.result)

    def progress(self, name: str, percent: int | None, message: str, extra: Mapping[str, Any] | None = None) -> None:
        """`percent` None repeats the last one."""
        stage = self._stage
        if stage is None or stage.name != name or stage.has_ended:
            return
        if percent is not None:
            stage.percent = max(stage.percent, min(100, max(0, percent)))
        event: dict[str, Any] = {"progress": stage.percent, "message": message, **(extra or {})}
        if self._overall.is_needed:
            event["overall_progress"] = self._overall.at(name, stage.percent)
        self._protocol.progress(name, event)

    def begin_default(self) -> str | None:
        """The running stage; that of a function that names none; None between stages and after the last."""
        name = self.running
        is_possible = self._declared is None or self._default_stage in self._declared
        if name is None and self._stage is None and not self.finished and is_possible:
            name = self._default_stage
            self.begin(name)
        return name

    def store(self, name: str, state: Any, *, urgent: bool = False) -> int | None:
        """Stores the state of the running stage."""
        if self.running != name:
            return None
        ticket = self._protocol.checkpoint(name, state, urgent=urgent)
        self.checkpoint = (name, state)
        return ticket

    def attach(self, artifact: Mapping[str, Any]) -> None:
        """An uploaded file belongs to the stage that runs or ended last, or else to the end of the job."""
        artifacts = self._artifacts_after if self._stage is None else self._stage.artifacts
        artifacts[artifact["name"]] = artifact

    def conclude(self, value: Any) -> int:
        """The job function has returned. Returns the ticket of the end of the job."""
        last = self._stage
        if self._declared is not None:
            skipped = [name for name in self._declared if name not in self.finished and (not last or name != last.name)]
            self._stage = None
            for name in skipped:
                self._stage = _Stage(name)
                if last is None and name == skipped[-1]:
                    last = self._stage
                else:
                    self._finish(None)
            self._stage = last
        if last is not None:
            self._finish(last.result if value is None else value)
        elif not self.finished:
            self._stage = _Stage(self._default_stage, result=value)
            self._finish(value)
        elif value is not None:
            self._post_separately(value)
        return self._protocol.complete(list(self._artifacts_after.values()))

    def fail(self, code: str, message: str) -> int:
        return self._protocol.fail(code, message, self._leave())

    def cancel(self) -> int:
        return self._protocol.cancel(self._leave())

    def release(self, delay_seconds: int = 0, failures: int = 0) -> int:
        """Hands the job back. `failures` is passed on with a checkpoint, for which a stage has to run."""
        stage = self._leave()
        if failures and stage is not None:
            own = self.checkpoint if self.checkpoint and self.checkpoint[0] == stage else None
            self._protocol.checkpoint(stage, retry_state(failures, own), urgent=True)
        return self._protocol.release(delay_seconds)

    def retry(self) -> None:
        """The job function is about to be called again in the same claim."""
        self._leave()
        self._stage = None

    def _leave(self) -> str | None:
        """Posts the end of a stage whose block has ended; returns the stage that has not."""
        running = self.running
        if running is None:
            try:
                self.flush()
            except Exception:
                # Its result cannot be stored, which is what the job fails with.
                self._stage = None
        return running

    def _finish(self, result: Any) -> int:
        stage = self._stage
        if stage is None:  # Not reached: callers check it.
            raise StageError("no stage runs", code="no_stage")
        artifacts: Sequence[Mapping[str, Any]] = [*self._artifacts_after.values(), *stage.artifacts.values()]
        ticket = self._protocol.finish_stage(stage.name, result, artifacts)
        self._artifacts_after.clear()
        self._overall.finish(stage.name)
        self.finished[stage.name] = result
        if self.checkpoint is not None and self.checkpoint[0] == stage.name:
            self.checkpoint = None
        self._stage = None
        return ticket

    def _post_separately(self, value: Any) -> None:
        last = next(reversed(self.finished))
        if self.finished[last] == value:
            return
        if self._declared is not None or IMPLIED_RESULT_STAGE in self.finished:
            if last in self._finished_before:
                return  # This value was computed again; that of the earlier claim is stored.
            raise Failure(
                "result_not_stored",
                f"the returned value cannot be stored: stage {last!r} has finished with another result",
            )
        self._stage = _Stage(IMPLIED_RESULT_STAGE)
        self._finish(value)
