"""Order and deduplication of the messages of a job."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulated import job_complete, progress, snapshot, stage_complete
from stagecast._sequence import Sequence
from stagecast.messages import JobComplete, JobMessage, ProgressUpdate, parse_message, parse_snapshot


def message(data: dict[str, Any]) -> JobMessage:
    parsed = parse_message(data)
    assert parsed is not None
    return parsed


def accept(sequence: Sequence, *frames: dict[str, Any]) -> list[JobMessage]:
    return [released for frame in frames for released in sequence.accept(message(frame))]


def percents(messages: list[JobMessage]) -> list[float]:
    return [each.progress for each in messages if isinstance(each, ProgressUpdate)]


LOG = [stage_complete(1, 1, "one"), stage_complete(2, 2, "two"), job_complete(3, 3)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_durable_messages_are_released_in_order_in_every_order_of_arrival(order: tuple[int, ...]) -> None:
    sequence = Sequence()
    released = accept(sequence, *(LOG[i] for i in order), *(LOG[i] for i in order))
    assert [each.seq for each in released] == [1, 2, 3]
    assert sequence.has_ended


def test_gap_is_known_from_later_durable_message_and_from_progress() -> None:
    sequence = Sequence()
    assert not sequence.has_gap
    accept(sequence, LOG[1])
    assert sequence.has_gap
    accept(sequence, LOG[0])
    assert not sequence.has_gap
    accept(sequence, progress(4, 3, 10))
    assert sequence.has_gap


def test_progress_waits_for_the_durable_message_before_it() -> None:
    sequence = Sequence()
    assert accept(sequence, progress(2, 1, 10, "two")) == []
    released = accept(sequence, LOG[0])
    assert [each.type for each in released] == ["stage_complete", "progress_update"]


def test_progress_of_a_finished_stage_is_dropped() -> None:
    sequence = Sequence()
    assert accept(sequence, LOG[0], progress(1, 0, 90)) == [message(LOG[0])]


def test_progress_never_goes_back_within_an_attempt() -> None:
    sequence = Sequence()
    released = accept(
        sequence,
        progress(1, 0, 40),
        progress(2, 0, 30),  # A later timestamp does not make it newer.
        progress(1, 0, 40),
        progress(1, 0, 41),
    )
    assert percents(released) == [40, 41]


def test_progress_starts_again_with_the_next_attempt_and_the_old_one_is_dropped() -> None:
    sequence = Sequence()
    released = accept(
        sequence,
        progress(1, 0, 40),
        progress(1, 0, 5, attempt=2),
        progress(1, 0, 60, attempt=1),
    )
    assert percents(released) == [40, 5]


def test_progress_with_the_same_percentage_is_released_if_its_text_is_new() -> None:
    sequence = Sequence()
    released = accept(
        sequence,
        progress(1, 0, 40, message="a"),
        progress(1, 0, 40, message="b"),
        progress(1, 0, 40, message="b"),
        progress(1, 0, 40, message="b", completed=4),
    )
    assert [each.message for each in released if isinstance(each, ProgressUpdate)] == ["a", "b", "b"]


def test_nothing_is_released_after_the_end() -> None:
    sequence = Sequence(2)
    accept(sequence, LOG[2])
    assert accept(sequence, stage_complete(9, 4), progress(9, 4, 1)) == []
    assert sequence.accept_snapshot(parse_snapshot(snapshot(9, 9)), recovered=False) == []


def test_snapshot_replaces_messages_that_the_log_no_longer_has() -> None:
    sequence = Sequence(1)
    accept(sequence, stage_complete(4, 4, "four"))  # Early, and still available.
    state = parse_snapshot(snapshot(5, 5, progress=20, stage="six"))
    released = sequence.accept_snapshot(state, recovered=False)
    assert [(each.type, each.seq) for each in released] == [("stage_complete", 4), ("progress_update", 5)]
    assert sequence.seq == 5
    assert not sequence.has_gap


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_snapshot_of_an_ended_job_is_its_end_if_the_log_is_lost(status: str) -> None:
    sequence = Sequence()
    state = parse_snapshot(snapshot(5, 3, status, results={"a": 1} if status == "completed" else None))
    (end,) = sequence.accept_snapshot(state, recovered=False)
    assert (end.type, end.seq) == (f"job_{status}".replace("completed", "complete"), 3)
    assert not isinstance(end, JobComplete) or end.results == {"a": 1}
    assert sequence.has_ended


def test_snapshot_of_an_ended_job_waits_for_the_replayed_log() -> None:
    sequence = Sequence()
    ended = parse_snapshot(snapshot(5, 3, "completed"))
    assert sequence.accept_snapshot(ended, recovered=True) == []
    assert sequence.has_gap
    assert [each.seq for each in accept(sequence, *LOG)] == [1, 2, 3]


def test_snapshot_is_the_end_for_a_client_that_has_the_whole_log() -> None:
    sequence = Sequence(3)
    (end,) = sequence.accept_snapshot(parse_snapshot(snapshot(5, 3, "completed")), recovered=True)
    assert isinstance(end, JobComplete)


def test_resume_beyond_the_log_continues_where_the_job_is() -> None:
    sequence = Sequence(9)
    sequence.accept_snapshot(parse_snapshot(snapshot(5, 1)), recovered=False)
    assert [each.seq for each in accept(sequence, *LOG[1:])] == [2, 3]


def test_stale_snapshot_does_not_set_a_sequence_back() -> None:
    sequence = Sequence()
    accept(sequence, *LOG[:2])
    sequence.accept_snapshot(parse_snapshot(snapshot(1, 1)), recovered=False)
    assert sequence.seq == 2
    assert [each.seq for each in accept(sequence, *LOG)] == [3]


@given(st.lists(st.integers(0, 11), min_size=12, max_size=60))
def test_any_arrival_releases_each_durable_message_once_and_progress_forwards(picks: list[int]) -> None:
    # Three stages, each with three updates before its `stage_complete`.
    frames = [
        stage_complete(stage, stage + 1, str(stage))
        if step == 3
        else progress(stage, stage, 10 + 30 * step, str(stage), attempt=1 + step // 2)
        for stage in range(3)
        for step in range(4)
    ]
    sequence = Sequence()
    released = accept(sequence, *(frames[pick] for pick in picks))
    durable = [each.seq for each in released if not isinstance(each, ProgressUpdate)]
    assert durable == list(range(1, len(durable) + 1))
    updates = [(each.seq, each.attempt or 1, each.progress) for each in released if isinstance(each, ProgressUpdate)]
    assert updates == sorted(set(updates))
