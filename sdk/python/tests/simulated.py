"""A scripted service on a virtual clock, for tests of the state machine of a watch."""

from __future__ import annotations

import heapq
import itertools
import json
import random
from collections.abc import Callable
from typing import Any

from stagecast._feed import Authorize, Close, Connect, Feed, Poll, Send
from stagecast.errors import ApiError, TransportError
from stagecast.messages import JobMessage

JOB = "job_20240115_0123456789abcdef"
KEY = "0123456789abcdef0123456789abcdef"


def timestamp(at: float) -> str:
    return f"2024-01-15T{int(at) // 3600:02}:{int(at) // 60 % 60:02}:{int(at) % 60:02}Z"


def common(at: float, seq: int) -> dict[str, Any]:
    return {"job_id": JOB, "seq": seq, "timestamp": timestamp(at), "correlation_id": "c"}


def progress(at: float, seq: int, percent: float, stage: str = "one", **more: Any) -> dict[str, Any]:
    return {
        "type": "progress_update",
        **common(at, seq),
        "stage": stage,
        "progress": percent,
        "overall_progress": percent,
        "message": "works",
        "estimated_seconds_remaining": None,
        "attempt": 1,
        **more,
    }


def stage_complete(at: float, seq: int, stage: str = "one", results: Any = None) -> dict[str, Any]:
    return {"type": "stage_complete", **common(at, seq), "stage": stage, "results": results}


def job_complete(at: float, seq: int, results: Any = None) -> dict[str, Any]:
    return {"type": "job_complete", **common(at, seq), "results": results}


def snapshot(at: float, seq: int, status: str = "running", **more: Any) -> dict[str, Any]:
    return {
        "job_id": JOB,
        "status": status,
        "stage": "one" if status == "running" else None,
        "progress": 0,
        "overall_progress": 0,
        "message": "",
        "estimated_seconds_remaining": None,
        "seq": seq,
        "created_at": timestamp(0),
        "updated_at": timestamp(at),
        "correlation_id": "c",
        **more,
    }


class Simulation:
    """Runs a feed against a network and a service, which a test scripts by overriding the hooks."""

    def __init__(
        self,
        *,
        after_seq: int = 0,
        use_websocket: bool = True,
        seed: int = 0,
        key: str | None = KEY,
        is_token_renewable: bool = True,
    ) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.feed = Feed(
            JOB,
            key,
            after_seq=after_seq,
            use_websocket=use_websocket,
            is_token_renewable=is_token_renewable,
            uniform=self.random.random,
        )
        self.authorizations: list[float] = []
        self.messages: list[JobMessage] = []
        self.sent: list[tuple[float, int, dict[str, Any]]] = []
        """Every frame that the feed has sent: when, over which connection, what."""
        self.connects: list[float] = []
        self.polls: list[tuple[float, int]] = []
        self.open: set[int] = set()
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()

    # Hooks

    def on_connect(self, number: int) -> None:
        self.at(0.02, lambda now: self.opened(number, now))

    def on_send(self, number: int, frame: dict[str, Any]) -> None:
        """Answers a frame of the client."""

    def on_authorize(self, number: int) -> None:
        token = f"token-{len(self.authorizations)}"
        self.at(0.02, lambda now: self.feed.authorized(number, token, now))

    def on_poll(self, number: int, after_seq: int) -> None:
        error = TransportError("blocked", code="no_answer")
        self.at(0.02, lambda now: self.feed.poll_failed(number, error, now))

    # What a script does

    def at(self, delay: float, action: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (self.now + delay, next(self._order), action))

    def opened(self, number: int, now: float) -> None:
        self.open.add(number)
        self.feed.opened(number, now)

    def deliver(self, number: int, frame: dict[str, Any], delay: float = 0.02) -> None:
        self.at(delay, lambda now: self.feed.received(number, json.dumps(frame), now))

    def lose(self, number: int, delay: float = 0.0) -> None:
        def lost(now: float) -> None:
            self.open.discard(number)
            self.feed.lost(number, "closed", now)

        self.at(delay, lost)

    def subscribed(
        self, number: int, request: dict[str, Any], status: dict[str, Any], *, recovered: bool = True, **more: Any
    ) -> None:
        reply = {"type": "subscribed", "job_id": JOB, "seq": status["seq"], "recovered": recovered}
        self.deliver(number, {**reply, "status": status, "request_id": request["request_id"], **more})

    def status(self, number: int, request: dict[str, Any], state: dict[str, Any]) -> None:
        self.deliver(number, {**state, "type": "job_status", "request_id": request["request_id"]})

    def error(self, number: int, request: dict[str, Any], code: str, **details: Any) -> None:
        reply = {"type": "error", "code": code, "message": "refused", "details": details}
        self.deliver(number, {**reply, "request_id": request["request_id"]})

    def answer_poll(self, number: int, answer: dict[str, Any], delay: float = 0.02) -> None:
        self.at(delay, lambda now: self.feed.polled(number, answer, now))

    def refuse_poll(self, number: int, code: str, status: int) -> None:
        error = ApiError("refused", code=code, status=status)
        self.at(0.02, lambda now: self.feed.poll_failed(number, error, now))

    # The clock

    def start(self) -> None:
        self.feed.start(self.now)
        self._collect()

    def run(self, until: float) -> None:
        """Lets the time pass until `until`, or until the watch is over."""
        while not self.feed.is_over:
            event = self._events[0][0] if self._events else float("inf")
            deadline = self.feed.deadline
            at = min(event, float("inf") if deadline is None else deadline)
            if at > until:
                self.now = until
                return
            self.now = max(self.now, at)
            if event <= at:
                heapq.heappop(self._events)[2](self.now)
            else:
                self.feed.advance(self.now)
            self._collect()

    def _collect(self) -> None:
        for command in self.feed.take_commands():
            match command:
                case Connect(number):
                    self.connects.append(self.now)
                    self.on_connect(number)
                case Send(number, text):
                    frame = json.loads(text)
                    self.sent.append((self.now, number, frame))
                    if number in self.open:
                        self.on_send(number, frame)
                case Authorize(number):
                    self.authorizations.append(self.now)
                    self.on_authorize(number)
                case Close(number):
                    self.open.discard(number)
                case Poll(number, after_seq):
                    self.polls.append((self.now, after_seq))
                    self.on_poll(number, after_seq)
        self.messages += self.feed.take_messages()
