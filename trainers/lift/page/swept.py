"""The page of a sweep: where to draw the line."""

from __future__ import annotations

from datakit.report.charts import table
from datakit.report.markup import Child, Markup, el
from trainers.lift.page.angle import Angle, Chapter
from trainers.lift.page.axes import measure_of
from trainers.lift.page.charts import Point, band_chart
from trainers.lift.page.facts import Told, cell, chance
from trainers.lift.page.page import render as render_study
from trainers.lift.sweeping import Swept
from trainers.page.parts import chapter

__all__ = ["render"]


def render(swept: Swept) -> str:
    """Returns the page of a sweep as one HTML file."""
    told = Told(swept.lift)
    angle = Angle(
        kind=f"Sweep of {swept.score} over {swept.ref}"[:120],
        verdicts=swept.verdicts,
        heading="Cut against random",
        picture=_curve(swept, told),
        chapters=[Chapter("cuts", "Cutoffs", _cuts(swept, told))],
        more="cuts",
    )
    return render_study(swept.lift, angle)


def _curve(swept: Swept, told: Told) -> Markup:
    points = [Point(0.0, 0.0)]
    for each in swept.cuts:
        it = each.worth
        low, high = (None, None) if told.without else (it.low, it.high)
        points.append(Point(each.share, it.value, low, high))
    down = "lower" if swept.lift.lower_is_better else "higher"
    name = f"{told.unit_name} over as many at random; {down} is better"
    note = "At 0 nothing is cut. A curve on the better side: the score chooses better than chance."
    across = "percent of the records cut"
    return band_chart("Cut against random", points, across, measure_of(told.unit, name), note=note)


def _cuts(swept: Swept, told: Told) -> Markup:
    rows: list[list[Child]] = [
        [
            f"{'<=' if swept.low else '>='} {each.cutoff:.6g}",
            f"{each.records:,}",
            cell(each.worth, told.unit, sure=not told.without),
            chance(each.worth.p),
            cell(each.whole, told.unit, sure=not told.without),
        ]
        for each in swept.cuts
    ]
    note = (
        "Over random: as many records drawn at random, other ones in each replicate. Over all: "
        "against all records, in as many steps. Each column is a family of its own, with "
        f"{told.confidence} for all its intervals together."
    )
    head = (swept.score[:40], "records", "over random", "adjusted p", "over all records")
    return chapter("cuts", "Cutoffs", el("p", note, class_="note"), table(head, rows, "Cutoffs"))
