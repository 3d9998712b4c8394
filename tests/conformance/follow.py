"""Running a program whose lines are news."""

import queue
import subprocess
import threading
import time


class Late(Exception):
    """A program has not printed a line for too long. It was ended."""

    def __init__(self, output):
        super().__init__("no line for too long")
        self.output = output


def follow(command, environment, patience, heard, limit):
    """Runs a program, and calls `heard` with each line that it writes, to either output. Answers with
    its exit code and all that it wrote. It may be silent for `patience` seconds, as `limit` has them
    at the time."""
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
            if time.monotonic() - last > limit(patience):
                process.kill()
                process.wait()
                raise Late("".join(output)) from None
            continue
        if line is None:
            return process.wait(), "".join(output)
        last = time.monotonic()
        output.append(line)
        heard(line.rstrip("\n"))
