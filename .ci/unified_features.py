#!/usr/bin/env python3
"""Checks that all selections of packages use each dependency with the same features, so that one build serves them all.

Cargo unites features over the packages of a command. A dependency with other features for one package, such as that of
`cargo run --package infra-gen`, is compiled again, with everything that depends on it. crates/workspace-hack unites them; this
script prints what is missing there. Reads the lock file and downloaded crates, compiles nothing. Exit code 1: features differ.
"""

import json
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

# Packages whose selection may differ, with the reason.
PACKAGES = {
    "bare-function": "it measures a function without anything else",
    "local-aws": "its tests use the test utilities of the SDK, which compiles all services again",
}

# Dependencies that may differ, with the reason.
DEPENDENCIES = {
    "aws-config": "infra-gen finds credentials in more places; the functions would carry the code",
    "aws-sdk-sts": "as aws-config",
    "aws-smithy-runtime": "the test utilities of local-aws",
    "bitflags": "few crates depend on it, and no function",
    "rand": "few crates depend on it, and no function",
    "simd-adler32": "few crates depend on it",
    "time": "the functions do not format times with it",
    "tokio-tungstenite": "no function depends on it",
    "tungstenite": "no function depends on it",
}


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, capture_output=True, text=True).stdout


def features(*selection):
    """For each dependency of a selection, the sets of features that it is compiled with."""
    tree = cargo("tree", "--locked", "--prefix", "none", "--format", "{p}|{f}|", *selection)
    found = defaultdict(set)
    for line in tree.splitlines():
        package, separator, rest = line.partition("|")
        # A path is a package of the workspace.
        if separator and "(/" not in package:
            names = rest.partition("|")[0].split(",")
            found[package.replace(" (proc-macro)", "")].add(frozenset(filter(None, names)))
    return found


def main():
    metadata = json.loads(cargo("metadata", "--locked", "--no-deps", "--format-version", "1"))
    selections = {"all executables": ("--workspace", "--edges", "normal,build")}
    for package in metadata["packages"]:
        name = package["name"]
        if name in PACKAGES:
            continue
        selections[f"tests of {name}"] = ("--package", name, "--edges", "normal,build,dev")
        # Libraries have the united features in their tests only: others use them without.
        is_library = "/crates/" in package["manifest_path"] and not name.startswith("stagecast")
        if not is_library:
            selections[name] = ("--package", name, "--edges", "normal,build")
    united = features("--workspace", "--edges", "normal,build,dev")
    with ThreadPoolExecutor() as threads:
        results = threads.map(lambda selection: features(*selection), selections.values())
    missing = defaultdict(dict)
    for name, result in zip(selections, results):
        for dependency, sets in result.items():
            if not sets <= united[dependency] and dependency.split()[0] not in DEPENDENCIES:
                lacks = frozenset().union(*united[dependency]) - frozenset().intersection(*sets)
                missing[dependency, ", ".join(sorted(lacks))][name] = None
    for (dependency, lacks), names in sorted(missing.items()):
        print(f"{dependency} has fewer features for {', '.join(names)}: it lacks {lacks}")
    if missing:
        print("help: list these features in crates/workspace-hack/Cargo.toml, or the reason in .ci/unified_features.py")
        sys.exit(1)
    print(f"{len(selections)} selections of packages use the same features")


if __name__ == "__main__":
    main()
