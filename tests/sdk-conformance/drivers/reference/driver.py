"""The driver of a small implementation that exists for the suite's own tests: see test_suite.py.

It does what the suite checks and nothing else. The variable `BREAK` names one rule that it breaks, so that the tests can
show that the suite notices it. The contract of drivers is in ../../README.md.
"""

import asyncio
import json
import os
import pathlib
import random
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import aiohttp
import plan
import watch
from plan import output
from rules import BROKEN

HEARTBEAT_SECONDS = 10
PROGRESS_INTERVAL_SECONDS = 0.25
ATTEMPTS = 12
TIMEOUT_SECONDS = 12


class Refused(Exception):
    def __init__(self, status, code, fields):
        super().__init__(code)
        self.status, self.code, self.fields = status, code, fields


class Cancelled(Exception):
    pass


class Api:
    def __init__(self, session, base):
        self.session, self.base = session, base

    async def request(self, method, path, key, body=None):
        """Repeats the request, with the same bytes, until it has an answer. Returns the status, the body
        and the headers."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {key}", "content-type": "application/octet-stream"}
        if "json_content_type" in BROKEN:
            headers["content-type"] = "application/json"
        for attempt in range(ATTEMPTS):
            wait = random.uniform(0, min(8, 0.2 * 2**attempt))
            try:
                status, content, received = await self._once(method, self.base + path, headers, data)
                if status < 300:
                    return status, content, received
                if status != 429 and status < 500:
                    raise _refusal(status, content)
                wait = max(wait, float(received.get("retry-after", 0)))
            except (aiohttp.ClientError, asyncio.TimeoutError):
                if path.endswith("/queues/transcripts/claim"):
                    # Claimed again soon: the answer may have been a job.
                    return 204, None, {"retry-after": "1"}
                if "changed_repeat" in BROKEN and body and body.get("events"):
                    body["events"] = [{"type": "progress_update", **_PROGRESS}, *body["events"]]
                    data = json.dumps(body).encode()
            await asyncio.sleep(0 if "no_backoff" in BROKEN else wait)
        raise Refused(0, "unreachable", {})

    async def _once(self, method, url, headers, data):
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        options = {"data": data, "allow_redirects": False, "timeout": timeout}
        async with self.session.request(method, url, headers=headers, **options) as answer:
            if answer.status == 307:
                bare = headers if "key_to_bucket" in BROKEN else {}
                async with self.session.get(answer.headers["location"], headers=bare, timeout=timeout) as stored:
                    return stored.status, await stored.read(), {}
            return answer.status, await answer.read(), answer.headers

    async def put(self, url, headers, content):
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with self.session.put(url, headers=headers, data=content, timeout=timeout) as answer:
            return answer.status


_PROGRESS = {"stage": "transcribe", "progress": 0, "message": "..."}


def _refusal(status, content):
    try:
        error = json.loads(content)["error"]
    except (ValueError, TypeError, KeyError):
        error = {}
    return Refused(status, error.get("code", str(status)), error)


class ClaimedJob:
    """One claim of a job. Posts are made one at a time under `lock`."""

    def __init__(self, api, claimed, key):
        self.api, self.claimed, self.key = api, claimed, key
        self.path = f"/v1/jobs/{claimed['job_id']}"
        self.seq = claimed["seq"]
        self.is_cancelled = claimed["cancel_requested"]
        self.lock = asyncio.Lock()
        self.over = None
        self.reported_at = 0.0
        self.checkpoints = 0
        self.posted_at = asyncio.get_running_loop().time()
        self.heartbeats = asyncio.create_task(self._beat())

    async def _beat(self):
        if "no_heartbeat" in BROKEN:
            return
        while True:
            now = asyncio.get_running_loop().time()
            await asyncio.sleep(max(0.5, self.posted_at + HEARTBEAT_SECONDS - now))
            if asyncio.get_running_loop().time() - self.posted_at >= HEARTBEAT_SECONDS - 0.1:
                try:
                    await self.post()
                except Refused:
                    return

    async def post(self, *events):
        if self.over:
            raise self.over
        if "overlap" in BROKEN and not any("results" in event for event in events):
            return await self._post(events)
        async with self.lock:
            if self.over and "post_after_lease_lost" not in BROKEN:
                raise self.over
            return await self._post(events)

    async def _post(self, events):
        self.posted_at = asyncio.get_running_loop().time()
        body = {"epoch": self.claimed["epoch"], "after_seq": self.seq, "events": list(events)}
        if "wrong_epoch" in BROKEN:
            body["epoch"] += 1
        if "old_after_seq" in BROKEN:
            body["after_seq"] = self.claimed["seq"]
        try:
            _, content, _ = await self.api.request("POST", f"{self.path}/events", self.key, body)
        except Refused as refused:
            self.over = refused
            raise
        answer = json.loads(content)
        self.seq, self.is_cancelled = answer["seq"], answer["cancel_requested"]
        if "twice" in BROKEN and events and events[0]["type"] == "stage_complete":
            await self.api.request("POST", f"{self.path}/events", self.key, {**body, "after_seq": self.seq})

    def check(self):
        if self.over and "post_after_lease_lost" not in BROKEN:
            raise self.over
        if self.is_cancelled and "ignore_cancel" not in BROKEN:
            raise Cancelled

    async def close(self):
        self.heartbeats.cancel()

    async def attach(self, artifact):
        import hashlib

        content = plan.content_of(artifact)
        listed = {**artifact, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        body = {"epoch": self.claimed["epoch"], **listed}
        for attempt in range(ATTEMPTS):
            upload = json.loads((await self.api.request("POST", f"{self.path}/artifacts", self.key, body))[1])
            headers = upload["headers"]
            if "key_to_bucket" in BROKEN:
                headers = {**headers, "authorization": f"Bearer {self.key}"}
            try:
                if await self.api.put(upload["url"], headers, content) < 300:
                    return listed
            except (aiohttp.ClientError, asyncio.TimeoutError):
                pass
            await asyncio.sleep(random.uniform(0, 0.2 * 2**attempt))
        raise Refused(0, "unreachable", {})

    async def results(self, finished):
        if finished["results"] is None and finished.get("results_url"):
            return json.loads((await self.api.request("GET", finished["results_url"], self.key))[1])
        return finished["results"]


async def run_job(job):
    """Runs the plan of a claimed job, and ends the job."""
    try:
        job.check()
        content = (await job.api.request("GET", f"{job.path}/input", job.key))[1]
        for work in json.loads(content)["work"]:
            if not await run_stage(job, work):
                output("job_ended", job_id=job.claimed["job_id"], status="failed")
                return
        await job.post({"type": "job_complete"})
        output("job_ended", job_id=job.claimed["job_id"], status="completed")
    except Cancelled:
        output("cancelled", job_id=job.claimed["job_id"])
        await job.post({"type": "job_cancelled"})
        output("job_ended", job_id=job.claimed["job_id"], status="cancelled")
    except Refused as refused:
        if "post_after_lease_lost" in BROKEN:
            await asyncio.sleep(0.1)
            body = {"epoch": job.claimed["epoch"], "after_seq": job.seq, "events": []}
            await job.api.request("POST", f"{job.path}/events", job.key, body)
        output("lost", job_id=job.claimed["job_id"], code=refused.code)
        raise
    finally:
        await job.close()


async def run_stage(job, work):
    stage = work["stage"]
    for finished in job.claimed["finished"]:
        if finished["stage"] == stage and "repeat_finished" not in BROKEN:
            output("stage_skipped", stage=stage, results=await job.results(finished))
            return True
    checkpoint = job.claimed.get("checkpoint") or {}
    state = checkpoint.get("state") if checkpoint.get("stage") == stage else None
    if "forget_checkpoint" in BROKEN:
        state = None
    output("stage_started", stage=stage, checkpoint=state)
    artifacts = []
    for step in plan.steps_of(work, state):
        if "fail" in step:
            await job.post({"type": "job_failed", "error": step["fail"], "stage": stage})
            return False
        await do(job, stage, step, artifacts)
        job.check()
    event = {"type": "stage_complete", "stage": stage, "results": plan.results_of(work)}
    await job.post({**event, "artifacts": artifacts} if artifacts else event)
    output("stage_finished", stage=stage)
    job.check()
    return True


async def do(job, stage, step, artifacts):
    loop = asyncio.get_running_loop()
    match step:
        case {"progress": update}:
            if loop.time() - job.reported_at >= PROGRESS_INTERVAL_SECONDS or "flood" in BROKEN:
                job.reported_at = loop.time()
                event = {"type": "progress_update", "stage": stage, **update}
                if "overlap" in BROKEN:
                    asyncio.create_task(job.post(event))
                    await asyncio.sleep(0.05)
                else:
                    await job.post(event)
        case {"sleep": seconds} | {"until_cancelled": seconds}:
            until = loop.time() + seconds
            while loop.time() < until:
                await asyncio.sleep(0.02)
                job.check()
        case {"block": seconds}:
            await asyncio.sleep(seconds)
        case {"checkpoint": state}:
            job.checkpoints += "no_number" not in BROKEN
            await job.post({"type": "checkpoint", "stage": stage, "number": job.checkpoints, "state": state})
        case {"attach": artifact}:
            artifacts.append(await job.attach(artifact))
        case {"crash": _}:
            os._exit(137)
        case _:
            raise ValueError(f"there is no step {step}")


async def worker(config, session):
    api = Api(session, config["http_api"])
    body = {"worker_id": config["worker_id"], "stages": config["stages"] or ["decode", "transcribe"]}
    path = f"/v1/jobs/{config['job_id']}/claim"
    try:
        claimed = json.loads((await api.request("POST", path, config["worker_key"], body))[1])
    except Refused as refused:
        output("lost", code=refused.code)
        return 1
    output("claimed", job_id=claimed["job_id"])
    try:
        await run_job(ClaimedJob(api, claimed, config["worker_key"]))
    except Refused:
        return 1
    return 0


class QueueWorker:
    def __init__(self, config, session):
        self.config, self.session = config, session
        self.api = Api(session, config["http_api"])
        self.listener = self.listening = None
        self.wake = asyncio.Event()
        self.running = {}
        self.left = config["jobs"]
        self.is_stopping = False

    async def run(self):
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        try:
            await self._claim_loop()
        except Refused as refused:
            output("error", code=refused.code)
            return 1
        finally:
            if self.listening:
                self.listening.cancel()
        return 0

    def _stop(self):
        self.is_stopping = True
        self.wake.set()

    async def _claim_loop(self):
        while not self.is_stopping and self.left != 0:
            slots = self.config["concurrency"] + ("extra_claim" in BROKEN)
            if len(self.running) >= slots:
                await self._sleep(60)
                continue
            # Before the claim, so that a wake-up while it is answered leads to another one.
            self.wake.clear()
            claimed, retry_after = await self._claim()
            if claimed:
                key = "stale" if "old_worker_key" in BROKEN and claimed["epoch"] > 1 else claimed["worker_key"]
                output("claimed", job_id=claimed["job_id"], attempt=claimed["attempt"])
                job = ClaimedJob(self.api, claimed, key)
                task = asyncio.create_task(self._run(job))
                self.running[claimed["job_id"]] = (job, task)
                continue
            await self._sleep(retry_after)
        if self.is_stopping and self.running:
            tasks = [task for _, task in self.running.values()]
            await asyncio.wait(tasks, timeout=self.config["grace_seconds"])
        for job, task in list(self.running.values()):
            if self.is_stopping:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                if "no_release" not in BROKEN:
                    async with job.lock:
                        body = {"epoch": job.claimed["epoch"]}
                        await self.api.request("POST", f"{job.path}/release", job.key, body)
                    output("released", job_id=job.claimed["job_id"])
            else:
                await task

    async def _sleep(self, seconds):
        try:
            await asyncio.wait_for(self.wake.wait(), 0.2 if "poll_at_once" in BROKEN else seconds)
        except asyncio.TimeoutError:
            pass
        self.wake.clear()

    async def _claim(self):
        body = {"worker_id": self.config["worker_id"]}
        if self.config["stages"]:
            body["stages"] = self.config["stages"]
        if self.listener and "no_listener" not in BROKEN:
            body["listener"] = self.listener
        path = f"/v1/queues/{self.config['queue']}/claim"
        status, content, headers = await self.api.request("POST", path, self.config["worker_token"], body)
        url = headers.get("websocket-url") if status == 204 else json.loads(content)["websocket_url"]
        if self.config["websocket"] and self.listening is None and url:
            self.listening = asyncio.create_task(self._listen(url))
        if status == 204:
            wait = random.uniform(1, 1.3) * float(headers.get("retry-after", 5))
            return None, 300 if self.listener and content is not None else wait
        return json.loads(content), 0

    async def _run(self, job):
        try:
            await run_job(job)
        except Refused:
            pass
        finally:
            self.running.pop(job.claimed["job_id"], None)
            if self.left is not None and not self.is_stopping:
                self.left -= 1
            if not self.is_stopping:
                self.wake.set()

    async def _listen(self, url):
        attempt = 0
        while True:
            try:
                async with self.session.ws_connect(url) as socket:
                    frame = {"type": "listen", "queue": self.config["queue"], "request_id": "1"}
                    await socket.send_json({**frame, "worker_token": self.config["worker_token"]})
                    async for message in socket:
                        frame = json.loads(message.data)
                        if frame.get("type") == "listening":
                            self.listener, attempt = frame["listener"], 0
                            self.wake.set()
                        elif frame.get("type") == "job_available":
                            output("job_available")
                            self.wake.set()
            except aiohttp.ClientError:
                pass
            self.listener = None
            await asyncio.sleep(random.uniform(0, min(30, 0.5 * 2**attempt)))
            attempt += 1


async def main():
    config = json.loads(sys.argv[1])
    async with aiohttp.ClientSession() as session:
        if config["mode"] == "watch":
            code = await watch.Watch(config, session).run()
        elif config["mode"] == "worker":
            code = await worker(config, session)
        else:
            code = await QueueWorker(config, session).run()
    if config["mode"] != "watch":
        output("stopped")
    sys.exit(code)


if __name__ == "__main__":
    asyncio.run(main())
