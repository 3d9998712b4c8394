"""Measures the time from the creation of a job to the first line of its function and to the first progress at its
client, with a worker that is idle: a worker that listens, a worker that only polls, and Celery with Redis,
alternately in one run.

Needs redis-server and a network for pip. Run from any folder: python3 bench/workers/dispatch.py [--jobs N]
"""

import argparse
import contextlib
import json
import random
import shutil
import socket
import subprocess
import tempfile
import time

from stack import HERE, Worker, executables, local_stack, options, percentile, python, run, say

WARM_UP = 3

POLLING_EVERY = 10
"""A job for the polling worker takes seconds, so it has one in so many rounds."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def redis():
    """Runs a Redis server without persistence. Yields its URL."""
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit("redis-server is missing; install Redis, such as with `apt-get install redis-server`")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        with subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL) as server:
            try:
                yield f"redis://127.0.0.1:{port}/0"
            finally:
                server.terminate()


def measure(arguments):
    interpreter = python("celery[redis]")
    binaries = executables(arguments)
    with local_stack(binaries) as stack, redis() as redis_url:
        base = stack.environment() | {"REDIS_URL": redis_url, "PYTHONPATH": str(HERE)}
        jobs = [interpreter, HERE / "jobs.py"]
        celery = [interpreter, "-m", "celery", "--app", "celery_app", "worker", "--pool", "solo", "--loglevel", "ERROR"]
        rust = [binaries / "bench-worker", "--queue", "transcripts"]
        workers = {
            "celery": Worker(celery, base),
            "listening": Worker(jobs, base | {"BENCH_QUEUES": "plans"}),
            "listening, in Rust": Worker(rust, base | {"RUST_LOG": "warn"}),
            "polling": Worker(jobs, base | {"BENCH_QUEUES": "reports", "STAGECAST_NO_WEBSOCKET": "1"}),
        }
        try:
            creator = [str(interpreter), str(HERE / "create.py")]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            with subprocess.Popen(creator, env=base, **pipes) as process:
                try:
                    return rounds(arguments.jobs, workers, process)
                finally:
                    process.stdin.close()
        finally:
            for worker in workers.values():
                worker.stop()


def rounds(jobs, workers, process):
    """Creates a job for each worker in random order, with a random pause between, so that polls have no fixed phase.

    Returns for each worker the milliseconds until the function runs and until the client has the first progress.
    """
    started = {name: [] for name in workers}
    progress = {name: [] for name in workers}
    for number in range(jobs + WARM_UP):
        names = [name for name in sorted(workers) if name != "polling" or number % POLLING_EVERY == 0]
        for name in random.sample(names, len(names)):
            time.sleep(random.uniform(0.05, 0.35))
            print(json.dumps({"arm": name, "number": number}), file=process.stdin, flush=True)
            created = json.loads(process.stdout.readline())
            line = workers[name].next(timeout=90)
            while line["job_id"] != created["job_id"]:
                line = workers[name].next(timeout=90)
            done = json.loads(process.stdout.readline())
            if number >= WARM_UP:
                started[name].append((line["at"] - created["at"]) / 1e6)
                progress[name].append((done["first_progress_at"] - created["at"]) / 1e6)
        if number % 50 == 0:
            say(f"round {number}")
    return started, progress


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=300, help="jobs for each worker but the polling one")
    options(parser)
    arguments = parser.parse_args()
    measured = measure(arguments)
    say(run("uname", "-m", capture_output=True, text=True).stdout.strip())
    for what, times in zip(("the function runs", "the client has the first progress"), measured):
        print(f"\nFrom the creation until {what}:\n")
        print("| worker | jobs | p50 ms | p99 ms | p50 compared with Celery | p99 |")
        print("| --- | --- | --- | --- | --- | --- |")
        celery = [percentile(times["celery"], percent) for percent in (50, 99)]
        for name, values in times.items():
            p50, p99 = percentile(values, 50), percentile(values, 99)
            ratios = f"{p50 / celery[0]:.2f} | {p99 / celery[1]:.2f}"
            print(f"| {name} | {len(values)} | {p50:.1f} | {p99:.1f} | {ratios} |")


if __name__ == "__main__":
    main()
