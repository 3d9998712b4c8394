"""Simulates posts through API Gateway's token bucket, with and without coalescing. A module of `simulate.py`.

Every connection gets an update whenever its job reports. All posts of an account share one token bucket. Connections are
simulated in groups with equal delays, so that a million take no longer than a thousand. The simulation is deterministic.
"""

from collections import deque

# API Gateway's default quotas, for an account in a large region.
RATE = 10_000
BURST = 5_000
# contract::limits::MAX_UPDATES_PER_SECOND
UPDATES_PER_SECOND = 4
# The duration of all jobs' reports, in seconds.
SECONDS = 60
# The maximum number of groups of connections.
GROUPS = 500


class Bucket:
    """API Gateway's token bucket. The sender waits for tokens and loses no time to 429 responses."""

    def __init__(self):
        self.tokens = BURST
        self.at = 0.0

    def leave(self, now, posts):
        """Takes a token for each post from `now` on. Returns the time at which the last one is sent."""
        if now > self.at:
            self.tokens = min(BURST, self.tokens + (now - self.at) * RATE)
            self.at = now
        self.tokens -= posts
        if self.tokens < 0:
            self.at -= self.tokens / RATE
            self.tokens = 0
        return self.at


def delays(connections, coalescing):
    """The delay of each delivered update in seconds. The last ones are sent after the jobs have stopped reporting."""
    posts = max(1, connections // GROUPS)
    groups = round(connections / posts)
    bucket, waiting, newest, delays = Bucket(), deque(), {}, []

    def send_until(end):
        while waiting and bucket.at < end:
            group, reported = waiting.popleft()
            if coalescing:
                # A newer update has replaced the waiting one.
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
    """Seconds until the last of these connections has got one durable message."""
    return Bucket().leave(0.0, connections)
