"""Measures synthesis: infra-gen compared with AWS CDK on the same stack, and infra-gen with growing numbers of routes.

Needs cargo, node and npm. Run from any folder: python3 bench/synth/run.py [RUNS]. Measures both programs alternately, from
start to end of the process, and prints the median of RUNS runs.
"""

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORKSPACE = HERE.parents[1]
CDK = HERE / "cdk"
RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 31
ROUTES = (10, 100, 1000)


def run(*command, cwd=WORKSPACE, **more):
    return subprocess.run([*map(str, command)], cwd=cwd, check=True, **more)


def build():
    """Builds infra-gen and the example with the release profile. Returns their folder."""
    package = ("--release", "--locked", "--quiet", "--package", "infra-gen")
    run("cargo", "build", *package, "--bin", "infra-gen", "--example", "many_routes")
    default = WORKSPACE / "target"
    return Path(os.environ.get("CARGO_TARGET_DIR", default)).resolve() / "release"


def milliseconds(command, folder, environment):
    """The duration of one run into an empty folder, in milliseconds."""
    shutil.rmtree(folder, ignore_errors=True)
    start = time.perf_counter()
    run(*command, folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1000


def compare(release, out):
    infra_gen = (release / "infra-gen", "synth", "--output-dir")
    cdk = ("node", CDK / "app.js")
    bare = os.environ | {"CDK_VALIDATION": "false"}
    programs = {
        "infra-gen synth": (infra_gen, dict(os.environ)),
        "AWS CDK, without its validation": (cdk, bare),
        "AWS CDK, as it comes": (cdk, dict(os.environ)),
    }
    times = {name: [] for name in programs}
    # Alternate between the programs, so that other load affects all of them. The first round fills caches.
    for turn in range(RUNS + 1):
        for name, (command, environment) in programs.items():
            taken = milliseconds(command, out, environment)
            if turn > 0:
                times[name].append(taken)
    # The last run was CDK's: its templates must equal infra-gen's.
    run("node", CDK / "prepare.js", "compare", WORKSPACE / "generated", out)

    medians = {name: statistics.median(taken) for name, taken in times.items()}
    ours = medians["infra-gen synth"]
    print(f"| of {RUNS} runs | median | fastest | slowest | ratio |\n| --- | --- | --- | --- | --- |")
    for name, taken in times.items():
        print(
            f"| {name} | {medians[name]:.1f} ms | {min(taken):.1f} ms | {max(taken):.1f} ms "
            f"| {medians[name] / ours:.1f} |"
        )


def grow(release):
    example = release / "examples" / "many_routes"
    output = run(example, *ROUTES, stdout=subprocess.PIPE, text=True).stdout
    times = {int(count): int(taken) / 1000 for count, taken in map(str.split, output.splitlines())}
    print("\n| routes | template | per further route |\n| --- | --- | --- |")
    previous = None
    for count, taken in times.items():
        further = ""
        if previous is not None:
            further = f"{(taken - times[previous]) / (count - previous) * 1000:.1f} µs"
        print(f"| {count:,} | {taken:.2f} ms | {further} |")
        previous = count


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())
    version = lambda *command: run(*command, stdout=subprocess.PIPE, text=True).stdout.strip()
    print(f"{os.cpu_count()} x {model}; {version('rustc', '--version')}; node {version('node', '--version')}\n")


if __name__ == "__main__":
    release = build()
    run("npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", cwd=CDK)
    run("node", CDK / "prepare.js", "write", WORKSPACE / "generated")
    with tempfile.TemporaryDirectory() as folder:
        machine()
        compare(release, Path(folder) / "out")
    grow(release)
