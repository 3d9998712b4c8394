"""Time limits that follow the machine.

Limits are given for an idle machine of two cores. A limit is multiplied by how much longer a fixed
amount of work takes now, or by the number of runnable processes per core, whichever is more. What
takes longer than its limit is thus stuck, and not only slow.
"""

import hashlib
import os
import threading
import time

# Seconds that the work takes on an idle machine of 2026.
REFERENCE = 0.3

# Megabytes that are hashed.
WORK = 400

# Seconds that a measurement is good for.
FRESH = 30

# The most that a limit is multiplied by: a machine that is slower than this fails.
MOST = 20


def measure():
    """How many times as long as on the reference machine things take now; at least 1."""
    block = bytes(1 << 20)
    digest = hashlib.sha256()
    began = time.monotonic()
    for _ in range(WORK):
        digest.update(block)
    slowness = (time.monotonic() - began) / REFERENCE
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return min(max(1.0, slowness, load), MOST)


class Pace:
    """The factor of now. It is measured again when it is old."""

    def __init__(self, measured=measure, clock=time.monotonic):
        self.measured = measured
        self.clock = clock
        self.lock = threading.Lock()
        self.factor = None
        self.at = None

    def __call__(self):
        with self.lock:
            if self.factor is None or self.clock() - self.at > FRESH:
                self.factor, self.at = self.measured(), self.clock()
            return self.factor


PACE = Pace()


def limit(seconds):
    """A limit of so many seconds on an idle machine, in seconds on this one as it is now."""
    return seconds * PACE()
