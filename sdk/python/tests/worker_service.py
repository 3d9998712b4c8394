"""A scripted service for workers: jobs, claims, events, release, artifacts and listeners, in memory and over HTTP.

`ScriptedJob` follows the rules of the worker function for posts: epoch, `after_seq`, repeats, finished stages. A test
injects faults with `ScriptedService.fault`, which sees each request first.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

TOKEN = "stw_0123456789abcdef_0123456789abcdef0123456789abcdef"
ENDED = ("completed", "failed", "cancelled")

Reply = tuple[int, dict[str, Any]]
Fault = Literal["lose_request", "lose_answer", "repeat"] | Reply
"""`lose_request`: not applied, no answer. `lose_answer`: applied, no answer. `repeat`: applied twice."""


def error(http_status: int, code: str, /, **more: Any) -> Reply:
    return http_status, {"error": {"code": code, "message": code.replace("_", " "), "request_id": "req_1", **more}}


@dataclass
class ScriptedJob:
    job_id: str
    queue: str | None = None
    input: bytes = b""
    parameters: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    status: str = "queued"
    epoch: int = 0
    seq: int = 0
    attempt: int = 0
    worker_key: str = ""
    cancel_requested: bool = False
    stages: list[str] | None = None
    finished: dict[str, Any] = field(default_factory=dict)
    checkpoint: tuple[str, Any] | None = None
    log: list[dict[str, Any]] = field(default_factory=list)
    progress: list[dict[str, Any]] = field(default_factory=list)
    posts: list[dict[str, Any]] = field(default_factory=list)
    posted_at: list[float] = field(default_factory=list)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    announced: dict[str, dict[str, Any]] = field(default_factory=dict)
    releases: list[dict[str, Any]] = field(default_factory=list)
    claimable_at: float = 0.0
    lease_until: float = 0.0
    claims: list[dict[str, Any]] = field(default_factory=list)
    large_results: bool = False

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.log[-1]["error"]
        return found

    @property
    def results(self) -> Any:
        return next(reversed(self.finished.values()))

    def claim(self, body: Mapping[str, Any], now: float = 0.0) -> dict[str, Any]:
        self.epoch += 1
        self.attempt += 1
        self.status = "running"
        self.lease_until = now + 30
        self.stages = list(body.get("stages") or []) or None
        self.claims.append(dict(body))
        if self.queue is not None or not self.worker_key:
            self.worker_key = f"key-{self.job_id}-{self.epoch}"
        finished = [
            {"stage": stage, "results": None, "results_url": f"/v1/jobs/{self.job_id}/results?stage={stage}"}
            if self.large_results
            else {"stage": stage, "results": results}
            for stage, results in self.finished.items()
        ]
        answer: dict[str, Any] = {
            "job_id": self.job_id,
            "epoch": self.epoch,
            "seq": self.seq,
            "attempt": self.attempt,
            "priority": 5,
            "cancel_requested": self.cancel_requested,
            "content_type": "text/plain",
            "lease_expires_at": "2026-11-24T10:32:31Z",
            "finished": finished,
            "worker_key": self.worker_key,
            "labels": self.labels,
            "parameters": self.parameters,
        }
        if self.queue is not None:
            answer["queue"] = self.queue
        if self.checkpoint is not None:
            answer["checkpoint"] = {"stage": self.checkpoint[0], "state": self.checkpoint[1]}
        return answer

    def post(self, body: Mapping[str, Any], now: float = 0.0) -> Reply:
        """Applies a post as the worker function does (crates/stagecast-worker/src/sequence.rs)."""
        self.posts.append(dict(body))
        self.posted_at.append(now)
        events: list[dict[str, Any]] = list(body["events"])
        if len(events) > 10:
            return error(400, "invalid_body", field="events")
        seq = body["after_seq"]
        new: list[dict[str, Any]] = []
        repeats: list[tuple[int, dict[str, Any]]] = []
        for event in events:
            durable = event["type"] not in ("progress_update", "checkpoint")
            if durable:
                seq += 1
                if seq <= self.seq:
                    repeats.append((seq, event))
                else:
                    new.append(event)
            elif seq >= self.seq:
                new.append(event)
        if self.status in ENDED and (new or not repeats):
            return error(409, "job_already_finished", status=self.status)
        if body["epoch"] != self.epoch or self.status == "queued":
            return error(409, "job_already_finished" if self.status in ENDED else "lease_lost", epoch=self.epoch)
        if body["after_seq"] > self.seq:
            return error(409, "seq_conflict", seq=self.seq)
        for number, event in repeats:
            if self.log[number - 1] != event:
                return error(409, "job_already_finished" if self.status in ENDED else "seq_conflict", seq=self.seq)
        refused = self._refuse(new)
        if refused is not None:
            return refused
        for event in new:
            self._apply(event)
        self.lease_until = now + 30
        return 200, {
            "job_id": self.job_id,
            "seq": self.seq,
            "status": self.status,
            "cancel_requested": self.cancel_requested,
            "lease_expires_at": "2026-11-24T10:32:31Z",
        }

    def _refuse(self, events: list[dict[str, Any]]) -> Reply | None:
        finished = set(self.finished)
        for event in events:
            stage = event.get("stage")
            if stage is not None and self.stages is not None and stage not in self.stages:
                return error(400, "unknown_stage", stage=stage)
            if event["type"] in ("progress_update", "stage_complete", "checkpoint") and stage in finished:
                return error(409, "stage_finished", stage=stage)
            if event["type"] == "stage_complete":
                finished.add(str(stage))
            if event["type"] == "job_cancelled" and not self.cancel_requested:
                return error(409, "not_cancelled")
            for artifact in event.get("artifacts", ()):
                content = self.artifacts.get(artifact["name"])
                if content is None or hashlib.sha256(content).hexdigest() != artifact["sha256"]:
                    return error(409, "artifact_not_uploaded", name=artifact["name"])
        return None

    def _apply(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "progress_update":
            self.progress.append(event)
            return
        if kind == "checkpoint":
            self.checkpoint = (event["stage"], event["state"])
            return
        self.seq += 1
        self.log.append(event)
        if kind == "stage_complete":
            self.finished[event["stage"]] = event["results"]
            if self.checkpoint is not None and self.checkpoint[0] == event["stage"]:
                self.checkpoint = None
        else:
            self.status = {"job_complete": "completed", "job_failed": "failed", "job_cancelled": "cancelled"}[kind]

    def release(self, body: Mapping[str, Any], now: float = 0.0) -> Reply:
        self.releases.append(dict(body))
        if body["epoch"] != self.epoch:
            return error(409, "lease_lost")
        if self.status == "running":
            self.status = "queued"
            self.attempt -= 1
            self.claimable_at = now + body.get("delay_seconds", 0)
        return 200, {"job_id": self.job_id, "status": self.status}


@dataclass
class Call:
    """A request, as a fault sees it."""

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        return json.loads(self.body)


class ScriptedService:
    """The HTTP and the WebSocket API for workers, on two ports of this machine."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.jobs: dict[str, ScriptedJob] = {}
        self.calls: list[Call] = []
        self.claims: list[dict[str, Any]] = []
        self.fault: Callable[[Call], Fault | None] = lambda _: None
        self.armed: dict[str, str] = {}
        self.connections: list[ServerConnection] = []
        self.listens: list[dict[str, Any]] = []
        self.pings = 0
        self.refuse_listening = False
        self.lease_seconds = 30.0
        self.retry_after = 0.05
        self._http = _Server(("127.0.0.1", 0), _handler(self))
        self._websocket = serve(self._listen, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.websocket_url = f"ws://127.0.0.1:{self._websocket.socket.getsockname()[1]}"
        self.named_websocket_url: str | None = self.websocket_url
        """In the answers to claims."""
        self._threads = [
            threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True),
            threading.Thread(target=self._websocket.serve_forever, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        for connection in list(self.connections):
            connection.close()
        self._websocket.shutdown()
        for thread in self._threads:
            thread.join(5)

    def add(self, job_id: str, queue: str | None = "transcripts", **fields: Any) -> ScriptedJob:
        """Creates a job, and wakes an armed listener."""
        job = ScriptedJob(job_id, queue, **fields)
        with self.lock:
            self.jobs[job_id] = job
        if queue is not None:
            self.wake(queue)
        return job

    def cancel(self, job_id: str) -> None:
        with self.lock:
            self.jobs[job_id].cancel_requested = True

    def wake(self, queue: str) -> None:
        with self.lock:
            targets = [listener for listener, armed in self.armed.items() if armed == queue][:2]
            for target in targets:
                del self.armed[target]
        message = json.dumps({"type": "job_available", "queue": queue, "timestamp": "2026-11-24T10:32:31Z"})
        for target in targets:
            number = int(target.rpartition("#")[2])
            self.connections[number].send(message)

    def wait_until(self, condition: Callable[[], object], seconds: float = 10) -> None:
        """Waits for the worker under test; fails the test if it does not get there."""
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                raise AssertionError("the condition was not met in time")
            time.sleep(0.005)

    def ended(self, *job_ids: str) -> bool:
        return all(self.jobs[job_id].status in ENDED for job_id in job_ids)

    # The HTTP API.

    def handle(self, call: Call) -> tuple[int, dict[str, str], bytes] | None:
        """The answer; None to close the connection without one."""
        with self.lock:
            self.calls.append(call)
            fault = self.fault(call)
            if fault == "lose_request":
                return None
            if isinstance(fault, tuple):
                return fault[0], {}, json.dumps(fault[1]).encode()
            answer = self._route(call)
            if fault == "repeat":
                answer = self._route(call)
        return None if fault == "lose_answer" else answer

    def _route(self, call: Call) -> tuple[int, dict[str, str], bytes]:
        path, _, query = call.path.partition("?")
        parts = path.strip("/").split("/")
        key = call.headers.get("authorization", "").removeprefix("Bearer ")
        if parts[0] == "bucket":
            return self._bucket(call, parts[1:])
        if parts[:2] == ["v1", "queues"]:
            return self._claim(parts[2], key, call.json())
        job = self.jobs.get(parts[2])
        if job is None or key != job.worker_key:
            return _json(error(403, "forbidden"))
        now = time.monotonic()
        if parts[3] == "claim":
            return _json((200, job.claim(call.json(), now)))
        if parts[3] == "events":
            return _json(job.post(call.json(), now))
        if parts[3] == "release":
            released = job.release(call.json(), now)
            return _json(released)
        if parts[3] == "results":
            return 200, {}, json.dumps(job.finished[query.removeprefix("stage=")]).encode()
        if parts[3] == "input":
            if len(job.input) > 100_000:
                return 307, {"location": f"{self.url}/bucket/{job.job_id}/input"}, b""
            return 200, {"content-type": "text/plain"}, job.input
        announced = call.json()
        if announced.pop("epoch") != job.epoch:
            return _json(error(409, "lease_lost"))
        job.announced[announced["name"]] = announced
        headers = {"content-type": announced["content_type"], "content-length": str(announced["size"])}
        url = f"{self.url}/bucket/{job.job_id}/{announced['name']}"
        return _json((200, {"job_id": job.job_id, "url": url, "headers": headers}))

    def _bucket(self, call: Call, parts: list[str]) -> tuple[int, dict[str, str], bytes]:
        if "authorization" in call.headers:
            return 400, {}, b"the key was sent to the bucket"
        job = self.jobs[parts[0]]
        if call.method == "PUT":
            job.artifacts[parts[1]] = call.body
            return 200, {}, b""
        start = int(call.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        return 206 if start else 200, {}, job.input[start:]

    def _claim(self, queue: str, key: str, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        if key != TOKEN:
            return _json(error(401, "invalid_worker_token"))
        if queue == "forbidden":
            return _json(error(403, "queue_forbidden", queue=queue))
        self.claims.append({"queue": queue, **body})
        now, listener = time.monotonic(), body.get("listener")
        for job in self.jobs.values():
            is_free = job.status == "queued" or (job.status == "running" and job.lease_until <= now)
            if job.queue == queue and is_free and job.claimable_at <= now:
                if listener:
                    self.armed.pop(listener, None)
                answer = job.claim(body, now)
                job.lease_until = now + self.lease_seconds
                return _json((200, {**answer, "websocket_url": self.named_websocket_url}))
        if listener:
            self.armed[listener] = queue
        named = {} if self.named_websocket_url is None else {"websocket-url": self.named_websocket_url}
        return 204, {"retry-after": str(self.retry_after), **named}, b""

    # The WebSocket API.

    def _listen(self, connection: ServerConnection) -> None:
        with self.lock:
            number = len(self.connections)
            self.connections.append(connection)
        try:
            for frame in connection:
                message = json.loads(frame)
                if message["type"] == "ping":
                    self.pings += 1
                    connection.send('{"type":"pong"}')
                    continue
                self.listens.append(message)
                if self.refuse_listening:
                    reply = {"type": "error", "code": "queue_forbidden", "message": "no"}
                    reply["request_id"] = message["queue"]
                else:
                    listener = f"{message['queue']}#{number}"
                    reply = {"type": "listening", "queue": message["queue"], "listener": listener}
                connection.send(json.dumps(reply))
        except ConnectionClosed:
            pass
        finally:
            with self.lock:
                for listener in [known for known in self.armed if known.endswith(f"#{number}")]:
                    del self.armed[listener]


def _json(reply: Reply) -> tuple[int, dict[str, str], bytes]:
    return reply[0], {"content-type": "application/json"}, json.dumps(reply[1]).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone, such as a killed worker, is no fault of the test."""


def _handler(service: ScriptedService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = service.handle(Call(self.command, self.path, body, headers))
            if answer is None:
                self.close_connection = True
                return
            status, extra, content = answer
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            if status != 204:
                self.wfile.write(content)

        do_GET = do_PUT = do_POST  # noqa: N815

    return Handler


@contextmanager
def scripted_service() -> Iterator[ScriptedService]:
    service = ScriptedService()
    try:
        yield service
    finally:
        service.close()
