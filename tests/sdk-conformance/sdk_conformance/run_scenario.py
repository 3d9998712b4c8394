"""Runs one scenario against one driver: the service, the processes, the timeline and the verdict."""

import asyncio
import dataclasses
import json
import os
import random
import time

from . import invariants
from .driver import UNSUPPORTED, Driver
from .faults import contains, fits
from .job_model import Job
from .scenario import expected_log
from .service import Service

STEP_TIMEOUT = 45
"""Longest time for which a step of a timeline waits by default, in seconds."""
START_TIMEOUT = 180
"""Longest time for the start of a driver, in seconds."""
MAX_SLOWDOWN = 6
USUAL_START = 3
"""Seconds in which a driver sends its first request on an idle machine, if several start."""


@dataclasses.dataclass
class Run:
    """A scenario that was run, with what happened."""

    scenario: object
    seed: int
    service: Service
    drivers: list
    violations: list
    seconds: float = 0.0
    lag: float = 0.0
    """The longest time for which this process was late: the machine was busy. In seconds."""
    skipped: str | None = None

    @property
    def outputs(self):
        return [output for driver in self.drivers for output in driver.outputs]

    @property
    def title(self):
        return f"{self.scenario.name} (seed {self.seed})" if len(self.scenario.seeds) > 1 else self.scenario.name

    def transcript(self):
        """What happened, for a person."""
        start = self.service.started
        lines = [(each.started, f"  {each}") for each in self.service.exchanges]
        for output in self.outputs:
            text = json.dumps({key: value for key, value in output.items() if key != "at"})
            lines.append((output["at"] - start, f"    driver: {text[:300]}"))
        text = [line for _, line in sorted(lines, key=lambda line: line[0])]
        for driver in self.drivers:
            text.append(f"  driver: exit code {driver.exit_code}")
            text += [f"    {line}" for line in driver.stderr.decode(errors="replace").splitlines()[-25:]]
        return "\n".join(text)


class TimelineError(Exception):
    """A step of the timeline has waited in vain."""


class _Runner:
    def __init__(self, scenario, seed, command, environment, step_timeout):
        self.step_timeout = step_timeout
        self.slowdown = 1.0
        self.scenario = scenario
        self.command = command
        self.environment = environment
        self.drivers = []
        self.service = Service(scenario, seed, self.act, self.seen_seq)
        self.run = Run(scenario, seed, self.service, self.drivers, [])
        self.jobs = [self._job(index + 1, spec) for index, spec in enumerate(scenario.jobs)]
        for job, spec in zip(self.jobs, scenario.jobs):
            if not spec.get("later"):
                self.service.add_job(job)

    def seen_seq(self):
        return max((driver.seen_seq for driver in self.drivers), default=0)

    def _job(self, number, spec):
        queue = "transcripts" if self.scenario.mode == "queue" else None
        content = json.dumps({"work": spec.get("work", [])}).encode()
        job = Job(number, queue=queue, priority=spec.get("priority", 5), content=content)
        for event in spec.get("log", []):
            job.append(event)
        job.expired_up_to = spec.get("expired_up_to", 0)
        job.cancel_requested = spec.get("cancel_requested", False)
        for stage in spec.get("finished", []):
            job.stages.append(stage["stage"])
            job.finished.append(stage["stage"])
            job.append({"type": "stage_complete", **stage})
        return job

    def _config(self):
        job = self.jobs[0]
        config = {"http_api": self.service.http_api, "websocket_url": self.service.websocket_url}
        if self.scenario.mode == "worker":
            mode = {"mode": "worker", "job_id": job.job_id, "worker_key": job.worker_key, "worker_id": "worker-1"}
            config |= {**mode, "stages": ["decode", "transcribe"]}
        elif self.scenario.mode == "queue":
            del config["websocket_url"]  # The answers to claims have it.
            token = self.service.worker_token
            config |= {"mode": "queue", "queue": "transcripts", "worker_token": token, "worker_id": "worker-1"}
            config |= {"stages": None, "concurrency": 1, "jobs": len(self.jobs), "websocket": True, "grace_seconds": 1}
        else:
            config |= {"mode": "watch", "job_id": job.job_id, "access_key": job.access_key, "http_fallback": True}
        return config | self.scenario.driver

    async def execute(self):
        started = time.monotonic()
        watch = asyncio.create_task(self._measure_lag())
        await self.service.start()
        timeline = list(self.scenario.timeline)
        if self.scenario.random_delivery:
            timeline += random_timeline(self.scenario.random_delivery, self.run.seed)
        try:
            await self.act({"start_driver": True})
            await self._first_request()
            # A busy machine takes longer for everything.
            load = os.getloadavg()[0] / (os.cpu_count() or 1)
            self.slowdown = min(max(1.0, load, (time.monotonic() - started) / USUAL_START), MAX_SLOWDOWN)
            started = time.monotonic()
            for step in timeline:
                await self.act(step)
            left = self.scenario.timeout * self.slowdown - (time.monotonic() - started)
            if not await self.drivers[-1].finish(left):
                self.run.violations.append(f"ends_in_time: the driver runs after {time.monotonic() - started:.0f} s")
        except TimelineError as error:
            self.run.violations.append(f"timeline: {error}")
        finally:
            for driver in self.drivers:
                await driver.finish(0)
            await self.service.stop()
            watch.cancel()
        self.run.seconds = time.monotonic() - started
        self._judge()
        return self.run

    async def _first_request(self):
        """Waits for the first request: many processes start at the same time, and that may take long."""
        async with self.service.changed:
            is_started = lambda: self.service.exchanges or self.drivers[-1].exit_code is not None  # noqa: E731
            try:
                await asyncio.wait_for(self.service.changed.wait_for(is_started), START_TIMEOUT)
            except asyncio.TimeoutError:
                raise TimelineError(f"the driver sent no request within {START_TIMEOUT} s") from None

    async def _measure_lag(self):
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.1)
            self.run.lag = max(self.run.lag, time.monotonic() - before - 0.1)

    def _judge(self):
        run = self.run
        for driver in self.drivers:
            if driver.exit_code == UNSUPPORTED:
                reasons = [output.get("what", "?") for output in driver.outputs if output["event"] == "unsupported"]
                run.skipped = reasons[-1] if reasons else "the driver does not support it"
                return
        run.violations += [fault for driver in self.drivers for fault in driver.faults]
        run.violations += self.service.violations
        run.violations += invariants.check(run, self.jobs)
        run.violations += self._unmet()

    def _unmet(self):
        """What the scenario expects besides the invariants, and did not happen."""
        expect = self.scenario.expect
        if self.scenario.mode != "watch":
            yield from self._unmet_logs(expect.get("log", "planned"))
        printed = [{key: value for key, value in output.items() if key != "at"} for output in self.run.outputs]
        yield from _not_in_order("output", printed, expect.get("output", []), contains)
        for pattern in expect.get("not_output", []):
            if any(contains(output, pattern) for output in printed):
                yield f"not_output: the driver printed {json.dumps(pattern)}"
        yield from _not_in_order("requests", self.service.exchanges, expect.get("requests", []), fits)
        for pattern in expect.get("counts", []):
            count = sum(fits(exchange, pattern) for exchange in self.service.exchanges)
            if not pattern.get("at_least", 0) <= count <= pattern.get("at_most", 10**9):
                yield f"counts: {count} requests fit {json.dumps(pattern)}"
        last = self.drivers[-1]
        code = expect.get("exit", 0)
        if last.exit_code != code and code != "any" and not last.is_killed:
            yield f"exit: the driver exited with {last.exit_code}, and should with {code}"

    def _unmet_logs(self, expected):
        if expected == "any":
            return
        for index, (job, spec) in enumerate(zip(self.jobs, self.scenario.jobs)):
            planned = spec.get("finished", []) and [{"type": "stage_complete", **each} for each in spec["finished"]]
            planned = [*planned, *expected_log(spec.get("work", [])[len(planned) :])]
            events = planned if expected == "planned" else expected[index]
            if len(job.log) != len(events) or not all(map(contains, job.log, events)):
                short = [(message["type"], message.get("stage")) for message in job.log]
                yield f"log: the log of job {index} is {short}, and should be {json.dumps(events)[:600]}"

    # Steps

    async def act(self, step):
        (name, value), *rest = step.items()
        how = dict(rest)
        try:
            action = getattr(self, f"_do_{name}")
        except AttributeError:
            raise ValueError(f"{self.scenario.name}: there is no step `{name}`") from None
        await action(value, **how)

    async def _do_start_driver(self, changes):
        config = self._config() | (changes if isinstance(changes, dict) else {})
        driver = Driver(self.command, config, self.service.note, self.environment)
        self.drivers.append(driver)
        await driver.start()

    async def _do_signal(self, name):
        self.drivers[-1].signal(name)

    async def _do_wait_for_exit(self, _):
        if not await self.drivers[-1].finish(self.step_timeout * self.slowdown):
            raise TimelineError("the driver did not end")

    async def _do_sleep(self, seconds):
        await asyncio.sleep(seconds)

    async def _do_wait_for(self, pattern, count=1):
        def is_met():
            if "output" in pattern:
                return sum(contains(output, pattern["output"]) for output in self.run.outputs) >= count
            done = (each for each in self.service.exchanges if each.ended is not None or each.kind == "connect")
            return sum(fits(exchange, pattern) for exchange in done) >= count

        def is_over():
            return self.drivers[-1].exit_code is not None

        async with self.service.changed:
            condition = self.service.changed.wait_for(lambda: is_met() or is_over())
            try:
                await asyncio.wait_for(condition, self.step_timeout * self.slowdown)
            except asyncio.TimeoutError:
                raise TimelineError(f"waited in vain for {json.dumps(pattern)} ({count})") from None
        if not is_met() and self.drivers[-1].exit_code != UNSUPPORTED:
            raise TimelineError(f"the driver ended before {json.dumps(pattern)} ({count})")

    async def _do_cancel(self, index):
        self.jobs[index].cancel_requested = True

    async def _do_take_over(self, index):
        self.jobs[index].take_over()

    async def _do_end_job(self, event, job=0):
        self.jobs[job].append(event)

    async def _do_expire_lease(self, index):
        self.jobs[index].lease_until = 0.0

    async def _do_add_job(self, index):
        self.service.add_job(self.jobs[index])

    async def _do_service(self, options):
        self.service.options = {**self.service.options, **options}

    async def _do_publish(self, event, how="deliver", job=0):
        if event["type"] == "progress_update":
            message = self.jobs[job].report(event)
        else:
            message = self.jobs[job].append(event)
        await self.service.publish(self.jobs[job], message, how)

    async def _do_send_held(self, order):
        await self.service.send_held(order)

    async def _do_send_frame(self, frame):
        for connection in self.service.connections:
            await connection.send(frame)

    async def _do_drop(self, how):
        for connection in self.service.connections:
            if connection.is_open and not connection.is_half_dead:
                await self.service.drop(connection, how)


def _not_in_order(name, items, patterns, is_fit):
    """The patterns that are missed: each has to fit an item after that of the pattern before."""
    rest = iter(items)
    for pattern in patterns:
        if not any(is_fit(item, pattern) for item in rest):
            yield f"{name}: nothing fits {json.dumps(pattern)} in this order"
            return


def random_timeline(options, seed):
    """A timeline of a job whose messages are lost, doubled, held back and cut off, as `seed` says."""
    chance = random.Random(seed)
    steps = [{"wait_for": {"request": "subscribe"}}]
    stages = options.get("stages", 8)
    for number in range(1, stages + 1):
        stage = f"stage_{number}"
        for percent in sorted(chance.sample(range(100), 3)):
            event = {"type": "progress_update", "stage": stage, "progress": percent, "message": "..."}
            overall = (100 * (number - 1) + percent) // stages
            how = chance.choice(["deliver", "deliver", "drop", "twice", "hold"])
            steps.append({"publish": {**event, "overall_progress": overall}, "how": how})
        how = chance.choices(["deliver", "twice", "hold", "drop", "lose"], [5, 2, 2, 1, 0.3])[0]
        steps.append({"publish": {"type": "stage_complete", "stage": stage, "results": {"n": number}}, "how": how})
        after = chance.random()
        if after < 0.3:
            steps.append({"drop": chance.choice(["abort", "close"])})
        elif after < 0.6:
            steps.append({"send_held": chance.choice(["reverse", "same"])})
        steps.append({"sleep": chance.choice([0, 0, 0.05, 0.3])})
    steps.append({"send_held": "same"})
    how = chance.choice(["deliver", "twice", "drop"])
    steps.append({"publish": {"type": "job_complete"}, "how": how})
    if how == "drop":
        # No message shows the client that one is missing, until the connection ends.
        steps.append({"drop": "abort"})
    return steps


async def run_scenario(scenario, seed, command, environment=None, step_timeout=STEP_TIMEOUT):
    """Runs a scenario with one seed. `command` starts the driver."""
    return await _Runner(scenario, seed, command, {**os.environ, **(environment or {})}, step_timeout).execute()
