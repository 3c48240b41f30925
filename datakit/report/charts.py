"""Charts as SVG: a title, labelled axes, and the same figures as a table below."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from datakit.report.markup import Child, Markup, el, quote

__all__ = [
    "Bar",
    "Bin",
    "Line",
    "bar_line",
    "bars",
    "bins",
    "figure",
    "histogram",
    "lines",
    "nice",
    "table",
]

_WIDTH, _HEIGHT = 360, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 8, 12, 40


@dataclass(frozen=True)
class Bar:
    """A named amount."""

    name: str
    value: int
    note: str = ""


@dataclass(frozen=True)
class Bin:
    """How many values lie in [low, high); `open` if all above `low` do."""

    low: int
    high: int
    count: int
    open: bool = False

    @property
    def label(self) -> str:
        """The range in words."""
        if self.open:
            return f"{self.low:,} and more"
        return f"{self.low:,}" if self.high == self.low + 1 else f"{self.low:,}-{self.high - 1:,}"


@dataclass(frozen=True)
class Line:
    """Points (across, up) by rising `across`; `dashed` tells it from another."""

    name: str
    points: tuple[tuple[float, float], ...]
    dashed: bool = False


def nice(value: float) -> int:
    """Returns the least 1, 2 or 5 times a power of ten that is not below the value."""
    power = 10 ** math.floor(math.log10(max(value, 1)))
    return int(next(power * step for step in (1, 2, 5, 10) if power * step >= value))


def bins(counts: Counter[int], most: int = 20) -> list[Bin]:
    """Returns at most `most` equal ranges over 98 % of the values, and one for what is above."""
    if not counts:
        return []
    total, seen, end = counts.total(), 0, 0
    for value in sorted(counts):
        seen += counts[value]
        end = value
        if seen >= 0.98 * total:
            break
    start = min(counts)
    start = 0 if start < end / 3 else start
    width = nice((end + 1 - start) / most)
    start -= start % width
    found = [0] * ((end - start) // width + 1)
    above = 0
    for value, n in counts.items():
        at = (value - start) // width
        if at < len(found):
            found[at] += n
        else:
            above += n
    ranges = [Bin(start + at * width, start + (at + 1) * width, n) for at, n in enumerate(found)]
    top = ranges[-1].high
    return [*ranges, Bin(top, top, above, open=True)] if above else ranges


def table(head: Sequence[str], rows: Sequence[Sequence[Child]], caption: str = "") -> Markup:
    """Returns a table; all columns but the first hold figures."""
    return el(
        "div",
        el(
            "table",
            el("caption", caption, class_="unseen") if caption else None,
            el("thead", el("tr", [el("th", name, scope="col") for name in head])),
            el(
                "tbody",
                [
                    el("tr", el("th", row[0], scope="row"), [el("td", cell) for cell in row[1:]])
                    for row in rows
                ],
            ),
        ),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label=caption or head[0],
    )


def figure(title: str, picture: Child, data: Markup, note: Child = None) -> Markup:
    """Returns a picture with its title, and its table folded away."""
    return el(
        "figure",
        el("figcaption", title),
        el("p", note, class_="note") if note is not None else None,
        picture,
        el("details", el("summary", "As a table"), data, class_="data"),
    )


def histogram(title: str, ranges: Sequence[Bin], across: str, up: str = "records") -> Markup:
    """Returns a histogram.

    Args:
        title: Its title.
        ranges: The ranges, in order.
        across: What the horizontal axis measures.
        up: What the vertical axis counts.
    """
    total = sum(each.count for each in ranges)
    rows = [(each.label, f"{each.count:,}") for each in ranges]
    data = table((across, up), rows, title)
    if not total:
        return figure(title, el("p", "No record has any.", class_="none"), data)
    unit = nice(max(each.count for each in ranges) / 4)
    top = unit * math.ceil(max(each.count for each in ranges) / unit)
    step = (_WIDTH - _LEFT - _RIGHT) / len(ranges)
    name = f"{title}: histogram of {total:,} {up} by {across}; the table below has the figures"
    picture = el(
        "svg",
        _scale(top, unit, up),
        [_column(each, at, step, top) for at, each in enumerate(ranges)],
        _ticks(ranges, step),
        el("text", across, x=(_LEFT + _WIDTH) / 2, y=_HEIGHT - 4, class_="axis mid"),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=name,
        class_="chart",
    )
    return figure(title, picture, data)


def lines(
    title: str, drawn: Sequence[Line], across: str, up: str, data: Markup, note: Child = None
) -> Markup:
    """Returns lines on one pair of axes that begin at 0.

    Args:
        title: Its title.
        drawn: The lines; each is named at the top.
        across: What the horizontal axis measures.
        up: What the vertical axis counts.
        data: The same figures as a table.
        note: A sentence below the title.
    """
    most = max(1.0, *(y for line in drawn for _, y in line.points))
    wide = max(1.0, *(x for line in drawn for x, _ in line.points))
    unit, step = nice(most / 4), nice(wide / 4)
    top = unit * math.ceil(most / unit)
    scale = (_WIDTH - _LEFT - 3 * _RIGHT) / wide
    said = ", ".join(f"{line.name} to {line.points[-1][1]:,.0f}" for line in drawn)
    marks = [
        el("text", f"{x:,}", x=round(_LEFT + x * scale, 1), y=_HEIGHT - 26, class_="tick mid")
        for x in range(0, int(wide) + 1, step)
    ]
    picture = el(
        "svg",
        _scale(top, unit, up),
        marks,
        [_line(line, scale, top) for line in drawn],
        el("text", across, x=(_LEFT + _WIDTH) / 2, y=_HEIGHT - 4, class_="axis mid"),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=f"{title}: lines over {across}: {said}; the table below has the figures",
        class_="chart",
    )
    keys = [
        el("li", el("span", class_="key dashed" if line.dashed else "key"), line.name)
        for line in drawn
    ]
    return figure(title, [el("ul", keys, class_="keys"), picture], data, note)


def _line(line: Line, scale: float, top: int) -> Markup:
    spots = (f"{_LEFT + x * scale:.1f},{_y(y, top)}" for x, y in line.points)
    kind = "drawn dashed" if line.dashed else "drawn"
    return el("polyline", points=" ".join(spots), class_=kind)


def _y(value: float, top: int) -> float:
    return round(_HEIGHT - _BOTTOM - value / top * (_HEIGHT - _TOP - _BOTTOM), 1)


def _scale(top: int, unit: int, up: str) -> list[Markup]:
    marks: list[Markup] = []
    for value in range(0, top + 1, unit):
        y = _y(value, top)
        marks.append(el("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid"))
        marks.append(el("text", f"{value:,}", x=_LEFT - 6, y=y + 4, class_="tick end"))
    middle = _y(top / 2, top)
    # The axis is named along it; without the turn it would take the room of the bars.
    turn = f"rotate(-90 9 {middle})"
    return [*marks, el("text", up, x=9, y=middle, transform=turn, class_="axis mid")]


def _column(each: Bin, at: int, step: float, top: int) -> Markup:
    y = _y(each.count, top)
    return el(
        "rect",
        el("title", f"{each.label}: {each.count:,}"),
        x=round(_LEFT + at * step + 0.5, 1),
        y=y,
        width=round(max(step - 1, 0.5), 1),
        height=round(_y(0, top) - y, 1),
        class_="bar faint" if each.open else "bar",
    )


def _ticks(ranges: Sequence[Bin], step: float) -> list[Markup]:
    every = max(1, math.ceil(len(ranges) / 5))
    y = _HEIGHT - _BOTTOM + 14
    marks = []
    for at, each in enumerate(ranges):
        is_last = each.open
        near_last = ranges[-1].open and len(ranges) - 1 - at < every and not is_last
        if is_last or (at % every == 0 and not near_last):
            text = f"{each.low:,}{'+' if is_last else ''}"
            place = "tick end" if is_last else "tick start"
            x = _LEFT + (at + is_last) * step
            marks.append(el("text", text, x=round(x, 1), y=y, class_=place))
    return marks


def bars(title: str, items: Sequence[Bar], of: int, what: str, note: Child = None) -> Markup:
    """Returns named amounts as horizontal bars on one scale that begins at 0.

    Args:
        title: Its title.
        items: The amounts, the greatest first.
        of: What a full bar is.
        what: What is counted.
        note: A sentence below the title.
    """
    rows = [
        el(
            "li",
            el("span", quote(item.name, 60), class_="name"),
            bar_line(item.value, of),
            el("span", f"{item.value:,}", el("small", item.note), class_="value"),
        )
        for item in items
    ]
    data = table(
        ("", what, "share"),
        [(quote(i.name, 60), f"{i.value:,}", f"{100 * i.value / max(of, 1):.1f} %") for i in items],
        title,
    )
    axis = el("p", f"{what}; a full bar is {of:,}", class_="axis-line")
    return figure(title, [el("ul", rows, class_="bars"), axis], data, note)


def bar_line(value: float, of: float, also: float = 0) -> Markup:
    """Returns one thin bar of `value`, then `also` in a lighter tone; figures stand by it."""
    whole = max(of, 1)
    first = round(1000 * min(value / whole, 1), 1)
    second = round(1000 * min(also / whole, 1), 1)
    # A bar of nothing is nothing, but little is not nothing.
    first = max(first, 3.0) if value else 0.0
    second = max(second, 3.0) if also else 0.0
    return el(
        "svg",
        el("rect", x=0, y=0, width=1000, height=10, class_="rail"),
        el("rect", x=0, y=0, width=first, height=10, class_="bar") if first else None,
        el("rect", x=first, y=0, width=second, height=10, class_="lost") if second else None,
        viewBox="0 0 1000 10",
        preserveAspectRatio="none",
        class_="line",
        aria_hidden="true",
    )
