"""Draws a line chart with two logarithmic axes as SVG. It follows the reader's light or dark theme and has a background, so
that it is readable on any page. A module of `simulate.py`."""

import math

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 92, 168, 56, 58
STYLE = """
  .paper { fill: #ffffff; }
  text { font: 13px system-ui, sans-serif; fill: #57606a; }
  .title { font-size: 15px; font-weight: 600; fill: #1f2328; }
  .grid { stroke: #d0d7de; stroke-width: 1; }
  .mark { stroke: #8c959f; stroke-width: 1.5; stroke-dasharray: 4 4; }
  .note { stroke: #ffffff; stroke-width: 5; stroke-linejoin: round; paint-order: stroke; }
  .line { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
  .a { stroke: #cf222e; } text.a { fill: #cf222e; stroke: none; }
  .b { stroke: #0969da; } text.b { fill: #0969da; stroke: none; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; }
    text { fill: #9198a1; }
    .title { fill: #f0f6fc; }
    .grid { stroke: #30363d; }
    .mark { stroke: #656c76; }
    .note { stroke: #0d1117; }
    .a { stroke: #ff7b72; } text.a { fill: #ff7b72; }
    .b { stroke: #58a6ff; } text.b { fill: #58a6ff; }
  }
"""


class Axis:
    """A logarithmic axis over whole decades."""

    def __init__(self, low, high, start, end):
        self.low, self.high, self.start, self.end = math.log10(low), math.log10(high), start, end

    def at(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self.start + part * (self.end - self.start), 1)

    def decades(self):
        return [10.0**power for power in range(round(self.low), round(self.high) + 1)]


def chart(title, description, x, y, lines, mark):
    """Returns the SVG. `x` and `y` are (low, high, name, function from value to label), a line is (class, name, points) and
    the mark is (x, lines of text)."""
    across = Axis(x[0], x[1], LEFT, WIDTH - RIGHT)
    up = Axis(y[0], y[1], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{title}</title><desc>{description}</desc>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        f'<text class="title" x="{LEFT}" y="24">{title}</text>',
    ]
    for value in up.decades():
        at = up.at(value)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{at}" x2="{WIDTH - RIGHT}" y2="{at}"/>')
        parts.append(f'<text x="{LEFT - 10}" y="{at + 4}" text-anchor="end">{y[3](value)}</text>')
    for value in across.decades():
        at = across.at(value)
        parts.append(f'<line class="grid" x1="{at}" y1="{TOP}" x2="{at}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text x="{at}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{x[3](value)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">{x[2]}</text>')
    parts.append(f'<text x="{LEFT}" y="{TOP - 12}">{y[2]}</text>')
    at = across.at(mark[0])
    parts.append(f'<line class="mark" x1="{at}" y1="{TOP}" x2="{at}" y2="{HEIGHT - BOTTOM}"/>')
    for index, text in enumerate(mark[1]):
        parts.append(f'<text class="note" x="{at + 24}" y="{HEIGHT - BOTTOM - 29 + 17 * index}">{text}</text>')
    for style, name, points in lines:
        path = " ".join(f"{across.at(a)},{up.at(min(max(b, y[0]), y[1]))}" for a, b in points)
        parts.append(f'<polyline class="line {style}" points="{path}"/>')
        end = up.at(min(points[-1][1], y[1]))
        for index, text in enumerate(name):
            parts.append(f'<text class="{style}" x="{WIDTH - RIGHT + 8}" y="{end + 4 + 17 * index}">{text}</text>')
    return "\n".join([*parts, "</svg>", ""])
