"""What the charts of a study have in common: values, names, scales."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from datakit.report.markup import Child, Markup, el, plain
from trainers.lift.words import Unit
from trainers.page.charts import figures_of, ticks

__all__ = [
    "EDGE",
    "FOOT",
    "HIGH",
    "WIDTH",
    "Across",
    "Measure",
    "Upward",
    "clipped",
    "drawing",
    "ends",
    "measure_of",
]

# Of a picture, in its own units: its width, its margin, a row's height, and the room for an axis.
WIDTH = 440
EDGE = 26
HIGH = 40
FOOT = 40
_TICKS = 6


@dataclass(frozen=True)
class Measure:
    """What an axis measures.

    Args:
        name: In words, with the unit: `points over general@v1; right is better`.
        show: Writes a value.
        times: What a value is multiplied by for the axis: 100 for shares.
    """

    name: str
    show: Callable[[float], str]
    times: float = 1.0


def measure_of(unit: Unit, name: str, *, signed: bool = True) -> Measure:
    """Returns how an axis shows a metric.

    Args:
        unit: Of the metric.
        name: In words.
        signed: Whether values are differences.
    """
    return Measure(name, unit.signed if signed else unit.value, 100.0 if unit.share else 1.0)


def ends(measure: Measure, low: float | None, high: float | None) -> str:
    """Returns an interval: `[+0.9, +9.3]`; empty if there is none."""
    if low is None or high is None:
        return ""
    return f"[{measure.show(low)}, {measure.show(high)}]"


def clipped(name: str, most: int = 36) -> str:
    """Returns a name as a picture shows it, where a text cannot wrap.

    Args:
        name: Any text.
        most: Columns; letters of East Asia take two.
    """
    text, room = " ".join(plain(name).split()), most
    for at, char in enumerate(text):
        room -= 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if room < 0:
            return f"{text[: max(at - 1, 0)]}…"
    return text


class _Scale:
    """A scale with round marks.

    Args:
        values: All that it must show.
        first: Where its least mark is, in units of the picture.
        last: Where its greatest is.
        measure: What it measures.
    """

    def __init__(
        self, values: Iterable[float], first: float, last: float, measure: Measure
    ) -> None:
        scaled = [each * measure.times for each in values]
        self._first, self._last, self._measure = first, last, measure
        self._marks = ticks(min(scaled), max(scaled), _TICKS)

    def at(self, value: float) -> float:
        """Returns where a value lies."""
        return self._at(value * self._measure.times)

    def _at(self, mark: float) -> float:
        low, high = self._marks[0], self._marks[-1]
        return round(self._first + (mark - low) / (high - low) * (self._last - self._first), 1)

    def _named(self) -> list[tuple[float, str]]:
        return [(self._at(mark), figures_of(mark)) for mark in self._marks]


class Across(_Scale):
    """A horizontal scale; `first` is its left end."""

    def draw(self, top: float, bottom: float) -> list[Child]:
        """Returns the marks with their values, and below them what is measured."""
        drawn: list[Child] = []
        for x, text in self._named():
            drawn += [
                el("line", x1=x, x2=x, y1=top, y2=bottom, class_="grid"),
                el("text", text, x=x, y=bottom + 15, class_="tick mid"),
            ]
        middle = (self._first + self._last) / 2
        name = el("text", self._measure.name, x=middle, y=bottom + 32, class_="axis mid")
        return [*drawn, name]


class Upward(_Scale):
    """A vertical scale; `first` is its lower end."""

    def draw(self, left: float, right: float) -> list[Child]:
        """Returns the marks with their values, and along them what is measured."""
        drawn: list[Child] = []
        for y, text in self._named():
            drawn += [
                el("line", x1=left, x2=right, y1=y, y2=y, class_="grid"),
                el("text", text, x=left - 6, y=y + 4, class_="tick end"),
            ]
        middle = (self._first + self._last) / 2
        turn = f"rotate(-90 9 {middle})"
        name = el("text", self._measure.name, x=9, y=middle, transform=turn, class_="axis mid")
        return [*drawn, name]


def drawing(label: str, width: int, height: float, *children: Child) -> Markup:
    """Returns a picture that is scaled to the page.

    Args:
        label: What it shows, for those who do not see it.
        width: In its own units.
        height: Likewise.
        *children: What is drawn.
    """
    return el(
        "svg",
        children,
        viewBox=f"0 0 {width} {height:g}",
        role="img",
        aria_label=label,
        class_="chart wide",
    )
