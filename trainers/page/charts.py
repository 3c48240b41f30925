"""Line charts of a training as SVG, in the look of the reports' charts: same axes, same table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from datakit.report.charts import figure, table
from datakit.report.markup import Child, Markup, el

__all__ = ["Series", "Size", "figures_of", "line_chart", "smooth", "ticks"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 12, 40
_DOTS = 60
_ROWS = 400


@dataclass(frozen=True)
class Size:
    """A picture's size in its own units; it is scaled to the page."""

    width: int = 360
    height: int = 190


@dataclass(frozen=True)
class Series:
    """One line.

    Args:
        name: What it is, for the key and the table.
        points: Step and value, in order; values are finite.
        look: Its class in the style sheet: `held`, `train`, `other`, `faint`.
        dots: Whether each point is marked.
        line: Whether points are joined.
        key: Whether the key names it.
        row: Whether the table has a column for it.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    look: str = "held"
    dots: bool = False
    line: bool = True
    key: bool = True
    row: bool = True

    @classmethod
    def of(
        cls,
        name: str,
        entries: Sequence[object],
        field: str,
        look: str = "held",
        *,
        dots: bool = False,
        line: bool = True,
    ) -> Series:
        """Takes one field of a log's entries, each with a `step`; what is no number is left out."""
        found: dict[float, float] = {}
        for each in entries:
            if isinstance(each, dict):
                step, value = _number(each.get("step")), _number(each.get(field))
                if step is not None and value is not None:
                    # Of two entries at one step the last counts: a run that went on repeats some.
                    found[step] = value
        return cls(name, tuple(sorted(found.items())), look, dots, line)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def smooth(series: Series, least: int = 30) -> tuple[Series, ...]:
    """Returns a long series as a faint line under its running mean; a short one as it is."""
    n = len(series.points)
    if n < least:
        return (series,)
    span = n // 15
    values = [value for _, value in series.points]
    mean = []
    for at, (step, _) in enumerate(series.points):
        near = values[max(0, at - span) : at + span + 1]
        mean.append((step, math.fsum(near) / len(near)))
    faint = Series(series.name, series.points, "faint", key=False)
    name = f"{series.name}, mean of {2 * span + 1}"
    return faint, Series(name, tuple(mean), series.look, row=False)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Returns round values from at most `low` to at least `high`.

    They are 1, 2 or 5 times a power of ten apart.

    Args:
        low: The least value to be shown.
        high: The greatest.
        most: Most steps between two of them.
    """
    if not high > low:
        # All are equal: they lie in the middle of a range about their size.
        room = abs(low) / 10 or 1.0
        low, high = low - room, high + room
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    fitting = (power * by for by in (1, 2, 5, 10, 20))
    unit = next(
        each
        for each in fitting
        if math.ceil(high / each - 1e-9) - math.floor(low / each + 1e-9) <= most
    )
    first, last = math.floor(low / unit + 1e-9), math.ceil(high / unit - 1e-9)
    return [round(at * unit, 12) for at in range(first, last + 1)]


def figures_of(value: float) -> str:
    """Returns a value with the figures that matter: `1,234`, `12.3`, `0.0213`, `2e-5`."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size < 1e-3:
        # 2e-4, not 2.00e-04: it stands in a narrow margin.
        number, _, power = f"{value:.2e}".partition("e")
        return f"{float(number):g}e{int(power)}"
    return f"{value:.{3 if size < 1 else 4}g}"


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    up: str = "",
    size: Size = Size(),
    note: Child = None,
    below: Sequence[Series] = (),
) -> Markup | None:
    """Returns lines over the steps of a training with their table, or None if there is no point.

    Args:
        title: Its title.
        series: The lines.
        up: What the vertical axis measures.
        size: Of the picture.
        note: A sentence below the title.
        below: Lines of a faint strip below, with an axis of its own; the table has them too.
    """
    series = [each for each in series if each.points]
    below = [each for each in below if each.points]
    if not series:
        return None
    listed = [each for each in (*series, *below) if each.row]
    last = max(step for each in (*series, *below) for step, _ in each.points)
    first = min(0.0, min(step for each in (*series, *below) for step, _ in each.points))
    plane = _Plane(size, first, max(last, first + 1))
    picture = el(
        "svg",
        plane.draw(series, up),
        viewBox=f"0 0 {size.width} {size.height}",
        role="img",
        aria_label=f"{title} over {last:,.0f} steps; the table below has the figures",
        class_="chart wide" if size.width > Size().width else "chart",
    )
    body: list[Child] = [picture]
    if below:
        body.append(_strip(below, plane))
    body.append(_key([each for each in (*series, *below) if each.key]))
    return figure(title, body, _table(title, listed), note)


def _key(series: Sequence[Series]) -> Markup:
    named: list[Child] = [
        [el("span", class_=f"swatch {each.look}{'' if each.line else ' dot'}"), each.name, " "]
        for each in series
    ]
    return el("p", named, class_="axis-line key")


def _table(title: str, series: Sequence[Series]) -> Markup:
    values = [dict(each.points) for each in series]
    steps = sorted({step for each in values for step in each})
    shown = steps
    if len(steps) > _ROWS:
        every = math.ceil(len(steps) / _ROWS)
        shown = [*steps[:-1:every], steps[-1]]
    rows: list[list[Child]] = [
        [f"{step:,.0f}", *(figures_of(each[step]) if step in each else "" for each in values)]
        for step in shown
    ]
    return table(("step", *(each.name for each in series)), rows, title)


class _Plane:
    """The area in which lines are drawn.

    Args:
        size: Of the whole picture.
        first: The step at its left edge.
        last: The step at its right edge.
    """

    def __init__(self, size: Size, first: float, last: float) -> None:
        self.size, self._first, self._last = size, first, last

    def x(self, step: float) -> float:
        """Returns where a step lies."""
        share = (step - self._first) / (self._last - self._first)
        return round(_LEFT + share * (self.size.width - _LEFT - _RIGHT), 1)

    def draw(self, series: Sequence[Series], up: str) -> list[Child]:
        """Returns axes and lines."""
        values = [value for each in series for _, value in each.points]
        marks = ticks(min(values), max(values))
        bottom = self.size.height - _BOTTOM
        low, high = marks[0], marks[-1]

        def y(value: float) -> float:
            return round(bottom - (value - low) / (high - low) * (bottom - _TOP), 1)

        drawn: list[Child] = []
        right = self.size.width - _RIGHT
        for value in marks:
            drawn += [
                el("line", x1=_LEFT, x2=right, y1=y(value), y2=y(value), class_="grid"),
                el("text", _mark(value), x=_LEFT - 6, y=y(value) + 4, class_="tick end"),
            ]
        drawn += self._across(bottom + 15)
        middle = (_TOP + bottom) / 2
        turn = f"rotate(-90 9 {middle})"
        drawn.append(el("text", up, x=9, y=middle, transform=turn, class_="axis mid") if up else "")
        return [*drawn, *(self._line(each, y) for each in series)]

    def _across(self, y: float) -> list[Child]:
        marks = [each for each in ticks(self._first, self._last) if each <= self._last]
        whole = [each for each in marks if each == round(each)]
        texts: list[Child] = [
            el("text", f"{each:,.0f}", x=self.x(each), y=y, class_="tick mid") for each in whole
        ]
        label = el(
            "text",
            "optimizer step",
            x=(_LEFT + self.size.width - _RIGHT) / 2,
            y=self.size.height - 5,
            class_="axis mid",
        )
        return [*texts, label]

    def _line(self, each: Series, y: object) -> list[Child]:
        assert callable(y)
        spots = [(self.x(step), y(value)) for step, value in each.points]
        drawn: list[Child] = []
        if each.line and len(spots) > 1:
            path = " ".join(f"{a},{b}" for a, b in spots)
            drawn.append(el("polyline", points=path, class_=f"curve {each.look}"))
        if (each.dots and len(spots) <= _DOTS) or not each.line or len(spots) == 1:
            for (a, b), (step, value) in zip(spots, each.points, strict=True):
                text = f"step {step:,.0f}: {each.name} {figures_of(value)}"
                drawn.append(el("circle", el("title", text), cx=a, cy=b, r=3, class_=each.look))
        return drawn


def _strip(series: Sequence[Series], plane: _Plane) -> Markup:
    """Returns a low picture with the same horizontal axis, and its highest value alone."""
    height, top, bottom = 52, 12, 44
    high = max(value for each in series for _, value in each.points) or 1.0
    drawn: list[Child] = []
    for value, text in ((high, figures_of(high)), (0.0, "0")):
        at = bottom - value / high * (bottom - top)
        drawn += [
            el("line", x1=_LEFT, x2=plane.size.width - _RIGHT, y1=at, y2=at, class_="grid"),
            el("text", text, x=_LEFT - 6, y=at + 4, class_="tick end"),
        ]
    for each in series:
        spots = [
            f"{plane.x(step)},{round(bottom - max(value, 0) / high * (bottom - top), 1)}"
            for step, value in each.points
        ]
        drawn.append(el("polyline", points=" ".join(spots), class_=f"curve {each.look}"))
    names = ", ".join(each.name for each in series)
    return el(
        "svg",
        drawn,
        viewBox=f"0 0 {plane.size.width} {height}",
        role="img",
        aria_label=f"{names}, at most {figures_of(high)}",
        class_="chart wide strip",
    )


def _mark(value: float) -> str:
    text = f"{value:,.6g}" if abs(value) < 1000 else f"{value:,.0f}"
    return text if len(text) <= 6 else figures_of(value)
