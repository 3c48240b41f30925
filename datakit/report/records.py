"""The table of records: its data as JSON for the page's script, and the frame around it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from datakit.report.about import About
from datakit.report.facts import Facts
from datakit.report.markup import Markup, el, script_json
from datakit.report.sample import CLIP, Sample

__all__ = ["anchor", "chapter", "table_json"]

# Bytes of the whole table; texts are clipped further until it fits.
_BUDGET = 1_100_000
_ID = 120
_UNQUOTED = "!~*'()"
_FILTERS = {
    "status": "Status",
    "step": "Step",
    "reason": "Reason",
    "topic": "Topic",
    "lang": "Language",
}
_HIDDEN_META = ("parents", "scores", "lang", "step", "topic")


def anchor(id: str) -> str:
    """Returns the link to a record's row."""
    # As the page's script writes it (encodeURIComponent); half characters have no address.
    whole = re.sub("[\ud800-\udfff]", "\ufffd", id[:_ID])
    return f"#record-{quote(whole, safe=_UNQUOTED)}"


def chapter(about: About, facts: Facts) -> Markup:
    """Returns the chapter with the table of records."""
    shown = len(facts.kept) + len(facts.dropped)
    total = about.kept + facts.dropped_of
    rest = ""
    if shown < total:
        rest = " Every kind of record has its part in the sample, rare ones too."
    return el(
        "section",
        el("h2", "Records"),
        el(
            "p",
            f"{shown:,} of {total:,} shown, {len(facts.kept):,} kept and "
            f"{len(facts.dropped):,} dropped.{rest}",
            [" The rest: ", el("code", f"datakit show {about.ref} ID"), "."] if rest else None,
        ),
        el("noscript", el("p", "The table needs the page's own script, which is blocked here.")),
        _controls(),
        el("p", id="count", role="status"),
        el(
            "div",
            el("table", id="records"),
            class_="scroll",
            tabindex=0,
            role="region",
            aria_label="Table of records",
        ),
        el("button", "Show more", type="button", id="more", class_="more-button", hidden=True),
        el(
            "script",
            script_json(table_json(facts)),
            type="application/json",
            id="data",
        ),
        id="records-chapter",
        class_="chapter",
    )


def _controls() -> Markup:
    search = el(
        "label",
        "Search",
        el("input", type="search", id="search", autocomplete="off", spellcheck="false"),
        class_="search",
    )
    selects = [
        el("label", label, el("select", el("option", "all", value=""), id=name))
        for name, label in _FILTERS.items()
    ]
    clear = el("button", "Clear", type="button", id="clear")
    chip = el("span", id="tag", class_="chip", hidden=True)
    return el(
        "div", search, selects, chip, clear, id="controls", role="search", aria_label="Records"
    )


def table_json(facts: Facts) -> str:
    """Returns the rows as JSON, with texts as long as the page has room for."""
    samples = [*facts.kept, *facts.dropped]
    limit = CLIP
    while True:
        text = script_json(_dumps(_row(each, facts, limit) for each in samples)).html
        if len(text.encode()) <= _BUDGET or limit < 20:
            return text
        limit //= 2


def _dumps(rows: Iterable[dict[str, Any]]) -> str:
    return json.dumps(list(rows), ensure_ascii=False, separators=(",", ":"))


def _row(sample: Sample, facts: Facts, limit: int) -> dict[str, Any]:
    drop = sample.drop
    row: dict[str, Any] = {
        "id": sample.id[:_ID],
        "status": "dropped" if drop else "kept",
        "step": sample.step[:80],
        "reason": drop.reason[:60] if drop else "",
        "topic": str(sample.meta.get("topic", ""))[:40],
        "lang": sample.lang,
        "tags": list(sample.tags),
        "texts": [text[:limit] for text in sample.texts],
        "lengths": list(sample.lengths),
        "parents": [str(id)[:_ID] for id in sample.meta.get("parents") or ()][:12],
        "ancestors": [id[:_ID] for id in facts.ancestors.get(sample.id, ())],
        "meta": _pairs(sample, limit),
    }
    if drop is not None:
        row["score"] = drop.score
        row["of"] = drop.of
        row["evidence"] = [[key, _text(value)[:limit]] for key, value in drop.detail.items()]
        rival = facts.rivals.get(drop.of or "")
        if rival is not None:
            row["rival"] = [text[: min(limit, 400)] for text in rival.texts]
    return row


def _pairs(sample: Sample, limit: int) -> list[list[str]]:
    pairs = [[k, _text(v)[:limit]] for k, v in sample.meta.items() if k not in _HIDDEN_META]
    scores = sample.meta.get("scores")
    if isinstance(scores, dict):
        pairs += [[f"score {key}", _text(value)[:limit]] for key, value in scores.items()]
    return pairs


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
