"""The scenarios of tests/tests/scenarios, run on stacks that are deployed."""

import re

from pace import limit
from progress import say

RESULT = re.compile(r"^test result: .*?(\d+) passed; (\d+) failed", re.MULTILINE)

# What libtest prints first, and after each scenario.
COUNT = re.compile(r"^running (\d+) tests?$")
ENDED = re.compile(r"^test (\S+) \.\.\. (ok|FAILED|ignored.*)$")

# Seconds without a scenario's end after which all of them are given up. They give up by themselves
# before.
SILENCE = 600

# Seconds that a scenario waits for a message that is sure to come.
PATIENCE = 180


class Scenarios:
    """The executable that holds the scenarios, and where it finds the emulator."""

    def __init__(self, emulator, executable):
        self.emulator = emulator
        self.executable = executable

    def run(self, reference, scripted, arguments, heard=lambda _: None, environment=None):
        """Runs scenarios on two stacks whose outputs are in these files; answers with whether all
        of them passed, and what was written. Each line is passed to `heard` as it comes."""
        environment = (environment or {}) | {
            "STAGECAST_OUTPUTS": str(reference),
            "STAGECAST_SCRIPTED_OUTPUTS": str(scripted),
            "RUST_BACKTRACE": "0",
        }
        what = " ".join(["scenarios", *arguments])
        command = [self.executable, *arguments]
        status, output = self.emulator.follow(what, command, SILENCE, heard, environment)
        return status == 0, output

    def all(self, reference, scripted):
        """Runs every scenario; lists what was skipped, and why."""
        skipped = self.emulator.folder / "skipped"
        skipped.touch()
        count, ended = "?", 0

        def heard(line):
            nonlocal count, ended
            if found := COUNT.match(line):
                count = found[1]
            elif found := ENDED.match(line):
                ended += 1
                say(f"{ended:3} of {count}  {found[2]:6}  {found[1]}")

        environment = {
            "STAGECAST_SKIPPED": str(skipped),
            "STAGECAST_TEST_TIMEOUT": str(round(limit(PATIENCE))),
        }
        passed, output = self.run(reference, scripted, [], heard, environment)
        if not passed:
            raise SystemExit(f"{output}\nscenarios failed on {self.emulator.url}")
        reasons = sorted(skipped.read_text(encoding="utf-8").splitlines())
        say(f"{int(RESULT.search(output)[1]) - len(reasons)} scenarios ran, {len(reasons)} were skipped:")
        for reason in reasons:
            say(reason, 2)

    def one(self, stacks, name, patience, queue_is_held=False):
        """Runs one scenario, which gives up after `patience` seconds, as the machine has them,
        without a message."""
        environment = {"STAGECAST_TEST_TIMEOUT": str(round(limit(patience)))}
        if queue_is_held:
            environment["STAGECAST_QUEUE_IS_HELD"] = "1"
        passed, output = self.run(*stacks, ["--exact", name], environment=environment)
        if RESULT.search(output).groups() not in (("1", "0"), ("0", "1")):
            raise SystemExit(f"there is no scenario {name}:\n{output}")
        if "skipped " in output:
            raise SystemExit(f"the scenario {name} was skipped, it proves nothing:\n{output}")
        return passed, output
