"""Runs a Stagecast job as an external worker: claims it, fetches its input, posts its events.

Uses only the standard library. Copy this file next to your own worker.
"""

import hashlib
import http.client
import io
import json
import random
import threading
import time
import urllib.error
import urllib.request
import weakref

ATTEMPTS = 8
"""Maximum number of attempts of one request."""

INTERVAL = 0.25
"""Minimum interval of progress updates, in seconds."""

HEARTBEAT = 10
"""Maximum interval of posts, in seconds. The job's lease ends 30 seconds after the last post."""

TIMEOUT = 15
"""Maximum time without a byte of a response, in seconds. A post that is not answered is repeated while the lease lasts."""


class Refused(Exception):
    """The service has rejected a request. `code` is the reason: `lease_lost`, `job_already_finished`..."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Cancelled(Exception):
    """A client has cancelled the job."""


class Job:
    """A claimed job, for use by one thread.

    A second thread renews the lease, so that the work between two calls may take any time, unless an
    extension holds Python's global lock for longer than the lease. The thread stops when the job ends,
    on `close`, and when the last reference to the job is dropped.
    """

    def __init__(self, url, job_id, worker_key, stages, worker_id=None):
        self._base = url
        self._path = f"/v1/jobs/{job_id}"
        self._key = worker_key
        claim = {"stages": stages, **({"worker_id": worker_id} if worker_id else {})}
        claimed = json.loads(self._request("POST", f"{self._path}/claim", claim))
        self._epoch = claimed["epoch"]
        self._seq = claimed["seq"]
        self._reported_at = 0.0
        self._cancelled = claimed["cancel_requested"]
        # One request at a time: each has the `seq` of the previous response.
        self._lock = threading.Lock()
        self._renewed_at = time.monotonic()
        #: The error of a rejected heartbeat.
        self._refused = None
        self._ended = threading.Event()
        keep = threading.Thread(target=_keep, args=[weakref.ref(self), self._ended], name="heartbeat")
        keep.daemon = True
        keep.start()
        #: The uploaded files that the next finished stage lists, by name.
        self._artifacts = {}
        #: The results of the stages that earlier workers have finished, by stage name.
        self.finished = {stage["stage"]: self._results(stage) for stage in claimed["finished"]}
        #: The stage and the state of the last checkpoint, `{"stage": ..., "state": ...}`, or `None`.
        self.last_checkpoint = claimed.get("checkpoint")

    def input(self):
        """The input of the job, as bytes."""
        return self._request("GET", f"{self._path}/input")

    def progress(self, stage, percent, message):
        """Reports progress; may be called as often as you like. Raises `Cancelled`."""
        now = time.monotonic()
        if now - self._reported_at >= INTERVAL or percent == 100:
            self._reported_at = now
            self._post_events({"type": "progress_update", "stage": stage, "progress": int(percent), "message": message})
        self.check_cancelled()

    def checkpoint(self, stage, state):
        """Stores a state of at most 256 KB of JSON, from which the next claim can continue the stage as
        `last_checkpoint`. Call it every few seconds. Raises `Cancelled`."""
        self._post_events({"type": "checkpoint", "stage": stage, "state": state})
        self.check_cancelled()

    def attach(self, name, content_type, content):
        """Uploads a file of at most 5 GB: bytes, or an open binary file. It belongs to the job once the running
        stage has finished."""
        file = io.BytesIO(content) if isinstance(content, bytes) else content
        sha256 = hashlib.sha256()
        size = 0
        file.seek(0)
        while chunk := file.read(1024 * 1024):
            sha256.update(chunk)
            size += len(chunk)
        artifact = {"name": name, "content_type": content_type, "size": size, "sha256": sha256.hexdigest()}
        for attempt in range(1, ATTEMPTS + 1):
            announced = {"epoch": self._epoch, **artifact}
            upload = json.loads(self._request("POST", f"{self._path}/artifacts", announced))
            file.seek(0)
            put = urllib.request.Request(upload["url"], file, upload["headers"], method="PUT")
            try:
                with urllib.request.urlopen(put, timeout=40):
                    break
            except (OSError, http.client.HTTPException):
                if attempt == ATTEMPTS:
                    raise
                time.sleep(random.uniform(0, min(10, 2**attempt / 8)))
        self._artifacts[name] = artifact

    def finish_stage(self, stage, results):
        """Posts the results of a stage, with its files. They are stored when this returns. Raises `Cancelled`."""
        artifacts = list(self._artifacts.values())
        event = {"type": "stage_complete", "stage": stage, "results": results}
        self._post_events({**event, "artifacts": artifacts} if artifacts else event)
        self._artifacts.clear()
        self.check_cancelled()

    def complete(self):
        """Ends the job as completed, with the files since the last stage. All stages must have finished."""
        artifacts = list(self._artifacts.values())
        event = {"type": "job_complete"}
        self._post_events({**event, "artifacts": artifacts} if artifacts else event)

    def fail(self, code, message):
        """Ends the job as failed."""
        self._post_events({"type": "job_failed", "error": {"code": code, "message": message}})

    def cancelled(self):
        """Ends the job as cancelled, after a client has requested it."""
        self._post_events({"type": "job_cancelled"})

    def close(self):
        """Stops renewing the lease. Another worker can continue the job after the lease ends."""
        self._ended.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def check_cancelled(self):
        """Raises `Cancelled` if a client has cancelled the job, `Refused` if the worker has lost it."""
        if self._refused:
            raise self._refused
        if self._cancelled:
            raise Cancelled

    def _post_events(self, *events):
        if self._refused:
            raise self._refused
        with self._lock:
            self._post(list(events), ATTEMPTS)
        if any(event["type"] in ("job_complete", "job_failed", "job_cancelled") for event in events):
            self._ended.set()

    def _heartbeat(self):
        """Renews the lease unless a recent post has. Returns the seconds until the next heartbeat."""
        with self._lock:
            left = self._renewed_at + HEARTBEAT - time.monotonic()
            if left > 0 or self._ended.is_set():
                return left
            try:
                self._post([], 1)
                return HEARTBEAT
            except Refused as refused:
                self._refused = refused
                self._ended.set()
                return 0
            except (OSError, http.client.HTTPException):
                # Retry soon: a lease is longer than two heartbeats.
                return HEARTBEAT / 10

    def _post(self, events, attempts):
        # Retries send the same body, so that the events take effect only once.
        body = {"epoch": self._epoch, "after_seq": self._seq, "events": events}
        posted_at = time.monotonic()
        answer = json.loads(self._request("POST", f"{self._path}/events", body, attempts))
        self._renewed_at = posted_at
        self._seq = answer["seq"]
        self._cancelled = answer["cancel_requested"]

    def _results(self, stage):
        """The results of a finished stage. Large results are not in the claim's response: fetch them."""
        if stage["results"] is None and stage.get("results_url"):
            return json.loads(self._request("GET", stage["results_url"]))
        return stage["results"]

    def _request(self, method, path, body=None, attempts=ATTEMPTS):
        """Sends a request and returns the response's body. Retries after network and server errors."""
        # Bodies of this type may have 4 MB. Bodies of `application/json` are passed to the function as a string,
        # in which each quote counts twice against Lambda's limit. NaN and Infinity raise a ValueError.
        headers = {"content-type": "application/octet-stream"}
        data = None if body is None else json.dumps(body, allow_nan=False).encode()
        for attempt in range(1, attempts + 1):
            request = urllib.request.Request(self._base + path, data, headers, method=method)
            # Not sent to other hosts: a redirect to large results must not get the key.
            request.add_unredirected_header("authorization", f"Bearer {self._key}")
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                    return answer.read()
            except urllib.error.HTTPError as error:
                if error.code != 429 and error.code < 500:
                    raise _refused(error) from None
                problem = error
            except (OSError, http.client.HTTPException) as error:
                problem = error
            if attempt == attempts:
                raise problem
            time.sleep(random.uniform(0, min(10, 2**attempt / 8)))


def _keep(reference, ended):
    """Sends heartbeats until the job ends or the last reference to it is dropped."""
    wait = HEARTBEAT
    while not ended.wait(wait):
        job = reference()
        if job is None:
            return
        wait = job._heartbeat()
        del job


def _refused(error):
    """Parses an error response. API Gateway's own errors have only a `message`; a proxy's may not be JSON."""
    try:
        answer = json.load(error)
    except (ValueError, OSError, http.client.HTTPException):
        answer = None
    answer = answer if isinstance(answer, dict) else {}
    body = answer.get("error", answer)
    return Refused(body.get("code", str(error.code)), body.get("message", str(error.reason)))
