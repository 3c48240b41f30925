"""Examples of dropped records, each with what speaks against it."""

from __future__ import annotations

import json
from collections.abc import Collection

from datakit.report.facts import Facts
from datakit.report.markup import Child, Markup, el, quote
from datakit.report.records import anchor
from datakit.report.sample import FIELDS, Sample
from datakit.text import spans, words

__all__ = ["example", "pair"]

_CLIP = 360
_BETWEEN = " .,;:'\"()-_"
# What a drop calls the text of a record of another dataset, and that of an item.
_RIVALS = ("rival", "item")
_SPAN_KEYS = ("field", "start", "end", "text")


def example(sample: Sample, facts: Facts, shown: Collection[str]) -> Markup:
    """Returns a dropped record with its evidence.

    Args:
        sample: The record.
        facts: Where its rival is.
        shown: Ids of the records that have a row in the table.
    """
    drop = sample.drop
    rival = facts.rivals.get(drop.of or "") if drop else None
    if rival is not None and drop is not None and drop.reason != "seed":
        return pair(sample, rival, shown)
    if _outside(sample):
        return pair(sample, None, shown)
    return el(
        "article",
        el("p", _link(sample.id, shown), _evidence(sample), class_="evidence"),
        _texts(sample, _span_marks(sample)),
        class_="example",
    )


def pair(sample: Sample, rival: Sample | None, shown: Collection[str]) -> Markup:
    """Returns a dropped record beside the one that it was compared with, shared words marked."""
    drop = sample.drop
    score = drop.score if drop else None
    name = rival.id if rival else str(drop.of if drop else "")
    status = "kept" if rival and rival.drop is None else "dropped later"
    own = _texts(sample, _shared(sample, rival) if rival else {})
    if rival is not None:
        other: Child = _texts(rival, _shared(rival, sample))
    elif text := _outside(sample):
        status = "benchmark item" if sample.is_benchmark else "there already"
        own, other = _beside(sample, name, text)
    else:
        other = el("p", "The other record is not in this version.", class_="none")
    word = "Similarity" if drop and drop.reason != "revised" else "Became"
    # Rounded down: only what is the same has 1.00.
    head = f"{word} {int(score * 100) / 100:.2f}" if isinstance(score, int | float) else word
    return el(
        "article",
        el("p", el("strong", head), " ", _evidence(sample), class_="evidence"),
        el("div", el("h4", "Dropped ", _link(sample.id, shown)), own),
        el("div", el("h4", f"{status.capitalize()} ", _link(name, shown)), other),
        class_="example pair",
    )


def _beside(sample: Sample, name: str, text: str) -> tuple[Markup, Markup]:
    """Returns a record's texts and one text from elsewhere: a field may stand anywhere in it."""
    whole = Sample(sample.id, ("\n".join(sample.texts), "", ""), (0, 0, 0), {})
    other = Sample(name, (text, "", ""), (len(text), 0, 0), {})
    view = str(sample.drop.detail.get("view", "prompt")) if sample.drop else "prompt"
    output = text if view in ("full", "output") else ""
    anywhere = Sample(name, (text, text, output), (0, 0, 0), {})
    return _texts(sample, _shared(sample, anywhere)), _texts(other, _shared(other, whole))


def _outside(sample: Sample) -> str:
    """Returns the text of a rival that is in no file of the version: a drop has it with it."""
    detail = sample.drop.detail if sample.drop else {}
    return str(next((detail[key] for key in _RIVALS if detail.get(key)), ""))


def _link(id: str, shown: Collection[str]) -> Child:
    name = quote(id, 16)
    return el("a", name, href=anchor(id)) if id in shown else el("code", name)


def _texts(sample: Sample, marks: dict[str, list[tuple[int, int]]]) -> Markup:
    items: list[Child] = []
    for field, text in zip(FIELDS, sample.texts, strict=True):
        if text:
            body = quote(*_window(text, marks.get(field, [])))
            # A schema or a table that the question is about is long, and seldom the point.
            style = "text brief" if field == "input" else "text"
            items.append([el("dt", field), el("dd", body, class_=style)])
    return el("dl", items or el("dd", "No text.", class_="none"))


def _window(text: str, marks: list[tuple[int, int]]) -> tuple[str, int, list[tuple[int, int]]]:
    """Returns the text from a little before its first mark, if that would else be cut off."""
    if not marks or marks[0][1] <= _CLIP:
        return text, _CLIP, marks
    start = max(marks[0][0] - 60, 0)
    moved = [(low - start + 1, high - start + 1) for low, high in marks]
    return "…" + text[start:], _CLIP, moved


def _evidence(sample: Sample) -> Child:
    drop = sample.drop
    if drop is None:
        return None
    items: list[Child] = []
    if drop.of and sample.is_benchmark:
        items.append(_item("item", drop.of))
        items += [_item("score", f"{drop.score:.2f}")] if drop.score is not None else []
    for key, value in drop.detail.items():
        if key in _RIVALS:
            continue
        if key not in _SPAN_KEYS or (key == "text" and not _span_marks(sample)):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            items.append(_item(key, text))
    return el("span", items, class_="values")


def _item(key: str, value: str) -> Markup:
    return el("span", f"{key} ", el("b", quote(value, 160)), class_="item")


def _span_marks(sample: Sample) -> dict[str, list[tuple[int, int]]]:
    detail = sample.drop.detail if sample.drop else {}
    field, start, end = (detail.get(key) for key in _SPAN_KEYS[:3])
    if field in FIELDS and isinstance(start, int) and isinstance(end, int):
        text = sample.texts[FIELDS.index(str(field))]
        if 0 <= start < end and start < len(text):
            return {str(field): [(start, min(end, len(text)))]}
    return {}


def _shared(sample: Sample, other: Sample) -> dict[str, list[tuple[int, int]]]:
    """Returns where words of a text stand that the same field of the other has, too."""
    marks = {}
    for field, text, rival in zip(FIELDS, sample.texts, other.texts, strict=True):
        known = set(words(rival[:_CLIP]))
        found: list[tuple[int, int]] = []
        for word, start, end in spans(text[:_CLIP]):
            if word not in known:
                continue
            between = text[found[-1][1] : start] if found else ""
            if found and len(between) < 4 and not between.strip(_BETWEEN):
                found[-1] = (found[-1][0], end)
            elif not found or start >= found[-1][1]:
                found.append((start, end))
        marks[field] = found
    return marks
