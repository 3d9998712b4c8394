"""Measures cold starts: from the start of the process to its first request to Lambda's Runtime API.

Needs cargo, npm and a network to install boto3. Run from any folder:
python3 bench/cold_start/run.py [--runs N] [--folder NAME=FOLDER]... . Measures all functions alternately in one run.
With --folder, uses the executables in FOLDER instead of building them, and labels them NAME in the table.
"""

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORKSPACE = HERE.parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", WORKSPACE / "target")).resolve()
# Each function is an executable of the package `handlers`.
FUNCTIONS = tuple(sorted(main.stem for main in (WORKSPACE / "handlers").glob("src/bin/*.rs")))
BARE = "bare-function"

# The functions' environment on Lambda, with names of resources that do not exist.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_SESSION_TOKEN": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EXECUTION_ENV": "AWS_Lambda_provided.al2023",
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_LAMBDA_LOG_GROUP_NAME": "bench",
    "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
    "WEBSOCKET_CONNECTIONS_TABLE": "connections",
    "JOB_SUBSCRIBERS_TABLE": "subscribers",
    "JOBS_TABLE": "jobs",
    "JOB_EVENTS_TABLE": "events",
    "OBJECTS_BUCKET": "objects",
    "JOBS_QUEUE_URL": "https://127.0.0.1/jobs",
    "DELIVERIES_QUEUE_URL": "https://127.0.0.1/deliveries",
    "WEBSOCKET_API_ID": "api",
    "WEBSOCKET_STAGE": "live",
    "WEBSOCKET_URL": "wss://127.0.0.1/live",
    "MAX_SUBSCRIPTIONS": "20",
    "ALLOWED_ORIGINS": "*",
    "STAGE_PACE_MS": "0",
    "LOG_LEVEL": "info",
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "TZ": ":UTC",
}


class RuntimeApi:
    """A fake Runtime API. It records the time of the first request and never responds."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.listener.settimeout(30)
        self.address = "%s:%d" % self.listener.getsockname()

    def first_poll(self):
        connection, _ = self.listener.accept()
        connection.settimeout(30)
        request = b""
        while b"\r\n\r\n" not in request:
            part = connection.recv(65536)
            if not part:
                raise RuntimeError(f"the function closed the connection after {request!r}")
            request += part
        at = time.perf_counter()
        if b"/runtime/invocation/next" not in request:
            raise RuntimeError(f"the function failed to initialize: {request!r}")
        return at, connection


def start(command, environment, api, folder):
    """Starts a function. Returns the seconds to its first poll, and its peak memory until then in bytes."""
    environment = ENVIRONMENT | environment | {"AWS_LAMBDA_RUNTIME_API": api.address}
    command = [str(word) for word in command]
    with open(os.devnull, "wb") as nothing, open(folder / "errors", "wb") as errors:
        files = [
            (os.POSIX_SPAWN_DUP2, nothing.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, errors.fileno(), 2),
        ]
        begin = time.perf_counter()
        process = os.posix_spawn(command[0], command, environment, file_actions=files)
    try:
        end, connection = api.first_poll()
        status = Path(f"/proc/{process}/status").read_text()
        connection.close()
    except Exception as error:
        sys.exit(f"{command[0]}: {error}\n{(folder / 'errors').read_text()}")
    finally:
        os.kill(process, 9)
        os.waitpid(process, 0)
    (peak,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
    return end - begin, peak * 1024


def run(*command, cwd=WORKSPACE, **more):
    return subprocess.run([*map(str, command)], cwd=cwd, check=True, **more)


def build():
    """Builds the functions for this machine with the release profile. Returns their folder."""
    packages = ("--package", "handlers", "--package", BARE)
    run("cargo", "build", "--release", "--locked", "--quiet", "--bins", *packages)
    return TARGET / "release"


def python():
    """Installs boto3 and Lambda's runtime client next to the build cache. Returns the Python interpreter."""
    folder = TARGET / "tools" / "bench"
    interpreter = folder / "bin" / "python"
    if not interpreter.exists():
        venv.create(folder, with_pip=True)
    run(interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "boto3", "awslambdaric")
    return interpreter


def node():
    """Installs the Node handler with its packages next to the build cache. Returns the interpreter and the folder."""
    folder = TARGET / "tools" / "bench-node"
    folder.mkdir(parents=True, exist_ok=True)
    for file in (HERE / "node").iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    run("npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", cwd=folder)
    interpreter = subprocess.run(["node", "-p", "process.execPath"], check=True, capture_output=True, text=True)
    return interpreter.stdout.strip(), folder


def certificate(folder):
    """Creates a self-signed certificate for 127.0.0.1, and a bundle of it and the machine's root certificates."""
    own, key, all_of_them = folder / "own.pem", folder / "key.pem", folder / "all.pem"
    subject = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    options = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30")
    run("openssl", "req", *options, *subject, "-keyout", key, "-out", own, stderr=subprocess.DEVNULL)
    system = Path("/etc/ssl/certs/ca-certificates.crt")
    all_of_them.write_text((system.read_text() if system.exists() else "") + own.read_text())
    return own, key, all_of_them


def packed(path):
    """The size of the deployment package in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "function.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
            if path.is_file():
                package.write(path, "bootstrap")
            else:
                for file in sorted(path.rglob("*")):
                    if file.is_file() and "__pycache__" not in file.parts:
                        package.write(file, file.relative_to(path))
        return archive.stat().st_size


def functions(folders):
    """The compared functions by name: command, additional environment and package size."""
    compared = {}
    for label, folder in folders.items():
        compared[BARE + label] = ([folder / BARE], {}, packed(folder / BARE))
        for name in FUNCTIONS:
            if (folder / name).exists():
                compared[name + label] = ([folder / name], {}, packed(folder / name))
    interpreter = python()
    handler = {"PYTHONPATH": str(HERE / "python"), "_HANDLER": "handler.handle"}
    # Lambda includes boto3 and the runtime, so only the handler is uploaded.
    compared["boto3 handler"] = (
        [interpreter, "-m", "awslambdaric", "handler.handle"],
        handler,
        packed(HERE / "python" / "handler.py"),
    )
    interpreter, folder = node()
    compared["Node SDK v3 handler"] = ([interpreter, folder / "bootstrap.mjs"], {}, packed(HERE / "node" / "handler.mjs"))
    return compared


def measure(compared, environment, runs, folder):
    api = RuntimeApi()
    seen = {name: [] for name in compared}
    # Alternate between the functions, so that other load affects all of them. The first round fills caches.
    for turn in range(runs + 1):
        for name, (command, more, _) in compared.items():
            taken = start(command, environment | more, api, folder)
            if turn > 0:
                seen[name].append(taken)
    return seen


def show(compared, seen, runs):
    base = statistics.median(taken for taken, _ in next(iter(seen.values())))
    print(f"| function, {runs} runs each | start | fastest | ratio | peak memory | package |\n|{' --- |' * 6}")
    for name, runs_of_it in seen.items():
        times = [taken * 1000 for taken, _ in runs_of_it]
        memory = statistics.median(peak for _, peak in runs_of_it) / 2**20
        median = statistics.median(times)
        print(
            f"| {name} | {median:.1f} ms | {min(times):.1f} ms | {median / 1000 / base:.2f} | {memory:.1f} MiB "
            f"| {compared[name][2] / 1e6:.2f} MB |"
        )
    print(flush=True)


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())
    version = lambda *command: run(*command, stdout=subprocess.PIPE, text=True).stdout.strip()
    versions = f"{version('rustc', '--version')}; Python {platform.python_version()}; node {version('node', '--version')}"
    print(f"{os.cpu_count()} x {model}; load {os.getloadavg()[0]:.1f}; {versions}\n", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=41)
    arguments.add_argument("--folder", action="append", default=[])
    arguments = arguments.parse_args()
    folders = {f" ({name})": Path(folder) for name, folder in (it.split("=", 1) for it in arguments.folder)}
    compared = functions(folders or {"": build()})
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        own, key, certificates = certificate(folder)
        server = subprocess.Popen(
            [sys.executable, HERE / "endpoint.py", own, key], stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
        )
        try:
            answering = json.loads(server.stdout.readline())["address"]
            environments = {
                "AWS answers": f"https://{answering}",
                "connections refused: what the functions take by themselves": "https://127.0.0.1:9",
            }
            for heading, endpoint in environments.items():
                machine()
                print(f"{heading}:\n")
                environment = {
                    "AWS_ENDPOINT_URL": endpoint,
                    "WEBSOCKET_ENDPOINT": endpoint,
                    "SSL_CERT_FILE": str(certificates),
                }
                show(compared, measure(compared, environment, arguments.runs, folder), arguments.runs)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
