"""Holds the generated documents against the schemas of their formats: AsyncAPI 3.0, OpenAPI 3.1 and
JSON Schema.

Needs `pip install jsonschema openapi-spec-validator pyyaml`. Run it from anywhere: it reads generated/. Exit code 0: they
fit; 1: they don't.

schemas/asyncapi-3.0.0.json is AsyncAPI's own, unaltered: schemas/3.0.0.json of the npm package
@asyncapi/specs 6.11.1, copyright 2016-2025 AsyncAPI Initiative, under the Apache License 2.0. It is
here so that checking needs neither npm nor the network.
"""

import json
import sys
from pathlib import Path

import yaml
from jsonschema.validators import validator_for
from openapi_spec_validator import OpenAPIV31SpecValidator

HERE = Path(__file__).resolve().parent
GENERATED = HERE.parents[1] / "generated"


def misfits(document, schema):
    validator = validator_for(schema)
    validator.check_schema(schema)
    return [f"{error.json_path}: {error.message[:300]}" for error in validator(schema).iter_errors(document)]


def misdescribed(openapi):
    """What OpenAPI's validator says, which looks at schemas, parameters and operation ids, too."""
    return [f"{error.json_path}: {error.message[:300]}" for error in OpenAPIV31SpecValidator(openapi).iter_errors()]


def references(value):
    """Every address that the document refers to."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref" and isinstance(item, str):
                yield item
            else:
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def dangling(document):
    """The addresses that lead nowhere, which a schema does not see."""
    for address in sorted(set(references(document))):
        place = document
        for name in address.removeprefix("#/").split("/"):
            place = place.get(name) if isinstance(place, dict) else None
        if place is None:
            yield f"{address} leads nowhere"


def report(name, problems):
    print(f"{name}: {'fits' if not problems else 'does NOT fit'}")
    for problem in problems:
        print(f"  {problem}")
    return not problems


if __name__ == "__main__":
    openapi = yaml.safe_load((GENERATED / "openapi.yaml").read_text(encoding="utf-8"))
    asyncapi = yaml.safe_load((GENERATED / "asyncapi.yaml").read_text(encoding="utf-8"))
    official = json.loads((HERE / "schemas/asyncapi-3.0.0.json").read_text(encoding="utf-8"))
    messages = json.loads((GENERATED / "messages.schema.json").read_text(encoding="utf-8"))
    metaschema = validator_for(messages, default=None).META_SCHEMA
    results = [
        report("asyncapi.yaml", [*misfits(asyncapi, official), *dangling(asyncapi)]),
        report("openapi.yaml", [*misdescribed(openapi), *dangling(openapi)]),
        report("messages.schema.json", [*misfits(messages, metaschema), *dangling(messages)]),
    ]
    sys.exit(0 if all(results) else 1)
