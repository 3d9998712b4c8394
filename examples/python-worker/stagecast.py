"""Runs a Stagecast job from outside: claims it, fetches its input, tells what happens to it.

Only the standard library. Copy it beside your own worker.
"""

import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.request
import weakref

PATIENCE = 8
"""Attempts at one request before the worker gives up."""

INTERVAL = 0.25
"""Shortest time between two progress updates, in seconds."""

HEARTBEAT = 10
"""Longest time between two posts, in seconds. The job's lease ends 30 seconds after the last one."""


class Refused(Exception):
    """The job cannot be worked on (any more). `code` says why: `lease_lost`, `job_already_finished`..."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Cancelled(Exception):
    """Someone has asked the job to stop."""


class Job:
    """A job that this worker has claimed. One thread uses it.

    Another thread renews the lease, so that the work between two calls may take as long as it takes.
    Only an extension that holds Python's global lock for longer than the lease keeps it from that.
    It stops with the job's end, with `close`, and when nothing refers to the job any more.
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
        # One request at a time: each carries the `seq` of the last answer.
        self._lock = threading.Lock()
        self._renewed_at = time.monotonic()
        #: Why the job is not this worker's any more, as a heartbeat was answered.
        self._refused = None
        self._ended = threading.Event()
        keep = threading.Thread(target=_keep, args=[weakref.ref(self), self._ended], name="heartbeat")
        keep.daemon = True
        keep.start()
        #: The results of the stages that an earlier worker has finished, by their names.
        self.finished = {stage["stage"]: self._results(stage) for stage in claimed["finished"]}

    def input(self):
        """What the job was made from."""
        return self._request("GET", f"{self._path}/input")

    def progress(self, stage, percent, message):
        """Says how far a stage is; call it as often as you like. Raises `Cancelled`."""
        now = time.monotonic()
        if now - self._reported_at >= INTERVAL or percent == 100:
            self._reported_at = now
            self._tell({"type": "progress_update", "stage": stage, "progress": int(percent), "message": message})
        self.check_cancelled()

    def finish_stage(self, stage, results):
        """A stage has finished. Once this returns, its results are not lost. Raises `Cancelled`."""
        self._tell({"type": "stage_complete", "stage": stage, "results": results})
        self.check_cancelled()

    def complete(self):
        """All stages have finished."""
        self._tell({"type": "job_complete"})

    def fail(self, code, message):
        """The job cannot be done."""
        self._tell({"type": "job_failed", "error": {"code": code, "message": message}})

    def cancelled(self):
        """The work has stopped, as someone has asked."""
        self._tell({"type": "job_cancelled"})

    def close(self):
        """Gives up the job: its lease is not renewed any more, and the next claim goes on with it."""
        self._ended.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def check_cancelled(self):
        """Raises `Cancelled` if the job has been asked to stop, `Refused` if it is another worker's."""
        if self._refused:
            raise self._refused
        if self._cancelled:
            raise Cancelled

    def _tell(self, *events):
        if self._refused:
            raise self._refused
        with self._lock:
            self._post(list(events), PATIENCE)
        if any(event["type"] in ("job_complete", "job_failed", "job_cancelled") for event in events):
            self._ended.set()

    def _heartbeat(self):
        """Renews the lease if nothing else has. Answers with how long that is not needed, in seconds."""
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
                # The next one may get through: a lease is longer than two of them.
                return HEARTBEAT / 10

    def _post(self, events, attempts):
        # The same body each time: what has happened already does not happen twice.
        body = {"epoch": self._epoch, "after_seq": self._seq, "events": events}
        posted_at = time.monotonic()
        answer = json.loads(self._request("POST", f"{self._path}/events", body, attempts))
        self._renewed_at = posted_at
        self._seq = answer["seq"]
        self._cancelled = answer["cancel_requested"]

    def _results(self, stage):
        """The results of a finished stage; those that are too large for an answer are elsewhere."""
        if stage["results"] is None and stage.get("results_url"):
            return json.loads(self._request("GET", stage["results_url"]))
        return stage["results"]

    def _request(self, method, path, body=None, attempts=PATIENCE):
        """The answer; asked for again while the network or the system fails."""
        # Bodies of this type may have 4 MB. Those of `application/json` reach the function as a string, whose
        # quotes count twice against Lambda's limit. NaN and Infinity are no JSON: they raise a ValueError here.
        headers = {"content-type": "application/octet-stream"}
        data = None if body is None else json.dumps(body, allow_nan=False).encode()
        for attempt in range(1, attempts + 1):
            request = urllib.request.Request(self._base + path, data, headers, method=method)
            # Where large results are, another host may be, which is none of the key's business.
            request.add_unredirected_header("authorization", f"Bearer {self._key}")
            try:
                with urllib.request.urlopen(request, timeout=40) as answer:
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
    """Sends the heartbeats of a job, until it has ended or nothing refers to it."""
    wait = HEARTBEAT
    while not ended.wait(wait):
        job = reference()
        if job is None:
            return
        wait = job._heartbeat()
        del job


def _refused(error):
    """API Gateway's own refusals have a `message` and no more, those of a proxy may be no JSON at all."""
    try:
        answer = json.load(error)
    except (ValueError, OSError, http.client.HTTPException):
        answer = None
    answer = answer if isinstance(answer, dict) else {}
    body = answer.get("error", answer)
    return Refused(body.get("code", str(error.code)), body.get("message", str(error.reason)))
