"""The chapter about near-duplicates: how similar what was dropped is, and what can be found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from datakit.minhash import bands_for, chance
from datakit.report.about import About
from datakit.report.charts import Bin, Line, histogram, lines, table
from datakit.report.evidence import pair
from datakit.report.facts import Facts
from datakit.report.markup import Child, Markup, el
from datakit.report.sample import Sample
from datakit.steps.dedup.minhash import MinHash

__all__ = ["near_duplicates"]

_PAIRS = 6
_CURVES = 2


def _chapter(*body: Child) -> Markup:
    title = el("h2", "Near-duplicates")
    return el("section", title, body, id="near-duplicates", class_="chapter")


def near_duplicates(about: About, facts: Facts) -> Markup:
    """Returns how close the closest of the dropped records were to what was kept."""
    if not facts.similarities and not about.ran("dedup"):
        note = "Not measured: no step of this pipeline compares records with each other."
        return _chapter(el("p", note, class_="none"))
    found = (_curve(each) for each in about.settings("dedup.minhash")[:_CURVES])
    curves = [each for each in found if each]
    if not facts.similarities:
        note = "Records were compared with each other; none was too similar."
        return _chapter(el("p", note, class_="none"), _grid(curves))
    shown = {sample.id for sample in (*facts.kept, *facts.dropped)}
    steps = list(facts.similarities.items())[:6]
    charts = [
        histogram(f"Similarity, {step}", _scores(counts), "similarity, %")
        for step, counts in steps
        if len(counts) > 1
    ]
    same = [
        el("p", f"{step}: {counts.total():,}, all of them at {min(counts)} %.")
        for step, counts in steps
        if len(counts) == 1
    ]
    closest = _spread(facts.pairs)
    intro = "A record is dropped only for one that the step keeps. Words that both have are marked."
    return _chapter(
        el("p", intro),
        same,
        _grid([*charts, *curves]),
        el("h3", "The closest"),
        [pair(each, facts.rivals.get(_of(each)), shown) for each in closest[:_PAIRS]],
    )


def _grid(charts: Sequence[Markup]) -> Child:
    return el("div", charts, class_="grid") if charts else None


def _curve(settings: Mapping[str, Any]) -> Markup | None:
    """Returns the chance of a pair to be compared, by its similarity: the bands' S-curve."""
    threshold = settings.get("threshold", MinHash.threshold)
    values = settings.get("num_perm", MinHash.num_perm)
    if not isinstance(threshold, int | float) or not isinstance(values, int):
        return None
    count, rows = bands_for(threshold, values)
    points = tuple((at, 100 * chance(at / 100, count, rows)) for at in range(0, 101, 2))
    wanted = ((100 * threshold, 0.0), (100 * threshold, 100.0))
    shown = sorted({50, 60, 70, 80, 90, round(100 * threshold)})
    figures = [(f"{at} %", f"{100 * chance(at / 100, count, rows):.1f} %") for at in shown]
    return lines(
        f"Pairs that dedup.minhash compares, {count} bands of {rows} values",
        [Line("compared", points), Line(f"threshold {threshold:g}", wanted, dashed=True)],
        "similarity, %",
        "% of pairs",
        table(("similarity", "compared"), figures, "Chance to be compared"),
        "Every pair that is compared is dropped by its true similarity alone.",
    )


def _of(sample: Sample) -> str:
    return (sample.drop.of or "") if sample.drop else ""


def _spread(pairs: tuple[Sample, ...]) -> list[Sample]:
    """Returns pairs with those of exact duplicates last: there is nothing to compare in them."""
    distinct = list({pair.texts: pair for pair in reversed(pairs)}.values())[::-1]
    return sorted(
        distinct,
        key=lambda each: bool(each.drop and "exact" in each.drop.reason),
    )


def _scores(counts: Counter[int]) -> list[Bin]:
    width = 5 if min(counts) < 85 else 1
    low = min(counts) - min(counts) % width
    return [
        Bin(start, start + width, sum(counts[at] for at in range(start, start + width)))
        if start < 100
        else Bin(100, 101, counts[100])
        for start in range(low, 101, width)
    ]
