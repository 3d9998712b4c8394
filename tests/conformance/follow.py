"""Runs a program with a timeout between its lines."""

import queue
import subprocess
import threading
import time


class Late(Exception):
    """A program was killed because it printed no line for too long."""

    def __init__(self, output):
        super().__init__("no line for too long")
        self.output = output


def follow(command, environment, timeout, on_line, limit):
    """Runs a program, and calls `on_line` with each line of its standard output and standard error.
    Returns its exit code and its output. Raises `Late` after `timeout` seconds without a line; `limit`
    converts them to the load of the machine."""
    process = subprocess.Popen(
        command, env=environment, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    lines = queue.SimpleQueue()

    def read():
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    output, last = [], time.monotonic()
    while True:
        try:
            line = lines.get(timeout=1)
        except queue.Empty:
            if time.monotonic() - last > limit(timeout):
                process.kill()
                process.wait()
                raise Late("".join(output)) from None
            continue
        if line is None:
            return process.wait(), "".join(output)
        last = time.monotonic()
        output.append(line)
        on_line(line.rstrip("\n"))
