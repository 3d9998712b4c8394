"""Tests the deployed system on a third-party AWS emulator: `just conformance`.

Needs Linux on a processor that Lambda supports, `strip`, and the packages in requirements.txt. Starts
ministack, deploys the stack to it with `infra-gen`, and runs the scenarios of tests/tests/scenarios there.
Exit code 0: all checks passed; 1: a check failed.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import deployments
import product
import statements
from emulator import Emulator
from pace import PACE
from progress import say
from scenarios import Scenarios
from stacks import ARCHITECTURE, SCRIPTED, Stacks

WORKSPACE = Path(__file__).resolve().parents[2]


def build():
    """Builds everything. Returns the folder of executables and the scenarios' executable."""
    cargo = [os.environ.get("CARGO", "cargo")]
    subprocess.run([*cargo, "build", "--workspace", "--bins"], cwd=WORKSPACE, check=True)
    # With the features of the whole workspace, so that nothing is built twice.
    scenarios = ["test", "--workspace", "--test", "scenarios", "--no-run"]
    built = subprocess.run(
        [*cargo, *scenarios, "--message-format", "json-render-diagnostics"],
        cwd=WORKSPACE, check=True, stdout=subprocess.PIPE,
    )
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    executables = [
        Path(message["executable"])
        for message in messages
        if message["reason"] == "compiler-artifact"
        and message["target"]["name"] == "scenarios"
        and message["executable"]
    ]
    [executable] = executables
    # target/debug/deps/scenarios-0123456789abcdef
    return executable.parents[1], executable


def step(what):
    """Prints the next step."""
    say(what, 0)


def prove(emulator, executables, executable, only):
    """Runs all checks, or only the scenarios whose names contain `only`."""
    stacks = Stacks(emulator, executables)
    scenarios = Scenarios(emulator, executable)
    step("deploying the stack, and a stack with the scripted pipeline")
    outputs = [
        stacks.deploy("reference", stacks.reference),
        stacks.deploy("scripted", stacks.binaries("scripted", SCRIPTED)),
    ]
    step("running the scenarios, with IAM enforced")
    scenarios.all(*outputs, only)
    if only:
        return
    step("deploying without a change, with a new route, and from the SAM template")
    deployments.unchanged(stacks, "reference")
    deployments.route_added(stacks, "route")
    deployments.sam(stacks, scenarios, "sam")
    step("deploying with a replaced table, and with a failure")
    deployments.replaced(stacks, scenarios, "replaced")
    step("removing statements from policies")
    statements.check(stacks, scenarios)
    step("deploying prod beside dev")
    deployments.beside(stacks)
    step("deploying a new product")
    product.check(emulator, executables)
    step("destroying the stack")
    deployments.destroyed(stacks, "reference")


def main():
    """Builds everything, starts the emulator and runs all checks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", type=Path, help="the file for the emulator's log, which includes the functions' logs")
    parser.add_argument("--only", metavar="NAME", help="run only the scenarios whose names contain this, and no other check")
    arguments = parser.parse_args()
    if platform.system() != "Linux" or ARCHITECTURE is None:
        sys.exit("the emulator runs Lambda executables: use Linux on x86_64 or aarch64")
    # Raise an exception, so that the emulator is stopped too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    step("building")
    executables, executable = build()
    step(f"starting the emulator; the load multiplies time limits, now by {PACE():.1f}")
    with tempfile.TemporaryDirectory(prefix="stagecast-conformance-") as folder:
        with Emulator(Path(folder)) as emulator:
            try:
                prove(emulator, executables, executable, arguments.only)
            finally:
                if arguments.log:
                    arguments.log.write_bytes(emulator.log.read_bytes())
    step("done")


if __name__ == "__main__":
    main()
