"""The page of a study: one file without a network, locked by its own security policy.

It has the look of the reports, and holds nothing that runs.
"""

from __future__ import annotations

from datakit.report.document import contents, document
from datakit.report.markup import el
from trainers.lift.page import chapters, method
from trainers.lift.page.angle import Angle
from trainers.lift.page.facts import Told
from trainers.lift.page.overview import overview
from trainers.lift.result import Lift

__all__ = ["STYLES", "render"]

_CHAPTERS = {
    "replicates": "Replicates",
    "pairs": "Every pair",
    "curves": "Learning curves",
    "items": "Items",
    "forgetting": "Forgetting",
    "checks": "Checks",
    "cost": "What it cost",
    "method": "How it was done",
}
STYLES = ("datakit.report/style.css", "trainers.page/page.css", "trainers.lift.page/page.css")


def render(lift: Lift, angle: Angle | None = None) -> str:
    """Returns the page of a study as one HTML file.

    The same study gives the same page. Nothing is loaded from anywhere.

    Args:
        lift: The study.
        angle: What it is about, if not variants: sizes, steps, cutoffs.
    """
    told = Told(lift)
    own = [] if angle is None else angle.chapters
    body = el(
        "body",
        overview(told, angle),
        contents({**{each.id: each.title for each in own}, **_CHAPTERS}),
        el(
            "main",
            [each.body for each in own],
            chapters.replicates(told),
            chapters.pairs(told),
            chapters.curves(told),
            chapters.items(told),
            chapters.forgetting(told),
            method.checks(told),
            method.cost(told),
            method.method(told),
        ),
        el("footer", el("p", "Written by datakit. The JSON file beside it has the figures.")),
    )
    kind = "lift" if angle is None else angle.kind.lower()
    return document(f"{told.task[:80]}, {told.model[:80]}: {kind}", body, styles=STYLES)
