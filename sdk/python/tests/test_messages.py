"""The message types against the JSON Schema that the service's types generate."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from simulated import JOB, job_complete, progress, snapshot, stage_complete
from stagecast import messages
from stagecast.messages import message_of_snapshot, parse_message, parse_snapshot

SCHEMA = Path(__file__).parents[3] / "generated" / "messages.schema.json"
TYPES = [
    "Artifact",
    "JobError",
    "ProgressUpdate",
    "StageComplete",
    "JobComplete",
    "JobFailed",
    "JobCancelled",
    "JobSnapshot",
]


@pytest.mark.skipif(not SCHEMA.exists(), reason=f"{SCHEMA} is only in a checkout of the repository")
@pytest.mark.parametrize("name", TYPES)
def test_type_has_the_fields_of_the_schema(name: str) -> None:
    schema = json.loads(SCHEMA.read_text())["$defs"][name]
    fields = {each.name: each for each in dataclasses.fields(getattr(messages, name))}
    assert fields.keys() - {"raw"} == schema["properties"].keys()
    required = {
        each.name
        for each in fields.values()
        if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
    }
    assert required <= set(schema["required"])


def test_null_and_absent_fields_are_the_same() -> None:
    bare = parse_message(stage_complete(1, 1))
    full = parse_message({**stage_complete(1, 1), "results_url": None, "future": 1})
    assert bare == full


def test_nested_objects_are_typed() -> None:
    artifact = {"name": "a", "content_type": "text/csv", "size": 1, "sha256": "0" * 64, "future": 1}
    message = parse_message({**job_complete(1, 1), "artifacts": [artifact]})
    assert isinstance(message, messages.JobComplete)
    assert message.artifacts[0].name == "a"
    assert message.raw["artifacts"] == [artifact]


@pytest.mark.parametrize("missing", ["seq", "stage", "timestamp"])
def test_missing_field_is_named(missing: str) -> None:
    data = {name: value for name, value in stage_complete(1, 1).items() if name != missing}
    with pytest.raises(ValueError, match=missing):
        parse_message(data)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("completed", messages.JobComplete),
        ("failed", messages.JobFailed),
        ("cancelled", messages.JobCancelled),
        ("running", messages.ProgressUpdate),
        ("queued", None),
        ("awaiting_input", None),
    ],
)
def test_snapshot_is_equivalent_to_a_message(status: str, kind: type[Any] | None) -> None:
    message = message_of_snapshot(parse_snapshot(snapshot(1, 3, status, stage="one")))
    if kind is None:
        assert message is None
    else:
        assert isinstance(message, kind)
        assert (message.job_id, message.seq) == (JOB, 3)
        # A pipe gets messages in the form of the service.
        assert parse_message(message.raw) == message


def test_progress_of_a_snapshot_keeps_its_amounts() -> None:
    state = parse_snapshot(
        snapshot(1, 0, completed=3, total=9, unit="rows", attempt=2, max_attempts=3, labels={"a": "b"})
    )
    message = message_of_snapshot(state)
    assert isinstance(message, messages.ProgressUpdate)
    assert (message.completed, message.total, message.unit, message.attempt, message.max_attempts) == (
        3,
        9,
        "rows",
        2,
        3,
    )
    assert "labels" not in message.raw


def test_key_words_of_progress_are_those_of_the_service() -> None:
    message = parse_message(progress(1, 0, 40))
    assert isinstance(message, messages.ProgressUpdate)
    assert (message.type, message.progress, message.indeterminate) == ("progress_update", 40, False)
