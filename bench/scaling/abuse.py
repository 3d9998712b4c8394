"""Computes the hourly cost of requests in a loop by a third party: prints the table of docs/operate/abuse.md.

Needs only Python. Run from any folder: python3 bench/scaling/abuse.py [--check]. With --check, fails if the page has
another table. The prices are those of docs/operate/costs.md.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

TEXT = Path(__file__).resolve().parents[2] / "docs" / "operate" / "abuse.md"

# Dollars per million, US East (N. Virginia), as published since November 2024.
PRICES = {
    "message": 1.00,
    "request": 1.00,
    "write": 0.625,
    "read": 0.125,
    "invocation": 0.20,
    "gb_second": 13.33,
    "sqs": 0.40,
    "s3_write": 5.00,
}
HOUR = 3600
# Posts per second of an account.
POSTS = 10_000
# The longest log of an external job: 50 stages and the end, each with 30 KB of results.
LOG = 51
# Read units for the log: 8 for each 30 KB.
READ_LOG = LOG * 8
# Subscribers that a publisher posts to directly.
AUDIENCE = 500
# The limit of replayed messages per connection: REPLAY_BURST and REPLAYS_PER_SECOND in limits.rs.
BURST, GROWTH = 1200, 2
# Frames per second over one connection.
FRAMES = 200


@dataclass
class Cost:
    """The billed units of one request."""

    units: dict = field(default_factory=dict)

    def dollars(self):
        return sum(PRICES[unit] * count for unit, count in self.units.items()) / 1e6


def function(seconds, gb=0.5, **units):
    return Cost({"invocation": 1, "gb_second": seconds * gb, **units})


def hourly(per_second, cost, posts=0):
    """The cost of an hour of requests at this rate, with the posts that they cause, up to the account's limit."""
    return HOUR * (per_second * cost.dollars() + min(posts, POSTS) * PRICES["message"] / 1e6)


def dollars(value):
    return f"{value:,.2f}"


def rows():
    # A 4 MB body is billed as 8 requests. The job fails after half a second.
    job = function(0.05, request=8, s3_write=1, write=7, sqs=3)
    job.units["invocation"] += 1
    job.units["gb_second"] += 0.5 * 1.73
    yield "`POST /v1/jobs`, 4 MB each, as fast as the throttle allows", hourly(500, job), hourly(20, job)

    subscribe = function(0.05, message=2, read=6 + READ_LOG, write=8)
    refused = function(0.02, message=2, read=6)
    served = (BURST + GROWTH * HOUR) / HOUR
    yield (
        f"`subscribe` again and again, {FRAMES} a second over one connection",
        hourly(min(FRAMES, POSTS / LOG), subscribe, FRAMES * LOG),
        # A repeated subscribe is one reply. The replay limit applies to alternating `unsubscribe` and `subscribe`.
        hourly(FRAMES, refused) + hourly(served / LOG, subscribe, served),
    )

    failed = function(0.02, message=2, write=8 + 1)
    looked = function(0.02, message=2, write=1, read=1)
    yield (
        f"`unsubscribe` from what is not watched, {FRAMES} a second",
        hourly(FRAMES, failed),
        hourly(FRAMES, looked),
    )

    post = function(0.1, request=1, read=1 + READ_LOG, sqs=3)
    repeat = function(0.05, request=1, read=2 + READ_LOG)
    yield (
        f"a worker's last post repeated once a second, with {AUDIENCE} subscribers",
        hourly(1, post, LOG * AUDIENCE),
        hourly(1, repeat, LOG * AUDIENCE / HOUR),
    )

    connect = function(0.05, message=2, read=7 + READ_LOG, write=8 + 2 + 3)
    yield (
        "connecting with a job of a long log in the URL, as fast as the throttle allows",
        hourly(POSTS / LOG, connect, POSTS),
        hourly(100, connect, 100 * LOG),
    )

    ping = function(0.02, message=2, write=1)
    yield "`ping`, as fast as the throttle allows", hourly(2000, ping), hourly(2000, ping)

    progress = function(0.03, request=1, read=1, write=1)
    yield (
        f"a worker's progress, 20 posts a second, with {AUDIENCE} subscribers",
        hourly(20, progress, 20 * AUDIENCE),
        hourly(20, progress, 20 * AUDIENCE),
    )


def table():
    lines = ["| a stranger's loop, in `prod` | before | now |\n", "| --- | --- | --- |\n"]
    lines += [f"| {what} | {dollars(before)} | {dollars(now)} |\n" for what, before, now in rows()]
    return "".join(lines)


def main():
    shown = table()
    print(shown, end="")
    if "--check" in sys.argv[1:] and shown not in TEXT.read_text(encoding="utf-8"):
        sys.exit(f"{TEXT} has another table: replace it with the output of python3 bench/scaling/abuse.py")


if __name__ == "__main__":
    main()
