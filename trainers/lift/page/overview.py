"""The first screen: verdict, scores, lifts, and what speaks against them."""

from __future__ import annotations

from collections.abc import Sequence

from datakit.amounts import counted
from datakit.report.charts import table
from datakit.report.markup import Child, Markup, el, quote
from trainers.lift.page.angle import Angle
from trainers.lift.page.axes import clipped
from trainers.lift.page.facts import Told, cell
from trainers.lift.page.forest import forest
from trainers.lift.result import UNTRAINED
from trainers.lift.words import share

__all__ = ["LEVELS", "overview"]

LEVELS = {
    "stop": "no verdict",
    "warn": "needs a look",
    "result": "result",
    "note": "good to know",
    "ok": "in order",
}
_VERDICTS = 4
_FINDINGS = 5
_TEXT = 260
_DASH = "\u2013"


def overview(told: Told, angle: Angle | None = None) -> Markup:
    """Returns the first screen.

    Args:
        told: The study.
        angle: What it is about, if not variants.
    """
    over = f"Lift over {clipped(told.lift.baseline, 40)}"
    heading, picture = (over, _forest(told)) if angle is None else (angle.heading, angle.picture)
    kind = "Lift study" if angle is None else angle.kind
    verdicts = told.lift.verdicts if angle is None else angle.verdicts
    return el(
        "header",
        _title(told, kind, verdicts, "pairs" if angle is None else angle.more),
        el("section", el("h2", "Scores"), _scores(told), id="scores"),
        el("section", el("h2", heading), picture, id="lift"),
        el("section", el("h2", "Findings"), _findings(told, angle), id="findings"),
        class_="overview study",
    )


def _title(told: Told, kind: str, verdicts: Sequence[str], more_at: str) -> Markup:
    it = told.lift.comparison
    said = [kind, told.when, counted(it.replicates, "replicate"), counted(it.items, "test item")]
    stopped = "No verdict: " if told.without == "no verdict" else None
    first, *others = verdicts[:_VERDICTS]
    more = len(verdicts) - _VERDICTS
    rest: list[Child] = [el("li", quote(each, 400)) for each in others]
    if more > 0:
        rest.append(el("li", el("a", f"{counted(more, 'more verdict')}", href=f"#{more_at}")))
    return el(
        "div",
        el("h1", quote(told.task, 80), el("span", " ", quote(told.model, 60), class_="version")),
        el("p", ", ".join(filter(None, said)), class_="day"),
        el("p", stopped, quote(first, 500), class_="verdict"),
        el("ul", rest, class_="verdicts") if rest else None,
        class_="title",
    )


def _scores(told: Told) -> list[Child]:
    lift, unit = told.lift, told.unit
    base = clipped(lift.baseline, 20)
    rows: list[Sequence[Child]] = []
    for name in told.names:
        is_base = name == lift.baseline
        over = None if is_base else told.over_baseline(name)
        best = lift.comparison.best.get(name) if not told.without else None
        rows.append((
            told.named(name),
            _number(unit.value(lift.comparison.means[name])),
            _DASH if over is None else cell(over, unit, sure=not told.without),
            cell(lift.over_untrained[name], unit, sure=not told.without),
            _number(share(best)),
        ))  # fmt: skip
    rows.append((UNTRAINED, _number(unit.value(lift.untrained_score)), _DASH, _DASH, _DASH))
    head = ("variant", lift.metric[:24], f"over {base}", "over untrained", "is best")
    return [table(head, rows, "Scores"), el("p", _reading(told), class_="note")]


def _number(text: str) -> Markup:
    return el("span", text, class_="number")


def _reading(told: Told) -> str:
    text = f"{told.lift.metric[:40]}: {told.better}."
    if told.unit.share:
        text += " Differences are in points."
    if not told.lift.comparison.freedom:
        return f"{text} There is no interval."
    text += f" In brackets: intervals of {told.confidence}, together in each column"
    if not told.without and told.lift.smallest is not None:
        sees = told.unit.amount(told.lift.smallest)
        text += f"; strong where they leave out 0. This size sees about {sees}."
        return f'{text} "Is best" is no verdict.'
    why = "too few replicates" if told.without == "not enough" else "a study without a verdict"
    return f"{text}, from {why}."


def _forest(told: Told) -> Markup:
    base = clipped(told.lift.baseline, 24)
    rows = [told.row(told.over_baseline(name)) for name in told.others]
    return forest(f"Lift over {base}", rows, told.measure(base), without=told.without)


def _findings(told: Told, angle: Angle | None) -> Markup:
    notes = () if angle is None else angle.notes
    found = findings(told, notes)
    shown = [
        el(
            "li",
            el("span", LEVELS[level], class_=f"level is-{level}"),
            el("span", quote(text, _TEXT)),
        )
        for level, text in found[:_FINDINGS]
    ]
    more = len(found) - _FINDINGS
    rest = el("p", el("a", f"{more:,} more, and evidence", href="#checks")) if more > 0 else None
    return el("div", el("ul", shown, class_="levels"), rest)


def findings(told: Told, notes: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Returns level and text of what a reader should know, the worst first.

    What is a verdict already is not said again.
    """
    found: list[tuple[str, str]] = [(each.level, each.text) for each in told.lift.guards]
    found += [("result", text) for text in told.lift.notes()]
    found += [("note", text) for text in notes]
    order = list(LEVELS)
    new = [each for each in found if each[1] not in told.lift.verdicts]
    return sorted(new, key=lambda each: order.index(each[0]))
