"""What the measurements of workers share: builds, the local stack, worker processes."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORKSPACE = HERE.parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", WORKSPACE / "target")).resolve()
PROFILES = {"dev": "debug", "measure": "measure", "release": "release"}


def run(*command, **more):
    return subprocess.run([*map(str, command)], cwd=WORKSPACE, check=True, **more)


def build(profile):
    """Builds the local stack, its functions and the worker in Rust. Returns their folder."""
    packages = [option for name in ("handlers", "local", "bench-worker") for option in ("--package", name)]
    run("cargo", "build", "--profile", profile, "--locked", "--quiet", *packages)
    return TARGET / PROFILES[profile]


def executables(arguments):
    """The folder of the executables: those of an earlier build with `--no-build`."""
    return TARGET / PROFILES[arguments.profile] if arguments.no_build else build(arguments.profile)


def python(*packages):
    """Installs the Python SDK and these packages next to the build cache. Returns the interpreter."""
    folder = TARGET / "tools" / "bench-workers"
    interpreter = folder / "bin" / "python"
    if not interpreter.exists():
        venv.create(folder, with_pip=True)
    install = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*install, WORKSPACE / "sdk" / "python", *packages)
    return interpreter


class Stack:
    """The addresses of a running local stack, and a token for all its queues."""

    def __init__(self, ready, token):
        self.url = ready["http_api"]
        self.websocket_url = ready["websocket"]
        self.token = token

    def environment(self):
        return os.environ | {
            "STAGECAST_URL": self.url,
            "STAGECAST_WORKER_TOKEN": self.token,
            "PYTHONUNBUFFERED": "1",
        }


@contextlib.contextmanager
def local_stack(binaries):
    """Runs the local stack on a free port, without a data directory. Its log is next to the build cache."""
    command = [binaries / "local", "--port", "0", "--json", "--log-level", "warn"]
    log = open(TARGET / "tools" / "bench-workers-stack.log", "w")
    with log, subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=log, text=True) as process:
        try:
            ready = json.loads(process.stdout.readline())
            yield Stack(ready, ready["worker_token"])
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


class Worker:
    """A process that prints a line of JSON for each thing that it does. Its lines go to `lines`."""

    def __init__(self, command, environment, lines=None):
        self.lines = queue.Queue() if lines is None else lines
        self.process = subprocess.Popen([*map(str, command)], env=environment, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                self.lines.put(json.loads(line) | {"process": self.process.pid})

    def next(self, timeout):
        return self.lines.get(timeout=timeout)

    def is_running(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, timeout=60):
        """Asks the process to stop. Returns the seconds that it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(timeout=timeout)
        return time.monotonic() - started


def options(parser):
    """Adds the options that all measurements have."""
    parser.add_argument("--profile", default="measure", choices=PROFILES, help="the profile of Cargo")
    parser.add_argument("--no-build", action="store_true", help="use the executables of an earlier build")


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def say(text):
    print(text, file=sys.stderr, flush=True)
