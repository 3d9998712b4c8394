"""Measures delivery: the cost of a report, posts a second, the time from publishing to the client, and delays of stages.

Needs cargo and a network to install boto3. Run from any folder:
python3 bench/delivery/run.py [report] [posts] [audience]. Measures everything that is compared alternately in one run.
"""

import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORKSPACE = HERE.parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", WORKSPACE / "target")).resolve()
PROFILE = "measure"
FUNCTIONS = ("websocket", "jobs", "worker", "delivery", "webhooks")

REPORT_ROUNDS = 31
POST_ROUNDS = 11
CONNECTIONS = 1000
AUDIENCES = (1, 100, 1000, 10_000)
# The SDKs need credentials to create a client. No call leaves the machine.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def run(*command, **more):
    return subprocess.run([*map(str, command)], cwd=WORKSPACE, check=True, **more)


def build():
    """Builds the benchmark. Returns the path of its executable."""
    command = ["cargo", "build", "--profile", PROFILE, "--locked", "--message-format", "json"]
    command += ["--package", "bench-delivery", "--bench", "delivery"]
    output = run(*command, stdout=subprocess.PIPE, text=True).stdout
    artifacts = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    (path,) = [
        artifact["executable"]
        for artifact in artifacts
        if artifact.get("executable") and artifact["target"]["name"] == "delivery"
    ]
    return path


def build_functions():
    """Builds the functions that the stack runs next to the measuring pipeline. Returns their folder."""
    executables = [word for name in FUNCTIONS for word in ("--bin", name)]
    run("cargo", "build", "--profile", PROFILE, "--locked", "--quiet", "--package", "handlers", *executables)
    return TARGET / PROFILE


def python():
    """Installs boto3 next to the build cache. Returns the Python interpreter."""
    folder = TARGET / "tools" / "bench"
    interpreter = folder / "bin" / "python"
    if not interpreter.exists():
        venv.create(folder, with_pip=True)
    run(interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "boto3")
    return interpreter


def ask(command, environment=None):
    """Runs a command that prints a line of JSON. Returns the parsed line."""
    output = run(*command, stdout=subprocess.PIPE, text=True, env=os.environ | (environment or {})).stdout
    return json.loads(output)


@contextlib.contextmanager
def serving(*command):
    """Starts a server process, yields the line that it prints when ready, and terminates it."""
    process = subprocess.Popen([*map(str, command)], cwd=WORKSPACE, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline()
    finally:
        process.terminate()
        process.wait()


def percentile(values, percent):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * percent / 100))]


def table(head, *rows):
    print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def report(bench):
    times = ask([bench, "report", REPORT_ROUNDS])
    medians = {name: statistics.median(values) for name, values in times.items()}
    ours = medians["progress.report, a constant message"]
    print(f"A call, median of {REPORT_ROUNDS} rounds of 100,000:\n")
    table(
        ("call", "time", "ratio"),
        *((name, f"{median:.0f} ns", f"{median / ours:.2f}") for name, median in medians.items()),
    )


def posts(bench):
    boto3 = [python(), HERE / "boto3_sender.py"]
    for delay, messages, of_boto3 in ((0, 30, 2), (5, 10, 2)):
        with serving(bench, "sink", delay) as line:
            address = json.loads(line)["address"]
            endpoint = CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://{address}"}
            senders = {
                "bare hyper client": ([bench, "post", "hyper", address, CONNECTIONS, messages], {}),
                "our sender": ([bench, "post", "ours", address, CONNECTIONS, messages], endpoint),
                "our sender over the SDK's client": ([bench, "post", "sdk", address, CONNECTIONS, messages], endpoint),
                "boto3, thread pool": ([*boto3, address, CONNECTIONS, of_boto3], CREDENTIALS),
            }
            rates = {name: [] for name in senders}
            for _ in range(POST_ROUNDS):
                for name, (command, environment) in senders.items():
                    answer = ask(command, environment)
                    rates[name].append(answer["posts"] / answer["seconds"])
        medians = {name: statistics.median(values) for name, values in rates.items()}
        print(f"The sink answers {f'after {delay} ms' if delay else 'at once'}; median of {POST_ROUNDS} runs:\n")
        table(
            ("sender", "posts a second", "of the bare client's"),
            *(
                (name, f"{median:,.0f}", f"{median / medians['bare hyper client']:.2f}")
                for name, median in medians.items()
            ),
        )


def audience(bench):
    """Runs jobs of ten laps on the local stack, with audiences of several sizes."""
    functions = build_functions()
    latencies, losses = [], []
    for size in AUDIENCES:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            for name in FUNCTIONS:
                (folder / name).symlink_to(functions / name)
            (folder / "pipeline").symlink_to(bench)
            go = folder / "go"
            with serving(bench, "stack", folder, go) as addresses:
                seen = ask([bench, "watch", addresses, size, go])
        in_ms = lambda values: [f"{percentile(values, percent) / 1e6:.1f}" for percent in (50, 99)]
        bare = percentile(seen["bare"], 50)
        for kind in ("progress", "durable"):
            share = bare / percentile(seen[kind], 50)
            latencies.append((f"{size:,}", kind, *in_ms(seen[kind]), f"{len(seen[kind]):,}", f"{share:.2f}"))
        latencies.append((f"{size:,}", "bare client", *in_ms(seen["bare"]), f"{len(seen['bare']):,}", ""))
        laps = seen["laps"]
        between = [(after["began"] - before["ended"]) / 1e6 for before, after in zip(laps, laps[1:])]
        slow = [(lap["ended"] - lap["began"]) / 1e6 for lap in laps[1:]]
        memory = max(lap["resident_bytes"] for lap in laps)
        losses.append(
            (
                f"{size:,}",
                f"{statistics.median(slow):.1f} ms",
                f"{statistics.median(between):.1f} ms",
                f"{(laps[-1]['ended'] - laps[1]['began']) / 1e6:,.0f} ms",
                f"{memory / 2**20:.1f} MiB",
            )
        )
    print("From publishing to the client:\n")
    table(("audience", "message", "p50 in ms", "p99 in ms", "received", "share of the stack"), *latencies)
    print("What a job notices of its audience:\n")
    table(("audience", "a stage of 600 ms", "between two stages", "ten stages", "memory of the function"), *losses)


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())
    rustc = run("rustc", "--version", stdout=subprocess.PIPE, text=True).stdout.strip()
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} x {model}; load {load:.1f}; {rustc}; profile `{PROFILE}`\n", flush=True)


if __name__ == "__main__":
    parts = {"report": report, "posts": posts, "audience": audience}
    executable = build()
    for part in sys.argv[1:] or parts:
        machine()
        parts[part](executable)
