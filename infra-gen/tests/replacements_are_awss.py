"""Holds what `diff` knows about replacements against the schemas of CloudFormation's registry.

Needs `pip install cfn-lint`, which brings the schemas, and cargo. Run it from anywhere. Exit code 0: the
rules in crates/cloudformation-diff/src/replacement.rs are those of the schemas but for EXPECTED; 1: they are not.
"""

import json
import subprocess
import sys
from pathlib import Path

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

REGION = "us-east-1"

# What we say, and why the schema does not.
EXPECTED = {
    ("AWS::DynamoDB::Table", "AttributeDefinitions", "item_changes"): "only the reference page says it",
    ("AWS::DynamoDB::Table", "KeySchema", "always"): "DynamoDB never changes a table's key",
}


def of_schema(kind):
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    for key, when in (("createOnlyProperties", "always"), ("conditionalCreateOnlyProperties", "conditional")):
        for pointer in schema.get(key, []):
            yield kind, pointer.removeprefix("/properties/"), when


if __name__ == "__main__":
    command = ["cargo", "run", "--quiet", "--locked", "--package", "infra-gen", "--example", "replacements"]
    workspace = Path(__file__).resolve().parents[2]
    table = json.loads(subprocess.run(command, cwd=workspace, check=True, capture_output=True).stdout)
    # SAM's types are in no registry.
    table = [rules for rules in table if not rules["type"].startswith("AWS::Serverless::")]

    ours = {(rules["type"], rule["property"], rule["when"]) for rules in table for rule in rules["properties"]}
    theirs = {rule for rules in table for rule in of_schema(rules["type"])}
    replaced = {(kind, name) for kind, name, _ in EXPECTED}
    problems = [f"we say {rule}, AWS does not" for rule in sorted(ours - theirs - EXPECTED.keys())]
    problems += [
        f"AWS says {rule}, we do not" for rule in sorted(theirs - ours) if rule[:2] not in replaced
    ]
    problems += [f"{rule} is expected to differ, but does not" for rule in sorted(EXPECTED) if rule in theirs]
    print(f"{len(table)} resource types, {len(ours)} rules: {len(problems)} problems")
    for problem in problems:
        print(f"  {problem}")
    sys.exit(1 if problems or not ours else 0)
