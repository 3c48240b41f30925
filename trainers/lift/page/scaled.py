"""The page of lift against size."""

from __future__ import annotations

from datakit.report.charts import table
from datakit.report.markup import Child, Markup, el, quote
from trainers.lift.page.angle import Angle, Chapter
from trainers.lift.page.axes import measure_of
from trainers.lift.page.charts import Point, band_chart
from trainers.lift.page.facts import Told, cell, chance
from trainers.lift.page.page import render as render_study
from trainers.lift.scaling import Scaled, name_of
from trainers.page.parts import chapter

__all__ = ["render"]


def render(scaled: Scaled) -> str:
    """Returns the page of a study of sizes as one HTML file."""
    told = Told(scaled.lift)
    gains = _gains(scaled, told)
    angle = Angle(
        kind="Scaling study",
        verdicts=scaled.verdicts,
        heading=f"Lift by size of {scaled.ref}"[:80],
        picture=_curve(scaled, told),
        chapters=[Chapter("gains", "Size by size", gains)],
        notes=[scaled.note],
        more="gains",
    )
    return render_study(scaled.lift, angle)


def _curve(scaled: Scaled, told: Told) -> Markup:
    lift = scaled.lift
    points = [Point(scaled.sizes[0], 0.0)]
    for size in scaled.sizes[1:]:
        it = told.over_baseline(name_of(size))
        low, high = (None, None) if told.without else (it.low, it.high)
        points.append(Point(size, it.value, low, high))
    down = "lower" if lift.lower_is_better else "higher"
    name = f"{told.unit_name} over {lift.baseline}; {down} is better"
    note = "A size's records are among those of the next one, other ones in each replicate."
    measure = measure_of(told.unit, name)
    return band_chart("Lift by size", points, "records", measure, log=True, note=note)


def _gains(scaled: Scaled, told: Told) -> Markup:
    rows: list[list[Child]] = [
        [
            quote(each.over, 40),
            quote(each.variant, 40),
            cell(each, told.unit, sure=not told.without),
            chance(each.p),
        ]
        for each in scaled.gains
    ]
    head = ("from", "to", told.unit_name, "adjusted p")
    note = f"Each size against the one before it; these intervals hold together. {scaled.note}"
    return chapter(
        "gains",
        "Size by size",
        el("p", note, class_="note"),
        table(head, rows, "Size by size"),
    )
