"""Prints progress lines with the time since the start."""

import threading
import time

START = time.monotonic()
LOCK = threading.Lock()


def say(text, level=1):
    """Prints a line without buffering. Level 0 is a step, level 1 a detail of it."""
    with LOCK:
        print(f"{time.monotonic() - START:5.0f} s  {'  ' * level}{text}", flush=True)
