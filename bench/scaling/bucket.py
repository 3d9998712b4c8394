"""Posts through API Gateway's token bucket, with and without coalescing; `simulate.py` is what one runs.

A connection that watches a running job is due an update as often as its job reports. All posts of an account share one
token bucket. Connections are dealt with in groups that have the same fate, so that a million are as quick to simulate
as a thousand; nothing here is random.
"""

from collections import deque

# API Gateway's default quotas, for an account in a large region.
RATE = 10_000
BURST = 5_000
# contract::limits::MAX_UPDATES_PER_SECOND
UPDATES_PER_SECOND = 4
# How long all jobs report.
SECONDS = 60
# Posts that are told apart of one update.
GROUPS = 500


class Bucket:
    """When posts may leave. The sender waits for a token; it loses no time to refusals."""

    def __init__(self):
        self.tokens = BURST
        self.at = 0.0

    def leave(self, now, posts):
        """The time at which the last of these posts leaves, the first of which wants to leave at `now`."""
        if now > self.at:
            self.tokens = min(BURST, self.tokens + (now - self.at) * RATE)
            self.at = now
        self.tokens -= posts
        if self.tokens < 0:
            self.at -= self.tokens / RATE
            self.tokens = 0
        return self.at


def delays(connections, coalescing):
    """Seconds that each delivered update was on its way. The last ones leave after the jobs have stopped reporting."""
    posts = max(1, connections // GROUPS)
    groups = round(connections / posts)
    bucket, waiting, newest, delays = Bucket(), deque(), {}, []

    def send_until(end):
        while waiting and bucket.at < end:
            group, reported = waiting.popleft()
            if coalescing:
                # A newer update has taken the place of the one that waited.
                reported = newest.pop(group)
            delays.append(bucket.leave(bucket.at, posts) - reported)

    for update in range(SECONDS * UPDATES_PER_SECOND):
        now = update / UPDATES_PER_SECOND
        send_until(now)
        bucket.leave(now, 0)
        for group in range(groups):
            if not coalescing or group not in newest:
                waiting.append((group, now))
            newest[group] = now
    send_until(float("inf"))
    return delays


def burst(connections):
    """Seconds until the last of these connections has one durable message."""
    return Bucket().leave(0.0, connections)
