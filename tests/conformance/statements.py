"""Checks that every statement of every function's policy is needed.

For each statement, the scenario that needs.py lists passes with the whole policy and fails when the statement
is removed from the deployed role, and the function's log names the denied action.
"""

import json
import queue
import time
from concurrent.futures import ThreadPoolExecutor

from needs import NEEDED_BY, UNUSED_ON_EMULATOR, WITHOUT_EFFECT, unlisted
from pace import limit
from progress import say
from stacks import FUNCTIONS

# The number of stack pairs, on which scenarios run concurrently: they mostly wait.
PAIRS = 3

# Timeout of a scenario that is expected to pass.
PASS_TIMEOUT = 180

# Maximum time that a function runs on after its scenario has failed, in seconds.
LONGEST_RUN = 90

# The prefixes of the functions' resources in the template.
PREFIXES = {name: name.capitalize() for name in FUNCTIONS}


class Pair:
    """A stack with the reference pipeline and one with the scripted pipeline."""

    def __init__(self, stacks, number):
        originals = "reference", "scripted"
        names = [f"{original}-{number}" for original in originals]
        self.outputs = [stacks.copy(*it) for it in zip(originals, names)]
        self.resources = [stacks.resources(name) for name in names]
        self.iam = stacks.emulator.client("iam")
        self.logs = stacks.emulator.client("logs")
        self.dynamodb = stacks.emulator.client("dynamodb")

    def policies(self, function):
        """The policies of a function in both stacks, by role."""
        roles = [resources[f"{PREFIXES[function]}Role"] for resources in self.resources]
        answers = [self.iam.get_role_policy(RoleName=role, PolicyName="grants") for role in roles]
        return {answer["RoleName"]: answer["PolicyDocument"] for answer in answers}

    def statements(self, function):
        """The statements of a function's policy, by name."""
        document = next(iter(self.policies(function).values()))
        return {statement["Sid"]: statement for statement in document["Statement"]}

    def put(self, policies):
        """Writes policies to their roles."""
        for role, document in policies.items():
            self.iam.put_role_policy(
                RoleName=role, PolicyName="grants", PolicyDocument=json.dumps(document)
            )

    def denials(self, function, actions, since):
        """The log lines about denials of these actions to the function."""
        groups = [resources[f"{PREFIXES[function]}LogGroup"] for resources in self.resources]
        pages = self.logs.get_paginator("filter_log_events")
        messages = [
            event["message"]
            for group in groups
            for page in pages.paginate(logGroupName=group, startTime=since)
            for event in page["events"]
        ]
        return [
            message
            for message in messages
            # The message of the service, or the function's own for a 403 without a message.
            if any(
                f"{words} {action}" in message
                for words in ("not authorized to perform:", "role allows")
                for action in actions
            )
        ]

    def was_denied(self, function, actions, since):
        """Whether the function's logs report a denial of one of these actions. The emulator writes the
        logs when the invocation ends, so this waits for them."""
        began = time.monotonic()
        while not self.denials(function, actions, since):
            if time.monotonic() - began > limit(LONGEST_RUN):
                return False
            time.sleep(1)
        return True

    def empty(self):
        """Deletes the items that a failed scenario has left in the tables."""
        for resources in self.resources:
            for logical_id, name in resources.items():
                if not logical_id.endswith("Table"):
                    continue
                table = self.dynamodb.describe_table(TableName=name)["Table"]
                keys = [key["AttributeName"] for key in table["KeySchema"]]
                pages = self.dynamodb.get_paginator("scan").paginate(TableName=name)
                for item in (item for page in pages for item in page["Items"]):
                    self.dynamodb.delete_item(TableName=name, Key={key: item[key] for key in keys})


def without(policies, statement):
    """Copies of policies without a statement."""
    return {
        role: document | {"Statement": [it for it in document["Statement"] if it["Sid"] != statement]}
        for role, document in policies.items()
    }


def prove(pair, scenarios, scenario, needed):
    """Checks that a scenario passes, and that it fails without each of these statements."""
    problems = []
    held = pair.policies("pipeline") if scenario.queue_is_held else {}
    pair.put(without(held, "JobsTable"))

    def run(timeout):
        return scenarios.one(pair.outputs, scenario.name, timeout, scenario.queue_is_held)

    passed, output = run(PASS_TIMEOUT)
    if not passed:
        problems.append(f"{scenario.name} fails with whole policies:\n{output}")
        needed = []
    for function, statement in needed:
        policies = pair.policies(function)
        actions = pair.statements(function)[statement]["Action"]
        since = int(time.time() * 1000)
        pair.put(without(policies, statement))
        passed, output = run(scenario.timeout)
        pair.put(policies)
        where = f"the statement {statement} of {function}"
        if passed:
            problems.append(f"{where} is not needed: {scenario.name} passes without it")
        elif not pair.was_denied(function, actions, since):
            problems.append(
                f"without {where} {scenario.name} fails, but {function} does not log a denial of "
                f"{' or '.join(actions)}:\n{output}"
            )
        else:
            say(f"without {statement}, {function} fails {scenario.name}")
        pair.empty()
    pair.put(held)
    return problems


def listed(pair):
    """Problems of the lists in needs.py: each deployed statement must be in one of them."""
    return unlisted(
        {(function, statement) for function in PREFIXES for statement in pair.statements(function)}
    )


def check(stacks, scenarios):
    """Checks that every statement is needed, and prints those that cannot be checked here."""
    pairs = queue.SimpleQueue()
    for number in range(PAIRS):
        pairs.put(Pair(stacks, number))
    pair = pairs.get()
    problems = listed(pair)
    pairs.put(pair)

    def task(scenario):
        pair = pairs.get()
        try:
            needed = [it for it, needing in NEEDED_BY.items() if needing == scenario]
            return prove(pair, scenarios, scenario, needed)
        finally:
            pairs.put(pair)

    # The longest scenarios start first.
    order = sorted(set(NEEDED_BY.values()), key=lambda it: (-it.timeout, it.name))
    with ThreadPoolExecutor(PAIRS) as pool:
        for found in pool.map(task, order):
            problems += found
    for statement, reason in UNUSED_ON_EMULATOR.items():
        say(f"not checked: {statement} of every function: {reason}")
    for (function, statement), reason in WITHOUT_EFFECT.items():
        say(f"not checked: {statement} of {function}: {reason}")
    if problems:
        raise SystemExit("\n".join(problems))
