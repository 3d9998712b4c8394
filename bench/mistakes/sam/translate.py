"""Translates the SAM templates of a folder to CloudFormation, as a deployment does.

Usage: python3 translate.py FROM TO. Prints a line of JSON with the error of each template, empty if it is translated.
"""

import json
import logging
import os
import sys
from pathlib import Path

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform


class NoManagedPolicies(ManagedPolicyLoader):
    """The templates name no managed policies, so that AWS need not be asked for them."""

    def __init__(self):
        self._policy_map = {}
        self.max_pages = 0

    def load(self):
        return self._policy_map


def main(source, target):
    # The translator warns about metrics that it does not send.
    logging.disable(logging.WARNING)
    os.environ["AWS_DEFAULT_REGION"] = "eu-central-1"
    for path in sorted(Path(source).glob("*.json")):
        template = json.loads(path.read_text(encoding="utf-8"))
        for resource in template["Resources"].values():
            # What `sam package` does: the address of the uploaded code in the place of its folder.
            if "CodeUri" in resource["Properties"]:
                resource["Properties"]["CodeUri"] = "s3://bucket/key"
        try:
            translated = transform(template, {}, NoManagedPolicies())
            (Path(target) / path.name).write_text(json.dumps(translated, indent=1), encoding="utf-8")
            error = ""
        except InvalidDocumentException as refused:
            error = refused.message
        print(json.dumps({"name": path.stem, "error": error}))


if __name__ == "__main__":
    main(*sys.argv[1:])
