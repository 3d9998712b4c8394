"""Tests of the time limits: `python -m unittest discover -s tests/conformance`."""

import sys
import unittest

import pace
from follow import Late, follow


class PaceTest(unittest.TestCase):
    """The factor."""

    def test_old_factor_is_measured_again(self):
        factors, now = [1.0, 7.0], [0.0]
        current = pace.Pace(measured=lambda: factors.pop(0), clock=lambda: now[0])
        self.assertEqual(current(), 1.0)
        now[0] = pace.FRESH
        self.assertEqual(current(), 1.0)
        now[0] = pace.FRESH + 1
        self.assertEqual(current(), 7.0)

    def test_factor_is_at_least_one_and_bounded(self):
        self.assertGreaterEqual(pace.measure(), 1.0)
        self.assertLessEqual(pace.measure(), pace.MOST)


class FollowTest(unittest.TestCase):
    """Running a program with a timeout between its lines."""

    def run_python(self, code, timeout, limit):
        lines = []
        command = [sys.executable, "-u", "-c", code]
        done = follow(command, None, timeout, lines.append, limit)
        return done, lines

    def test_lines_are_passed_as_they_come(self):
        code = "import sys; print('a'); print('b', file=sys.stderr); sys.exit(3)"
        (status, output), lines = self.run_python(code, 60, lambda seconds: seconds)
        self.assertEqual(status, 3)
        self.assertEqual(sorted(lines), ["a", "b"])
        self.assertEqual(sorted(output.split()), ["a", "b"])

    def test_silent_program_is_killed(self):
        code = "import time; print('a'); time.sleep(600)"
        with self.assertRaises(Late) as late:
            self.run_python(code, 0.5, lambda seconds: seconds)
        self.assertEqual(late.exception.output, "a\n")

    def test_limit_adapts_to_a_slower_machine(self):
        # Without the factor, 0.1 s without a line would be over the limit.
        code = "import time; print('a'); time.sleep(2); print('b')"
        (status, _), lines = self.run_python(code, 0.1, lambda seconds: seconds * 1000)
        self.assertEqual((status, lines), (0, ["a", "b"]))


if __name__ == "__main__":
    unittest.main()
