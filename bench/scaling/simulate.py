"""Simulates how long messages wait for API Gateway, and draws docs/delay.svg from it.

Run it from anywhere, with nothing but Python: python3 bench/scaling/simulate.py [--check]. With --check it writes
nothing and fails if the chart is not the one that is checked in.
"""

import sys
from pathlib import Path

from bucket import RATE, SECONDS, UPDATES_PER_SECOND, burst, delays, percentile
from plot import chart

CHART = Path(__file__).resolve().parents[2] / "docs" / "delay.svg"
AUDIENCES = sorted(step * 10**power for power in range(2, 8) for step in (1, 2, 2.5, 3, 5) if step * 10**power <= 10**7)
SHOWN = (1000, 2500, 5000, 10_000, 100_000, 1_000_000, 10_000_000)
# What is below is shown as if it were this: no time at all has no place on a logarithmic axis.
LEAST = 0.01


def seconds(value):
    return f"{value:,.2f} s" if value < 10 else f"{value:,.0f} s"


def main():
    audiences = [round(audience) for audience in AUDIENCES]
    queued = [(audience, percentile(delays(audience, False), 99)) for audience in audiences]
    coalesced = [(audience, percentile(delays(audience, True), 99)) for audience in audiences]
    durable = [(audience, burst(audience)) for audience in audiences]

    print("| watching at a time | every update queued | the latest only | one durable message to all |")
    print("| --- | --- | --- | --- |")
    for (audience, one), (_, other), (_, third) in zip(queued, coalesced, durable):
        if audience in SHOWN:
            print(f"| {audience:,} | {seconds(one)} | {seconds(other)} | {seconds(third)} |")

    svg = chart(
        title="How long messages wait for API Gateway",
        description=f"Delay against connections that watch running jobs at a time. Past {RATE // UPDATES_PER_SECOND:,} "
        "connections a queue of every update grows as long as the jobs run; with coalescing the delay is the time that one "
        "post to each connection takes.",
        x=(100, 10_000_000, "connections that watch running jobs at a time, in one account and region", "{:,.0f}".format),
        y=(LEAST, 1_000_000, "delay: the slowest 1 %, in seconds", lambda value: f"{value:,.2f}".rstrip("0").rstrip(".")),
        lines=[
            ("a", ("every update queued,", f"after {SECONDS} s"), queued),
            ("b", ("the latest update only",), coalesced),
        ],
        mark=(
            RATE / UPDATES_PER_SECOND,
            (f"{UPDATES_PER_SECOND} updates a second", f"reach {RATE:,} posts a second"),
        ),
    )
    if "--check" not in sys.argv[1:]:
        CHART.write_text(svg)
    elif CHART.read_text() != svg:
        sys.exit(f"{CHART} is not what is simulated: run python3 bench/scaling/simulate.py")


if __name__ == "__main__":
    main()
