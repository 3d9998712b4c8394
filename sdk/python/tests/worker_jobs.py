"""Job functions for tests with processes, which import this module. As a program, a worker that runs them."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time

import stagecast


@stagecast.job(queue="squares", executor="process")
def squares(job: stagecast.Job) -> dict[str, int]:
    with job.stage("input") as stage:
        stage.result = len(job.input())
    total = 0
    for number in job.stage("sum").track(range(int(job.parameters["count"])), unit="numbers"):
        total += number * number
    job.attach("total.txt", str(total).encode())
    return {"total": total, "pid": os.getpid()}


@stagecast.job(queue="crash", executor="process")
def crash(job: stagecast.Job) -> None:
    with job.stage("crash") as stage:
        stage.checkpoint({"row": 3}, wait=True)
        os.kill(os.getpid(), signal.SIGKILL)


@stagecast.job(queue="endless", executor="process")
def endless_process(job: stagecast.Job) -> None:
    with job.stage("loop") as stage:
        while True:
            stage.report(1)
            time.sleep(0.01)


@stagecast.job(queue="deaf", executor="process")
def deaf_process(job: stagecast.Job) -> None:
    job.report(1)
    time.sleep(600)


@stagecast.job(queue="flaky", executor="process", retries=1, retry_on=OSError, backoff=0)
def flaky(job: stagecast.Job) -> int:
    if job.attempt == 1:
        raise OSError("first")
    return job.attempt


@stagecast.job(queue="threads")
def in_thread(job: stagecast.Job) -> None:
    with job.stage("loop") as stage:
        for row in range(1_000_000):
            stage.checkpoint({"row": row})
            stage.report(1)
            time.sleep(float(job.parameters.get("pause", 0.01)))


@stagecast.job(queue="pool")
def with_pool(job: stagecast.Job) -> list[int]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.map(abs, [-1, -2])


@stagecast.job(queue="short")
def short(job: stagecast.Job) -> str:
    job.report(1)
    time.sleep(1)
    return "done"


logging.basicConfig(level=logging.INFO)
stagecast.run()
