"""Drains jobs of three queues and two priorities with workers that are killed and stopped at random, and checks that
each job ended once: none is lost, and no result is written by two workers.

Run from any folder: python3 bench/workers/drain.py [--jobs N] [--workers N]
Every second worker is in Rust. The seed of the faults is printed, and can be given with --seed.
"""

import argparse
import atexit
import collections
import concurrent.futures
import json
import os
import queue
import random
import signal
import sys
import threading
import time
import urllib.request

from stack import HERE, Worker, executables, local_stack, options, percentile, python, say

QUEUES = ["plans", "transcripts", "reports"]
PRIORITIES = [3, 8]
# Longer than the lease of 30 seconds, so that another worker takes the job meanwhile.
STOPPED_SECONDS = 40
TERMINAL = ("job_complete", "job_failed", "job_cancelled")


def request(url, key=None, body=None, content_type="application/json"):
    headers = {"content-type": content_type} | ({"authorization": f"Bearer {key}"} if key else {})
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as answer:
        return json.load(answer)


def create(stack, number):
    description = {
        "queue": QUEUES[number % len(QUEUES)],
        "priority": PRIORITIES[number // len(QUEUES) % len(PRIORITIES)],
        "parameters": {"number": number},
    }
    kind = "application/vnd.stagecast.job+json"
    created = request(f"{stack.url}/v1/jobs", body=description, content_type=kind)
    return number, created["job_id"], created["access_key"]


def log_of(stack, job):
    _, job_id, key = job
    messages, after = [], 0
    while True:
        answer = request(f"{stack.url}/v1/jobs/{job_id}/events?after_seq={after}", key)
        messages += answer["events"]
        if not answer["more"]:
            return answer["snapshot"], messages
        after = answer["next_after_seq"]


def check(stack, job):
    """Returns the faults of a job that should have ended once, the process that has written its results, and the code
    of its error."""
    number, job_id, _ = job
    status, messages = log_of(stack, job)
    faults = []
    seqs = [message["seq"] for message in messages]
    if seqs != list(range(1, len(seqs) + 1)):
        faults.append(f"{job_id} has the messages {seqs}")
    ends = [message for message in messages if message["type"] in TERMINAL]
    if len(ends) != 1 or messages[-1] != ends[0]:
        faults.append(f"{job_id} ended {len(ends)} times")
    if status["status"] != "completed":
        code = (status.get("error") or {}).get("code")
        if code != "too_many_attempts":
            faults.append(f"{job_id} is {status['status']}: {status.get('error')}")
        return faults, None, code
    stages = collections.Counter(m["stage"] for m in messages if m["type"] == "stage_complete")
    if any(count > 1 for count in stages.values()):
        faults.append(f"{job_id} finished a stage twice: {dict(stages)}")
    results = status["results"] or {}
    if results.get("number") != number or results.get("job_id") != job_id:
        faults.append(f"{job_id} has the results of another job: {results}")
    return faults, results.get("process"), None


class Pool:
    """Worker processes, some of which are killed and replaced, or stopped for longer than a lease."""

    def __init__(self, commands, environment, chance):
        self.commands = commands
        self.environment = environment
        self.lines = queue.Queue()
        self.chance = chance
        self.faults = collections.Counter()
        self.victims = set()
        """The processes that were killed or stopped."""
        self.workers = [self._start(command) for command in commands]
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._interfere, daemon=True)
        self.thread.start()

    def _start(self, command):
        return Worker(command, self.environment, self.lines)

    def _interfere(self):
        stopped = {}
        while not self.ended.wait(self.chance.uniform(0.2, 1.5)):
            now = time.monotonic()
            for index, until in list(stopped.items()):
                if now >= until:
                    self.workers[index].process.send_signal(signal.SIGCONT)
                    del stopped[index]
            index = self.chance.randrange(len(self.workers))
            if index in stopped:
                continue
            victim = self.workers[index].process.pid
            if self.chance.random() < 0.75:
                self.victims.add(victim)
                self.workers[index].kill()
                self.workers[index] = self._start(self.commands[index])
                self.faults["killed"] += 1
            elif len(stopped) < len(self.workers) // 4:
                self.victims.add(victim)
                self.workers[index].process.send_signal(signal.SIGSTOP)
                stopped[index] = now + STOPPED_SECONDS
                self.faults["stopped"] += 1
        for index in stopped:
            self.workers[index].process.send_signal(signal.SIGCONT)

    def calm(self):
        """Ends the faults, but not the workers."""
        self.ended.set()
        self.thread.join()

    def kill(self):
        """Ends the workers that are left, such as after an error of this program."""
        self.ended.set()
        for worker in self.workers:
            if worker.is_running():
                worker.kill()

    def stop(self):
        with concurrent.futures.ThreadPoolExecutor(len(self.workers)) as executor:
            return list(executor.map(Worker.stop, self.workers))


def drain(arguments):
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1_000_000)
    say(f"seed {seed}")
    chance = random.Random(seed)
    interpreter = python()
    binaries = executables(arguments)
    commands = [[interpreter, HERE / "jobs.py"] for _ in range(arguments.workers)]
    # A worker in Rust serves one queue, those in Python all of them.
    rust = [
        [binaries / "bench-worker", "--queue", QUEUES[number % len(QUEUES)]] for number in range(len(commands[::2]))
    ]
    commands[::2] = rust
    with local_stack(binaries) as stack:
        environment = stack.environment() | {
            "STEP_SECONDS": str(arguments.step_seconds),
            "STAGECAST_CONCURRENCY": "2",
            "RUST_LOG": "warn",
        }
        started = time.monotonic()
        pool = Pool(commands, environment, chance)
        atexit.register(pool.kill)
        with concurrent.futures.ThreadPoolExecutor(8) as executor:
            jobs = list(executor.map(lambda number: create(stack, number), range(arguments.jobs)))
            say(f"{len(jobs)} jobs created in {time.monotonic() - started:.0f} s")
            wait_until_ended(stack, jobs, executor, arguments.timeout, pool)
            took = time.monotonic() - started
            checked = list(executor.map(lambda job: check(stack, job), jobs))
        stops = pool.stop()
    faults = [fault for found, _, _ in checked for fault in found]
    writers = {process for _, process, _ in checked if process is not None}
    starts = collections.defaultdict(list)
    while not pool.lines.empty():
        line = pool.lines.get()
        starts[line["job_id"]].append(line["process"])
    exhausted = [job_id for (_, job_id, _), (_, _, code) in zip(jobs, checked) if code == "too_many_attempts"]
    for job_id in exhausted:
        # Three claims without a finished stage: each has to be of a process that was killed or stopped.
        if survivors := set(starts[job_id]) - pool.victims:
            faults.append(f"{job_id} had too many attempts, also in {survivors}, which had no fault")
    print(f"{len(jobs)} jobs, {len(commands)} workers ({len(rust)} in Rust), seed {seed}")
    print(f"faults: {pool.faults['killed']} kills, {pool.faults['stopped']} stops of {STOPPED_SECONDS} s")
    print(f"drained in {took:.0f} s; results written by {len(writers)} processes")
    print(f"jobs that were started more than once: {sum(1 for processes in starts.values() if len(processes) > 1)}")
    print(
        f"completed: {len(jobs) - len(exhausted)}; failed because three workers were killed or stopped: {len(exhausted)}"
    )
    print(f"stop after SIGTERM: p50 {percentile(stops, 50):.1f} s, longest {max(stops):.1f} s")
    for fault in faults:
        print(f"FAULT: {fault}")
    print("each job ended once" if not faults else f"{len(faults)} faults")
    return not faults


def wait_until_ended(stack, jobs, executor, timeout, pool):
    """Waits until no job is open. Faults end when a tenth of the jobs is open, so that the rest can end."""
    open_jobs, deadline = jobs, time.monotonic() + timeout
    while open_jobs:
        if time.monotonic() > deadline:
            say(f"{len(open_jobs)} jobs are open after {timeout} s, such as {open_jobs[0][1]}")
            return
        time.sleep(2)

        def is_open(job):
            return request(f"{stack.url}/v1/jobs/{job[1]}", job[2])["status"] in ("queued", "running")

        open_jobs = [job for job, still in zip(open_jobs, executor.map(is_open, open_jobs)) if still]
        if len(open_jobs) < len(jobs) / 10 and not pool.ended.is_set():
            pool.calm()
        say(f"{len(open_jobs)} jobs are open")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--step-seconds", type=float, default=0.1, help="duration of each of the two stages")
    parser.add_argument("--timeout", type=int, default=1200, help="seconds until the jobs have to be drained")
    parser.add_argument("--seed", type=int)
    options(parser)
    arguments = parser.parse_args()
    sys.exit(0 if drain(arguments) else 1)


if __name__ == "__main__":
    main()
