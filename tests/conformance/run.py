"""Proves the deployed system on an AWS that we did not write: `just conformance`.

Needs Linux on a processor that Lambda has, `strip`, and the packages in requirements.txt. It starts
ministack, has `infra-gen` deploy the stack to it, and runs the scenarios of tests/tests/scenarios there.
Exit code 0: all is as it should be; 1: it is not.
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
import statements
from emulator import Emulator
from pace import PACE
from progress import say
from scenarios import Scenarios
from stacks import ARCHITECTURE, Stacks

WORKSPACE = Path(__file__).resolve().parents[2]


def build():
    """Builds everything; answers with the folder of executables and the scenarios' executable."""
    cargo = [os.environ.get("CARGO", "cargo")]
    subprocess.run([*cargo, "build", "--workspace", "--bins"], cwd=WORKSPACE, check=True)
    # With the features of the whole workspace: what is built already is not built again.
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
    """Says what is done next."""
    say(what, 0)


def prove(emulator, executables, executable):
    """All that is proved."""
    stacks = Stacks(emulator, executables)
    scenarios = Scenarios(emulator, executable)
    step("deploying the stack, and one with the scripted pipeline")
    outputs = [
        stacks.deploy("reference", stacks.reference),
        stacks.deploy("scripted", stacks.scripted),
    ]
    step("running the scenarios, with IAM enforced")
    scenarios.all(*outputs)
    step("deploying what is deployed, what has a new route, and the SAM template")
    deployments.unchanged(stacks, "reference")
    deployments.route_added(stacks, "route")
    deployments.sam(stacks, scenarios, "sam")
    step("deploying what replaces a table, and what fails")
    deployments.replaced(stacks, scenarios, "replaced")
    step("taking statements out of policies")
    statements.check(stacks, scenarios)
    step("deploying prod beside dev")
    deployments.beside(stacks)
    step("destroying what was deployed")
    deployments.destroyed(stacks, "reference")


def main():
    """Builds, starts the emulator, proves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", type=Path, help="where to keep the emulator's log, the functions' included")
    arguments = parser.parse_args()
    if platform.system() != "Linux" or ARCHITECTURE is None:
        sys.exit("the emulator runs Lambda's executables, which takes Linux on x86_64 or aarch64")
    # So that the emulator is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    step("building; Cargo says how far it is")
    executables, executable = build()
    step(f"starting the emulator; time limits are multiplied by {PACE():.1f}, and follow the machine")
    with tempfile.TemporaryDirectory(prefix="stagecast-conformance-") as folder:
        with Emulator(Path(folder)) as emulator:
            try:
                prove(emulator, executables, executable)
            finally:
                if arguments.log:
                    arguments.log.write_bytes(emulator.log.read_bytes())
    step("done")


if __name__ == "__main__":
    main()
