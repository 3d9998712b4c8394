"""Measures the time from the creation of a job to the first line of its function, in a worker that is idle: a worker
that listens, a worker that only polls, and Celery with Redis, alternately in one run.

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

from stack import HERE, Worker, build, local_stack, percentile, python, run, say


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
    interpreter = python("celery[redis]", "redis")
    binaries = build(arguments.profile)
    with local_stack(binaries) as stack, redis() as redis_url:
        base = stack.environment() | {"REDIS_URL": redis_url}
        polling = {key: value for key, value in base.items() if key != "STAGECAST_WEBSOCKET_URL"}
        workers = {
            "listening": Worker([interpreter, HERE / "jobs.py"], base | {"BENCH_QUEUES": "plans"}),
            "polling": Worker([interpreter, HERE / "jobs.py"], polling | {"BENCH_QUEUES": "reports"}),
        }
        celery = [interpreter, "-m", "celery", "--app", "celery_app", "worker", "--pool", "solo", "--loglevel", "ERROR"]
        workers["celery"] = Worker(celery, base | {"PYTHONPATH": str(HERE)})
        creator = [interpreter, HERE / "create.py"]
        try:
            with subprocess.Popen(
                [*map(str, creator)],
                env=base | {"PYTHONPATH": str(HERE)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as process:
                return rounds(arguments.jobs, workers, process)
        finally:
            for worker in workers.values():
                worker.stop()


def rounds(jobs, workers, process):
    """Creates a job for each worker in turn, with a random pause between, so that polls have no fixed phase."""
    times = {name: [] for name in workers}
    first_messages = []
    for number in range(jobs + WARM_UP):
        for name in random.sample(sorted(workers), len(workers)):
            time.sleep(random.uniform(0.05, 0.35))
            print(json.dumps({"arm": name, "number": number}), file=process.stdin, flush=True)
            created = json.loads(process.stdout.readline())
            line = workers[name].next(timeout=90)
            while line["job_id"] != created["job_id"]:
                line = workers[name].next(timeout=90)
            done = json.loads(process.stdout.readline())
            if number >= WARM_UP:
                times[name].append((line["at"] - created["at"]) / 1e6)
                if name == "listening":
                    first_messages.append((done["first_progress_at"] - created["at"]) / 1e6)
    return times, first_messages


WARM_UP = 3


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=60, help="jobs for each worker")
    parser.add_argument("--profile", default="measure", help="the profile of cargo of the local stack")
    arguments = parser.parse_args()
    times, first_messages = measure(arguments)
    say(run("uname", "-m", capture_output=True, text=True).stdout.strip())
    print(f"| worker | p50 ms | p99 ms | p50 compared with Celery | ({arguments.jobs} jobs each)")
    print("| --- | --- | --- | --- |")
    celery = percentile(times["celery"], 50)
    rows = [(name, times[name]) for name in ("celery", "listening", "polling")]
    rows.append(("listening, until a subscriber has the first progress", first_messages))
    for name, values in rows:
        p50, p99 = percentile(values, 50), percentile(values, 99)
        print(f"| {name} | {p50:.1f} | {p99:.1f} | {p50 / celery:.2f} |")


if __name__ == "__main__":
    main()
