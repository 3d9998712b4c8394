"""The overall progress of a job whose stages have weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class OverallProgress:
    """Computes `overall_progress`, in percent. It never goes back.

    With declared weights, the sum of all weights is the whole. Otherwise stages appear as the job goes: then one more
    stage of average weight is assumed to follow, which for equal weights is the formula of the service,
    `floor(100 * (finished + p / 100) / (started + 1))`.
    """

    def __init__(self, declared: Mapping[str, float] | None, finished: Iterable[str] = ()) -> None:
        self._is_declared = declared is not None
        self._weights: dict[str, float] = dict(declared or {})
        self._finished: set[str] = set()
        self._highest = 0
        for stage in finished:
            self.start(stage, 1)
            self.finish(stage)

    @property
    def is_needed(self) -> bool:
        """Whether the service's own computation, in which all stages count the same, would differ.

        The service estimates the remaining time from earlier jobs only while it computes the overall progress itself.
        """
        return len(set(self._weights.values())) > 1

    def start(self, stage: str, weight: float) -> None:
        self._weights.setdefault(stage, weight)

    def finish(self, stage: str) -> None:
        self._finished.add(stage)

    def at(self, stage: str, percent: int) -> int:
        """The overall progress while `stage` is at `percent`."""
        weights = self._weights
        done = sum(weights[name] for name in self._finished if name in weights)
        if stage not in self._finished:
            done += weights.get(stage, 1) * percent / 100
        whole = sum(weights.values())
        if not self._is_declared and weights:
            whole += whole / len(weights)
        if whole > 0:
            # 1e-9: 100 * 0.29 is 28.999999999999996.
            self._highest = max(self._highest, min(100, int(100 * done / whole + 1e-9)))
        return self._highest
