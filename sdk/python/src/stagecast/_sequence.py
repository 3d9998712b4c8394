"""Orders and deduplicates the messages of a job: durable ones by `seq`, progress only if it is newer."""

from __future__ import annotations

from .messages import (
    DurableMessage,
    JobMessage,
    JobSnapshot,
    ProgressUpdate,
    is_end,
    message_of_snapshot,
)


class Sequence:
    """The durable messages up to `seq` have been released, each once."""

    def __init__(self, after: int = 0) -> None:
        self.seq = after
        """`seq` of the last durable message that was released, to resume after."""
        self.has_ended = False
        self._has_released_durable = False
        self._highest_seq = after
        self._early: dict[int, DurableMessage] = {}
        """Durable messages that arrived before their predecessors, by `seq`."""
        self._waiting: ProgressUpdate | None = None
        """The latest progress whose `seq` is ahead of the released durable messages."""
        self._latest: ProgressUpdate | None = None

    @property
    def has_gap(self) -> bool:
        """Whether a durable message is known to be missing."""
        return not self.has_ended and self._highest_seq > self.seq

    def accept(self, message: JobMessage) -> list[JobMessage]:
        """Accepts a message and returns the messages that are now in order."""
        if self.has_ended:
            return []
        if isinstance(message, ProgressUpdate):
            return self._accept_progress(message)
        self._highest_seq = max(self._highest_seq, message.seq)
        if message.seq > self.seq:
            self._early[message.seq] = message
        return self._drain()

    def accept_snapshot(self, snapshot: JobSnapshot, *, recovered: bool) -> list[JobMessage]:
        """Accepts the snapshot of a `subscribed` message or of an answer over HTTP.

        With `recovered`, the log up to the snapshot follows. Otherwise the log has expired, and the
        snapshot replaces the missing messages.
        """
        if self.has_ended:
            return []
        self._highest_seq = max(self._highest_seq, snapshot.seq)
        if recovered:
            # The replayed log contains the end, unless the client has the whole log already.
            is_replayed = snapshot.has_ended and self.seq < snapshot.seq
            return [] if is_replayed else self._release_snapshot(snapshot)
        # The end of a job is a durable message itself, the last one.
        lost = snapshot.seq - 1 if snapshot.has_ended else snapshot.seq
        survivors = [self._early.pop(seq) for seq in sorted(self._early) if seq <= lost]
        if self.seq > snapshot.seq and not self._has_released_durable:
            # The `after_seq` of the caller is beyond the log of the job: continue where the job is.
            self._early.clear()
            self._highest_seq = snapshot.seq
            self.seq = lost
        self.seq = max(self.seq, lost)
        released: list[JobMessage] = [*survivors, *self._drain()]
        return released + self._release_snapshot(snapshot)

    def _release_snapshot(self, snapshot: JobSnapshot) -> list[JobMessage]:
        message = message_of_snapshot(snapshot)
        if message is None or self.has_ended:
            return []
        if isinstance(message, ProgressUpdate):
            return self._accept_progress(message)
        self.seq = max(self.seq, message.seq)
        return [self._released(message)]

    def _accept_progress(self, message: ProgressUpdate) -> list[JobMessage]:
        self._highest_seq = max(self._highest_seq, message.seq)
        if message.seq < self.seq:
            return []
        if message.seq > self.seq:
            if self._waiting is None or _is_newer(message, self._waiting):
                self._waiting = message
            return []
        if self._latest is not None and not _is_newer(message, self._latest):
            return []
        return [self._released(message)]

    def _drain(self) -> list[JobMessage]:
        """Releases the messages that follow without a gap."""
        ready: list[JobMessage] = []
        while not self.has_ended and (message := self._early.pop(self.seq + 1, None)):
            self.seq += 1
            ready.append(self._released(message))
        waiting = self._waiting
        if waiting is not None and waiting.seq <= self.seq and not self.has_ended:
            self._waiting = None
            ready += self._accept_progress(waiting)
        return ready

    def _released(self, message: JobMessage) -> JobMessage:
        if isinstance(message, ProgressUpdate):
            self._latest = message
        else:
            self._has_released_durable = True
        self.has_ended = self.has_ended or is_end(message)
        return message


def _is_newer(message: ProgressUpdate, known: ProgressUpdate) -> bool:
    """Whether the update is later than the known one.

    During the replacement of a connection, two connections deliver the same updates with different delays.
    The percentage of a stage never decreases within an attempt, so a lower one is older.
    """
    if message.seq != known.seq:
        return message.seq > known.seq
    if message.stage != known.stage:
        return message.timestamp >= known.timestamp
    of_message, of_known = (
        (each.attempt or 1, each.progress, each.timestamp, each.completed or 0) for each in (message, known)
    )
    if of_message != of_known:
        return of_message > of_known
    return (message.message, message.estimated_seconds_remaining) != (
        known.message,
        known.estimated_seconds_remaining,
    )
