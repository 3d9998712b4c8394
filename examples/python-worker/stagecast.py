"""Runs a Stagecast job from outside: claims it, fetches its input, tells what happens to it.

Only the standard library. Copy it beside your own worker.
"""

import json
import random
import time
import urllib.error
import urllib.request

PATIENCE = 8
"""Attempts at one request before the worker gives up."""

INTERVAL = 0.25
"""Shortest time between two progress updates, in seconds."""


class Refused(Exception):
    """The job cannot be worked on (any more). `code` says why: `lease_lost`, `job_already_finished`..."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.code = error["code"]


class Cancelled(Exception):
    """Someone has asked the job to stop."""


class Job:
    """A job that this worker has claimed. One thread uses it."""

    def __init__(self, url, job_id, worker_key, stages, worker_id=None):
        self._url = f"{url}/v1/jobs/{job_id}"
        self._key = worker_key
        claim = {"stages": stages, **({"worker_id": worker_id} if worker_id else {})}
        claimed = json.loads(self._request("POST", "/claim", claim))
        self._epoch = claimed["epoch"]
        self._seq = claimed["seq"]
        self._posted_at = 0.0
        self._cancelled = claimed["cancel_requested"]
        #: The results of the stages that an earlier worker has finished, by their names.
        self.finished = {stage["stage"]: stage["results"] for stage in claimed["finished"]}

    def input(self):
        """What the job was made from."""
        return self._request("GET", "/input")

    def progress(self, stage, percent, message):
        """Says how far a stage is; call it as often as you like. Raises `Cancelled`."""
        now = time.monotonic()
        if now - self._posted_at >= INTERVAL or percent == 100:
            self._posted_at = now
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
        self._tell({"type": "job_failed", "error": {"code": code, "message": message[:1000]}})

    def cancelled(self):
        """The work has stopped, as someone has asked."""
        self._tell({"type": "job_cancelled"})

    def check_cancelled(self):
        if self._cancelled:
            raise Cancelled

    def _tell(self, event):
        # The same body each time: what has happened already does not happen twice.
        body = {"epoch": self._epoch, "after_seq": self._seq, "events": [event]}
        told = json.loads(self._request("POST", "/events", body))
        self._seq = told["seq"]
        self._cancelled = told["cancel_requested"]

    def _request(self, method, path, body=None):
        """The answer; asked for again while the network or the system fails."""
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        for attempt in range(1, PATIENCE + 1):
            request = urllib.request.Request(self._url + path, data, headers, method=method)
            try:
                with urllib.request.urlopen(request, timeout=40) as answer:
                    return answer.read()
            except urllib.error.HTTPError as error:
                if error.code != 429 and error.code < 500:
                    answer = json.load(error)
                    raise Refused(answer.get("error", {"code": str(error.code), **answer})) from None
                problem = error
            except OSError as error:
                problem = error
            if attempt == PATIENCE:
                raise problem
            time.sleep(random.uniform(0, min(10, 2**attempt / 8)))
