"""The scenarios of tests/tests/scenarios, run on stacks that are deployed."""

import re

RESULT = re.compile(r"^test result: .*?(\d+) passed; (\d+) failed", re.MULTILINE)

# Seconds that all scenarios may take, and any one of them. They give up by themselves long before.
ALL = 1800
ONE = 600


class Scenarios:
    """The executable that holds the scenarios, and where it finds the emulator."""

    def __init__(self, emulator, executable):
        self.emulator = emulator
        self.executable = executable

    def run(self, reference, scripted, arguments, patience, environment=None):
        """Runs scenarios on two stacks whose outputs are in these files; answers with whether all
        of them passed, and what was written. They may take `patience` seconds."""
        environment = (environment or {}) | {
            "STAGECAST_OUTPUTS": str(reference),
            "STAGECAST_SCRIPTED_OUTPUTS": str(scripted),
            "RUST_BACKTRACE": "0",
        }
        what = " ".join(["scenarios", *arguments])
        done = self.emulator.run(what, [self.executable, *arguments], patience, environment)
        return done.returncode == 0, done.stdout + done.stderr

    def all(self, reference, scripted):
        """Runs every scenario; lists what was skipped, and why."""
        skipped = self.emulator.folder / "skipped"
        skipped.touch()
        passed, output = self.run(
            reference, scripted, [], ALL, {"STAGECAST_SKIPPED": str(skipped)}
        )
        if not passed:
            raise SystemExit(f"{output}\nscenarios failed on {self.emulator.url}")
        reasons = sorted(skipped.read_text(encoding="utf-8").splitlines())
        print(f"  {int(RESULT.search(output)[1]) - len(reasons)} scenarios ran, {len(reasons)} were skipped:")
        for reason in reasons:
            print(f"    {reason}")

    def one(self, stacks, name, patience, queue_is_held=False):
        """Runs one scenario, which gives up after `patience` seconds without a message."""
        environment = {"STAGECAST_PATIENCE": str(patience)}
        if queue_is_held:
            environment["STAGECAST_QUEUE_IS_HELD"] = "1"
        passed, output = self.run(*stacks, ["--exact", name], ONE, environment)
        if RESULT.search(output).groups() not in (("1", "0"), ("0", "1")):
            raise SystemExit(f"there is no scenario {name}:\n{output}")
        if "skipped " in output:
            raise SystemExit(f"the scenario {name} was skipped, it proves nothing:\n{output}")
        return passed, output
