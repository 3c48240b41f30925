"""The page of an evaluation: what a judge says with what people think of it, and all other figures.

One file without a network, locked by its own security policy; nothing in it runs. What it shows is
what `datakit eval --json` prints, and some of the judged answers, which are untrusted texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datakit.amounts import counted
from datakit.report.charts import table
from datakit.report.document import contents, document
from datakit.report.markup import Child, Markup, el, quote
from trainers.page.intervals import Row, intervals
from trainers.page.judged import examples, method
from trainers.page.parts import chapter, words

__all__ = ["render"]

_STYLES = ("datakit.report/style.css", "trainers.page/page.css", "trainers.page/evaluated.css")
_NAMES = {
    "win_rate": "win rate",
    "length_controlled": "win rate, length controlled",
    "grade": "grade, 1 to 10",
    "grade_turn_1": "grade of the first turn",
    "grade_turn_2": "grade of the second turn",
    "other_grade": "the other model's grade",
    "gain": "gain in grade",
}
_RATES = ("win_rate", "length_controlled")
_DASH = "\u2013"


@dataclass(frozen=True)
class _Found:
    """What was judged of one model by one task in one form."""

    model: str
    task: str
    said: Mapping[str, Any]

    @property
    def figures(self) -> Mapping[str, Mapping[str, Any]]:
        """By name."""
        found = self.said.get("figures")
        return found if isinstance(found, Mapping) else {}


def render(facts: Mapping[str, Any]) -> str:
    """Returns the page of an evaluation as one HTML file; the same facts give the same page.

    Args:
        facts: `models`, what each evaluation's `to_json` returns; and `judged`, its judged items,
            with `model`.
    """
    models = [each for each in facts.get("models", ()) if isinstance(each, Mapping)]
    judged = list(_judged(models))
    chapters = {
        "figures": ("What the judge says", _figures(judged)),
        "categories": ("By kind of question", _categories(judged)),
        "judges": ("The judge", _judges(judged)),
        "answers": ("Answers", examples(facts.get("judged", ()))),
        "tasks": ("Other tasks", _tasks(models)),
        "method": ("How it was done", method() if judged else []),
    }
    shown = {id: each for id, each in chapters.items() if each[1]}
    names = ", ".join(str(each.get("model") or "a model") for each in models)
    body = el(
        "body",
        _overview(models, names, judged),
        contents({id: title for id, (title, _) in shown.items()}),
        el("main", [chapter(id, title, each) for id, (title, each) in shown.items()]),
        el("footer", el("p", "Written by datakit eval.")),
    )
    return document(f"{names[:80]}: evaluation", body, styles=_STYLES)


def _judged(models: Sequence[Mapping[str, Any]]) -> Iterator[_Found]:
    for model in models:
        for task in model.get("tasks", ()):
            for said in task.get("judged", ()):
                yield _Found(str(model.get("model")), str(task.get("task")), said)


def _overview(models: Sequence[Mapping[str, Any]], names: str, judged: Sequence[_Found]) -> Markup:
    tasks = {str(task.get("task")) for model in models for task in model.get("tasks", ())}
    lead = f"{counted(len(models), 'model')}, {counted(len(tasks), 'task')}"
    unfinished = [str(each) for model in models for each in model.get("unfinished", ())]
    return el(
        "header",
        el(
            "div",
            el("h1", quote(names, 120), el("span", " Evaluation", class_="version")),
            el("p", lead, class_="day"),
            [el("p", "Not finished: ", quote(each, 300), class_="status") for each in unfinished],
            [_verdict(each) for each in judged],
            class_="title",
        ),
        _pictures(judged),
        class_="overview evaluated",
    )


def _verdict(found: _Found) -> list[Markup]:
    verdict, standing = (str(found.said.get(key) or "") for key in ("verdict", "calibration"))
    where: list[Child] = [quote(found.task, 80), " (", str(found.said.get("form")), ")"]
    rest: list[Child] = [" \u00b7 ", quote(standing, 400)] if standing != verdict else []
    return [
        el("p", quote(f"{verdict}.", 400), class_="verdict"),
        el("p", quote(found.model, 80), " \u00b7 ", where, rest, class_="standing"),
    ]


def _pictures(judged: Sequence[_Found]) -> list[Markup]:
    rates = [row for each in judged for row in _rows(each, _RATES)]
    grades = [row for each in judged for row in _rows(each, ("grade", "other_grade"))]
    found = []
    if rates:
        found.append(
            intervals("Win rates in percent, with their 95 % intervals", rates, (0, 100), even=50)
        )
    if grades:
        found.append(intervals("Grades from 1 to 10, with their 95 % intervals", grades, (1, 10)))
    return found


def _rows(found: _Found, names: Sequence[str]) -> Iterator[Row]:
    for name in names:
        each = found.figures.get(name)
        if each is not None:
            times = 100.0 if name in _RATES else 1.0
            ends = [None if each[key] is None else each[key] * times for key in ("low", "high")]
            text = f"{found.model}, {found.task}: {_NAMES[name]}"
            sure = bool(found.said.get("calibrated"))
            yield Row(text, each["value"] * times, ends[0], ends[1], sure)


def _figures(judged: Sequence[_Found]) -> list[Child]:
    rows: list[list[Child]] = []
    for found in judged:
        for name, each in found.figures.items():
            value, ends = _shown(name, each)
            rows.append([
                quote(found.model, 80),
                quote(found.task, 80),
                _NAMES.get(name, name),
                value,
                ends,
                f"{each['n']:,}",
                quote(str(found.said.get("calibration")), 400),
            ])  # fmt: skip
    if not rows:
        return []
    head = ("model", "task", "figure", "value", "95 % interval", "n", "people and this judge")
    against = sorted({str(each.said["against"]) for each in judged if each.said.get("against")})
    note = quote(f"Compared with {', '.join(against)}.", 300)
    return [
        el("p", note, class_="note") if against else None,
        el("div", table(head, rows, "What the judge says"), class_="judged"),
        _counts(judged),
    ]


def _counts(judged: Sequence[_Found]) -> Child:
    keys = ("judged", "wins", "losses", "ties", "flips", "same")
    rows: list[list[Child]] = [
        [
            quote(each.model, 80),
            quote(each.task, 80),
            *(f"{each.said.get(key, 0):,}" for key in keys),
            quote(_listed(each.said.get("failed")), 200),
        ]
        for each in judged
        if each.said.get("form") == "pair"
    ]
    if not rows:
        return None
    head = ("model", "task", *keys, "left out")
    return [el("h3", "Both orders"), table(head, rows, "Wins, losses, ties and flips")]


def _listed(value: object) -> str:
    if not isinstance(value, Mapping) or not value:
        return _DASH
    return ", ".join(f"{name} {count:,}" for name, count in value.items())


def _shown(name: str, each: Mapping[str, Any]) -> tuple[str, str]:
    times, unit, digits = (100, " %", 1) if name in _RATES else (1, "", 2)
    sign = "+" if name == "gain" else ""
    value = f"{each['value'] * times:{sign}.{digits}f}{unit}"
    if each["low"] is None or each["high"] is None:
        return value, _DASH
    low, high = (f"{each[key] * times:{sign}.{digits}f}" for key in ("low", "high"))
    return value, f"{low} to {high}"


def _categories(judged: Sequence[_Found]) -> list[Child]:
    rows: list[list[Child]] = []
    for found in judged:
        name = "win_rate" if found.said.get("form") == "pair" else "grade"
        for kind, each in (found.said.get("categories") or {}).items():
            value, ends = _shown(name, each)
            where = [quote(text, 80) for text in (kind, found.model, found.task)]
            rows.append([*where, _NAMES[name], value, ends, f"{each['n']:,}"])
    head = ("kind", "model", "task", "figure", "value", "95 % interval", "n")
    return [el("div", table(head, rows, "By kind of question"), class_="judged")] if rows else []


def _judges(judged: Sequence[_Found]) -> list[Child]:
    rows: list[list[Child]] = []
    for found in judged:
        who, cost = found.said.get("judge") or {}, found.said.get("cost") or {}
        settings = _settings(who.get("settings"))
        usd = "not known" if cost.get("usd") is None else f"${cost['usd']:.4f}"
        asked = f"{cost.get('requests', 0):,}, {cost.get('cached', 0):,} from the log"
        name = f"{who.get('provider')}/{who.get('model')} at {who.get('server')}"
        rows.append([found.task, str(found.said.get("form")), name, settings, asked, usd])
    head = ("task", "form", "judge", "settings", "requests", "cost")
    return [words("The judge", head, rows)] if rows else []


def _settings(value: object) -> str:
    known = value if isinstance(value, Mapping) else {}
    return ", ".join(f"{name} {each}" for name, each in known.items() if each is not None)


def _tasks(models: Sequence[Mapping[str, Any]]) -> list[Child]:
    rows: list[list[Child]] = []
    for model in models:
        for task in model.get("tasks", ()):
            for name, each in task.get("scores", {}).items():
                base = (task.get("base") or {}).get(name)
                lift = (task.get("lift") or {}).get(name)
                rows.append([
                    quote(str(model.get("model")), 80),
                    quote(str(task.get("task")), 80),
                    quote(name, 60),
                    *_plain(each),
                    f"{task.get('n', 0):,}",
                    _DASH if base is None else f"{base['value']:.3f}",
                    _DASH if lift is None else " ".join(_plain(lift, "+")),
                ])  # fmt: skip
    head = ("model", "task", "metric", "value", "95 % interval", "n", "base", "difference")
    return [el("div", table(head, rows, "Other tasks"), class_="judged")] if rows else []


def _plain(each: Mapping[str, Any], sign: str = "") -> tuple[str, str]:
    if each["low"] is None or each["high"] is None:
        return f"{each['value']:{sign}.3f}", _DASH
    return f"{each['value']:{sign}.3f}", f"{each['low']:{sign}.3f} to {each['high']:{sign}.3f}"
