"""Seeds mistakes in an AWS CDK app and in SAM templates, and records which tools find them.

Needs Python 3.10, node and npm, and the package registries at the first run. Run from any folder:

    python3 bench/mistakes/run.py                              # prints the tables
    python3 bench/mistakes/run.py --write                      # writes them to docs/reference/mistakes.md
    python3 bench/mistakes/run.py --check                      # fails if the page has other tables
    python3 bench/mistakes/run.py --local http://127.0.0.1:4800   # asks DynamoDB of a running `cargo dev`, too

Every run also checks that the code and the tests to which the column on Stagecast links exist. It does not run them: CI does.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "sam")]

from mistakes import CHANGES, DECLARATIONS, HANDLERS, When
from templates import MISTAKES as TEMPLATES, template

WORKSPACE = HERE.parents[1]
PAGE = WORKSPACE / "docs/reference/mistakes.md"
REPOSITORY = "https://github.com/stagecast/stagecast/blob/main"
BEGIN, END = "<!-- Written by bench/mistakes/run.py --write -->\n", "<!-- End of what run.py writes -->\n"
NOTHING = "—"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stagecast-mistakes"


def run(*command, check=True, **more):
    return subprocess.run([*map(str, command)], check=check, text=True, stdout=subprocess.PIPE, **more)


def installed(pins, install):
    """The folder with what the file `pins` names, in a cache. A changed file is installed anew."""
    folder = CACHE / f"{pins.stem}-{hashlib.sha256(pins.read_bytes()).hexdigest()[:12]}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install(folder)
        (folder / "complete").touch()
    return folder


def install_python(folder):
    venv.create(folder, with_pip=True)
    run(folder / "bin/pip", "install", "--quiet", "--requirement", HERE / "requirements.txt")


def install_node(folder):
    shutil.copy(HERE / "cdk/package.json", folder)
    run("npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", cwd=folder)


def functions_by_line(path, pattern):
    """For each line of a file, the function that it is in: the last one whose first line matches `pattern`."""
    found, current = [], None
    for line in path.read_text(encoding="utf-8").splitlines():
        match = re.match(pattern, line)
        current = match[1] if match else current
        found.append(current)
    return found


def compile_typescript(folder):
    """The mistakes that `tsc` finds. Compiles all files nevertheless."""
    places = {
        "app.ts": functions_by_line(folder / "app.ts", r"  (\w+)\(stack\) \{"),
        "handlers.ts": functions_by_line(folder / "handlers.ts", r"export const (\w+)"),
    }
    output = run("node_modules/.bin/tsc", "--project", ".", "--pretty", "false", cwd=folder, check=False).stdout
    errors = re.findall(r"^(\w+\.ts)\((\d+),\d+\): error", output, re.MULTILINE)
    names = {places[file][int(line) - 1] for file, line in errors}
    if None in names or "none" in names or not (folder / "out/app.js").exists():
        sys.exit(f"the seeded files have another error than their mistakes:\n{output}")
    return names


def synthesize(folder):
    """What `app.synth()` finds: an error, which ends it, or a warning of its validation."""
    output = run("node", "out/app.js", "synth", cwd=folder, stderr=subprocess.PIPE).stdout
    found = {}
    for result in map(json.loads, output.splitlines()):
        name = result["name"]
        report = folder / "synth" / name / "validation-report.json"
        violations = []
        if report.exists():
            for plugin in json.loads(report.read_text(encoding="utf-8"))["pluginReports"]:
                violations += [violation["ruleName"] for violation in plugin["violations"]]
        if result["error"]:
            found[name] = "synth"
        elif violations or result["warnings"]:
            found[name] = "warning at synth"
    if "none" in found:
        sys.exit(f"the stack without a mistake is not accepted: {output}")
    return found


def lint(python, folder):
    """The rules of cfn-lint that templates violate, without those that the template without a mistake violates, too."""
    templates = sorted(folder.glob("*.json"))
    output = run(python / "bin/cfn-lint", "--format", "json", "--", *templates, check=False).stdout
    rules = {path.stem: set() for path in templates}
    for match in json.loads(output):
        rules[Path(match["Filename"]).stem].add(match["Rule"]["Id"])
    return {name: ", ".join(sorted(found - rules["none"])) for name, found in rules.items()}


def translate(python, source, target):
    """The templates that SAM's translator refuses. Writes the others to `target`."""
    output = run(python / "bin/python", HERE / "sam/translate.py", source, target).stdout
    return {result["name"]: "translator" for result in map(json.loads, output.splitlines()) if result["error"]}


def check_python(python):
    """The mistakes of handlers that ruff finds, with its default rules."""
    path = HERE / "sam/handlers.py"
    places = functions_by_line(path, r"(?:async )?def (\w+)")
    command = (python / "bin/ruff", "check", "--isolated", "--no-cache", "--output-format", "json", path)
    found = json.loads(run(*command, check=False).stdout)
    return {places[finding["location"]["row"] - 1] for finding in found}


def refused_locally(python, url):
    """Which requests with mistakes the DynamoDB at `url` refuses."""
    results = map(json.loads, run(python / "bin/python", HERE / "dynamodb.py", url).stdout.splitlines())
    return {result["name"]: result["error"] for result in results}


def check_local(refused):
    """Compares what is refused with what mistakes.py says of it."""
    for mistake in HANDLERS:
        if mistake.name in refused:
            error = refused[mistake.name]
            print(f"{mistake.name}: {error or 'accepted'}")
            if (mistake.when is When.NEVER) != (not error):
                sys.exit(f"mistakes.py says of {mistake.name}: {mistake.when.value}")
    if refused["none"]:
        sys.exit(f"the request without a mistake is refused: {refused['none']}")


class Links:
    """The links of the tables, as references below them."""

    def __init__(self):
        self.targets = {}

    def resolve(self, text):
        return re.sub(r"\]\((case|code|test):([^)]+)\)", self.reference, text)

    def reference(self, match):
        kind, target = match.groups()
        path, _, name = target.partition("::")
        if kind == "case":
            path = f"tests/compile-time/cases/{target}.rs"
        file = WORKSPACE / path
        label = name or file.stem.replace("_", " ") if kind == "case" else name or path
        if not file.is_file():
            sys.exit(f"mistakes.py refers to {path}, which does not exist")
        if kind == "test" and not re.search(rf"\bfn {name}\b", file.read_text(encoding="utf-8")):
            sys.exit(f"mistakes.py refers to the test {name}, which {path} does not have")
        self.targets[label] = f"{REPOSITORY}/{path}"
        return f"][{label}]"


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def counts(mistakes, columns):
    """How many mistakes each column has found."""
    before, test = (sum(mistake.when is when for mistake in mistakes) for when in (When.BUILD, When.TEST))
    found = [str(sum(cell(mistake.name) != NOTHING for mistake in mistakes)) for cell in columns]
    return [f"**found before a test, of {len(mistakes)}**", f"{before}, and {test} at the first test", *found]


def tables(tsc, synth, cdk_lint, sam_lint, translated, ruff):
    links = Links()

    def cdk(name):
        return "`tsc`" if name in tsc else synth.get(name, NOTHING)

    def rules(found):
        return lambda name: found.get(name) or NOTHING

    def rows(mistakes, *columns):
        for mistake in mistakes:
            yield [mistake.title, links.resolve(mistake.stagecast), *(column(mistake.name) for column in columns)]

    deployed = (cdk, rules(cdk_lint), rules(sam_lint), rules(translated))
    handled = (cdk, lambda name: "ruff" if name in ruff else NOTHING)
    parts = [
        "## Declarations\n",
        table(
            ["mistake", "Stagecast", "CDK", "its template, cfn-lint", "SAM, cfn-lint", "translated, cfn-lint"],
            [*rows(DECLARATIONS, *deployed), counts(DECLARATIONS, deployed)],
        ),
        "## Handlers\n",
        table(
            ["mistake", "Stagecast", "CDK, TypeScript", "SAM, Python"],
            [*rows(HANDLERS, *handled), counts(HANDLERS, handled)],
        ),
        "## Changes and leftovers\n",
        "CDK and SAM describe no messages and keep no generated files, so these mistakes are not seeded there.\n",
        table(["mistake", "Stagecast"], rows(CHANGES)),
    ]
    parts.append("".join(f"[{label}]: {target}\n" for label, target in sorted(links.targets.items())))
    return "\n".join(parts)


def measure(python, node):
    with tempfile.TemporaryDirectory() as temporary:
        cdk, sam, plain = (Path(temporary) / name for name in ("cdk", "sam", "plain"))
        shutil.copytree(HERE / "cdk", cdk)
        (cdk / "node_modules").symlink_to(node / "node_modules")
        tsc = compile_typescript(cdk)
        synth = synthesize(cdk)
        cdk_lint = lint(python, cdk / "synth")
        sam.mkdir()
        for name in TEMPLATES:
            (sam / f"{name}.json").write_text(json.dumps(template(name), indent=1), encoding="utf-8")
        sam_lint = lint(python, sam)
        plain.mkdir()
        translated = translate(python, sam, plain)
        translated |= lint(python, plain)
    seeded = {
        "cdk/app.ts": set(re.findall(r"^  (\w+)\(stack\) \{", (HERE / "cdk/app.ts").read_text("utf-8"), re.MULTILINE)),
        "cdk/handlers.ts": {*functions_by_line(HERE / "cdk/handlers.ts", r"export const (\w+)")},
        "sam/templates.py": {*TEMPLATES},
        "sam/handlers.py": {*functions_by_line(HERE / "sam/handlers.py", r"(?:async )?def (\w+)")},
    }
    for file, names in seeded.items():
        for mistake in HANDLERS if "handlers" in file else DECLARATIONS:
            if mistake.name not in names:
                sys.exit(f"{file} does not have the mistake {mistake.name}")
    return tables(tsc, synth, cdk_lint, sam_lint, translated, check_python(python))


def main():
    parser = argparse.ArgumentParser(description="Records which tools find seeded mistakes.")
    parser.add_argument("--write", action="store_true", help=f"writes the tables to {PAGE.relative_to(WORKSPACE)}")
    parser.add_argument("--check", action="store_true", help="fails if the page has other tables")
    parser.add_argument("--local", metavar="URL", help="asks DynamoDB of the local stack at URL, too")
    arguments = parser.parse_args()

    python = installed(HERE / "requirements.txt", install_python)
    node = installed(HERE / "cdk/package.json", install_node)
    if arguments.local:
        check_local(refused_locally(python, arguments.local))
    shown = measure(python, node)
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else BEGIN + END
    before, rest = page.split(BEGIN)
    written, after = rest.split(END)
    if arguments.write:
        PAGE.write_text(f"{before}{BEGIN}\n{shown}\n{END}{after}", encoding="utf-8")
    elif arguments.check:
        if written.strip() != shown.strip():
            sys.exit(f"{PAGE} has other tables: run python3 bench/mistakes/run.py --write")
    else:
        print(shown, end="")


if __name__ == "__main__":
    main()
