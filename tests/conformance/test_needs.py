"""Tests of needs.py without the emulator, so that a new grant without a scenario is found in milliseconds."""

import re
import unittest
from pathlib import Path

from needs import unlisted

TEMPLATE = Path(__file__).parents[2] / "generated" / "cloudformation" / "dev.yaml"
FUNCTIONS = ("websocket", "jobs", "worker", "pipeline", "delivery", "webhooks")


def generated_statements():
    """The statements of the functions' policies in the generated template."""
    resources = re.split(r"^  (?=\w+:$)", TEMPLATE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        (function, statement)
        for function in FUNCTIONS
        for resource in resources
        if resource.startswith(f"{function.capitalize()}Role:\n")
        for statement in re.findall(r"Sid: (\w+)$", resource, flags=re.MULTILINE)
    }


class Needs(unittest.TestCase):
    def test_each_generated_statement_has_a_scenario_or_a_reason(self):
        self.assertEqual(unlisted(generated_statements()), [])

    def test_statement_without_a_scenario_and_scenario_without_a_statement_are_found(self):
        statements = generated_statements()
        new = unlisted(statements | {("jobs", "NewTable")})
        self.assertEqual(len(new), 1)
        self.assertIn("jobs has a statement NewTable", new[0])
        old = unlisted(statements - {("jobs", "JobsTable")})
        self.assertEqual(len(old), 1)
        self.assertIn("jobs has no statement JobsTable", old[0])


if __name__ == "__main__":
    unittest.main()
