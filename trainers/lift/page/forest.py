"""Differences with intervals: what is clear is told by form and in words, not by colour alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from datakit.report.charts import figure, table
from datakit.report.markup import Child, Markup, el, quote
from trainers.lift.page.axes import EDGE, FOOT, HIGH, WIDTH, Across, Measure, clipped, drawing, ends

__all__ = ["Row", "forest"]


@dataclass(frozen=True)
class Row:
    """One difference.

    Args:
        name: Of what differs.
        value: The difference.
        low: Lower end of its interval; None if there is none.
        high: Upper end.
        dots: Single values that it is the mean of, in the order of the replicates.
        control: Whether it is a control: marked by a diamond.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    dots: tuple[float, ...] = ()
    control: bool = False

    @property
    def clear(self) -> bool:
        """Whether the interval excludes nought."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def forest(
    title: str,
    rows: Sequence[Row],
    measure: Measure,
    *,
    without: str = "",
    dots: bool = False,
    note: Child = None,
) -> Markup:
    """Returns differences with their intervals, one below the other, and where nought is.

    Args:
        title: Its title.
        rows: The differences; one at least.
        measure: What they are.
        without: Why nothing may be concluded, in a word; if so, there are dots alone, no intervals.
        dots: Whether single replicates are drawn too.
        note: A sentence below the title.
    """
    dots = dots or bool(without)
    values = [0.0, *(value for row in rows for value in _values(row, without, dots))]
    across = Across(values, EDGE, WIDTH - EDGE, measure)
    bottom = len(rows) * HIGH + 4
    nought = across.at(0)
    picture = drawing(
        f"{title}: {len(rows)} differences, {measure.name}; the table below has the figures",
        WIDTH,
        bottom + FOOT,
        across.draw(0, bottom),
        el("line", x1=nought, x2=nought, y1=0, y2=bottom, class_="nought"),
        [
            _row(each, at * HIGH, across, measure, without, dots=dots)
            for at, each in enumerate(rows)
        ],
    )
    data = table(("", "difference", "interval", ""), _told(rows, measure, without), title)
    return figure(title, [picture, _key(rows, without, dots=dots)], data, note)


def _values(row: Row, without: str, dots: bool) -> Iterator[float]:
    yield row.value
    if dots:
        yield from row.dots
    if not without and row.low is not None and row.high is not None:
        yield from (row.low, row.high)


def _row(
    it: Row, top: float, across: Across, measure: Measure, without: str, *, dots: bool
) -> list[Child]:
    y = top + 27
    word = _word(it, without)
    shown = f"{measure.show(it.value)} {word}"
    sure = "" if without else f"{ends(measure, it.low, it.high)} "
    hint = f"{it.name}: {measure.show(it.value)} {sure}{word}"
    drawn: list[Child] = [
        el("text", el("title", it.name), clipped(it.name), x=0, y=top + 15, class_="name"),
        el("text", shown, x=WIDTH, y=top + 15, class_=f"said end {_look(word)}"),
    ]
    if dots:
        drawn += [
            el(
                "circle",
                el("title", f"replicate {at + 1}: {measure.show(value)}"),
                cx=across.at(value),
                cy=y if without else y + 8,
                r=2.5,
                class_="single",
            )
            for at, value in enumerate(it.dots)
        ]
    if not without and it.low is not None and it.high is not None:
        low, high = across.at(it.low), across.at(it.high)
        look = f"interval {_look(word)}"
        drawn.append(el("line", x1=low, x2=high, y1=y, y2=y, class_=look))
        drawn += [el("line", x1=x, x2=x, y1=y - 4, y2=y + 4, class_=look) for x in (low, high)]
    drawn.append(_point(across.at(it.value), y, f"point {_look(word)}", hint, control=it.control))
    return drawn


def _point(x: float, y: float, look: str, hint: str, *, control: bool) -> Markup:
    title = el("title", hint)
    if control:
        corners = f"{x},{y - 6} {x + 6},{y} {x},{y + 6} {x - 6},{y}"
        return el("polygon", title, points=corners, class_=look)
    return el("circle", title, cx=x, cy=y, r=4.5, class_=look)


def _word(it: Row, without: str) -> str:
    if it.low is None:
        return without or "no interval"
    return without or ("clear" if it.clear else "unclear")


def _look(word: str) -> str:
    return "clear" if word == "clear" else "open"


def _told(rows: Sequence[Row], measure: Measure, without: str) -> list[list[Child]]:
    return [
        [
            quote(each.name, 80),
            measure.show(each.value),
            ends(measure, each.low, each.high) if not without else "",
            _word(each, without),
        ]
        for each in rows
    ]


def _key(rows: Sequence[Row], without: str, *, dots: bool) -> Markup:
    said = []
    if not without:
        said.append("A filled mark is clear: its interval leaves out 0. A hollow one is not.")
    else:
        said.append("Hollow marks are means; nothing may be concluded from them.")
    if dots:
        said.append("Small dots are single replicates.")
    if any(each.control for each in rows):
        said.append("A diamond is a control.")
    return el("p", " ".join(said), class_="axis-line")
