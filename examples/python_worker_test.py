"""Tests that the Python worker keeps its job while its own code computes, against a fake service.

    python examples/python_worker_test.py
"""

import http.server
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "python-worker"))
import stagecast

stagecast.HEARTBEAT = 0.05

TIMEOUT = 20
"""Maximum time of a stage's computation, in seconds."""


class Service(http.server.ThreadingHTTPServer):
    """Serves claims and posts. Records the posts, and how many of them overlapped."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.posts = []
        self.cancel = False
        self.refusal = None
        self.at_once = 0
        self.busy = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def heartbeats(self):
        return sum(post["events"] == [] for post in self.posts)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path.endswith("/claim"):
            self.answer(200, {"epoch": 1, "seq": 0, "cancel_requested": False, "finished": []})
            return
        if not self.server.busy.acquire(blocking=False):
            self.server.at_once += 1
            self.server.busy.acquire()
        if self.server.refusal:
            self.answer(409, {"error": {"code": self.server.refusal, "message": "gone"}})
        else:
            self.server.posts.append(body)
            self.answer(200, {"seq": 0, "cancel_requested": self.server.cancel})
        self.server.busy.release()

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def compute_until(condition):
    """Keeps the processor busy, like a stage between two reports."""
    until = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < until, "the worker does nothing while its stage computes"


def claim():
    service = Service()
    job = stagecast.Job(f"http://127.0.0.1:{service.server_port}", "job_1", "key", ["a"])
    return service, job


def lease_is_renewed_while_the_stage_computes():
    service, job = claim()
    compute_until(lambda: service.heartbeats() >= 3)
    for percent in range(100):
        job.progress("a", percent, "...")
    job.complete()
    assert service.at_once == 0, "one post at a time"
    before = len(service.posts)
    time.sleep(4 * stagecast.HEARTBEAT)
    assert len(service.posts) == before, "no heartbeat follows the end"


def cancellation_is_noticed_while_the_stage_computes():
    service, job = claim()
    service.cancel = True

    def is_cancelled():
        try:
            job.check_cancelled()
        except stagecast.Cancelled:
            return True

    compute_until(is_cancelled)
    job.cancelled()


def lost_lease_is_noticed_while_the_stage_computes():
    service, job = claim()
    service.refusal = "lease_lost"

    def is_refused():
        try:
            job.check_cancelled()
        except stagecast.Refused as refused:
            return refused.code == "lease_lost"

    compute_until(is_refused)


def dropped_job_is_released():
    service, job = claim()
    compute_until(service.heartbeats)
    del job
    time.sleep(4 * stagecast.HEARTBEAT)
    before = len(service.posts)
    time.sleep(4 * stagecast.HEARTBEAT)
    assert len(service.posts) == before, "a job that nothing refers to is still kept"


for test in (
    lease_is_renewed_while_the_stage_computes,
    cancellation_is_noticed_while_the_stage_computes,
    lost_lease_is_noticed_while_the_stage_computes,
    dropped_job_is_released,
):
    test()
    print(f"{test.__name__}: ok")
