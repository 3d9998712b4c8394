"""Runs the scenarios of tests/tests/scenarios on deployed stacks."""

import re

from pace import limit
from progress import say

RESULT = re.compile(r"^test result: .*?(\d+) passed; (\d+) failed", re.MULTILINE)

# The first line of libtest, and its line after each scenario.
COUNT = re.compile(r"^running (\d+) tests?$")
ENDED = re.compile(r"^test (\S+) \.\.\. (ok|FAILED|ignored.*)$")

# A line that a scenario prints, with what it has measured.
PRINTED = re.compile(r"\d+ bytes, peak \d+ KiB")

# Seconds without a line of output after which the run is killed. Each scenario times out before.
SILENCE = 600

# Seconds that a scenario waits for a message, on an idle machine.
TIMEOUT = 180


class Scenarios:
    """The executable of the scenarios, and the emulator that it runs against."""

    def __init__(self, emulator, executable):
        self.emulator = emulator
        self.executable = executable

    def run(self, reference, scripted, arguments, on_line=lambda _: None, environment=None):
        """Runs scenarios on two stacks with outputs in these files. Returns whether all of them
        passed, and the output. Calls `on_line` with each line as it comes."""
        environment = (environment or {}) | {
            "STAGECAST_OUTPUTS": str(reference),
            "STAGECAST_SCRIPTED_OUTPUTS": str(scripted),
            "RUST_BACKTRACE": "0",
        }
        what = " ".join(["scenarios", *arguments])
        command = [self.executable, *arguments]
        status, output = self.emulator.follow(what, command, SILENCE, on_line, environment)
        return status == 0, output

    def all(self, reference, scripted, only=None):
        """Runs all scenarios, or those whose names contain `only`, and lists the skipped ones with their reasons."""
        skipped = self.emulator.folder / "skipped"
        skipped.touch()
        count, ended = "?", 0

        def on_line(line):
            nonlocal count, ended
            if found := COUNT.match(line):
                count = found[1]
            elif found := ENDED.match(line):
                ended += 1
                say(f"{ended:3} of {count}  {found[2]:6}  {found[1]}")
            elif only and (found := PRINTED.search(line)):
                say(found[0], 2)

        environment = {
            "STAGECAST_SKIPPED": str(skipped),
            "STAGECAST_TEST_TIMEOUT": str(round(limit(TIMEOUT))),
        }
        arguments = [only, "--nocapture"] if only else []
        passed, output = self.run(reference, scripted, arguments, on_line, environment)
        if not passed:
            raise SystemExit(f"{output}\nscenarios failed on {self.emulator.url}")
        reasons = sorted(skipped.read_text(encoding="utf-8").splitlines())
        say(f"{int(RESULT.search(output)[1]) - len(reasons)} scenarios ran, {len(reasons)} were skipped:")
        for reason in reasons:
            say(reason, 2)

    def one(self, stacks, name, timeout, queue_is_held=False):
        """Runs one scenario. Its waits time out after `timeout` seconds on an idle machine."""
        environment = {"STAGECAST_TEST_TIMEOUT": str(round(limit(timeout)))}
        if queue_is_held:
            environment["STAGECAST_QUEUE_IS_HELD"] = "1"
        passed, output = self.run(*stacks, ["--exact", name], environment=environment)
        if RESULT.search(output).groups() not in (("1", "0"), ("0", "1")):
            raise SystemExit(f"there is no scenario {name}:\n{output}")
        if "skipped " in output:
            raise SystemExit(f"the scenario {name} was skipped, so it proves nothing:\n{output}")
        return passed, output
