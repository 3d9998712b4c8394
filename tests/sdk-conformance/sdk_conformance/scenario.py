"""Reads the scenarios, and checks that they contain only what the suite understands."""

import dataclasses
import pathlib
import re

import yaml

from .faults import Rule, normalized

MODES = ("worker", "queue", "watch")
DEFAULT_TIMEOUT = 60
FOLDER = pathlib.Path(__file__).parents[1] / "scenarios"


@dataclasses.dataclass
class Scenario:
    """One file of `scenarios/`: see the README for the format."""

    name: str
    mode: str
    about: str
    driver: dict = dataclasses.field(default_factory=dict)
    jobs: list = dataclasses.field(default_factory=lambda: [{}])
    service: dict = dataclasses.field(default_factory=dict)
    faults: list = dataclasses.field(default_factory=list)
    random_faults: dict | None = None
    random_delivery: dict | None = None
    seeds: list = dataclasses.field(default_factory=lambda: [0])
    timeline: list = dataclasses.field(default_factory=list)
    expect: dict = dataclasses.field(default_factory=dict)
    timeout: int = DEFAULT_TIMEOUT

    def __post_init__(self):
        if self.mode not in MODES:
            raise ValueError(f"{self.name}: there is no mode {self.mode!r}; the modes are {', '.join(MODES)}")
        unknown = self.expect.keys() - {"log", "output", "not_output", "requests", "counts", "exit", "delivered", "undelivered"}
        if unknown:
            raise ValueError(f"{self.name}: `expect` does not know {', '.join(sorted(unknown))}")
        for rule in self.faults:
            normalized(Rule(rule).fault)


def load(folder=FOLDER):
    """All scenarios; the name of each is its path without the extension, such as `worker/lost-answer`."""
    scenarios = []
    for path in sorted(folder.rglob("*.yaml")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        try:
            fields = _expanded(yaml.safe_load(path.read_text()))
            scenarios.append(Scenario(name=name, mode=path.parent.name, **fields))
        except (TypeError, ValueError, yaml.YAMLError) as error:
            raise SystemExit(f"cannot read the scenario {path}: {error}") from None
    return scenarios


def _expanded(value):
    """Replaces `@N` by a text of N bytes."""
    if isinstance(value, dict):
        return {key: _expanded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_expanded(each) for each in value]
    if isinstance(value, str) and re.fullmatch(r"@\d+", value):
        return "x" * int(value[1:])
    return value


def results_of(work):
    """The results of a stage of a plan: `results`, or a text of quotes that takes `results_bytes` bytes as JSON."""
    if "results_bytes" in work:
        return {"text": '"' * (work["results_bytes"] // 2)}
    return work.get("results")


def expected_log(work):
    """The durable events to which a plan leads, if nothing ends the job before."""
    log = []
    for stage in work:
        failure = next((step["fail"] for step in stage.get("steps", []) if "fail" in step), None)
        if failure:
            return [*log, {"type": "job_failed", "error": failure}]
        log.append({"type": "stage_complete", "stage": stage["stage"], "results": results_of(stage)})
    return [*log, {"type": "job_complete"}]
