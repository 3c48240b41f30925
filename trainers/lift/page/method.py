"""The chapters on how a study was made: its checks, its cost, and what was declared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datakit.amounts import counted, duration
from datakit.report.charts import table
from datakit.report.markup import Child, Markup, el, quote
from trainers.lift.guards import Guard
from trainers.lift.page.facts import Told
from trainers.lift.page.overview import LEVELS
from trainers.page.parts import chapter, hashed, shown, words

__all__ = ["checks", "cost", "method"]

_EVIDENCE = 20
_TEXT = 300


def checks(told: Told) -> Markup:
    """Returns what was looked at before anything was spent, with evidence."""
    if not told.lift.guards:
        return chapter("checks", "Checks", el("p", "Nothing was looked at.", class_="none"))
    note = el("p", "Looked at before the first trial.", class_="note")
    body = [_guard(each) for each in told.lift.guards]
    return chapter("checks", "Checks", note, el("ul", body, class_="levels"))


def _guard(it: Guard) -> Markup:
    text = el("span", quote(it.text, 1_000))
    rows = [
        [quote(str(each.get(key) or "-"), _TEXT) for key in _COLUMNS]
        for each in it.records[:_EVIDENCE]
    ]
    evidence = None
    if rows:
        title = f"Evidence: {counted(len(it.records), 'record')}"
        over = len(it.records) - len(rows)
        more = f", the first {len(rows)}" if over > 0 else ""
        evidence = el(
            "details", el("summary", title + more), words(title, _COLUMNS, rows), class_="data"
        )
    named = el("span", LEVELS[it.level], " ", el("small", it.name), class_=f"level is-{it.level}")
    return el("li", named, el("div", text, evidence))


_COLUMNS = ("variant", "record", "item", "rule", "text")


def cost(told: Told) -> Markup:
    """Returns what the trials of each variant took."""
    rows: list[list[Child]] = []
    for name in told.names:
        own = told.trials(name)
        done = sum(each.cached for each in own)
        rows.append([
            told.named(name),
            f"{len(own):,}",
            f"{done:,}" if done else "\u2013",
            duration(sum(each.seconds for each in own)),
            _span([each.steps for each in own]),
            _span([each.examples for each in own]),
            _span([each.distinct for each in own]),
            _span([each.tokens for each in own]),
        ])  # fmt: skip
    head = ("variant", "trials", "done before", "time of all", "steps", "examples", "distinct")
    total = sum(each.seconds for each in told.lift.trials)
    tokens = sum(each.tokens for each in told.lift.trials)
    trials = counted(len(told.lift.trials), "trial")
    text = f"{trials}, {duration(total)} one after the other, {tokens:,} tokens. "
    text += "Steps, examples and tokens are those of one trial, from the least to the most."
    return chapter(
        "cost",
        "What it cost",
        el("p", text, class_="note"),
        table((*head, "tokens"), rows, "What it cost"),
    )


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def method(told: Told) -> Markup:
    """Returns what was declared, and what the intervals mean."""
    study = told.lift.study
    settings = [(name, shown(value)) for name, value in study["settings"].items()]
    half = (len(settings) + 1) // 2
    return chapter(
        "method",
        "How it was done",
        el("p", _meaning(told)),
        el(
            "p",
            "How it is computed, and how often it errs: ",
            el("code", "docs/statistics.md"),
            ".",
        ),
        el("h3", "Declared"),
        words("Declared", ("of", "value"), _declared(told)),
        el("h3", "Variants"),
        words("Variants", ("variant", "records", "content", "control"), _variants(told)),
        el("h3", "Settings of each trial"),
        el(
            "div",
            [
                el("div", words("Settings", ("setting", "value"), part))
                for part in (settings[:half], settings[half:])
                if part
            ],
            class_="parts",
        ),
    )


def _meaning(told: Told) -> str:
    if not told.lift.comparison.freedom:
        return (
            "There is one replicate, so nothing says how much of a difference is chance. Five "
            "replicates give intervals and a verdict."
        )
    return (
        f"In {told.confidence} of such studies all intervals of all pairs hold the true "
        "difference at once. They speak of other replicates (another draw from the same records, "
        "another order, another initialisation) and of other items of the same kind; not of "
        "another model, other settings, another budget or another task. An interval that contains "
        "0 does not say that two variants are equal: it says that this study cannot tell. The "
        "differences from the untrained model are a family of their own, as are those on the "
        "general set, and those of steps, cutoffs or sizes: each family errs in 5 % of studies at "
        "most, all of them together more often."
    )


def _declared(told: Told) -> list[Sequence[Child]]:
    study = told.lift.study
    declared: dict[str, Any] = study["declared"]
    looks = ", ".join(f"{each:,}" for each in declared.get("looks") or ()) or "one"
    beforehand = counted(declared.get("looks_declared") or 1, "look")
    model = study["model"]
    rows: list[Sequence[Child]] = [
        ("replicates", f"{declared['replicates']:,}"),
        ("looks", f"at {looks} replicates; {beforehand} declared" if looks != "one" else looks),
        ("confidence of all intervals", told.confidence),
        ("budget", str(study["budget"]["text"])),
        ("matched", str(study["budget"].get("match") or "-")),
        ("seed of the draws", str(declared.get("seed", "-"))),
        ("task", str(study["task"]["given"])),
        ("metric", f"{told.lift.metric}; {told.better}"),
        ("model", str(model["given"])),
        ("weights of the model", hashed(model.get("fingerprint"))),
        ("device", str(study.get("device") or "-")),
        ("study", hashed(study.get("identity"))),
    ]
    return rows


def _variants(told: Told) -> list[Sequence[Child]]:
    return [
        (
            str(each["ref"]) + (f" ({each['version']})" if _resolved(each) else ""),
            f"{each['records']:,}",
            hashed(each.get("sha256")),
            str(each.get("control") or ""),
        )
        for each in told.lift.study["declared"]["variants"]
    ]


def _resolved(variant: dict[str, Any]) -> bool:
    """Returns whether a version was named otherwise, as `@latest`."""
    return bool(variant.get("version")) and variant["version"] != variant["ref"]
