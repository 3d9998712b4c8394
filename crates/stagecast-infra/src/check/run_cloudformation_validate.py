"""Prints what cloudformation-validate finds in the templates that are named, as JSON."""

import json
import sys

from cloudformation_validate import CompositeEngine

engine = CompositeEngine()
findings = []
for path in sys.argv[1:]:
    for diagnostic in engine.validate_template(path).diagnostics:
        entity = diagnostic.entity
        findings.append(
            {
                "file": path,
                "rule": diagnostic.rule_id,
                "construct": getattr(entity, "logical_id", None),
                "message": diagnostic.message,
            }
        )
json.dump(findings, sys.stdout)
