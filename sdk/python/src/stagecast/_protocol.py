"""The protocol of a claimed job, without I/O.

`ClaimProtocol` collects what the job function reports, decides what to post and when, and interprets the answers. A
driver calls `next`, executes what it returns, and reports the outcome with `answered` or `unanswered`:

    while not isinstance(step := protocol.next(now), Done):
        if isinstance(step, Wait):
            ...  # until `step.until`, or until something is reported
        else:
            ...  # POST step.body, then `answered` or `unanswered`

Rules: one post at a time; a post without an answer, or with 429 or 5xx, is repeated with the same body; at most 4
progress updates a second, the last one always; a heartbeat 10 seconds after the last accepted post.
All times are seconds of a monotonic clock.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ._transport import RetryPolicy, is_retryable
from .errors import ApiError, Failure, LeaseLost, Released, api_error

PROGRESS_INTERVAL = 0.25
"""Shortest time between two posts that only carry progress."""

CHECKPOINT_INTERVAL = 1.0
"""Shortest time between two stored checkpoints."""

HEARTBEAT_INTERVAL = 10.0
"""Longest time after an accepted post until the next one."""

LEASE_SECONDS = 30.0
"""Duration of the lease after the last accepted post."""

GIVE_UP_SECONDS = 900.0
"""Without an accepted post for this time, the job fails with `worker_lost`, or another worker has it."""

MAX_EVENTS = 10
MAX_POST_BYTES = 4_000_000
"""The service takes 4,194,304 bytes; the rest is for the envelope."""

MAX_CHECKPOINT_BYTES = 256 * 1024

RETRY = RetryPolicy(base=0.125, cap=5.0)

_LOST_CODES = frozenset({"lease_lost", "seq_conflict", "job_already_finished"})
_ENDED = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True)
class Send:
    """Post `body` to `/v1/jobs/{job_id}/{route}`."""

    route: Literal["events", "release"]
    body: bytes


@dataclass(frozen=True)
class Wait:
    """Nothing to send before `until`."""

    until: float


@dataclass(frozen=True)
class Done:
    """Nothing will be sent any more."""


@dataclass
class _InFlight:
    send: Send
    sent_at: float
    tickets: list[int]
    ends: bool
    failures: int = 0
    retry_at: float = 0.0


@dataclass
class _Queued:
    ticket: int
    event: str
    ends: bool = False


@dataclass
class _Checkpoint:
    stage: str
    event: str
    tickets: list[int]
    """Its own, and those of the older checkpoints that it replaces."""
    is_urgent: bool = False


def encode(value: Any) -> str:
    """JSON for the wire. NaN and Infinity, which JSON does not have, raise a `ValueError`."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


class ClaimProtocol:
    """One claim of one job, from its answer to the end of the job or the loss of the lease."""

    def __init__(self, claim: Mapping[str, Any], now: float) -> None:
        self.epoch: int = claim["epoch"]
        self.seq: int = claim["seq"]
        self.cancel_requested: bool = bool(claim.get("cancel_requested"))
        self.ended: str | None = None
        """How this claim ended: a final status of the job, or `released`."""
        self.lost: str | None = None
        """Why this claim is no longer valid: a code."""
        self.refused: ApiError | None = None
        """The answer to a post that the service does not accept. Then only the end of the claim is posted."""
        self._renewed_at = now
        self._last_progress_at = float("-inf")
        self._last_checkpoint_at = float("-inf")
        self._outbox: deque[_Queued] = deque()
        self._progress: tuple[str, Mapping[str, Any]] | None = None
        self._checkpoint: _Checkpoint | None = None
        self._release: tuple[int, int] | None = None
        self._in_flight: _InFlight | None = None
        self._tickets = 0
        self._checkpoints = 0
        """The number of the last checkpoint. The service does not replace one with a higher number."""
        self._outstanding: set[int] = set()
        self._errors: dict[int, BaseException] = {}

    # What the job function reports.

    def progress(self, stage: str, event: Mapping[str, Any]) -> None:
        """Sets the latest progress; an older one that was not sent is dropped."""
        if self._accepts():
            self._progress = (stage, event)

    def checkpoint(self, stage: str, state: Any, *, urgent: bool = False) -> int:
        """Sets the latest state of the running stage. Returns its ticket. `urgent` skips the rate limit."""
        text = encode(state)
        if len(text) > MAX_CHECKPOINT_BYTES:
            raise Failure(
                "checkpoint_too_large",
                f"the checkpoint of stage {stage!r} has {len(text):,} bytes of JSON; at most {MAX_CHECKPOINT_BYTES:,}",
            )
        ticket = self._ticket()
        if self._accepts():
            self._checkpoints += 1
            event = f'{{"type":"checkpoint","stage":{encode(stage)},"number":{self._checkpoints},"state":{text}}}'
            older = self._checkpoint
            tickets = [*(older.tickets if older else []), ticket]
            self._checkpoint = _Checkpoint(stage, event, tickets, urgent or (older is not None and older.is_urgent))
        return ticket

    def finish_stage(self, stage: str, results: Any, artifacts: Sequence[Mapping[str, Any]] = ()) -> int:
        """Queues the end of a stage. Returns its ticket. Its progress and checkpoint are obsolete."""
        event: dict[str, Any] = {"type": "stage_complete", "stage": stage, "results": results}
        if artifacts:
            event["artifacts"] = list(artifacts)
        text = encode(event)
        if len(text) > MAX_POST_BYTES:
            raise Failure(
                "results_too_large",
                f"the results of stage {stage!r} have {len(text):,} bytes of JSON; at most {MAX_POST_BYTES:,}: "
                "attach them as a file",
            )
        if self._accepts():
            if self._progress is not None and self._progress[0] == stage:
                self._progress = None
            if self._checkpoint is not None and self._checkpoint.stage == stage:
                self._drop_checkpoint()
        return self._enqueue(text)

    def complete(self, artifacts: Sequence[Mapping[str, Any]] = ()) -> int:
        """Queues the successful end of the job."""
        return self._end({"type": "job_complete", **({"artifacts": list(artifacts)} if artifacts else {})})

    def fail(self, code: str, message: str, stage: str | None = None) -> int:
        """Queues the failure of the job. It replaces what a refusal left behind."""
        error = {"code": code, "message": message}
        self.refused = None
        return self._end({"type": "job_failed", "error": error, **({"stage": stage} if stage else {})})

    def cancel(self, stage: str | None = None) -> int:
        """Queues the end of a job whose cancellation was requested."""
        return self._end({"type": "job_cancelled", **({"stage": stage} if stage else {})})

    def release(self, delay_seconds: int = 0) -> int:
        """Queues the hand-back of the job, after its queued events and its last checkpoint."""
        self._progress = None
        if not self.is_over:
            self.refused = None
        ticket = self._ticket()
        if not self._accepts():
            return ticket
        if self._checkpoint is not None:
            self._checkpoint.is_urgent = True
        self._release = (ticket, delay_seconds)
        return ticket

    def is_settled(self, ticket: int) -> bool:
        """Whether the outcome of `ticket` is known: `error_of` has it."""
        return ticket not in self._outstanding

    def error_of(self, ticket: int) -> BaseException | None:
        """Why the event of a settled ticket is not stored; None if it is."""
        return self._errors.get(ticket)

    # What the driver does.

    @property
    def has_progress(self) -> bool:
        """Whether a progress update waits to be sent."""
        return self._progress is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing can be posted any more."""
        return self.ended is not None or self.lost is not None

    def lease_remaining(self, now: float) -> float:
        """Seconds until the lease ends, unless it is renewed; negative after that."""
        return self._renewed_at + LEASE_SECONDS - now

    def next(self, now: float) -> Send | Wait | Done:
        if not self.is_over and now - self._renewed_at >= GIVE_UP_SECONDS:
            self._lose("service_unreachable")
        if self.is_over:
            return Done()
        if self._in_flight is not None:
            if now < self._in_flight.retry_at:
                return Wait(self._in_flight.retry_at)
            self._in_flight.sent_at = now
            return self._in_flight.send
        due = self._due()
        if due > now:
            return Wait(due)
        self._in_flight = self._build(now)
        return self._in_flight.send

    def answered(self, status: int, body: bytes, headers: Mapping[str, str], now: float) -> None:
        """Interprets the answer to the last `Send`."""
        post = self._in_flight
        if post is None:
            return
        if status == 200:
            self._accepted(post, body, now)
            return
        if is_retryable(status):
            error = api_error(status, body, headers)
            self._repeat(
                post, now, _number(headers.get("retry-after")) or _number(error.details.get("retry_after_seconds"))
            )
            return
        error = api_error(status, body, headers)
        if error.code in _LOST_CODES or status in (401, 403):
            self._lose(error.code)
        elif status == 404:
            # A job that has expired; or, for `release`, a service without the route: the lease ends by itself.
            self._lose("released" if post.send.route == "release" else error.code)
        else:
            self._refuse(post, error)

    def unanswered(self, now: float) -> None:
        """The last `Send` got no answer: it may or may not have been applied."""
        if self._in_flight is not None:
            self._repeat(self._in_flight, now, None)

    # Internals.

    def _accepts(self) -> bool:
        return not self.is_over and self.refused is None and self._release is None

    def _ticket(self) -> int:
        self._tickets += 1
        if self.is_over:
            self._errors[self._tickets] = LeaseLost(self.lost or "the job has ended")
        elif self.refused is not None:
            self._errors[self._tickets] = self.refused
        elif self._release is not None:
            self._errors[self._tickets] = Released("the worker has handed the job back")
        else:
            self._outstanding.add(self._tickets)
        return self._tickets

    def _enqueue(self, event: str, *, ends: bool = False) -> int:
        ticket = self._ticket()
        if self._accepts():
            self._outbox.append(_Queued(ticket, event, ends))
        return ticket

    def _end(self, event: Mapping[str, Any]) -> int:
        if self._accepts():
            self._progress = None
            self._drop_checkpoint()
        return self._enqueue(encode(event), ends=True)

    def _drop_checkpoint(self) -> None:
        if self._checkpoint is not None:
            self._settle(self._checkpoint.tickets)
            self._checkpoint = None

    def _due(self) -> float:
        """When the next post is due."""
        if self._outbox or self._release is not None:
            return float("-inf")
        due = self._renewed_at + HEARTBEAT_INTERVAL
        if self._progress is not None:
            due = min(due, self._last_progress_at + PROGRESS_INTERVAL)
        if self._checkpoint is not None:
            is_urgent = self._checkpoint.is_urgent
            due = min(due, float("-inf") if is_urgent else self._last_checkpoint_at + CHECKPOINT_INTERVAL)
        return due

    def _build(self, now: float) -> _InFlight:
        events: list[str] = []
        tickets: list[int] = []
        size, ends = 0, False
        while self._outbox and len(events) < MAX_EVENTS and not ends:
            if events and size + len(self._outbox[0].event) > MAX_POST_BYTES:
                break
            queued = self._outbox.popleft()
            size += len(queued.event)
            events.append(queued.event)
            tickets.append(queued.ticket)
            ends = queued.ends
        if not self._outbox and not ends:
            # Progress and checkpoint belong to the stage that runs, so they follow all that is queued.
            checkpoint = self._checkpoint
            if checkpoint is not None and self._fits(events, size, checkpoint.event):
                events.append(checkpoint.event)
                tickets.extend(checkpoint.tickets)
                size += len(checkpoint.event)
                self._checkpoint, self._last_checkpoint_at = None, now
            if self._progress is not None:
                stage, fields = self._progress
                progress = encode({"type": "progress_update", "stage": stage, **fields})
                if self._fits(events, size, progress):
                    events.append(progress)
                    self._progress, self._last_progress_at = None, now
        if not events and self._release is not None:
            ticket, delay = self._release
            body = encode({"epoch": self.epoch, **({"delay_seconds": delay} if delay else {})})
            return _InFlight(Send("release", body.encode()), now, [ticket], ends=True)
        body = f'{{"epoch":{self.epoch},"after_seq":{self.seq},"events":[{",".join(events)}]}}'
        return _InFlight(Send("events", body.encode()), now, tickets, ends)

    @staticmethod
    def _fits(events: Sequence[str], size: int, event: str) -> bool:
        return len(events) < MAX_EVENTS and (not events or size + len(event) <= MAX_POST_BYTES)

    def _accepted(self, post: _InFlight, body: bytes, now: float) -> None:
        try:
            answer = json.loads(body)
            status = answer["status"]
            if post.send.route == "events":
                self.seq = int(answer["seq"])
                self.cancel_requested = bool(answer["cancel_requested"])
        except (ValueError, KeyError, TypeError):
            # Not the service: a captive portal, or a proxy's page.
            self._repeat(post, now, None)
            return
        # The service counts from when it received the post, which is later.
        self._renewed_at = post.sent_at
        self._in_flight = None
        self._settle(post.tickets)
        if post.send.route == "release":
            self.ended = "released"
        elif post.ends or status in _ENDED:
            self.ended = status
        if self.ended is not None:
            self._abandon(LeaseLost(f"the job is {status}"))

    def _settle(self, tickets: Sequence[int]) -> None:
        self._outstanding.difference_update(tickets)

    def _settle_with(self, error: BaseException, tickets: Sequence[int]) -> None:
        self._settle(tickets)
        self._errors.update(dict.fromkeys(tickets, error))

    def _repeat(self, post: _InFlight, now: float, retry_after: float | None) -> None:
        post.failures += 1
        post.retry_at = now + RETRY.delay(post.failures, retry_after)

    def _refuse(self, post: _InFlight, error: ApiError) -> None:
        self._in_flight = None
        if post.send.route == "release":
            # Nothing else can be done: the lease ends by itself.
            self.lost = error.code
        self.refused = error
        self._settle_with(error, post.tickets)
        self._abandon(error)

    def _lose(self, code: str) -> None:
        post = self._in_flight
        self._in_flight = None
        if code == "released":
            self.ended = code
            self._settle(post.tickets if post else [])
            return
        self.lost = code
        error = LeaseLost(code)
        self._settle_with(error, post.tickets if post else [])
        self._abandon(error)

    def _abandon(self, error: BaseException) -> None:
        """Drops everything that was to be posted."""
        self._settle_with(error, list(self._outstanding))
        self._outbox.clear()
        self._progress = self._checkpoint = self._release = None


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < 86_400 else None
