"""The chapters on what was found: replicates, pairs, curves, items, what was forgotten."""

from __future__ import annotations

import math
from collections.abc import Sequence

from datakit.amounts import counted
from datakit.report.charts import table
from datakit.report.markup import Child, Markup, el, quote
from trainers.lift.estimate import ENOUGH, Difference
from trainers.lift.page.axes import clipped, measure_of
from trainers.lift.page.facts import Told, cell, chance
from trainers.lift.page.forest import forest
from trainers.lift.page.pairing import joined
from trainers.lift.result import Trial
from trainers.lift.words import Unit, unit_of
from trainers.page.charts import Series, line_chart
from trainers.page.parts import chapter

__all__ = ["curves", "forgetting", "items", "pairs", "replicates"]

_POINTS = 160
_CHARTS = 24
_ITEMS = 10


def replicates(told: Told) -> Markup:
    """Returns the scores of each replicate, and what they differ by."""
    count = told.lift.comparison.replicates
    few = None
    if not told.lift.comparison.enough:
        text = f"{counted(count, 'replicate')}: not enough for a verdict, which needs {ENOUGH}."
        few = el("p", text, class_="status")
    what = f"{told.lift.metric[:40]}; {told.better}"
    scores = joined(
        "Scores of the replicates",
        {name: told.scores(name) for name in told.names},
        measure_of(told.unit, what, signed=False),
        controls=frozenset(told.controls),
        note="A replicate has the same draw, order and initialisation for all variants. Where the "
        "lines run alike, luck was common to all, and does not count.",
    )
    base = clipped(told.lift.baseline, 24)
    lifts = forest(
        f"Lift over {base}, replicate by replicate",
        [told.row(told.over_baseline(name)) for name in told.others],
        told.measure(base),
        without=told.without,
        dots=True,
        note="What differs from dot to dot is chance. The interval is wider than the dots where "
        "items differ too.",
    )
    both = el("div", scores, lifts, class_="grid")
    return chapter("replicates", "Replicates", few, both)


def pairs(told: Told) -> Markup:
    """Returns the differences of all pairs, and other metrics."""
    it = told.lift.comparison
    note = f"The better one first. All intervals hold together, with {told.confidence}; p is "
    note += "adjusted for all pairs."
    if not it.freedom:
        note = "The better one first. There is no interval."
    elif told.without:
        note += " Here none of them is a verdict."
    rows = [_pair(told, told.names[a], told.names[b]) for a, b in _places(len(told.names))]
    head = ("variant", "over", told.unit_name, "", "adjusted p", "standard error", "from")
    return chapter(
        "pairs",
        "Every pair",
        el("p", note, class_="note"),
        el("div", table(head, rows, "Every pair"), class_="names"),
        el(
            "p",
            "From: the shares of replicates, items and the rest in the error's square. More "
            "replicates help against the first, more items against the second, either against "
            "the third.",
            class_="note",
        )
        if it.freedom
        else None,
        _metrics(told),
    )


def _places(count: int) -> list[tuple[int, int]]:
    return [(a, b) for a in range(count) for b in range(a + 1, count)]


def _pair(told: Told, one: str, other: str) -> list[Child]:
    it = told.lift.comparison
    if (it.means[one] > it.means[other]) == it.lower_is_better:
        one, other = other, one
    found = it.difference(one, other)
    word = told.without or ("clear" if found.clear else "unclear")
    return [
        told.named(one),
        told.named(other),
        cell(found, told.unit, sure=not told.without),
        el("span", word, class_="number"),
        chance(found.p),
        "\u2013" if found.error is None else told.unit.signed(found.error)[1:],
        el("span", _sources(found, it.replicates, it.items), class_="number"),
    ]


def _sources(it: Difference, replicates: int, items: int) -> str:
    if it.components is None:
        return "\u2013"
    own = it.components
    parts = (own.replicates / replicates, own.items / items, own.rest / replicates / items)
    whole = math.fsum(parts)
    if not whole:
        return "\u2013"
    return " / ".join(f"{100 * each / whole:.0f}" for each in parts) + "\u00a0%"


def _metrics(told: Told) -> list[Child] | None:
    if not told.lift.others:
        return None
    head = ("metric", *told.names)
    rows: list[list[Child]] = []
    for name, it in told.lift.others.items():
        unit = unit_of(name, [each.items.scores[name] for each in told.lift.trials
                              if name in each.items.scores])  # fmt: skip
        better = "lower" if it.lower_is_better else "higher"
        row: list[Child] = [el("span", quote(name, 40), " ", el("small", f"{better} is better"))]
        row += [_metric(told, each, unit, name) for each in told.names]
        rows.append(row)
    text = (
        "For reading only: no verdict rests on them. Below the score, the lift over the baseline."
    )
    heading = el("h3", "Other metrics")
    return [heading, el("p", text, class_="note"), _named_table(head, rows, "Other metrics")]


def _named_table(head: Sequence[str], rows: list[list[Child]], title: str) -> Markup:
    return table([clipped(each, 28) for each in head], rows, title)


def _metric(told: Told, variant: str, unit: Unit, metric: str) -> Markup:
    it = told.lift.others[metric]
    score = unit.value(it.means[variant])
    if variant == told.lift.baseline:
        return el("span", score)
    found = told.over_baseline(variant, it)
    return el("span", score, el("br"), cell(found, unit, sure=not told.without))


def curves(told: Told) -> Markup:
    """Returns the training loss of each variant, single replicates faint."""
    charts = [_curve(told, name) for name in told.names[:_CHARTS]]
    drawn = [each for each in charts if each is not None]
    if not drawn:
        return chapter("curves", "Learning curves", el("p", "No step was logged.", class_="none"))
    note = (
        "Training loss in nats per token, each variant on its own records: a lower curve may be "
        "easier text, and no better data. Each picture has its own scale."
    )
    return chapter(
        "curves", "Learning curves", el("p", note, class_="note"), el("div", drawn, class_="grid")
    )


def _curve(told: Told, name: str) -> Markup | None:
    single = [_finite(each) for each in told.trials(name)]
    known = [dict(each) for each in single if each]
    if not known:
        return None
    common = sorted(set(known[0]).intersection(*known[1:]))
    mean = tuple((step, math.fsum(each[step] for each in known) / len(known)) for step in common)
    series = [
        Series(f"replicate {at + 1}", _thinned(points), "faint", key=False)
        for at, points in enumerate(single)
    ]
    key = Series("single replicates", series[0].points, "faint", row=False)
    title = clipped(name, 60) + (" (control)" if name in told.controls else "")
    return line_chart(title, [*series, key, Series("mean", _thinned(mean))], up="nats per token")


def _finite(trial: Trial) -> tuple[tuple[float, float], ...]:
    return tuple((float(step), loss) for step, loss in trial.loss if math.isfinite(loss))


def _thinned(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    every = math.ceil(len(points) / _POINTS)
    if every <= 1:
        return tuple(points)
    return (*points[:-1:every], points[-1])


def items(told: Told) -> Markup:
    """Returns the items that gained and lost most, of the best variant over the baseline."""
    lift, best = told.lift, told.best
    metric = lift.metric
    weights = lift.untrained.weights.get(metric)
    changes = _changes(told, best)
    sign = -1 if lift.lower_is_better else 1
    mean = [sign * math.fsum(each) / len(each) for each in changes]
    share = [a * b for a, b in zip(mean, weights or (1.0,) * len(mean), strict=True)]
    ranked = sorted(range(len(mean)), key=lambda at: -share[at])
    gained = [at for at in ranked if share[at] > 0]
    lost = [at for at in reversed(ranked) if share[at] < 0]
    same = len(mean) - len(gained) - len(lost)
    text = (
        f" over the baseline, mean over {counted(lift.comparison.replicates, 'replicate')}: "
        f"{len(gained):,} of {counted(len(mean), 'item')} gained, {len(lost):,} lost, {same:,} "
        "stayed. What stands at the ends of a list stands there by chance, too: another study "
        "puts others there."
    )
    if weights:
        text += " Ranked by how much an item moves the score: its change times its weight."
    tables = [
        el("div", el("h3", title), _listed(told, places[:_ITEMS], changes, title))
        for title, places in (("Gained most", gained), ("Lost most", lost))
    ]
    named = quote(best, 60)
    body = el("div", tables, class_="parts items")
    return chapter("items", "Items", el("p", named, text, class_="note"), body)


def _changes(told: Told, variant: str) -> list[list[float]]:
    """Returns for each item its difference over the baseline in each replicate."""
    metric = told.lift.metric
    tables = (
        [each.items.scores[metric] for each in told.trials(name)]
        for name in (variant, told.lift.baseline)
    )
    each_replicate = [
        [a - b for a, b in zip(one, other, strict=True)] for one, other in zip(*tables, strict=True)
    ]
    return [list(each) for each in zip(*each_replicate, strict=True)]


def _listed(
    told: Told, places: Sequence[int], changes: Sequence[Sequence[float]], title: str
) -> Markup:
    if not places:
        return el("p", "None.", class_="none")
    lift, unit = told.lift, told.unit
    weights = lift.untrained.weights.get(lift.metric)
    base = [each.items.scores[lift.metric] for each in told.trials(lift.baseline)]
    rows: list[list[Child]] = []
    for at in places:
        mean = math.fsum(changes[at]) / len(changes[at])
        before = math.fsum(each[at] for each in base) / len(base)
        alike = sum(each * mean > 0 for each in changes[at])
        row: list[Child] = [
            quote(lift.untrained.ids[at], 60),
            unit.value(before),
            unit.value(before + mean),
            unit.signed(mean),
            f"{alike} of {len(changes[at])}",
        ]
        rows.append([*row, f"{weights[at]:,.6g}"] if weights else row)
    head = ("item", "baseline", "variant", "change", "same sign in")
    return table((*head, "weight") if weights else head, rows, title)


def forgetting(told: Told) -> Markup:
    """Returns how much worse each variant made the model on the general set."""
    found = told.lift.forgotten
    if not found:
        text = "It was not measured: the study had no general set."
        return chapter("forgetting", "Forgetting", el("p", text, class_="none"))
    unit = Unit("nll", share=False)
    picture = forest(
        "Change on the general set",
        [told.row(found[name]) for name in told.names if name in found],
        measure_of(unit, "nats per token over untrained; left of 0 is better"),
        without=told.without,
        note="Right of 0 the model got worse at what no variant is about.",
    )
    return chapter("forgetting", "Forgetting", el("div", picture, class_="half"))
