"""What is going on, line by line, with the time since the start."""

import threading
import time

START = time.monotonic()
LOCK = threading.Lock()


def say(text, level=1):
    """Prints a line at once, also into a pipe. Level 0 is a step, level 1 what belongs to it."""
    with LOCK:
        print(f"{time.monotonic() - START:5.0f} s  {'  ' * level}{text}", flush=True)
