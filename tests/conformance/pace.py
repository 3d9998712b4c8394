"""Time limits that adapt to the load of the machine.

Limits are for an idle machine of two cores. The current factor is how much longer a fixed amount of work
takes now, or the number of runnable processes per core, whichever is larger. A process that exceeds its
limit is therefore stuck, not only slow.
"""

import hashlib
import os
import threading
import time

# The duration of the work on an idle machine of 2026, in seconds.
REFERENCE = 0.3

# The work: megabytes to hash.
WORK = 400

# How long a measurement is valid, in seconds.
FRESH = 30

# The maximum factor. Checks fail on slower machines.
MOST = 20


def measure():
    """The current factor, between 1 and MOST."""
    block = bytes(1 << 20)
    digest = hashlib.sha256()
    began = time.monotonic()
    for _ in range(WORK):
        digest.update(block)
    slowness = (time.monotonic() - began) / REFERENCE
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return min(max(1.0, slowness, load), MOST)


class Pace:
    """The current factor, measured again after FRESH seconds."""

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
    """Converts a limit for an idle machine into one for this machine now, in seconds."""
    return seconds * PACE()
