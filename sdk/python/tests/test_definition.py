"""Options of job functions and settings of workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import stagecast
from stagecast._definition import definition_of, snake_case, stage_name_of
from stagecast._worker import Worker, default_worker_id


def function(job: stagecast.Job) -> None: ...


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"stages": "abc"}, "expected a list"),
        ({"stages": []}, "0 names"),
        ({"stages": {"a": 0}}, "weight of stage 'a'"),
        ({"stages": ["a b"]}, "invalid"),
        ({"retries": -1}, "0 or more"),
        ({"retries": 1}, "needs `retry_on`"),
        ({"retry_on": OSError}, "needs `retries`"),
        ({"executor": "fiber"}, '"thread" or "process"'),
    ],
)
def test_invalid_option_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(stagecast.StagecastError, match=problem):
        stagecast.job(**options)


def test_decorator_without_parentheses_is_refused() -> None:
    with pytest.raises(stagecast.ConfigurationError, match="parentheses"):
        stagecast.job(queue=function)  # type: ignore[arg-type]


def test_coroutine_function_cannot_run_in_a_process() -> None:
    async def work(job: stagecast.AsyncJob) -> None: ...

    with pytest.raises(stagecast.ConfigurationError, match="event loop"):
        stagecast.job(executor="process")(work)


def test_decorated_function_stays_callable() -> None:
    decorated: Callable[[int], int] = stagecast.job()(lambda number: number + 1)
    assert decorated(1) == 2


def test_queue_has_one_function() -> None:
    def one(job: stagecast.Job) -> None: ...
    def two(job: stagecast.Job) -> None: ...

    stagecast.job(queue="definition_test")(one)
    stagecast.job(queue="definition_test")(one)
    with pytest.raises(stagecast.ConfigurationError, match="two job functions"):
        stagecast.job(queue="definition_test")(two)


def test_delay_is_that_of_the_backoff_and_at_most_fifteen_minutes() -> None:
    def delays(**options: Any) -> list[float]:
        def work(job: stagecast.Job) -> None: ...

        definition = definition_of(stagecast.job(retries=3, retry_on=OSError, **options)(work))
        return [definition.delay_before(attempt) for attempt in (2, 3, 4)]

    assert delays(backoff=5) == [5, 5, 5]
    assert delays(backoff=lambda retry: 10.0**retry) == [10, 100, 900]
    first, second, third = delays(backoff=stagecast.exponential(base=10, cap=30))
    assert (5 <= first <= 10, 10 <= second <= 20, 15 <= third <= 30) == (True, True, True)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ValueError", "value_error"),
        ("HTTPStatusError", "http_status_error"),
        ("Ünlaut", "_nlaut"),
        ("A" * 99, "a" * 64),
    ],
)
def test_code_is_the_class_in_snake_case(name: str, code: str) -> None:
    assert snake_case(name) == code


def test_stage_name_of_a_lambda_is_valid() -> None:
    assert stage_name_of(lambda: 1) == "_lambda_"
    assert stage_name_of(function) == "function"


def test_worker_reads_its_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGECAST_URL", "https://api.example.com")
    monkeypatch.setenv("STAGECAST_WORKER_TOKEN", "stw_x")
    monkeypatch.setenv("STAGECAST_CONCURRENCY", "4")
    monkeypatch.setenv("STAGECAST_GRACE_SECONDS", "7.5")
    monkeypatch.setenv("STAGECAST_QUEUES", " settings_b ,")
    made = [stagecast.job(queue=f"settings_{name}")(lambda job: None) for name in "a"]
    other = stagecast.job(queue="settings_b")(lambda job: None)
    worker = Worker([*made, other])
    assert (worker.concurrency, worker.grace, worker.queues) == (4, 7.5, ["settings_b"])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"url": None}, "STAGECAST_URL"),
        ({"token": None}, "STAGECAST_WORKER_TOKEN"),
        ({"concurrency": 0}, "`concurrency` is '0'"),
        ({"grace": -1}, "STAGECAST_GRACE_SECONDS"),
        ({"jobs": []}, "no job function"),
        ({"jobs": [function]}, "has no queue"),
        ({"queues": ["nope"]}, "nope"),
    ],
)
def test_invalid_setting_of_a_worker_is_named(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], problem: str
) -> None:
    for variable in ("STAGECAST_URL", "STAGECAST_WORKER_TOKEN", "STAGECAST_QUEUES"):
        monkeypatch.delenv(variable, raising=False)

    def work(job: stagecast.Job) -> None: ...

    made = stagecast.job(queue="setting_test")(work)
    arguments: dict[str, Any] = {"jobs": [made], "url": "http://127.0.0.1:1", "token": "t", **options}
    with pytest.raises(stagecast.ConfigurationError, match=problem):
        Worker(**arguments)
    stagecast._definition._registry.pop("setting_test")


def test_worker_id_is_valid_and_unique() -> None:
    first, second = default_worker_id(), default_worker_id()
    assert first != second
    assert len(first) <= 64
