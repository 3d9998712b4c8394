"""The state machine of a watch, without I/O: connections, resume, and the fallback to HTTP.

The driver (`watch.py`) reports what has happened with the time in seconds, executes `take_commands()`,
and calls `advance()` at `deadline`. Everything else, including the randomness, is in here.
"""

from __future__ import annotations

import json
import logging
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from ._sequence import Sequence
from .errors import ApiError, ForbiddenError, StagecastError
from .messages import JobMessage, JobSnapshot, ProgressUpdate, parse_message, parse_snapshot
from .state import WatchedJob, apply_message, apply_snapshot

log = logging.getLogger("stagecast")

WatchState: TypeAlias = Literal["connecting", "live", "resuming", "ended"]
"""`connecting`: nothing received yet; `live`; `resuming`: was live and reconnects; `ended`."""

Transport: TypeAlias = Literal["websocket", "http"]

RENEW_AFTER = 110 * 60.0
"""API Gateway closes a connection after two hours. It is replaced up to `RENEW_JITTER` earlier than
this, so that clients do not reconnect together."""
RENEW_JITTER = 10 * 60.0
STABLE_AFTER = 5.0
"""A connection that lasted longer than this resets the backoff."""
GAP_TIMEOUT = 1.5
"""Missing messages may still be in flight; they are requested after this delay."""
GAP_REQUESTS_BEFORE_NEW_CONNECTION = 3
"""The service replays each durable message once per connection, so every third request for missing
messages goes over a new connection."""
FAILURES_BEFORE_HTTP = 2
CONNECT_TIMEOUT = 5.0
"""Without a subscribed connection for this long, the watch polls over HTTP."""
REPLY_TIMEOUT = 10.0
"""A connection without a reply for this long is dead, even if no close frame arrives."""
SILENCE_BEFORE_PROBE = 45.0
"""A running job sends progress more often than this; a longer silence may mean a dead connection."""
IDLE_PROBE_INTERVAL = 5 * 60.0
"""API Gateway closes a connection after ten idle minutes."""
POLL_INTERVAL = (1.0, 60.0)
POLL_JITTER = 0.1
BACKOFF_FIRST = 0.5
BACKOFF_LONGEST = 30.0

TOKEN_RENEWAL = 0.8
"""The part of the life of a token after which the connection gets a newer one."""
TOKEN_RETRY_INTERVAL = 5.0
"""Shortest time between two tokens of a connection."""
TOKEN_CODES = frozenset({"invalid_token", "token_keys_unavailable"})
TEMPORARY_REASONS = frozenset({"expired", "not_yet_valid", "unknown_key"})
"""Reasons of `invalid_token` that the next token may not have: the function returned one from its cache, or the service
does not have its key yet."""

PERMANENT_CODES = frozenset({"forbidden", "job_not_found", "invalid_job_id", "invalid_message"})
"""Error codes that end the watch, because a repeated request would get the same."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a WebSocket connection and report it as `opened` or `lost` with this number."""

    connection: int


@dataclass(frozen=True, slots=True)
class Send:
    connection: int
    text: str

    def __repr__(self) -> str:
        # The text contains the access key.
        return f"Send(connection={self.connection}, type={json.loads(self.text)['type']!r})"


@dataclass(frozen=True, slots=True)
class Close:
    connection: int


@dataclass(frozen=True, slots=True)
class Poll:
    """Request the events after `after_seq` and report `polled` or `poll_failed` with this number."""

    poll: int
    after_seq: int


@dataclass(frozen=True, slots=True)
class Authorize:
    """Get a fresh token and report `authorized` or `unauthorized` with this number."""

    connection: int


Command: TypeAlias = Connect | Send | Close | Poll | Authorize


@dataclass(slots=True)
class _Connection:
    number: int
    reply_by: float | None
    """When the connection is dead without the awaited reply; None if none is awaited."""
    awaited: str | None = None
    """The `request_id` whose reply proves that the connection works."""
    is_open: bool = False
    idle_at: float | None = None
    is_subscribed: bool = False
    token: str | None = field(default=None, repr=False)
    """The latest token of the connection."""


class Feed:
    """Watches one job until its end message, or until the service refuses.

    Without `access_key`, the driver gets a token for each connection, and another one before it expires.
    """

    def __init__(
        self,
        job_id: str,
        access_key: str | None,
        *,
        after_seq: int = 0,
        use_websocket: bool = True,
        is_token_renewable: bool = True,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self.job = WatchedJob(job_id=job_id)
        self.error: StagecastError | None = None
        """Why the watch ended before the job."""
        self._job_id = job_id
        self._access_key = access_key
        self._is_token_renewable = is_token_renewable
        """Whether the driver can get another token than the first one."""
        self._use_websocket = use_websocket
        self._uniform = uniform
        self._sequence = Sequence(after_seq)
        self._snapshot_seq = 0
        self._messages: list[JobMessage] = []
        self._commands: list[Command] = []
        self._timers: dict[Literal["retry", "renew", "gap", "http", "poll", "token"], float] = {}
        self._live: _Connection | None = None
        self._opening: _Connection | None = None
        self._live_since = 0.0
        self._numbers = 0
        self._requests = 0
        self._failures = 0
        """Consecutive failed attempts to connect."""
        self._gap_requests = 0
        self._replay_allowed_at = 0.0
        self._is_polling = False
        self._poll: int | None = None
        """The number of the pending poll."""
        self._poll_failures = 0
        self._is_reachable = False
        """Whether the latest poll succeeded."""
        self._was_live = False
        self._is_over = False

    # What the driver reads

    @property
    def state(self) -> WatchState:
        if self._is_over:
            return "ended"
        if self.transport is not None:
            return "live"
        return "resuming" if self._was_live else "connecting"

    @property
    def transport(self) -> Transport | None:
        """How messages arrive now; None while they do not."""
        if self._is_over:
            return None
        if self._live is not None:
            return "websocket"
        return "http" if self._is_polling and self._is_reachable else None

    @property
    def is_over(self) -> bool:
        return self._is_over

    @property
    def seq(self) -> int:
        """The `seq` to resume after."""
        return self._sequence.seq

    @property
    def deadline(self) -> float | None:
        """When `advance` has to be called."""
        times = list(self._timers.values())
        for connection in self._connections():
            times += [t for t in (connection.reply_by, connection.idle_at) if t is not None]
        return min(times, default=None)

    def take_commands(self) -> list[Command]:
        commands, self._commands = self._commands, []
        return commands

    def take_messages(self) -> list[JobMessage]:
        messages, self._messages = self._messages, []
        return messages

    # What the driver reports

    def start(self, now: float) -> None:
        if self._use_websocket:
            self._connect(now)
        else:
            self._start_polling()

    def opened(self, number: int, now: float) -> None:
        connection = self._find(number)
        if connection is not None:
            connection.is_open = True
            if self._access_key is None:
                self._commands.append(Authorize(number))
            else:
                self._subscribe(connection, now)

    def authorized(self, number: int, token: str, now: float) -> None:
        """There is a token for the connection."""
        connection = self._find(number)
        if connection is None:
            return
        connection.token = token
        if connection.is_subscribed:
            self._send(connection, {"type": "authenticate", "token": token}, now)
        else:
            self._subscribe(connection, now)

    def unauthorized(self, number: int, reason: str, now: float) -> None:
        """There is no token for the connection: the caller's function has failed."""
        connection = self._find(number)
        if connection is None:
            return
        self._warn(f"no token: {reason}")
        if connection.is_subscribed:
            self._timers["token"] = now + TOKEN_RETRY_INTERVAL
        else:
            self._drop(connection, now)

    def received(self, number: int, text: str | bytes, now: float) -> None:
        connection = self._find(number)
        if connection is None:
            return
        frame = _parse(text)
        if connection.awaited is not None and frame.get("request_id") == connection.awaited:
            connection.awaited = connection.reply_by = None
        is_reply_of_gateway = "type" not in frame
        if is_reply_of_gateway:
            reason = frame.get("message") or "the service sent a frame without a type"
            self._warn(f"{reason} (request {frame.get('requestId')})")
        else:
            self._dispatch(connection, frame, now)
        if self._is_over:
            return
        self._restart_idle_timer(connection, now)
        # The frame has no `request_id`, so it may be the reply to the awaited request.
        if is_reply_of_gateway and connection.awaited is not None:
            self._drop(connection, now)

    def lost(self, number: int, reason: str, now: float) -> None:
        """The connection was closed, or could not be opened."""
        connection = self._find(number)
        if connection is None:
            return
        if not connection.is_open:
            self._warn(f"cannot connect to the WebSocket API: {reason}")
        self._forget(connection, now)

    def polled(self, number: int, answer: Mapping[str, Any], now: float) -> None:
        if self._is_over or number != self._poll:
            return
        try:
            snapshot = parse_snapshot(answer["snapshot"])
            events = [parse_message(each) for each in answer["events"]]
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            problem = StagecastError(f"the answer to a poll is not one of Stagecast: {error!r}", code="invalid_answer")
            self.poll_failed(number, problem, now)
            return
        self._poll = None
        self._poll_failures = 0
        self._is_reachable = self._was_live = True
        before = self.seq
        self._accept_snapshot(snapshot, answer.get("recovered") is not False, now)
        for event in events:
            if event is not None:
                self._accept(event, now)
        # More messages are requested at once, unless the answer had none.
        is_continued = answer.get("more") and self.seq > before
        if not self._is_over:
            self._timers["poll"] = now + (0.0 if is_continued else self._poll_interval(answer.get("retry_after")))

    def poll_failed(self, number: int, error: StagecastError, now: float) -> None:
        if self._is_over or number != self._poll:
            return
        self._poll = None
        self._poll_failures += 1
        self._is_reachable = False
        status = error.status or 0
        is_refused = 400 <= status < 500 and status not in (408, 425, 429)
        is_permanent = self._is_permanent(error)
        if is_permanent or (is_refused and not self._use_websocket and error.code != "invalid_token"):
            self._end(error)
            return
        self._warn(error)
        self._timers["poll"] = now + self._backoff(self._poll_failures)

    def advance(self, now: float) -> None:
        """Acts on the deadlines that have passed."""
        for connection in self._connections():
            if connection.reply_by is not None and now >= connection.reply_by:
                self._warn(f"no reply within {REPLY_TIMEOUT:.0f} s; the connection is replaced")
                self._drop(connection, now)
            elif connection.idle_at is not None and now >= connection.idle_at:
                self._probe(connection, now)
        for name in list(self._timers):
            # The action of an earlier timer may have changed this one.
            if self._timers.get(name, math.inf) > now:
                continue
            del self._timers[name]
            if name in ("retry", "renew"):
                self._connect(now)
            elif name == "http":
                self._start_polling()
            elif name == "poll":
                self._send_poll()
            elif name == "token":
                if self._live is not None:
                    self._commands.append(Authorize(self._live.number))
            else:
                self._request_missing(now)

    def wake(self, now: float) -> None:
        """Looks for news at once, for example after an accepted request to cancel."""
        if self._is_polling and "poll" in self._timers:
            self._timers["poll"] = now
        elif self._live is None and "retry" in self._timers:
            self._timers["retry"] = now

    def close(self) -> None:
        """Ends the watch. The job continues."""
        self._end(None)

    # Connections

    def _connections(self) -> list[_Connection]:
        return [each for each in (self._live, self._opening) if each is not None]

    def _find(self, number: int) -> _Connection | None:
        return next((each for each in self._connections() if each.number == number), None)

    def _connect(self, now: float) -> None:
        self._timers.pop("retry", None)
        if self._opening is not None:
            return
        self._numbers += 1
        self._opening = _Connection(self._numbers, reply_by=now + REPLY_TIMEOUT)
        self._commands.append(Connect(self._numbers))
        if self._live is None and not self._is_polling:
            self._timers.setdefault("http", now + CONNECT_TIMEOUT)

    def _subscribe(self, connection: _Connection, now: float) -> None:
        resume = {"after_seq": self.seq} if self.seq > 0 else {}
        self._send(connection, {"type": "subscribe", **self._key(connection), **resume}, now)

    def _key(self, connection: _Connection) -> dict[str, str | None]:
        if self._access_key is None:
            return {"job_id": self._job_id, "token": connection.token}
        return {"job_id": self._job_id, "access_key": self._access_key}

    def _probe(self, connection: _Connection, now: float) -> None:
        """Checks that the connection works. The reply also shows whether the last durable message was lost,
        which no later message would show.
        """
        connection.idle_at = None
        if connection.awaited is None:
            # With the key, it is answered also if the service has lost the subscription.
            self._send(connection, {"type": "request_status", **self._key(connection)}, now)

    def _send(self, connection: _Connection, message: dict[str, Any], now: float) -> None:
        self._requests += 1
        connection.awaited = message["request_id"] = f"client_{self._requests}"
        connection.reply_by = now + REPLY_TIMEOUT
        self._commands.append(Send(connection.number, json.dumps(message)))
        self._restart_idle_timer(connection, now)

    def _restart_idle_timer(self, connection: _Connection, now: float) -> None:
        is_running = self.job.status == "running"
        connection.idle_at = now + (SILENCE_BEFORE_PROBE if is_running else IDLE_PROBE_INTERVAL)

    def _dispatch(self, connection: _Connection, frame: dict[str, Any], now: float) -> None:
        if frame.get("job_id", self._job_id) != self._job_id:
            return
        try:
            if frame["type"] == "subscribed":
                self._subscribed(connection, frame, now)
            elif frame["type"] == "authenticated":
                self._schedule_token(frame, now)
                if frame.get("subscriptions") == 0:
                    self._subscribe(connection, now)
            elif frame["type"] == "job_status":
                self._accept_snapshot(parse_snapshot(frame), True, now)
            elif frame["type"] == "error":
                self._rejected(connection, frame, now)
            elif (message := parse_message(frame)) is not None:
                # During a renewal, both connections deliver; the sequence removes the duplicates.
                self._accept(message, now)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            self._warn(f"the service sent an invalid frame of the type {frame['type']!r}: {error!r}")

    def _subscribed(self, connection: _Connection, frame: dict[str, Any], now: float) -> None:
        snapshot = parse_snapshot(frame["status"])
        connection.is_subscribed = True
        if connection is self._opening:
            # The previous connection is closed only now; the replayed log has what it did not deliver.
            if self._live is not None:
                self._commands.append(Close(self._live.number))
            self._live, self._opening = connection, None
            self._live_since = now
            self._was_live = True
            self._stop_polling()
            self._timers["renew"] = now + RENEW_AFTER - self._uniform() * RENEW_JITTER
        if connection is self._live:
            self._schedule_token(frame, now)
        self._accept_snapshot(snapshot, frame.get("recovered") is not False, now)

    def _rejected(self, connection: _Connection, reply: dict[str, Any], now: float) -> None:
        code = str(reply.get("code"))
        kind = ForbiddenError if code == "forbidden" else ApiError
        error = kind(str(reply.get("message")), code=code, request_id=reply.get("request_id"))
        error.details.update(reply.get("details") or {})
        if code == "token_expired" and self._is_token_renewable:
            # The subscription has ended. The log has what the service sends from here on.
            connection.is_subscribed = False
            self._commands.append(Authorize(connection.number))
            return
        if self._is_permanent(error):
            self._end(error)
            return
        self._warn(error)
        wait = _retry_after(reply)
        if connection is self._live and code in TOKEN_CODES:
            # The subscription lasts as long as its earlier token.
            self._timers["token"] = now + max(wait, TOKEN_RETRY_INTERVAL)
        if code == "replay_limited":
            self._replay_allowed_at = now + wait
        if connection is self._opening:
            self._commands.append(Close(connection.number))
            self._forget(connection, now, wait)
        elif code == "replay_limited":
            self._timers.pop("gap", None)
            self._watch_gap(now)

    def _is_permanent(self, error: StagecastError) -> bool:
        if error.code == "invalid_token" and error.details.get("reason") in TEMPORARY_REASONS:
            return not self._is_token_renewable
        is_about_token = error.code in ("invalid_token", "token_forbidden", "token_expired", "token_required")
        return is_about_token or error.code in PERMANENT_CODES

    def _schedule_token(self, reply: Mapping[str, Any], now: float) -> None:
        """Sets when the connection needs a newer token. Both times are those of the service's clock."""
        self._timers.pop("token", None)
        expires_at = reply.get("token_expires_at")
        if isinstance(expires_at, str) and self._is_token_renewable:
            lifetime = (_parse_time(expires_at) - _parse_time(reply["timestamp"])).total_seconds()
            self._timers["token"] = now + max(lifetime * TOKEN_RENEWAL, TOKEN_RETRY_INTERVAL)

    def _drop(self, connection: _Connection, now: float) -> None:
        self._commands.append(Close(connection.number))
        self._forget(connection, now)

    def _forget(self, connection: _Connection, now: float, wait: float = 0.0) -> None:
        if connection is self._live:
            self._live = None
            self._timers.pop("renew", None)
            self._timers.pop("token", None)
            if now - self._live_since > STABLE_AFTER:
                self._failures = 0
            # The replacement of the connection may be in progress already.
            if self._opening is None:
                self._retry(now, wait)
            else:
                self._timers.setdefault("http", now + CONNECT_TIMEOUT)
        else:
            self._opening = None
            self._retry(now, wait)

    def _retry(self, now: float, wait: float) -> None:
        self._timers["retry"] = now + max(wait, self._backoff(self._failures))
        self._failures += 1
        if self._failures >= FAILURES_BEFORE_HTTP and self._live is None:
            self._start_polling()

    def _backoff(self, failures: int) -> float:
        """Full jitter, so that clients that lost their connections together do not return together."""
        longest: float = min(BACKOFF_LONGEST, BACKOFF_FIRST * 2 ** min(failures, 16))
        return self._uniform() * longest

    # Over HTTP

    def _start_polling(self) -> None:
        self._timers.pop("http", None)
        if not self._is_polling and self._live is None:
            self._is_polling = True
            self._poll_failures = 0
            self._send_poll()

    def _stop_polling(self) -> None:
        self._is_polling = self._is_reachable = False
        self._poll = None
        self._timers.pop("poll", None)
        self._timers.pop("http", None)

    def _send_poll(self) -> None:
        if self._is_polling and self._poll is None:
            self._numbers += 1
            self._poll = self._numbers
            self._commands.append(Poll(self._poll, self.seq))

    def _poll_interval(self, retry_after: object) -> float:
        shortest, longest = POLL_INTERVAL
        asked = retry_after if isinstance(retry_after, (int, float)) else longest
        return min(max(asked, shortest), longest) * (1 + self._uniform() * POLL_JITTER)

    # The job

    def _accept_snapshot(self, snapshot: JobSnapshot, recovered: bool, now: float) -> None:
        self._snapshot_seq = snapshot.seq
        self.job = apply_snapshot(self.job, snapshot)
        self._release(self._sequence.accept_snapshot(snapshot, recovered=recovered), now)

    def _accept(self, message: JobMessage, now: float) -> None:
        self._release(self._sequence.accept(message), now)

    def _release(self, messages: list[JobMessage], now: float) -> None:
        for message in messages:
            self.job = apply_message(self.job, message, self._snapshot_seq)
            append_message(self._messages, message)
        if self._sequence.has_ended:
            self._end(None)
        else:
            self._watch_gap(now)

    def _watch_gap(self, now: float) -> None:
        if not self._sequence.has_gap or self._is_over:
            self._timers.pop("gap", None)
            self._gap_requests = 0
            return
        delay = GAP_TIMEOUT * 2 ** min(self._gap_requests, 4)
        self._timers.setdefault("gap", max(now + delay, self._replay_allowed_at))

    def _request_missing(self, now: float) -> None:
        self._gap_requests += 1
        if self._live is not None:
            if self._gap_requests % GAP_REQUESTS_BEFORE_NEW_CONNECTION == 0:
                self._connect(now)
            else:
                self._subscribe(self._live, now)
        self._watch_gap(now)

    # The end

    def _warn(self, error: StagecastError | str) -> None:
        log.warning("watch of %s: %s", self._job_id, error)

    def _end(self, error: StagecastError | None) -> None:
        if self._is_over:
            return
        self._is_over = True
        self.error = error
        self._timers.clear()
        self._commands += [Close(each.number) for each in self._connections()]
        self._live = self._opening = None
        self._stop_polling()


def append_message(unread: list[JobMessage], message: JobMessage) -> None:
    """Of consecutive progress updates only the latest is kept, so that a slow reader does not fall behind."""
    if unread and isinstance(unread[-1], ProgressUpdate) and isinstance(message, ProgressUpdate):
        unread.pop()
    unread.append(message)


def _parse(text: str | bytes) -> dict[str, Any]:
    try:
        frame = json.loads(text)
    except ValueError:
        frame = None
    if isinstance(frame, dict):
        return frame
    return {"message": f"the service sent a frame that is not a JSON object: {text[:200]!r}"}


def _parse_time(text: str) -> datetime:
    # Before Python 3.11, the suffix Z is not understood.
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _retry_after(reply: Mapping[str, Any]) -> float:
    """Seconds before the rejected request may be repeated; 0 if the service sent none."""
    details = reply.get("details")
    seconds = details.get("retry_after_seconds") if isinstance(details, Mapping) else None
    return float(seconds) if isinstance(seconds, (int, float)) and seconds > 0 else 0.0
