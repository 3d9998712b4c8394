"""Stops a pool of busy workers with SIGTERM. Prints how long they take and what becomes of their jobs, and checks that
a second pool ends each job once, in the same attempt.

Run from any folder: python3 bench/workers/stop.py [--workers N]. Every second worker is in Rust.
"""

import argparse
import collections
import concurrent.futures
import queue
import sys
import time

from drain import QUEUES, check, create, request
from stack import HERE, Worker, executables, local_stack, options, percentile, python, say

CONCURRENCY = 2
GRACE_SECONDS = 2
# Of each of the two stages: longer than the grace period.
STEP_SECONDS = 4


def statuses(stack, jobs):
    return [request(f"{stack.url}/v1/jobs/{job_id}", key)["status"] for _, job_id, key in jobs]


def wait_until(is_met, what, seconds=120):
    deadline = time.monotonic() + seconds
    while not is_met():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not within {seconds} s")
        time.sleep(0.1)


def stop(arguments):
    interpreter = python()
    binaries = executables(arguments)
    in_python = [interpreter, HERE / "jobs.py"]
    commands = [
        [binaries / "bench-worker", "--queue", QUEUES[number // 2 % len(QUEUES)]] if number % 2 == 0 else in_python
        for number in range(arguments.workers)
    ]
    with local_stack(binaries) as stack:
        environment = stack.environment() | {
            "STAGECAST_CONCURRENCY": str(CONCURRENCY),
            "STAGECAST_GRACE_SECONDS": str(GRACE_SECONDS),
            "STEP_SECONDS": str(STEP_SECONDS),
            "RUST_LOG": "warn",
        }
        lines = queue.Queue()
        first = [Worker(command, environment, lines) for command in commands]
        second = []
        try:
            # Half of the jobs wait when the workers are stopped.
            running = arguments.workers * CONCURRENCY
            jobs = [create(stack, number) for number in range(running * 2)]
            wait_until(lambda: statuses(stack, jobs).count("running") >= running, "all workers are busy")
            before = statuses(stack, jobs)
            with concurrent.futures.ThreadPoolExecutor(len(first)) as executor:
                times = list(executor.map(Worker.stop, first))
            stopped_at = time.monotonic()
            after = statuses(stack, jobs)
            codes = collections.Counter(worker.process.returncode for worker in first)
            held = [job[1] for job, status in zip(jobs, before) if status == "running"]
            ended = sum(1 for then, now in zip(before, after) if then == "running" and now == "completed")
            print(f"{len(first)} workers, {len(held)} jobs running, grace period {GRACE_SECONDS} s")
            print(f"stop after SIGTERM: p50 {percentile(times, 50):.2f} s, longest {max(times):.2f} s")
            print(f"exit codes: {dict(codes)}")
            while not lines.empty():
                lines.get()
            environment["STEP_SECONDS"] = "0"
            second = [Worker(in_python, environment, lines) for _ in range(4)]
            wait_until(lambda: set(statuses(stack, jobs)) <= {"completed", "failed"}, "the second pool ends the jobs")
            second_took = time.monotonic() - stopped_at
        finally:
            for worker in [*first, *second]:
                if worker.is_running():
                    worker.kill()
        checked = [check(stack, job) for job in jobs]
        faults = [fault for found, _, _ in checked for fault in found]
        faults += [f"a job failed: {code}" for _, _, code in checked if code]
        # A job that was left to its lease is claimed half a minute later, and its attempt counts.
        attempts = {}
        while not lines.empty():
            line = lines.get()
            attempts[line["job_id"]] = line["attempt"]
    handed_back = sum(1 for job_id in held if attempts.get(job_id) == 1)
    print(
        f"of the running jobs, {ended} had ended, {handed_back} were handed back, {len(held) - ended - handed_back} lost"
    )
    print(f"the second pool had ended all {len(jobs)} jobs {second_took:.1f} s after the stop")
    for fault in faults:
        print(f"FAULT: {fault}")
    is_clean = not faults and ended + handed_back == len(held)
    say("each job ended once, in its first attempt" if is_clean else "there are faults")
    return is_clean


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=8)
    options(parser)
    sys.exit(0 if stop(parser.parse_args()) else 1)


if __name__ == "__main__":
    main()
