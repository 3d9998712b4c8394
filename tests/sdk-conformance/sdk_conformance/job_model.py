"""A model of one job: its log, lease and idempotent posts, as docs/guide/external-workers.md defines them.

The model decides every answer, and has no input or output. `crates/stagecast-worker` is the implementation.
"""

import json
import time

LEASE_SECONDS = 30
MAX_EVENTS = 10
MAX_ATTEMPTS_WITHOUT_PROGRESS = 3
MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_INLINE_RESULTS_BYTES = 32 * 1024
MAX_STAGES = 50
MAX_CHECKPOINT_BYTES = 256 * 1024
END_TYPES = {"job_complete": "completed", "job_failed": "failed", "job_cancelled": "cancelled"}
DURABLE_TYPES = {"stage_complete", *END_TYPES}
EVENT_TYPES = {"progress_update", "checkpoint", *DURABLE_TYPES}


class ApiError(Exception):
    """An error answer of the HTTP API."""

    def __init__(self, http_status, code, message="", **fields):
        super().__init__(code)
        self.status = http_status
        self.code = code
        error = {"code": code, "message": message or f"the request was refused: {code}", "request_id": "req_1_a"}
        self.body = {"error": {**error, **fields}}


def timestamp(seconds_from_now=0):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds_from_now))


def is_durable(event):
    return event["type"] in DURABLE_TYPES


class Job:
    """A job of an external worker. `number` makes the id and the keys unique within a scenario."""

    def __init__(self, number, *, queue=None, priority=5, content=b"", content_type="application/json"):
        self.job_id = f"job_20270115_{number:016x}"
        self.access_key = f"a{number:031x}"
        self.worker_key = None if queue else f"b{number:031x}"
        self.queue = queue
        self.priority = priority
        self.number = number
        self.content = content
        self.content_type = content_type
        self.status = "queued"
        self.epoch = 0
        self.attempt = 0
        self.attempts_without_progress = 0
        self.log = []
        """The durable messages; that with `seq` n is at index n - 1."""
        self.expired_up_to = 0
        """`seq` of the last message that the log no longer holds."""
        self.stages = []
        self.is_dynamic = False
        self.finished = []
        self.stage = None
        self.progress = 0
        self.overall = 0
        self.message = ""
        self.stage_attempt = 1
        self.checkpoint = None
        # The epoch, the seq and the number of the last checkpoint. An earlier one does not replace it.
        self.checkpoint_position = (0, 0, 0)
        self.artifacts = []
        self.cancel_requested = False
        self.worker_id = None
        self.lease_until = 0.0
        self.not_before = 0.0
        self.released_epoch = None
        self.error = None
        self.created_at = timestamp()
        self.uploads = {}
        """Size of each uploaded artifact, by name."""
        self.large_results = {}

    @property
    def seq(self):
        return len(self.log)

    @property
    def has_ended(self):
        return self.status in END_TYPES.values()

    @property
    def is_claimable(self):
        now = time.monotonic()
        return not self.has_ended and now >= self.lease_until and now >= self.not_before

    # Claims

    def claim(self, stages, worker_id):
        """Gives the job to a worker, and returns the answer."""
        if self.has_ended:
            raise self._finished()
        now = time.monotonic()
        is_own = worker_id is not None and worker_id == self.worker_id
        if now < self.lease_until and not is_own:
            raise ApiError(409, "job_held", retry_after_seconds=max(1, int(self.lease_until - now) + 1))
        if now < self.not_before:
            raise ApiError(409, "not_due", retry_after_seconds=max(1, int(self.not_before - now) + 1))
        self.stages = list(stages or self.finished)
        self.is_dynamic = not stages
        self.epoch += 1
        self.attempt += 1
        self.attempts_without_progress += 1
        self.worker_id = worker_id
        self.status = "running"
        if self.queue:
            self.worker_key = f"{self.epoch:04x}{self.number:028x}"
        if self.attempts_without_progress > MAX_ATTEMPTS_WITHOUT_PROGRESS:
            self._append({"type": "job_failed", "error": {"code": "too_many_attempts", "message": "claimed too often"}})
            raise self._finished()
        if self.stage is not None and self.stage not in self.finished and self.checkpoint is None:
            self.stage_attempt += 1
        self.progress = self.overall = 0
        self._renew()
        answer = {
            "job_id": self.job_id,
            "epoch": self.epoch,
            "seq": self.seq,
            "cancel_requested": self.cancel_requested,
            "content_type": self.content_type,
            "lease_expires_at": timestamp(LEASE_SECONDS),
            "finished": [
                {"stage": message["stage"], **self._results_of(message)}
                for message in self.log
                if message["type"] == "stage_complete"
            ],
        }
        if self.checkpoint is not None:
            answer["checkpoint"] = self.checkpoint
        if self.queue:
            answer |= {"queue": self.queue, "priority": self.priority, "attempt": self.attempt}
            answer |= {"worker_key": self.worker_key, "created_at": self.created_at}
        if self.queue or self.artifacts:
            answer["artifacts"] = self.artifacts
        return answer

    def release(self, epoch, delay_seconds=0):
        if self.has_ended:
            raise self._finished()
        if epoch == self.epoch and self.released_epoch == epoch:
            return {"job_id": self.job_id, "status": self.status}
        if epoch != self.epoch:
            raise ApiError(409, "lease_lost", epoch=self.epoch)
        self.released_epoch = epoch
        self.status = "queued"
        self.attempt -= 1
        self.attempts_without_progress -= 1
        self.lease_until = 0.0
        self.not_before = time.monotonic() + delay_seconds
        self.worker_id = None
        return {"job_id": self.job_id, "status": self.status}

    def take_over(self):
        """Another worker claims the job, as it may once the lease has ended."""
        self.epoch += 1
        self.worker_id = "another-worker"
        self.status = "running"
        self._renew()

    def check_lease(self, epoch):
        if self.has_ended:
            raise self._finished()
        if epoch != self.epoch or self.status == "queued":
            raise ApiError(409, "lease_lost", epoch=self.epoch, seq=self.seq)

    def _renew(self):
        self.lease_until = time.monotonic() + LEASE_SECONDS

    def _finished(self):
        return ApiError(409, "job_already_finished", status=self.status, seq=self.seq)

    # Posts

    def post(self, post):
        """Applies the events of a post that the job does not have yet, and returns the answer."""
        for field in ("epoch", "after_seq", "events"):
            if field not in post:
                raise ApiError(400, "invalid_body", field=field)
        events, after_seq = post["events"], post["after_seq"]
        if len(events) > MAX_EVENTS:
            raise ApiError(400, "invalid_body", f"a post has at most {MAX_EVENTS} events", field="events")
        repeats, new = self._partition(events, after_seq)
        if self.has_ended and (new or not repeats):
            raise self._finished()
        if post["epoch"] != self.epoch or self.status == "queued":
            raise self._finished() if self.has_ended else ApiError(409, "lease_lost", epoch=self.epoch, seq=self.seq)
        if after_seq > self.seq:
            raise ApiError(409, "seq_conflict", seq=self.seq)
        logged = self.log[after_seq : after_seq + len(repeats)]
        if not all(map(_matches_logged, repeats, logged)):
            raise self._finished() if self.has_ended else ApiError(409, "seq_conflict", seq=self.seq)
        self._check(new)
        for event in new:
            self._apply(event)
        if not self.has_ended:
            self._renew()
        answer = {"job_id": self.job_id, "seq": self.seq, "status": self.status}
        return {**answer, "cancel_requested": self.cancel_requested, "lease_expires_at": timestamp(LEASE_SECONDS)}

    def _partition(self, events, after_seq):
        """The durable events that the log has, and the new events."""
        repeats, new, seq = [], [], after_seq
        for event in events:
            if not isinstance(event, dict) or event.get("type") not in EVENT_TYPES:
                raise ApiError(400, "unknown_type")
            if is_durable(event):
                seq += 1
                (repeats if seq <= self.seq else new).append(event)
            elif seq >= self.seq:
                new.append(event)
        return repeats, new

    def _check(self, events):
        finished, stages = list(self.finished), list(self.stages)
        for event in events:
            kind, stage = event["type"], event.get("stage")
            if kind in ("progress_update", "stage_complete", "checkpoint"):
                if not isinstance(stage, str):
                    raise ApiError(400, "invalid_body", field="stage")
                if stage in finished:
                    raise ApiError(409, "stage_finished", stage=stage, seq=self.seq)
                if stage not in stages:
                    if not self.is_dynamic or len(stages) == MAX_STAGES:
                        raise ApiError(400, "unknown_stage", stage=stage, seq=self.seq)
                    stages.append(stage)
            if kind == "progress_update":
                progress = event.get("progress")
                if not isinstance(progress, int) or not 0 <= progress <= 100:
                    raise ApiError(400, "invalid_body", field="progress")
                if not isinstance(event.get("message"), str):
                    raise ApiError(400, "invalid_body", field="message")
            if kind == "stage_complete":
                if "results" not in event:
                    raise ApiError(400, "invalid_body", field="results")
                finished.append(stage)
            if kind == "checkpoint" and len(json.dumps(event["state"])) > MAX_CHECKPOINT_BYTES:
                raise ApiError(400, "invalid_body", field="state")
            if kind == "job_cancelled" and not self.cancel_requested:
                raise ApiError(409, "not_cancelled", seq=self.seq)
            for artifact in event.get("artifacts", []):
                if self.uploads.get(artifact["name"]) != artifact["size"]:
                    raise ApiError(409, "artifact_not_uploaded", name=artifact["name"])

    def _apply(self, event):
        kind, stage = event["type"], event.get("stage")
        if kind in ("progress_update", "stage_complete", "checkpoint") and stage not in self.stages:
            self.stages.append(stage)
        if kind == "checkpoint":
            position = self.epoch, self.seq, event.get("number", 0)
            if position < self.checkpoint_position:
                return
            self.checkpoint, self.checkpoint_position = {"stage": stage, "state": event["state"]}, position
            self.attempts_without_progress = 0
        elif kind == "progress_update":
            if stage != self.stage:
                self.stage, self.progress, self.stage_attempt = stage, 0, 1
            self.progress = max(self.progress, event["progress"])
            overall = event.get("overall_progress")
            self.overall = max(self.overall, self._overall() if overall is None else overall)
            self.message = event["message"]
        else:
            if kind == "stage_complete":
                self.finished.append(stage)
                self.stage, self.progress = stage, 100
                self.attempts_without_progress = 0
                if self.checkpoint and self.checkpoint["stage"] == stage:
                    self.checkpoint = None
            for artifact in event.get("artifacts", []):
                self.artifacts = [each for each in self.artifacts if each["name"] != artifact["name"]] + [artifact]
            self._append(event)

    def _overall(self):
        done = len(self.finished) + self.progress / 100
        started = len(self.finished) + 1
        return int(100 * done / (started + 1 if self.is_dynamic else max(len(self.stages), started)))

    # The log

    def _append(self, event):
        """Adds a durable message to the log. A message keeps the event as it was posted."""
        kind = event["type"]
        self.log.append(
            {**event, "job_id": self.job_id, "seq": self.seq + 1, "timestamp": timestamp(), "correlation_id": "c_1"}
        )
        message = self.log[-1]
        if kind == "job_complete":
            last = next((each for each in reversed(self.log) if each["type"] == "stage_complete"), None)
            message["results"] = None if last is None else last["results"]
            if self.artifacts:
                message["artifacts"] = self.artifacts
            self.overall = self.progress = 100
        if kind == "job_failed":
            self.error = event["error"]
        if kind in END_TYPES:
            self.status = END_TYPES[kind]
            self.lease_until = 0.0

    def append(self, event):
        """Adds a durable message without a worker, for the scenarios of watchers."""
        if event["type"] == "stage_complete":
            self.stage, self.progress, self.status = event["stage"], 100, "running"
        self._append(event)
        return self.log[-1]

    def report(self, event):
        """Sets the progress without a worker, and returns the message."""
        self.status = "running"
        self.stage, self.progress = event["stage"], event["progress"]
        self.overall = event.get("overall_progress", self.overall)
        self.message = event.get("message", "")
        self.stage_attempt = event.get("attempt", 1)
        return self.progress_message()

    def progress_message(self):
        return {
            "type": "progress_update",
            "job_id": self.job_id,
            "timestamp": timestamp(),
            "seq": self.seq,
            "correlation_id": "c_1",
            "stage": self.stage,
            "progress": self.progress,
            "overall_progress": self.overall,
            "message": self.message,
            "estimated_seconds_remaining": None,
            "attempt": self.stage_attempt,
        }

    def snapshot(self):
        snapshot = {
            "job_id": self.job_id,
            "status": self.status,
            "stage": self.stage,
            "progress": self.progress,
            "overall_progress": self.overall,
            "message": self.message,
            "estimated_seconds_remaining": None,
            "attempt": self.stage_attempt,
            "seq": self.seq,
            "created_at": self.created_at,
            "updated_at": timestamp(),
            "correlation_id": "c_1",
        }
        if self.queue:
            snapshot["queue"] = self.queue
        if self.artifacts:
            snapshot["artifacts"] = self.artifacts
        if self.status == "completed":
            snapshot |= self._results_of(self.log[-1])
        if self.error:
            snapshot["error"] = self.error
        return snapshot

    def sent_message(self, message):
        """A message of the log as it travels: large results are replaced by their URL."""
        return {**message, **self._results_of(message)} if "results" in message else message

    def _results_of(self, message):
        results = message["results"]
        if len(json.dumps(results)) <= MAX_INLINE_RESULTS_BYTES:
            return {"results": results}
        stage = message.get("stage")
        query = f"?stage={stage}" if stage else ""
        return {"results": None, "results_url": f"/v1/jobs/{self.job_id}/results{query}"}

    def results(self, stage):
        """The results of a finished stage, or of the job."""
        kind = "stage_complete" if stage else "job_complete"
        for message in self.log:
            if message["type"] == kind and (stage is None or message["stage"] == stage):
                return message["results"]
        raise ApiError(404, "no_results")


def _matches_logged(event, message):
    if event["type"] != message["type"]:
        return False
    kind = event["type"]
    listed = message.get("artifacts", [])
    if kind == "stage_complete":
        fields = event["stage"] == message["stage"] and event["results"] == message["results"]
        return fields and event.get("artifacts", []) == listed
    if kind == "job_failed":
        return event["error"] == message["error"]
    return all(artifact in listed for artifact in event.get("artifacts", []))
