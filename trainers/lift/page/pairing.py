"""The picture of replicates: each joined across the variants, so that pairs are seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from datakit.report.charts import figure, table
from datakit.report.markup import Child, Markup, el, quote
from trainers.lift.page.axes import EDGE, FOOT, HIGH, WIDTH, Across, Measure, clipped, drawing

__all__ = ["joined"]


def joined(
    title: str,
    rows: Mapping[str, Sequence[float]],
    measure: Measure,
    *,
    controls: frozenset[str] = frozenset(),
    note: Child = None,
) -> Markup:
    """Returns the scores of all replicates, those of one replicate joined: pairs are seen.

    Args:
        title: Its title.
        rows: By name, a score for each replicate, in their order.
        measure: What they are.
        controls: Names of controls.
        note: A sentence below the title.
    """
    values = [value for each in rows.values() for value in each]
    across = Across(values, EDGE, WIDTH - EDGE, measure)
    names, bottom = list(rows), len(rows) * HIGH + 4
    replicates = len(rows[names[0]])
    heights = [at * HIGH + 28 for at in range(len(rows))]
    picture = drawing(
        f"{title}: {replicates} replicates of {len(rows)} variants, {measure.name}; the table "
        "below has the figures",
        WIDTH,
        bottom + FOOT,
        across.draw(0, bottom),
        [_line(k, [rows[name][k] for name in names], heights, across) for k in range(replicates)],
        [
            _scores(name, rows[name], y, across, measure, name in controls)
            for name, y in zip(names, heights, strict=True)
        ],
    )
    key = "A dot is a replicate; a line joins what one replicate made of each variant. A bar is "
    key += "the mean."
    data = _table(title, rows, measure)
    return figure(title, [picture, el("p", key, class_="axis-line")], data, note)


def _table(title: str, rows: Mapping[str, Sequence[float]], measure: Measure) -> Markup:
    told: list[list[Child]] = [
        [quote(name, 80), *map(measure.show, each), measure.show(_mean(each))]
        for name, each in rows.items()
    ]
    count = max(map(len, rows.values()))
    return table(("", *(f"replicate {k + 1}" for k in range(count)), "mean"), told, title)


def _line(k: int, values: Sequence[float], heights: Sequence[int], across: Across) -> Markup:
    spots = (f"{across.at(value)},{y}" for value, y in zip(values, heights, strict=True))
    title = el("title", f"replicate {k + 1}")
    return el("polyline", title, points=" ".join(spots), class_="pairing")


def _scores(
    name: str,
    values: Sequence[float],
    y: float,
    across: Across,
    measure: Measure,
    control: bool,
) -> list[Child]:
    mean = _mean(values)
    x = across.at(mean)
    shown = f"{measure.show(mean)}{' control' if control else ''}"
    return [
        el("text", el("title", name), clipped(name), x=0, y=y - 13, class_="name"),
        el("text", shown, x=WIDTH, y=y - 13, class_="said end"),
        el("line", x1=x, x2=x, y1=y - 7, y2=y + 7, class_="mean"),
        [
            el(
                "circle",
                el("title", f"{name}, replicate {k + 1}: {measure.show(value)}"),
                cx=across.at(value),
                cy=y,
                r=3,
                class_="single",
            )
            for k, value in enumerate(values)
        ],
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
