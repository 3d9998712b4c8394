"""When a worker claims, without I/O and without time."""

from __future__ import annotations

from stagecast._schedule import NOW, QueueSchedule


def test_listening_worker_polls_every_five_minutes_after_an_empty_claim() -> None:
    schedule = QueueSchedule()
    schedule.listening("l1")
    schedule.got_nothing(schedule.started(), "l1", 5, now=1000)
    assert 1240 <= schedule.due_at <= 1360


def test_first_claim_waits_for_the_listener() -> None:
    schedule = QueueSchedule()
    schedule.will_listen(now=1000)
    assert schedule.due_at == 1002
    schedule.listening("l1")
    assert schedule.due_at == NOW


def test_wake_up_that_overtakes_an_empty_answer_claims_again() -> None:
    schedule = QueueSchedule()
    schedule.listening("l1")
    started = schedule.started()
    schedule.woken()
    schedule.got_nothing(started, "l1", 5, now=1000)
    assert schedule.due_at == NOW


def test_new_listener_is_armed_by_another_claim() -> None:
    schedule = QueueSchedule()
    started = schedule.started()
    schedule.listening("l1")
    schedule.got_nothing(started, None, 5, now=1000)
    assert schedule.due_at == NOW
    schedule.got_nothing(schedule.started(), "l0", 5, now=1000)
    assert schedule.due_at == NOW


def test_polling_interval_doubles_from_retry_after_to_thirty_seconds() -> None:
    schedule = QueueSchedule()
    for expected in (5, 10, 20, 30, 30):
        schedule.got_nothing(schedule.started(), None, 5, now=0)
        assert 0.75 * expected <= schedule.due_at <= 1.25 * expected
    schedule.got_job()
    assert schedule.due_at == NOW
    schedule.got_nothing(schedule.started(), None, None, now=0)
    assert schedule.due_at <= 6.25


def test_failed_claims_back_off_to_thirty_seconds_beyond_retry_after() -> None:
    schedule = QueueSchedule()
    for _ in range(40):
        schedule.failed(None, now=0)
        assert 0 <= schedule.due_at <= 30
    schedule.failed(60, now=0)
    assert 60 <= schedule.due_at <= 90


def test_queue_is_read_again_when_the_lease_of_a_lost_claim_has_ended() -> None:
    schedule = QueueSchedule()
    schedule.listening("l1")
    schedule.failed(None, now=0)
    schedule.got_nothing(schedule.started(), "l1", 5, now=1)
    assert 32 <= schedule.due_at <= 37
    schedule.got_nothing(schedule.started(), "l1", 5, now=37)
    assert schedule.due_at >= 277


def test_failed_connection_keeps_the_next_poll() -> None:
    schedule = QueueSchedule()
    schedule.got_nothing(schedule.started(), None, 20, now=0)
    due_at = schedule.due_at
    schedule.deafened(now=1)
    assert schedule.due_at == due_at


def test_lost_connection_polls_soon() -> None:
    schedule = QueueSchedule()
    schedule.listening("l1")
    schedule.got_nothing(schedule.started(), "l1", 5, now=0)
    schedule.deafened(now=10)
    assert schedule.listener is None
    assert 10 <= schedule.due_at <= 15
