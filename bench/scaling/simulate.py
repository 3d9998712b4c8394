"""Simulates the delay of messages by API Gateway's rate limit: writes docs/images/delay.svg and prints the table of
docs/operate/scaling.md.

Needs only Python. Run from any folder: python3 bench/scaling/simulate.py [--check]. With --check, writes nothing and fails
if the chart or the table differs from the stored one.
"""

import sys
from pathlib import Path

from bucket import RATE, SECONDS, UPDATES_PER_SECOND, burst, delays
from plot import chart

DOCS = Path(__file__).resolve().parents[2] / "docs"
CHART, TEXT = DOCS / "images" / "delay.svg", DOCS / "operate" / "scaling.md"
AUDIENCES = sorted(step * 10**power for power in range(2, 8) for step in (1, 2, 2.5, 3, 5) if step * 10**power <= 10**7)
SHOWN = (1000, 2500, 5000, 10_000, 100_000, 1_000_000, 10_000_000)
# Smaller delays are drawn as this one, because a logarithmic axis has no zero.
LEAST = 0.01


def seconds(value):
    return f"{value:,.2f} s" if value < 10 else f"{value:,.0f} s"


def tick(value):
    text = f"{value:,.2f}".rstrip("0").rstrip(".")
    return f"≤ {text}" if value == LEAST else text


def table(rows):
    lines = [
        ("watching at a time", f"every update queued, for {SECONDS} s", "the latest only", "a durable message to all"),
        ("---",) * 4,
        *((f"{audience:,}", *map(seconds, waits)) for audience, *waits in rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main():
    rows = [
        (audience, max(delays(audience, False)), max(delays(audience, True)), burst(audience))
        for audience in map(round, AUDIENCES)
    ]
    shown = table(row for row in rows if row[0] in SHOWN)
    print(shown, end="")

    enough = RATE // UPDATES_PER_SECOND
    svg = chart(
        title="How long updates wait for API Gateway",
        description="The longest wait against connections that watch running jobs at a time. Past "
        f"{enough:,} connections a queue of every update grows for as long as the jobs run; with coalescing the "
        "longest wait is the time that one post to each connection takes.",
        x=(100, 10**7, "connections that watch running jobs at a time, in one account and region", "{:,.0f}".format),
        y=(LEAST, 10**6, "the longest wait, in seconds", tick),
        lines=[
            ("a", ("every update queued,", f"after {SECONDS} s"), [row[:2] for row in rows]),
            ("b", ("the latest update only",), [(audience, latest) for audience, _, latest, _ in rows]),
        ],
        mark=(enough, (f"{UPDATES_PER_SECOND} updates a second", f"reach {RATE:,} posts a second")),
    )
    if "--check" not in sys.argv[1:]:
        CHART.write_text(svg, encoding="utf-8")
        return
    for path, expected in ((CHART, svg), (TEXT, shown)):
        if expected not in path.read_text(encoding="utf-8"):
            sys.exit(f"{path} does not hold what is simulated: run python3 bench/scaling/simulate.py")


if __name__ == "__main__":
    main()
