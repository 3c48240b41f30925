"""The page of an evaluation: scores, what a judge says, and examples; holds nothing that runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from datakit.amounts import counted
from datakit.report.charts import table
from datakit.report.document import document
from datakit.report.markup import Child, el, quote
from trainers.page.parts import chapter

__all__ = ["render"]

STYLES = ("datakit.report/style.css", "trainers.page/page.css", "trainers.lift.page/page.css")
_SHARES = ("win_rate", "length_controlled")
_SHOWN, _CHARS = 20, 600
_FORMS = {"pair": "comparisons", "grade": "grades"}
_WON = {"model": "won", "other": "lost"}


def render(facts: Mapping[str, Any]) -> str:
    """Returns the page as one HTML file; nothing is loaded from anywhere.

    Args:
        facts: `models`, what `Evaluation.to_json` gives for each model; and `judged`, the items
            that a judge was asked about: `model`, `task`, `id`, `answer`, and its words by form.
    """
    models: Sequence[Mapping[str, Any]] = facts["models"]
    title = ", ".join(str(each["model"]) for each in models)
    rows = list(_examples(facts.get("judged", ())))
    body = el(
        "body",
        el(
            "header",
            el(
                "div",
                el("h1", quote(title, 160), el("span", " evaluation", class_="version")),
                [el("p", quote(line, 400), class_="verdict") for line in _verdicts(models)],
                class_="title",
            ),
            class_="overview study",
        ),
        el(
            "main",
            _chapter("scores", "Scores", list(_scores(models))),
            _chapter("judged", "What the judge says", list(_judged(models))),
            _chapter("examples", "Examples", rows),
            _chapter("notes", "Good to know", list(_notes(models))),
        ),
        el("footer", el("p", "Written by datakit. --items writes every answer.")),
    )
    return document(f"{title[:80]}: evaluation", body, styles=STYLES)


def _chapter(id: str, title: str, children: Sequence[Child]) -> Child:
    return chapter(id, title, list(children)) if children else None


def _tasks(
    models: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for model in models:
        for task in model["tasks"]:
            yield model, task


def _found(
    models: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yields model, task and what a judge found."""
    for model, task in _tasks(models):
        for each in task.get("judged", ()):
            yield str(model["model"]), str(task["task"]), each


def _verdicts(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the verdicts, each once."""
    said = ((model, str(each["verdict"])) for model, _, each in _found(models))
    return list(
        dict.fromkeys(words if model in words else f"{model}: {words}" for model, words in said)
    )


def _scores(models: Sequence[Mapping[str, Any]]) -> Iterator[Child]:
    rows: list[Sequence[Child]] = [
        [
            quote(str(model["model"]), 80),
            quote(str(task["task"]), 80),
            name,
            _ends(score, "{:.3f}"),
            _ends(task["base"][name], "{:.3f}") if name in task.get("base", {}) else "\u2013",
            f"{task['n']:,}",
        ]
        for model, task in _tasks(models)
        for name, score in task["scores"].items()
    ]
    if rows:
        head = ("model", "task", "metric", "score [95 %]", "its base", "items")
        yield el("div", table(head, rows, "Scores"), class_="names")


def _judged(models: Sequence[Mapping[str, Any]]) -> Iterator[Child]:
    for model, task, each in _found(models):
        against = f" against {each['against']}" if each["against"] else ""
        yield el("h3", quote(f"{model}{against}: {_FORMS[each['form']]} of {task}", 240))
        rows: list[Sequence[Child]] = [
            [name.replace("_", " "), _figure(name, found), f"{found['n']:,}"]
            for name, found in each["figures"].items()
        ]
        rows += [
            [quote(f"in {name}", 80), _figure(_first(each), found), f"{found['n']:,}"]
            for name, found in each["categories"].items()
        ]
        yield el("div", table(("figure", "[95 %]", "of"), rows, "What the judge says"))
        yield el("p", quote(_told(each), 600), class_="note")


def _first(each: Mapping[str, Any]) -> str:
    return "win_rate" if each["form"] == "pair" else "grade"


def _told(each: Mapping[str, Any]) -> str:
    """Returns who judged, what people think of that, and what was left out."""
    judge, cost = each["judge"], each["cost"]
    usd = "cost not known" if cost["usd"] is None else f"${cost['usd']:.4f}"
    parts = [
        f"Judge: {judge['provider']}/{judge['model']}; {each['calibration']}.",
        f"{counted(cost['requests'], 'request')}, {cost['cached']:,} from the log, {usd}.",
    ]
    if each["form"] == "pair":
        parts.append(
            f"{each['wins']:,} won, {each['losses']:,} lost, {each['ties']:,} tied, of them "
            f"{each['same']:,} the same text; the order changes {each['flips']:,} verdicts."
        )
    if each["failed"]:
        why = ", ".join(f"{reason} {count:,}" for reason, count in each["failed"].items())
        parts.append(f"Left out: {why}.")
    return " ".join(parts)


def _figure(name: str, found: Mapping[str, Any]) -> str:
    if name in _SHARES:
        shown = {key: None if found[key] is None else 100 * found[key] for key in _KEYS}
        return _ends(shown, "{:.1f}") + " %"
    return _ends(found, "{:+.2f}" if name == "gain" else "{:.2f}")


_KEYS = ("value", "low", "high")


def _ends(found: Mapping[str, Any], form: str) -> str:
    value = form.format(found["value"])
    if found.get("low") is None or found.get("high") is None:
        return value
    return f"{value} [{form.format(found['low'])}, {form.format(found['high'])}]"


def _examples(judged: Sequence[Mapping[str, Any]]) -> Iterator[Child]:
    """Yields answers with the judge's words; those it preferred the other answer to come first."""
    ranked = sorted(judged, key=lambda row: _rank(row["judged"]))
    for row in islice(ranked, _SHOWN):
        said = row["judged"]
        parts: list[Child] = [el("dt", "answer"), el("dd", quote(str(row["answer"] or ""), _CHARS))]
        for form, words in said.items():
            if words.get("other"):
                parts += [el("dt", "the other"), el("dd", quote(words["other"], _CHARS))]
            parts += [el("dt", form), el("dd", quote(_words(words), _CHARS))]
        summary = f"{row['model']}, {row['id']}: {_short(said)}"
        yield el("details", el("summary", quote(summary, 160)), el("dl", parts, class_="values"))
    if len(judged) > _SHOWN:
        yield el("p", f"{len(judged) - _SHOWN:,} more; --items writes all.", class_="note")


def _rank(said: Mapping[str, Mapping[str, Any]]) -> float:
    for words in said.values():
        if "winner" in words:
            return {"other": 0.0, "tie": 0.5}.get(words["winner"], 1.0)
        if "grade" in words:
            return float(words["grade"])
    return 99.0


def _short(said: Mapping[str, Mapping[str, Any]]) -> str:
    told = []
    for words in said.values():
        if "winner" in words:
            told.append(_WON.get(words["winner"], "tie"))
        elif "grade" in words:
            told.append(f"{words['grade']:g}")
        else:
            told.append(str(words.get("dropped", "")))
    return ", ".join(told)


def _words(words: Mapping[str, Any]) -> str:
    reasons = words.get("reasons") or [words.get("reason") or ""]
    return f"{_short({'': words})}. {' / '.join(map(str, reasons))}"


def _notes(models: Sequence[Mapping[str, Any]]) -> Iterator[Child]:
    lines = [f"{task['task']}: {note}" for _, task in _tasks(models) for note in task["notes"]]
    for model in models:
        lines += [f"{model['model']}: {each}" for each in model.get("unfinished", ())]
        if model.get("stopped"):
            lines.append(str(model["stopped"]))
    if lines:
        yield el("ul", [el("li", quote(each, 400)) for each in dict.fromkeys(lines)])
