"""The command line: runs the scenarios against the implementations, many at a time."""

import argparse
import asyncio
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

from . import scenario as scenarios
from .run_scenario import run_scenario

SUITE = pathlib.Path(__file__).parents[1]
REPOSITORY = SUITE.parents[1]
IMPLEMENTATIONS = ("reference", "example", "typescript", "python", "rust")


def main():
    options = _options()
    chosen = _chosen(options)
    if not chosen:
        sys.exit(f"no scenario has a name with {options.k!r}; see tests/sdk-conformance/scenarios")
    failed = False
    for name in options.only or IMPLEMENTATIONS:
        command, modes, missing = _driver(name, options)
        if missing:
            print(f"== {name}: skipped: {missing}", flush=True)
            failed |= bool(options.only)
            continue
        runs = [(each, seed) for each in chosen if each.mode in modes for seed in _seeds(each, options)]
        failed |= not asyncio.run(_run_all(name, runs, command, options))
    sys.exit(1 if failed else 0)


def _options():
    parser = argparse.ArgumentParser(prog="tests/sdk-conformance/run", description=__doc__)
    parser.add_argument("--only", action="append", choices=IMPLEMENTATIONS, help="only this implementation")
    parser.add_argument("-k", metavar="NAME", default="", help="only scenarios whose name contains NAME")
    parser.add_argument("--seed", type=int, help="only this seed, for the scenarios with random faults")
    parser.add_argument("--seeds", type=int, help="the seeds 1 to SEEDS, for the scenarios with random faults")
    parser.add_argument("--jobs", type=int, default=16, help="number of scenarios at a time (default: 16)")
    parser.add_argument("--rust-driver", metavar="PATH", help="the executable of the Rust driver")
    parser.add_argument("--python-sdk", metavar="PATH", default=str(REPOSITORY / "sdk/python"))
    parser.add_argument("--verbose", action="store_true", help="print what happened in passed scenarios, too")
    return parser.parse_args()


def _chosen(options):
    return [each for each in scenarios.load() if options.k in each.name]


def _seeds(scenario, options):
    if not (scenario.random_faults or scenario.random_delivery):
        return scenario.seeds
    if options.seed is not None:
        return [options.seed]
    return range(1, options.seeds + 1) if options.seeds else scenario.seeds


def _driver(name, options):
    """The command of a driver, the modes that it has, and why it cannot run."""
    drivers = SUITE / "drivers"
    match name:
        case "reference":
            return [sys.executable, drivers / "reference/driver.py"], ("worker", "queue", "watch"), None
        case "example":
            return [sys.executable, drivers / "example/driver.py"], ("worker",), None
        case "typescript":
            missing = None if (REPOSITORY / "client/dist/index.js").exists() else "client/dist is not built"
            return ["node", drivers / "typescript/driver.js"], ("watch",), missing
        case "python":
            python = _python_with(options.python_sdk)
            missing = None if python else f"there is no {options.python_sdk}"
            return [python, drivers / "python/driver.py"], ("worker", "queue", "watch"), missing
        case _:
            path = options.rust_driver
            missing = None if path and shutil.which(path) else "give its executable with --rust-driver PATH"
            return [path], ("worker", "queue", "watch"), missing


def _python_with(sdk):
    """The Python of a virtual environment with the SDK, or None."""
    if not (pathlib.Path(sdk) / "pyproject.toml").exists():
        return None
    environment = pathlib.Path(sys.prefix).with_name("sdk-conformance-python")
    python = environment / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", sdk]
    subprocess.run(install, check=True)
    return python


async def _run_all(name, runs, command, options):
    slots = asyncio.Semaphore(options.jobs)
    started = time.monotonic()
    results = []

    async def one(scenario, seed):
        async with slots:
            run = await run_scenario(scenario, seed, [str(part) for part in command])
            results.append(run)
            _print(run, options)

    print(f"== {name}: {len(runs)} runs", flush=True)
    # The longest first.
    runs = sorted(runs, key=lambda run: -run[0].timeout)
    await asyncio.gather(*(one(scenario, seed) for scenario, seed in runs))
    failed = [run for run in results if run.violations]
    skipped = [run for run in results if run.skipped]
    passed = len(results) - len(failed) - len(skipped)
    lag = max((run.lag for run in results), default=0)
    print(
        f"== {name}: {passed} passed, {len(failed)} failed, {len(skipped)} skipped in {time.monotonic() - started:.0f} s "
        f"(late by at most {lag:.2f} s)",
        flush=True,
    )
    return not failed


def _print(run, options):
    result = "skip" if run.skipped else "FAIL" if run.violations else "ok  "
    print(f"{result} {run.title} {run.seconds:.1f} s{': ' + run.skipped if run.skipped else ''}", flush=True)
    for violation in run.violations:
        print(f"     {violation}")
    if run.violations or options.verbose:
        print(run.transcript(), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        os.environ.setdefault("PYTHONUNBUFFERED", "1")
        main()
