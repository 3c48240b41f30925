"""The chapters about the records: drops, length, language, contamination."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from datakit.language import UNKNOWN
from datakit.report.about import About, kind_of, percent
from datakit.report.charts import Bar, bars, bins, histogram, table
from datakit.report.evidence import example
from datakit.report.facts import Facts
from datakit.report.markup import Child, Markup, el, quote
from datakit.report.sample import FIELDS

__all__ = ["contamination", "dropped", "languages", "lengths"]

_GROUPS = 24
_EXAMPLES = 3
_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)


def _chapter(id: str, title: str, *body: Child) -> Markup:
    return el("section", el("h2", title), body, id=id, class_="chapter")


def dropped(about: About, facts: Facts) -> Markup:
    """Returns what was dropped, by step and reason, with examples."""
    losses = about.reasons
    total = sum(n for _, _, n in losses)
    if not total:
        return _chapter("dropped", "What was dropped", el("p", "Nothing was.", class_="none"))
    shown = {sample.id for sample in (*facts.kept, *facts.dropped)}
    revised = sum(row.dropped.get("revised", 0) for row in about.funnel)
    also = f" {revised:,} more went on in a revised form." if revised else ""
    groups = [_group(step, reason, n, total, facts, shown) for step, reason, n in losses[:_GROUPS]]
    rest = losses[_GROUPS:]
    return _chapter(
        "dropped",
        "What was dropped",
        el("p", f"{total:,} records, for these reasons.{also}"),
        bars(
            "Reasons",
            [Bar(reason, n, f" {step}") for step, reason, n in losses[:_GROUPS]],
            total,
            "records dropped",
        ),
        groups,
        el("p", f"{sum(n for *_, n in rest):,} more for {len(rest):,} rarer reasons.")
        if rest
        else None,
    )


def _group(
    step: str, reason: str, n: int, total: int, facts: Facts, shown: Collection[str]
) -> Markup:
    samples = [
        s for s in facts.dropped if s.drop and (s.drop.step, s.drop.reason) == (step, reason)
    ]
    # Repeats of one text are no further example.
    distinct = list({s.texts: s for s in reversed(samples)}.values())[::-1]
    many = "record" if n == 1 else "records"
    link = el(
        "a",
        "Show in the table",
        href="#records-chapter",
        class_="show",
        data_status="dropped",
        data_step=step,
        data_reason=reason,
    )
    return el(
        "section",
        el("h3", quote(reason, 60), " ", el("small", quote(step, 80))),
        el(
            "p",
            f"{n:,} {many}, {percent(n, total)} of what was dropped. ",
            link,
        ),
        el(
            "div",
            [example(sample, facts, shown) for sample in distinct[:_EXAMPLES]],
            class_="examples",
        )
        if distinct
        else el("p", "No example of it is in the sample.", class_="none"),
        class_="group",
    )


def lengths(about: About, facts: Facts) -> Markup:
    """Returns how long the kept records are."""
    charts = []
    rows: list[tuple[Child, ...]] = []
    for unit in ("chars", "words"):
        name = "characters" if unit == "chars" else "words"
        for field in FIELDS:
            counts: Counter[int] = getattr(facts.lengths[field], unit)
            # An input that is not there has no length; the figures are those of the rest.
            present = Counter({size: n for size, n in counts.items() if size or field != "input"})
            title = f"{field.capitalize()}, {name}"
            charts.append(histogram(title, bins(present), name))
            values = [f"{_percentile(present, p):,}" if present else "-" for p in _PERCENTILES]
            rows.append((title, f"{present.total():,}", *values))
    head = ("kept records", "with it", *(f"{p} %" for p in _PERCENTILES))
    limits = "; ".join(
        f"{each.field} {each.fewest:,} to {each.most:,}"
        if each.most is not None
        else f"{each.field} from {each.fewest:,}"
        for each in facts.limits
    )
    asked = f" filter.length asked for {limits} characters." if limits else ""
    note = f"Characters as they are, words as runs between white space.{asked}"
    return _chapter(
        "length",
        "Length",
        el("p", note),
        el("div", charts, class_="grid"),
        el("h3", "Percentiles"),
        el("p", "This share of the records is at most so long.", class_="note"),
        table(head, rows, "Percentiles of length"),
    )


def _percentile(counts: Counter[int], percentile: int) -> int:
    wanted, seen = counts.total() * percentile / 100, 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= wanted:
            return value
    return 0


def languages(about: About, facts: Facts) -> Markup:
    """Returns which languages the kept records are in."""
    if not facts.languages_of:
        how = (
            "Not measured: the records do not say, and the language extra is not installed "
            "(datakit[language])."
        )
        return _chapter("language", "Language", el("p", how, class_="none"))
    of = f"{facts.languages_of:,} of {about.kept:,} kept records"
    note = (
        f"As the records say (meta.lang): {of}."
        if facts.languages_how == "recorded"
        else f"Measured for this report on {of}; code and short texts are undetermined."
    )
    named = sorted(facts.languages.items(), key=lambda each: (-each[1], each[0]))
    items = [Bar("undetermined" if lang == UNKNOWN else lang, n) for lang, n in named[:12]]
    rest = sum(n for _, n in named[12:])
    items += [Bar(f"{len(named) - 12} others", rest)] if rest else []
    chart = bars("Languages", items, facts.languages_of, "kept records", note)
    return _chapter("language", "Language", chart)


def contamination(about: About, facts: Facts) -> Markup:
    """Returns which benchmarks the records were compared with, and what was found."""
    rows = [row for row in about.funnel if kind_of(row.step) == "contamination"]
    if not rows:
        note = "Not measured: no step of this pipeline compares records with a benchmark."
        return _chapter("contamination", "Contamination", el("p", note, class_="none"))
    files = [
        (each["path"], each["sha256"][:16])
        for each in about.manifest.get("inputs", ())
        if kind_of(each["step"]) == "contamination"
    ]
    told = []
    for row in rows:
        found = f"{row.lost:,} held an item and left" if row.lost else "none held an item"
        plural = "" if row.came == 1 else "s"
        told.append(el("p", f"{row.step} compared {row.came:,} record{plural}; {found}."))
    counts = [Bar(name or "a benchmark", n) for name, n in facts.benchmarks.most_common(12)]
    return _chapter(
        "contamination",
        "Contamination",
        told,
        bars("Records by benchmark", counts, max(n for _, n in facts.benchmarks.items()), "records")
        if counts
        else None,
        table(("benchmark", "SHA-256"), files) if files else None,
    )
