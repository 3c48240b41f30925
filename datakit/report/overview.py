"""The first screen: what it is, four figures, the funnel, the findings."""

from __future__ import annotations

from datakit.report.about import About, Row, percent
from datakit.report.charts import bar_line, table
from datakit.report.facts import Facts
from datakit.report.findings import LOOK, Finding, find, unmeasured
from datakit.report.markup import Child, Markup, el, quote

__all__ = ["overview"]

_REASONS = 2
_STEPS = 60


def overview(about: About, facts: Facts) -> Markup:
    """Returns the head of the page."""
    title = el(
        "div",
        el("h1", quote(about.name), el("span", f" {about.version}", class_="version")),
        el("p", el("time", about.day), class_="day"),
        el("p", quote(about.sentence(facts.grown)), class_="lead"),
        class_="title",
    )
    return el(
        "header",
        title,
        _figures(about, facts),
        el("section", el("h2", "Funnel"), _funnel(about), id="funnel"),
        el("section", el("h2", "Findings"), _findings(about, facts), id="findings"),
        class_="overview",
    )


def _figures(about: About, facts: Facts) -> Markup:
    licenses = about.licenses
    if not licenses:
        licence: tuple[Child, Child] = ("none", "licence recorded")
    elif len(licenses) == 1:
        licence = (quote(licenses[0][0], 24), "licence of all records")
    else:
        licence = (f"{len(licenses):,}", f"licences, mostly {licenses[0][0][:24]}")
    cached = about.cost.get("cached") or 0
    requests = about.cost.get("requests") or 0
    spent = f"cost of {requests:,} requests" if requests else "cost; no model was asked"
    spent += f", {cached:,} from the log" if cached else ""
    seeds = about.kept - facts.grown if about.made else 0
    kept = f"records kept, {seeds:,} of them seeds" if seeds else "records kept"
    share = f"kept of {about.candidates:,} candidates"
    figures: list[tuple[Child, Child]] = [
        (f"{about.kept:,}", kept),
        (percent(about.kept - seeds, about.candidates), share),
        (about.usd, spent),
        licence,
    ]
    return el(
        "dl",
        [el("div", el("dt", name), el("dd", value)) for value, name in figures],
        class_="figures",
    )


def _funnel(about: About) -> Markup:
    if not about.funnel:
        return el("p", "No step ran.", class_="none")
    widest = max(row.came for row in about.funnel)
    rows = [_bar(row, widest) for row in about.funnel[:_STEPS]]
    first = el(
        "li",
        el("span", "seeds" if about.made else "source", class_="name"),
        bar_line(about.first, widest),
        el("span", f"{about.first:,}", class_="value"),
    )
    key = el(
        "p",
        el("span", class_="swatch kept"),
        "kept ",
        el("span", class_="swatch gone"),
        f"dropped; records at each step, a full bar is {widest:,}",
        class_="axis-line",
    )
    return el(
        "figure",
        el("ol", first, rows, class_="funnel"),
        key,
        el("details", el("summary", "As a table"), funnel_table(about), class_="data"),
        aria_label="Funnel: what each step kept and dropped",
    )


def _bar(row: Row, widest: int) -> Markup:
    reasons = sorted(row.dropped.items(), key=lambda each: (-each[1], each[0]))
    listed = ", ".join(f"{name} {n:,}" for name, n in reasons[:_REASONS])
    if len(reasons) > _REASONS:
        listed += f" and {len(reasons) - _REASONS} more"
    made = f"+{row.made:,} made" if row.made and not row.dropped.get("revised") else ""
    return el(
        "li",
        el("span", quote(row.step), class_="name"),
        bar_line(row.kept, widest, row.lost),
        el("span", f"{row.kept:,}", class_="value"),
        el(
            "span",
            el("b", f"\u2212{row.lost:,}") if row.lost else None,
            f" {listed}" if listed else None,
            el("span", made, class_="made") if made else None,
            class_="why",
        ),
    )


def funnel_table(about: About) -> Markup:
    """Returns the funnel with all that the ledger has."""
    rows: list[tuple[Child, ...]] = [
        (
            quote(row.step),
            f"{row.taken:,}",
            f"{row.made:,}",
            f"{row.kept:,}",
            f"{row.lost:,}",
            f"{row.seconds:,.1f}",
        )
        for row in about.funnel[:_STEPS]
    ]
    return table(("step", "in", "made", "kept", "dropped", "seconds"), rows, "Funnel")


def _findings(about: About, facts: Facts) -> Markup:
    found = find(about, facts)
    items = [_finding(each) for each in found]
    missing = unmeasured(about, facts)
    return join_findings(items, missing)


def join_findings(items: list[Markup], missing: list[str]) -> Markup:
    """Returns the list of findings, and what was not measured."""
    body: list[Child] = [
        el("ol", items, class_="findings")
        if items
        else el("p", "None of the rules found anything.", class_="none")
    ]
    if missing:
        body.append(el("p", f"Not measured: {', '.join(missing)}.", class_="missing"))
    return el("div", body)


def _finding(finding: Finding) -> Markup:
    filters = {f"data_{key}": value for key, value in finding.show.items()}
    link = el(
        "a",
        "Show them",
        href="#records-chapter",
        class_="show",
        aria_label=f"Show them: {finding.text}",
        **filters,
    )
    amount = f"{finding.count:,} of {finding.of:,}" if finding.of else None
    return el(
        "li",
        el("p", quote(finding.text, 400)),
        el(
            "p",
            el("span", "needs a look" if finding.level >= LOOK else "good to know", class_="level"),
            bar_line(finding.count, finding.of) if finding.of else None,
            el("span", amount, class_="value") if amount else None,
            link if finding.show else None,
            class_="measure",
        ),
        el("p", finding.more, " ", el("code", finding.code), class_="do") if finding.more else None,
    )
