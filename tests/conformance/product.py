"""Deploys a product that `infra-gen new` wrote, and runs a job on it."""

import os
import shutil
import ssl
import subprocess
from pathlib import Path

import job
from progress import say
from stacks import Stacks

WORKSPACE = Path(__file__).resolve().parents[2]

# The results of the product's pipeline for its sample.csv.
RESULTS = (
    '{"groups":[{"group":"south","amount":30},{"group":"north","amount":20},{"group":"east","amount":5}],"total":55}'
)


def build(executables, folder):
    """Writes the product into a folder, and builds it. Returns the folder of its executables."""
    shutil.rmtree(folder, ignore_errors=True)
    command = [executables / "infra-gen", "new", "csv-totals", "--path", folder, "--stagecast", WORKSPACE]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    # Cargo keeps what it compiles in the build directory, which the product shares with this workspace.
    environment = os.environ | {
        "CARGO_TARGET_DIR": str(folder / "target"),
        "CARGO_BUILD_BUILD_DIR": str(executables.parent),
    }
    cargo = os.environ.get("CARGO", "cargo")
    subprocess.run([cargo, "build", "--workspace", "--bins"], cwd=folder, env=environment, check=True)
    return folder / "target" / executables.name


def check(emulator, executables):
    """Deploys the product with its own infra-gen, runs a job on it, and deletes its stack."""
    # The folder of the step `product`, so that Cargo compiles the product once.
    folder = executables.parent / "tools/product"
    stacks = Stacks(emulator, build(executables, folder), "product")
    stacks.deploy("product", stacks.reference)
    tables = stacks.emulator.client("dynamodb").list_tables()["TableNames"]
    if "csv-totals-jobs-product" not in tables:
        raise SystemExit(f"the product's table of jobs is not among {tables}")
    api = stacks.resources("product")["HttpApi"]
    trust = ssl.create_default_context(cafile=emulator.certificate)
    sample = (folder / "sample.csv").read_bytes()
    results = job.results(f"{emulator.url}/_aws/execute-api/{api}", sample, "text/csv", trust)
    if results != RESULTS:
        raise SystemExit(f"the results of the product's job are {results}, and should be {RESULTS}")
    stacks.run("destroy", "product", "--yes")
    say("deployed a product that `infra-gen new` wrote: a job with its sample completes")
