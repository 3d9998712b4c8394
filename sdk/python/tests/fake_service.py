"""A small service on local ports, for tests of the command as a process. Run it to look at the command by hand.

It runs each job as its input says: `{"stages": [...], "pause": seconds, "end": "completed"}`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from websockets.asyncio.server import ServerConnection

from client_service import live_server

REPORT = b"a,b\n1,2\n"


def timestamp() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class FakeJob:
    """Runs in a thread; `changed` is set and replaced at every change."""

    def __init__(self, job_id: str, key: str, script: dict[str, Any]) -> None:
        self.job_id = job_id
        self.key = key
        self.script = script
        self.log: list[dict[str, Any]] = []
        self.progress: dict[str, Any] = {}
        self.status = "queued"
        self.end: dict[str, Any] = {}
        self.cancelled = threading.Event()
        self.version = 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        pause = self.script.get("pause", 0.0)
        self.cancelled.wait(pause)
        for stage in self.script.get("stages", []):
            for attempt in range(1, stage.get("attempts", 1) + 1):
                for done in range(stage.get("total", 3) + 1):
                    if self.cancelled.wait(pause):
                        self._finish({"type": "job_cancelled", "stage": stage["name"]}, "cancelled")
                        return
                    self._progress(stage, done, attempt)
            self._append({"type": "stage_complete", "stage": stage["name"], "results": None})
        end = self.script.get("end", "completed")
        if end == "completed":
            self._finish({"type": "job_complete", "results": {"words": 3}, "artifacts": ARTIFACTS}, end)
        else:
            error = {"code": "not_audio", "message": "the input is not audio"}
            self._finish({"type": "job_failed", "error": error}, end)

    def _progress(self, stage: dict[str, Any], done: int, attempt: int) -> None:
        total = stage.get("total", 3)
        self.status = "running"
        self.progress = {
            "stage": stage["name"],
            "progress": 100 * done // max(total, 1),
            "overall_progress": 100 * len(self.log) // len(self.script["stages"]),
            "message": stage.get("message", "works"),
            "estimated_seconds_remaining": round((total - done) * self.script.get("pause", 0.0)),
            "attempt": attempt,
            **({"max_attempts": stage["attempts"]} if attempt > 1 else {}),
            **({"completed": done, "total": total, "unit": stage["unit"]} if "unit" in stage else {}),
            **({"completed": done, "unit": "rows", "indeterminate": True} if stage.get("indeterminate") else {}),
        }
        self.version += 1

    def _finish(self, message: dict[str, Any], status: str) -> None:
        self.status = status
        self.end = {name: message[name] for name in ("results", "error", "artifacts") if name in message}
        self._append(message)

    def _append(self, message: dict[str, Any]) -> None:
        self.log.append({**message, **self.common(len(self.log) + 1)})
        self.version += 1

    def common(self, seq: int) -> dict[str, Any]:
        return {"job_id": self.job_id, "seq": seq, "timestamp": timestamp(), "correlation_id": "c"}

    def snapshot(self) -> dict[str, Any]:
        state = {
            "stage": None,
            "progress": 0,
            "overall_progress": 0,
            "message": "",
            "estimated_seconds_remaining": None,
        }
        times = {"created_at": timestamp(), "updated_at": timestamp()}
        return {**state, **self.progress, **self.end, **self.common(len(self.log)), **times, "status": self.status}


ARTIFACTS = [
    {
        "name": "report.csv",
        "content_type": "text/csv",
        "size": len(REPORT),
        "sha256": hashlib.sha256(REPORT).hexdigest(),
    }
]


class FakeService:
    """`url` is the address of the HTTP API."""

    def __init__(self) -> None:
        self.jobs: dict[str, FakeJob] = {}
        self.requests: list[tuple[str, str]] = []
        self.url = ""
        self.websocket_url = ""

    async def live(self, socket: ServerConnection) -> None:
        async for text in socket:
            request = json.loads(text)
            job = self.jobs.get(request.get("job_id", ""))
            if job is None or request.get("access_key") != job.key:
                error = {"type": "error", "code": "forbidden", "message": "the key is wrong"}
                await socket.send(json.dumps({**error, "request_id": request["request_id"]}))
                continue
            reply = {"type": "subscribed", "job_id": job.job_id, "seq": len(job.log), "recovered": True}
            status = job.snapshot()
            await socket.send(json.dumps({**reply, "status": status, "request_id": request["request_id"]}))
            sent, version = request.get("after_seq", 0), -1
            while True:
                for message in job.log[sent:]:
                    await socket.send(json.dumps(message))
                    sent += 1
                if job.status not in ("queued", "running"):
                    break
                if job.version != version and job.progress:
                    version = job.version
                    update = {"type": "progress_update", **job.progress, **job.common(len(job.log))}
                    await socket.send(json.dumps(update))
                await asyncio.sleep(0.01)


@contextmanager
def fake_service() -> Iterator[FakeService]:
    service = FakeService()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _json(self, status: int, body: Any) -> None:
            self._answer(status, json.dumps(body).encode())

        def _job(self) -> FakeJob | None:
            job = service.jobs.get(self.path.split("?")[0].split("/")[3])
            if job is not None and self.headers.get("authorization") == f"Bearer {job.key}":
                return job
            self._json(403, {"error": {"code": "forbidden", "message": "the key is wrong", "request_id": "r"}})
            return None

        def do_POST(self) -> None:
            service.requests.append(("POST", self.path))
            body = self.rfile.read(int(self.headers["content-length"]))
            if "queue=unknown" in self.path:
                error = {"code": "unknown_queue", "message": "there is no queue 'unknown'", "request_id": "r"}
                self._json(400, {"error": error})
                return
            job_id, key = f"job_20240115_{secrets.token_hex(8)}", secrets.token_hex(16)
            service.jobs[job_id] = FakeJob(job_id, key, json.loads(body))
            addresses = {"websocket_url": service.websocket_url, "status_url": f"/v1/jobs/{job_id}"}
            self._json(202, {"job_id": job_id, "access_key": key, **addresses})

        def do_DELETE(self) -> None:
            if (job := self._job()) is not None:
                job.cancelled.set()
                self._json(202, {"cancel_requested": True})

        def do_GET(self) -> None:
            if self.path.startswith("/bucket/"):
                assert "authorization" not in self.headers
                self._answer(200, REPORT)
            elif (job := self._job()) is None:
                pass
            elif "/artifacts/" in self.path:
                self._answer(307, b"", location=f"{service.url}/bucket/report.csv")
            elif "/results" in self.path:
                self._json(200, {"words": 3})
            elif "/events" in self.path:
                after = int(self.path.partition("after_seq=")[2])
                done = job.status not in ("queued", "running")
                events = {"recovered": True, "events": job.log[after:], "snapshot": job.snapshot()}
                self._json(200, {**events, "more": False, "retry_after": None if done else 1})
            else:
                self._json(200, job.snapshot())

    with ExitStack() as stack:
        service.websocket_url = stack.enter_context(live_server(service.live))
        server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        server.daemon_threads = True
        service.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield service
        server.shutdown()


if __name__ == "__main__":
    with fake_service() as running:
        print(running.url, flush=True)
        threading.Event().wait()
