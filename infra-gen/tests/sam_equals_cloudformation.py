"""Compares the two formats: what SAM's own translator makes of the SAM template must be the plain one.

Needs `pip install aws-sam-translator`. Run it from anywhere: it reads generated/. Exit code 0: they
are the same but for the differences that are listed, with their reasons, in EXPECTED; 1: they are not.
"""

import os
import sys
from pathlib import Path

from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

GENERATED = Path(__file__).resolve().parents[2] / "generated"

PAIRS = {
    "template.yaml": "cloudformation/dev.yaml",
    "template.prod.yaml": "cloudformation/prod.yaml",
}

# Every function differs in this and in nothing else.
EXPECTED = {
    ("Properties", "Tags"): "SAM adds the tag lambda:createdBy",
}

SAM_TAG = {"Key": "lambda:createdBy", "Value": "SAM"}


class NoManagedPolicies(ManagedPolicyLoader):
    """The functions have their own roles, so SAM looks up no managed policies."""

    def __init__(self):
        self._policy_map = {}
        self.max_pages = 0

    def load(self):
        return self._policy_map


def package(template, plain):
    """Does what `sam package` does: puts the address of the uploaded code in the place of its folder."""
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            code = plain["Resources"][logical_id]["Properties"]["Code"]
            resource["Properties"]["CodeUri"] = {"Bucket": code["S3Bucket"], "Key": code["S3Key"]}


def by_key(tags):
    return sorted(tags, key=lambda tag: tag["Key"])


def differences(path, left, right):
    """The paths at which two values differ."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(left.keys() | right.keys()):
            if key not in left or key not in right:
                yield path + (key,)
            else:
                yield from differences(path + (key,), left[key], right[key])
    elif left != right:
        yield path


def compare(sam_path, plain_path):
    sam = yaml_parse((GENERATED / sam_path).read_text(encoding="utf-8"))
    plain = yaml_parse((GENERATED / plain_path).read_text(encoding="utf-8"))
    package(sam, plain)
    made = transform(sam, {}, NoManagedPolicies())

    problems = []
    for logical_id in sorted(made["Resources"].keys() | plain["Resources"].keys()):
        of_sam = made["Resources"].get(logical_id)
        of_plain = plain["Resources"].get(logical_id)
        if of_sam is None or of_plain is None:
            problems.append(f"{logical_id} is in one of the two only")
            continue
        found = list(differences((), of_sam, of_plain))
        if of_plain["Type"] == "AWS::Lambda::Function":
            tags = of_sam["Properties"]["Tags"]
            if by_key(tags) != by_key(of_plain["Properties"]["Tags"] + [SAM_TAG]):
                problems.append(f"{logical_id}: SAM has the tags {tags}")
            problems += [
                f"{logical_id}: {'.'.join(path)} is expected to differ ({reason}), but does not"
                for path, reason in EXPECTED.items()
                if path not in found
            ]
            found = [path for path in found if path not in EXPECTED]
        problems += [f"{logical_id}: {'.'.join(path)} differs" for path in found]

    code_parameters = plain["Parameters"].keys() - made["Parameters"].keys()
    for name in sorted(code_parameters):
        if name != "ArtifactBucket" and not name.endswith("CodeKey"):
            problems.append(f"the parameter {name} is in the plain template only")
    for section in ("Conditions", "Outputs"):
        if made.get(section) != plain.get(section):
            problems.append(f"{section} differ")

    count = len(plain["Resources"])
    verdict = "the same" if not problems else "NOT the same"
    print(f"{sam_path} and {plain_path}: {count} resources, {verdict}")
    for problem in problems:
        print(f"  {problem}")
    return not problems


if __name__ == "__main__":
    # The translator wants to know a region, though nothing that it makes here depends on one.
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    results = [compare(sam, plain) for sam, plain in PAIRS.items()]
    sys.exit(0 if all(results) else 1)
