"""Asks parliament about every policy in the templates: actions that do not exist, resources that an
action does not take, conditions that cannot hold.

Needs `pip install parliament cfn-lint`. Run it from anywhere: it reads generated/. Exit code 0: it finds
nothing; 1: it does. Trust policies are left to cfn-lint: parliament wants a resource in every statement.
"""

import json
import re
import sys
from pathlib import Path

from cfnlint.decode.cfn_yaml import load
from parliament import analyze_policy_string

GENERATED = Path(__file__).resolve().parents[2] / "generated"

# Parliament reads ARNs, not references, so references become ARNs of their shape.
ACCOUNT = "eu-central-1:123456789012"
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    # The parameter in the names of secrets.
    "NameSuffix": "-x",
}
ARNS = {
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{ACCOUNT}:table/{{id}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{ACCOUNT}:log-group:{{id}}:*",
    "AWS::S3::Bucket": "arn:aws:s3:::{id}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{ACCOUNT}:{{id}}",
}


def filled_in(value, resources):
    """A value with something of the right shape in the place of every reference."""

    def reference(name):
        logical_id, _, attribute = name.partition(".")
        if attribute == "Arn":
            return ARNS[resources[logical_id]["Type"]].format(id=logical_id)
        return PSEUDO.get(name) or ("a1b2c3d4e5" if name in resources else sys.exit(f"what is {name}?"))

    if isinstance(value, list):
        return [filled_in(item, resources) for item in value]
    if not isinstance(value, dict):
        return value
    if "Fn::GetAtt" in value:
        return reference(".".join(value["Fn::GetAtt"]))
    if "Fn::Sub" in value:
        return re.sub(r"\$\{([^!}]+)\}", lambda gap: reference(gap[1]), value["Fn::Sub"])
    if "Ref" in value:
        return reference(value["Ref"])
    return {str(key): filled_in(item, resources) for key, item in value.items()}


def policies(resources):
    """Every policy but those that say who may take a role, with its name."""
    for logical_id, resource in resources.items():
        properties = resource["Properties"]
        if "PolicyDocument" in properties:
            yield logical_id, properties["PolicyDocument"]
        for policy in properties.get("Policies", []):
            yield f"{logical_id}.{policy['PolicyName']}", policy["PolicyDocument"]


def check(path):
    resources = load(str(path))["Resources"]
    count, problems = 0, []
    for name, policy in policies(resources):
        count += 1
        found = analyze_policy_string(json.dumps(filled_in(policy, resources))).findings
        problems += [f"{name}: {finding}" for finding in found]
    print(f"{path.relative_to(GENERATED)}: {count} policies, {len(problems)} findings")
    for problem in problems:
        print(f"  {problem}")
    return count > 0 and not problems


if __name__ == "__main__":
    templates = sorted([*GENERATED.glob("template*.yaml"), *GENERATED.glob("cloudformation/*.yaml")])
    results = [check(path) for path in templates]
    sys.exit(0 if results and all(results) else 1)
