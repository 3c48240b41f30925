"""Where it came from: seeds, teachers, licences, packages, recipe, hashes, cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datakit.report import terms
from datakit.report.about import About, clipped
from datakit.report.charts import table
from datakit.report.markup import Child, Markup, el, quote

__all__ = ["chapter"]

_ROWS = 100
_RECIPE = 20_000


def chapter(about: About) -> Markup:
    """Returns the chapter on provenance."""
    return el(
        "section",
        el("h2", "Where it came from"),
        el("p", "To check that no file was changed: ", el("code", f"datakit verify {about.ref}")),
        _inputs(about),
        _teachers(about),
        _hashes(about),
        el(
            "div",
            [el("div", part) for part in (_licenses(about), _cost(about), _packages(about))],
            class_="parts",
        ),
        el("h3", "Recipe"),
        el(
            "pre",
            el("code", quote(clipped(about.manifest.get("recipe") or "", _RECIPE), _RECIPE)),
            tabindex=0,
            role="region",
            aria_label="Recipe",
        ),
        id="provenance",
        class_="chapter",
    )


def _rows(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[Child]:
    cells: list[list[Child]] = [[_cell(value) for value in row] for row in rows[:_ROWS]]
    more = f"{len(rows) - _ROWS:,} more are in manifest.json." if len(rows) > _ROWS else None
    return [el("h3", title), table(head, cells, title), el("p", more) if more else None]


def _cell(value: object) -> Child:
    if isinstance(value, Markup):
        return value
    if value is None or value == "":
        return "-"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = str(value)
    if text.startswith("https://") and len(text) < 200:
        return el("a", quote(text), href=text, rel="noopener noreferrer")
    return quote(text, 200)


def _inputs(about: About) -> list[Child]:
    seeds = about.manifest.get("seeds")
    listed = [("seeds", seeds)] if isinstance(seeds, dict) else []
    sources = about.manifest.get("sources") or []
    listed += [("source", each) for each in sources if isinstance(each, dict)]
    parents = about.manifest.get("parents") or []
    body: list[Child] = [
        el("p", "Parent versions: ", ", ".join(map(clipped, parents)), ".") if parents else None
    ]
    if not listed:
        return [el("h3", "Seeds and sources"), el("p", "None recorded.", class_="none"), *body]
    rows = [(kind, _where(each), each.get("records"), _hash(each)) for kind, each in listed]
    return [*_rows("Seeds and sources", ("kind", "file", "records", "SHA-256"), rows), *body]


def _where(source: Mapping[str, Any]) -> object:
    return source.get("path") or source.get("name") or source.get("url") or "?"


def _hash(source: Mapping[str, Any]) -> Markup:
    return el("code", quote(str(source.get("sha256") or "-"), 64), class_="hash")


def _teachers(about: About) -> list[Child]:
    if not about.teachers:
        return [el("h3", "Teachers"), el("p", "No model was asked.", class_="none")]
    keys = ("step", "provider", "model", "license")
    rows = [[each.get(key) for key in keys] for each in about.teachers]
    head = ("model", "terms", "training on its answers", "duties")
    return [
        *_rows("Teachers", ("step", "provider", "model", "licence"), rows),
        *_rows("Terms of the teachers", head, terms.rows(about)),
        el("p", terms.NOTE, class_="note"),
    ]


def _licenses(about: About) -> list[Child]:
    if not about.licenses:
        return [el("h3", "Licences"), el("p", "None recorded.", class_="none")]
    return _rows("Licences", ("SPDX", "kept records"), about.licenses)


def _cost(about: About) -> list[Child]:
    names = {
        "requests": "requests",
        "cached": "answered from the log",
        "refused": "refused",
        "cut_short": "cut short",
        "input_tokens": "tokens in",
        "output_tokens": "tokens out",
    }
    rows: list[tuple[object, object]] = [("US dollars", about.usd)]
    rows += [(name, about.cost[key]) for key, name in names.items() if key in about.cost]
    return _rows("Cost", ("of", "amount"), rows)


def _hashes(about: About) -> list[Child]:
    names = {
        "data_sha256": "data.jsonl",
        "dropped_sha256": "dropped.jsonl",
        "recipe_hash": "recipe",
    }
    rows: list[tuple[object, object]] = [
        (name, el("code", quote(str(about.manifest.get(key) or "-"), 64), class_="hash"))
        for key, name in names.items()
    ]
    rows.append(("random seed", str(about.manifest.get("random_seed", "-"))))
    rows.append(("made", str(about.manifest.get("created", "-"))))
    return _rows("Hashes", ("of", "value"), rows)


def _packages(about: About) -> list[Child]:
    packages = about.manifest.get("packages") or {}
    if not packages:
        return []
    return _rows("Packages", ("name", "version"), sorted(packages.items()))
