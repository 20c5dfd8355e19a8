"""Plots as SVG: axes, lines, areas, and dots with whiskers. Colours and letters are the page's (`page.css`).

Never here: what a figure means.
"""

import math
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Axis:
    """From which number to which, and what it says beside its marks."""

    low: float
    high: float
    label: str
    is_log: bool = False
    show: object = None
    marks: tuple = ()

    def part(self, value):
        """Where on the way from one end to the other."""
        if not self.is_log:
            return (value - self.low) / (self.high - self.low)
        value = max(value, self.low)
        return math.log(value / self.low) / math.log(self.high / self.low)

    def ticks(self):
        if self.marks:
            return [(value, text) for value, text in self.marks if self.low <= value <= self.high]
        values = _log_ticks(self.low, self.high) if self.is_log else _even_ticks(self.low, self.high)
        return [(value, (self.show or number)(value)) for value in values]


def _log_ticks(low, high):
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    is_short = math.log10(high / low) < 2
    values = [step * 10.0**power for power in powers for step in ((1, 2, 5) if is_short else (1,))]
    values = [value for value in values if low * 0.999 <= value <= high * 1.001]
    # Of very many decades every other one, or every third.
    return values[:: 1 + len(values) // 8]


def _even_ticks(low, high):
    rough = (high - low) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(each * power for each in (1, 2, 2.5, 5, 10) if each * power >= rough)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def log_axis(values, label, show=None):
    """Around all of these, to the next mark at both ends."""
    values = [value for value in values if value > 0]
    ends = [step * 10.0**power for power in range(-4, 12) for step in (1, 2, 5)]
    low = max((end for end in ends if end <= min(values)), default=min(values))
    high = min((end for end in ends if end >= max(values)), default=max(values))
    return Axis(low, high if high > low else low * 10, label, is_log=True, show=show)


def even_axis(values, label, show=None):
    """From nothing to a little more than the most."""
    high = max(values) or 1
    power = 10 ** math.floor(math.log10(high))
    high = next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= high)
    return Axis(0, high, label, show=show)


def number(value):
    if value == 0:
        return "0"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def microseconds(value):
    for size, unit in ((1e6, "s"), (1e3, "ms")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} µs"


@dataclass(frozen=True)
class Line:
    """One row of figures: `style` is a class of the page's."""

    name: str
    style: str
    # Pairs of numbers, or with the least and the most as third and fourth.
    points: tuple
    is_dashed: bool = False
    has_dots: bool = True
    is_filled: bool = False
    # Points that are only outlined.
    hollow: frozenset = frozenset()


WIDTH, HEIGHT = 380, 240
LEFT, RIGHT, TOP, BOTTOM = 66, 20, 10, 42


def plot(title, across, up, lines, width=WIDTH, height=HEIGHT):
    """A figure of the page: what it is called, whose line is whose, and the drawing."""
    frame = _Frame(across, up, width, height)
    drawn = "".join(frame.line(line) for line in lines)
    legend = "".join(
        f'<li class="{line.style}{" dashed" if line.is_dashed else ""}">{escape(line.name)}</li>' for line in lines
    )
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><ul class="legend">{legend}</ul>'
        f"{_svg(title, width, height, frame.axes() + drawn)}</figure>"
    )


def _svg(title, width, height, inner):
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">{inner}</svg>'


class _Frame:
    def __init__(self, across, up, width, height, left=LEFT):
        self.across, self.up, self.left = across, up, left
        self.right, self.bottom = width - RIGHT, height - BOTTOM

    def x(self, value):
        return round(self.left + self.across.part(value) * (self.right - self.left), 1)

    def y(self, value):
        return round(self.bottom - self.up.part(value) * (self.bottom - TOP), 1)

    def axes(self):
        middle = (self.left + self.right) / 2
        parts = [self.axis_across(middle)]
        for value, text in self.up.ticks():
            y = self.y(value)
            parts.append(f'<path class="grid" d="M{self.left} {y}H{self.right}"/>')
            parts.append(f'<text class="tick" x="{self.left - 6}" y="{y + 3.5}" text-anchor="end">{escape(text)}</text>')
        y = (TOP + self.bottom) / 2
        parts.append(
            f'<text class="axis" transform="translate(12 {y}) rotate(-90)" text-anchor="middle">{escape(self.up.label)}</text>'
        )
        return "".join(parts)

    def axis_across(self, middle):
        parts = [f'<path class="base" d="M{self.left} {self.bottom}H{self.right}"/>']
        for value, text in self.across.ticks():
            x = self.x(value)
            parts.append(f'<path class="grid" d="M{x} {TOP}V{self.bottom}"/>')
            parts.append(f'<text class="tick" x="{x}" y="{self.bottom + 15}" text-anchor="middle">{escape(text)}</text>')
        parts.append(
            f'<text class="axis" x="{middle}" y="{self.bottom + 34}" text-anchor="middle">{escape(self.across.label)}</text>'
        )
        return "".join(parts)

    def line(self, line):
        at = [(self.x(point[0]), self.y(point[1])) for point in line.points]
        path = "M" + "L".join(f"{x} {y}" for x, y in at)
        parts = []
        ranged = [point for point in line.points if len(point) == 4]
        if len(ranged) > 1:
            above = [f"{self.x(point[0])} {self.y(point[3])}" for point in ranged]
            below = [f"{self.x(point[0])} {self.y(point[2])}" for point in reversed(ranged)]
            parts.append(f'<path class="range" d="M{"L".join(above + below)}Z"/>')
        if line.is_filled:
            parts.append(f'<path class="area" d="{path}L{at[-1][0]} {self.bottom}L{at[0][0]} {self.bottom}Z"/>')
        parts.append(f'<path class="line" d="{path}"/>')
        if line.has_dots:
            for number_of, ((x, y), point) in enumerate(zip(at, line.points, strict=True)):
                shape = "dot hollow" if number_of in line.hollow else "dot"
                told = f"{line.name}: {self.up.label} {point[1]:.4g}"
                parts.append(f'<circle class="{shape}" cx="{x}" cy="{y}" r="2.6"><title>{escape(told)}</title></circle>')
        return f'<g class="{line.style}{" dashed" if line.is_dashed else ""}">{"".join(parts)}</g>'


def dots(title, across, rows, aim=None, width=WIDTH * 2 + 24):
    """A row for each name: its figure as a dot, with whiskers to the least and the most. Rows are (name, style, spread, text)."""
    step, left = 22, 230
    height = TOP + step * len(rows) + BOTTOM
    frame = _Frame(across, None, width - 90, height, left)
    parts = [frame.axis_across((left + frame.right) / 2)]
    if aim:
        parts.append(f'<path class="aim" d="M{frame.x(aim)} {TOP}V{frame.bottom}"/>')
    for place, (name, style, spread, text) in enumerate(rows):
        y = TOP + step * (place + 0.5)
        least, middle, most = (frame.x(value) for value in (spread.least, spread.median, spread.most))
        parts.append(
            f'<text class="name" x="{left - 10}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
            f'<g class="{style}"><path class="whisker" d="M{least} {y}H{most}"/>'
            f'<circle class="dot" cx="{middle}" cy="{y}" r="4"/></g>'
            f'<text class="tick" x="{width - 4}" y="{y + 4}" text-anchor="end">{escape(text)}</text>'
        )
    return f'<figure class="wide"><figcaption>{escape(title)}</figcaption>{_svg(title, width, height, "".join(parts))}</figure>'
