"""What the Python drivers share: the output, and the work that a plan asks for."""

import json
import sys


def output(event, **fields):
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def unsupported(what):
    output("unsupported", what=what)
    sys.exit(64)


def includes(value, pattern):
    """Whether `value` has what `pattern` has."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(includes(value.get(key), each) for key, each in pattern.items())
    return value == pattern


def results_of(work):
    """The results of a stage: `results`, or a text of quotes that takes `results_bytes` bytes as JSON."""
    if "results_bytes" in work:
        return {"text": '"' * (work["results_bytes"] // 2)}
    return work.get("results")


def content_of(artifact):
    """The content of an artifact: its name, repeated."""
    return (artifact["name"].encode() * (artifact["size"] // len(artifact["name"]) + 1))[: artifact["size"]]


def steps_of(work, checkpoint):
    """The steps of a stage that are left after `checkpoint`, the state that the claim has for it, or None."""
    steps = work.get("steps", [])
    for index, step in enumerate(steps):
        if checkpoint is not None and step.get("checkpoint") == checkpoint:
            return steps[index + 1 :]
    return steps
