"""Which request meets which fault: rules of a scenario, then random faults from a seed."""

import json
import random

HTTP_FAULTS = {
    "lost_request": "the connection is closed before the request is applied",
    "lost_answer": "the connection is closed after the request is applied",
    "half_answer": "the connection is closed in the middle of the answer",
    "hang": "the request is applied and never answered",
    "delay": "the answer comes after some seconds",
    "slow": "the bytes of the answer take some seconds to arrive",
    "answer": "another answer instead of the one of the service; the request is not applied",
}
FRAME_FAULTS = {
    "ignore": "the frame gets no reply",
    "reply": "another reply",
    "abort": "the connection is reset",
    "close": "the connection is closed with a close frame",
}
GATEWAY_ERROR = {"status": 500, "body": {"message": "Internal Server Error"}}
RANDOM_FAULTS = [
    {"lost_request": True},
    {"lost_answer": True},
    {"lost_answer": True},
    {"half_answer": True},
    {"answer": GATEWAY_ERROR},
    {"answer": {"status": 502, "body": "<html>Bad Gateway</html>"}},
    {"answer": {"status": 503, "code": "conflict_retry", "headers": {"retry-after": "1"}}},
    {"answer": {"status": 429, "body": {"message": "Too Many Requests"}}},
    {"delay": 0.3},
]


def contains(value, pattern):
    """Whether `value` has at least what `pattern` has; a list of patterns matches consecutive items only as a whole."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            key in value and contains(value[key], each) for key, each in pattern.items()
        )
    if isinstance(pattern, list):
        return (
            isinstance(value, list)
            and len(value) == len(pattern)
            and all(contains(one, other) for one, other in zip(value, pattern))
        )
    return value == pattern


def fits(exchange, pattern):
    """Whether a recorded request fits a pattern: `request` (kind), `having` (type of an event), `body`, `status`,
    `code`."""
    kinds = pattern.get("request")
    if kinds is not None and exchange.kind not in ([kinds] if isinstance(kinds, str) else kinds):
        return False
    having = pattern.get("having")
    if having is not None and having not in exchange.event_types:
        return False
    if pattern.get("heartbeat") and exchange.json.get("events") != []:
        return False
    if "body" in pattern and not contains(exchange.json, pattern["body"]):
        return False
    return all(getattr(exchange, key) == pattern[key] for key in ("status", "code") if key in pattern)


class Rule:
    """A fault, an action, or both, for the requests that fit. `nth` counts these from 1: a number, a list, or `all`."""

    def __init__(self, rule):
        self.pattern = rule
        self.nth = rule.get("nth", 1)
        self.fault = rule.get("fault")
        self.actions = rule.get("do", [])
        self.count = 0

    def take(self, exchange):
        if not fits(exchange, self.pattern):
            return False
        self.count += 1
        if self.nth == "all":
            return True
        return self.count in (self.nth if isinstance(self.nth, list) else [self.nth])


class FaultPlan:
    """The rules of a scenario and, if it has `random_faults`, the faults that follow from `seed`."""

    def __init__(self, rules, random_faults=None, seed=0):
        self.rules = [Rule(rule) for rule in rules]
        self.random = random.Random(seed)
        self.kinds = set((random_faults or {}).get("requests", []))
        self.rate = (random_faults or {}).get("rate", 0.3)
        self.most_in_a_row = (random_faults or {}).get("most_in_a_row", 2)
        self.in_a_row = {}

    def of(self, exchange):
        """The fault of a request, or None, and the actions to run after the request is applied."""
        taken = [rule for rule in self.rules if rule.take(exchange)]
        actions = [action for rule in taken for action in rule.actions]
        fault = next((rule.fault for rule in taken if rule.fault), None)
        if fault is None and exchange.kind in self.kinds:
            fault = self._random_fault(exchange)
        return normalized(fault), actions

    def _random_fault(self, exchange):
        # Always drawn, so that the number of draws does not depend on the answers.
        is_hit, fault = self.random.random() < self.rate, self.random.choice(RANDOM_FAULTS)
        if not is_hit or self.in_a_row.get(exchange.kind, 0) >= self.most_in_a_row:
            self.in_a_row[exchange.kind] = 0
            return None
        self.in_a_row[exchange.kind] = self.in_a_row.get(exchange.kind, 0) + 1
        return fault


def normalized(fault):
    """A fault as a dictionary with one key of `HTTP_FAULTS` or `FRAME_FAULTS`."""
    if fault is None:
        return {}
    fault = {fault: True} if isinstance(fault, str) else fault
    name = next(iter(fault))
    if len(fault) != 1 or name not in {**HTTP_FAULTS, **FRAME_FAULTS}:
        raise ValueError(f"there is no fault {json.dumps(fault)}; see sdk_conformance/faults.py")
    return fault
