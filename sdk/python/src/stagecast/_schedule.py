"""When a worker claims from a queue, without I/O. Times are seconds of a monotonic clock."""

from __future__ import annotations

import random

LISTENING_POLL_SECONDS = 300.0
"""Mean interval of claims while a listener is armed. It bounds the delay after a lost wake-up."""

RECHECK_SECONDS = 32.0
"""A claim without an answer may have got a job: the queue is read again when its lease of 30 seconds has ended."""

MAX_POLL_SECONDS = 30.0
DEFAULT_RETRY_AFTER = 5.0

LISTEN_SECONDS = 2.0
"""How long the first claim waits for a listener to carry, so that it arms it."""

NOW = float("-inf")


class QueueSchedule:
    """One queue of one worker.

    A claim that returns no job arms the worker's listener, if it carries one; the service then sends `job_available`
    for the next job. Without a listener the queue is polled, at growing intervals.
    """

    def __init__(self) -> None:
        self.due_at = NOW
        self.listener: str | None = None
        self._empty = 0
        self._failures = 0
        self._wakes = 0
        self._recheck_at = NOW

    def started(self) -> int:
        """A claim is sent. Returns what its outcome has to be reported with."""
        return self._wakes

    def got_job(self) -> None:
        """There may be more."""
        self._empty = self._failures = 0
        self.due_at = NOW

    def got_nothing(self, started: int, listener: str | None, retry_after: float | None, now: float) -> None:
        """The queue was empty. `listener` is the one that the claim carried."""
        self._failures = 0
        if started != self._wakes:
            # A job came after the service had looked: its wake-up has overtaken this answer.
            self.due_at = NOW
        elif listener is not None and listener == self.listener:
            self._empty = 0
            self.due_at = now + LISTENING_POLL_SECONDS * random.uniform(0.8, 1.2)
            if self._recheck_at > now:
                self.due_at = min(self.due_at, self._recheck_at)
        elif self.listener is not None:
            self.due_at = NOW  # A new listener, which is not armed yet.
        else:
            interval = min(MAX_POLL_SECONDS, (retry_after or DEFAULT_RETRY_AFTER) * 2.0 ** min(self._empty, 16))
            self._empty += 1
            self.due_at = now + interval * random.uniform(0.75, 1.25)

    def failed(self, retry_after: float | None, now: float) -> None:
        """The claim failed, or its answer was lost."""
        self._failures += 1
        jitter = random.uniform(0, min(MAX_POLL_SECONDS, 2.0 ** min(self._failures, 16) / 2))
        self.due_at = now + (retry_after or 0.0) + jitter
        self._recheck_at = now + RECHECK_SECONDS + random.uniform(0, DEFAULT_RETRY_AFTER)

    def woken(self) -> None:
        """`job_available`."""
        self._wakes += 1
        self._empty = 0
        self.due_at = NOW

    def will_listen(self, now: float) -> None:
        """A connection is being opened."""
        self.due_at = now + LISTEN_SECONDS

    def listening(self, listener: str) -> None:
        """A listener is registered; the next empty claim arms it."""
        self.listener = listener
        self._wakes += 1
        self.due_at = NOW

    def deafened(self, now: float) -> None:
        """The connection of the listener is gone: poll until there is another."""
        if self.listener is None:
            return  # It polls already, and keeps the time that the service has named.
        self.listener = None
        self._empty = 0
        self.due_at = min(self.due_at, now + random.uniform(0, DEFAULT_RETRY_AFTER))
