"""Charts of lift against size, and of what step after step adds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from datakit.report.charts import figure, table
from datakit.report.markup import Child, Markup, el, quote
from trainers.lift.page.axes import (
    EDGE,
    FOOT,
    HIGH,
    WIDTH,
    Across,
    Measure,
    Upward,
    clipped,
    drawing,
    ends,
)

__all__ = ["Point", "Stage", "band_chart", "waterfall"]

_UP = 56


@dataclass(frozen=True)
class Point:
    """One value of a curve.

    Args:
        at: Where, on the horizontal axis.
        value: How much.
        low: Lower end of its interval; None if there is none.
        high: Upper end.
    """

    at: float
    value: float
    low: float | None = None
    high: float | None = None

    @property
    def clear(self) -> bool:
        """Whether the interval excludes nought."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def band_chart(
    title: str,
    points: Sequence[Point],
    across: str,
    measure: Measure,
    *,
    log: bool = False,
    note: Child = None,
) -> Markup:
    """Returns a curve with the band of its intervals: a lift against the number of records.

    Args:
        title: Its title.
        points: In order of `at`; one at least.
        across: What the horizontal axis measures.
        measure: What the vertical axis measures.
        log: Whether equal ratios are equally far apart; every `at` is over 0 then.
        note: A sentence below the title.
    """
    height = 260
    ends_of = [each for p in points for each in (p.value, p.low, p.high) if each is not None]
    upward = Upward([0.0, *ends_of], height - FOOT, EDGE, measure)
    places = _places([math.log(each.at) if log else each.at for each in points])
    spots = [(x, upward.at(each.value)) for x, each in zip(places, points, strict=True)]
    picture = drawing(
        f"{title}: {measure.name} by {across}, {len(points)} points; the table below has the "
        "figures",
        WIDTH,
        height,
        upward.draw(_UP, WIDTH - EDGE),
        _band(points, places, upward),
        el("line", x1=_UP, x2=WIDTH - EDGE, y1=upward.at(0), y2=upward.at(0), class_="nought"),
        el("polyline", points=" ".join(f"{x},{y}" for x, y in spots), class_="curve held"),
        [_spot(each, *spot, across, measure) for each, spot in zip(points, spots, strict=True)],
        _labels(points, places, height - FOOT + 15),
        el("text", across, x=(_UP + WIDTH - EDGE) / 2, y=height - 6, class_="axis mid"),
    )
    key = "The band is the interval of each point. A filled mark is clear: it leaves out 0."
    data = table((across, measure.name, "interval", ""), _told(points, measure), title)
    return figure(title, [picture, el("p", key, class_="axis-line")], data, note)


def _told(points: Sequence[Point], measure: Measure) -> list[list[Child]]:
    return [
        [f"{p.at:,.6g}", measure.show(p.value), ends(measure, p.low, p.high), _found(p)]
        for p in points
    ]


def _places(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    left, right = _UP + EDGE, WIDTH - 2 * EDGE
    if low == high:
        return [(left + right) / 2 for _ in values]
    return [round(left + (each - low) / (high - low) * (right - left), 1) for each in values]


def _band(points: Sequence[Point], places: Sequence[float], upward: Upward) -> Markup | None:
    known = [
        (x, upward.at(each.low), upward.at(each.high))
        for x, each in zip(places, points, strict=True)
        if each.low is not None and each.high is not None
    ]
    if not known:
        return None
    if len(known) == 1:
        (x, low, high) = known[0]
        return el("line", x1=x, x2=x, y1=low, y2=high, class_="interval open")
    around = [f"{x},{high}" for x, _, high in known] + [f"{x},{low}" for x, low, _ in known[::-1]]
    return el("polygon", points=" ".join(around), class_="band")


def _found(it: Point) -> str:
    return "" if it.low is None else ("clear" if it.clear else "unclear")


def _spot(it: Point, x: float, y: float, across: str, measure: Measure) -> Markup:
    text = f"{it.at:,.6g} {across}: {measure.show(it.value)} {ends(measure, it.low, it.high)}"
    return el(
        "circle",
        el("title", text),
        cx=x,
        cy=y,
        r=4.5,
        class_=f"point {'clear' if it.clear else 'open'}",
    )


def _labels(points: Sequence[Point], places: Sequence[float], y: float) -> Iterator[Markup]:
    """Yields where the points are, but not so many that they touch."""
    end = -math.inf
    for x, each in zip(places, points, strict=True):
        text = f"{each.at:,.6g}"
        half = 4 * len(text)
        if x - half > end:
            yield el("text", text, x=x, y=y, class_="tick mid")
            end = x + half


@dataclass(frozen=True)
class Stage:
    """One bar of a waterfall.

    Args:
        name: Of the stage.
        value: How much it adds; of a sum, how much there is by then.
        total: Whether it is a sum, drawn from nought.
    """

    name: str
    value: float
    total: bool = False


def waterfall(
    title: str, stages: Sequence[Stage], measure: Measure, *, note: Child = None
) -> Markup:
    """Returns what one stage after the other adds: a bar begins where the one before it ended.

    Args:
        title: Its title.
        stages: In order; one at least.
        measure: What they add.
        note: A sentence below the title.
    """
    spans = list(_spans(stages))
    reach = [0.0, *(value for each in spans for value in each)]
    across = Across(reach, EDGE, WIDTH - EDGE, measure)
    bottom, nought = len(stages) * HIGH + 4, across.at(0)
    picture = drawing(
        f"{title}: {len(stages)} stages, {measure.name}; the table below has the figures",
        WIDTH,
        bottom + FOOT,
        across.draw(0, bottom),
        el("line", x1=nought, x2=nought, y1=0, y2=bottom, class_="nought"),
        [
            _bar(stage, span, at * HIGH, across, measure, last=at == len(stages) - 1)
            for at, (stage, span) in enumerate(zip(stages, spans, strict=True))
        ],
    )
    key = "A full bar is a sum, a framed one what a stage adds."
    data = table(("", "adds", "by then"), _listed(stages, spans, measure), title)
    return figure(title, [picture, el("p", key, class_="axis-line")], data, note)


def _listed(
    stages: Sequence[Stage], spans: Sequence[tuple[float, float]], measure: Measure
) -> list[list[Child]]:
    return [
        [
            quote(stage.name, 80),
            "" if stage.total else measure.show(stage.value),
            measure.show(end).lstrip("+"),
        ]
        for stage, (_, end) in zip(stages, spans, strict=True)
    ]


def _spans(stages: Sequence[Stage]) -> Iterator[tuple[float, float]]:
    reached = 0.0
    for each in stages:
        start = 0.0 if each.total else reached
        reached = start + each.value
        yield start, reached


def _bar(
    it: Stage,
    span: tuple[float, float],
    top: float,
    across: Across,
    measure: Measure,
    *,
    last: bool,
) -> list[Child]:
    (start, end), y = span, top + 20
    left, right = sorted((across.at(start), across.at(end)))
    shown = measure.show(it.value).lstrip("+" if it.total else "")
    hint = el("title", f"{it.name}: {shown}")
    drawn: list[Child] = [
        el("text", el("title", it.name), clipped(it.name), x=EDGE + 4, y=top + 15, class_="name"),
        el("text", shown, x=WIDTH, y=top + 15, class_="said end"),
        el(
            "rect",
            hint,
            x=left,
            y=y,
            width=round(max(right - left, 1.5), 1),
            height=12,
            class_="bar" if it.total else "added",
        ),
    ]
    if not last:
        x = across.at(end)
        drawn.append(el("line", x1=x, x2=x, y1=y + 12, y2=y + HIGH, class_="pairing"))
    return drawn
