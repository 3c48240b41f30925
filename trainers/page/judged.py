"""Judged answers as they were, and how they were judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datakit.report.markup import Child, Markup, el, quote

__all__ = ["examples", "method"]

_SHOWN = 12
_TEXT = 600
_METHOD = (
    "Two answers are compared in both orders. One that does not win in both is no winner: the pair "
    "is a tie (Zheng et al. 2023, arXiv 2306.05685). A flip is a verdict that changed with the "
    "order.",
    "The win rate is wins and half of the ties. Length controlled, it is what a logistic "
    "regression on the difference in length says of answers of one length (after AlpacaEval 2, "
    "Dubois et al. 2024, arXiv 2404.04475). A verdict takes both.",
    "Intervals are of 95 % and cover the chance of having drawn other questions of the same kind. "
    "Those of several models and tasks do not hold together.",
    "A verdict rests on a judge only if datakit judge check has found, with this very judge and "
    "these settings, that people agree with it more often than with a coin.",
)


def method() -> list[Child]:
    """Returns how answers are judged, in words."""
    return [el("p", text) for text in _METHOD]


def examples(rows: Sequence[Mapping[str, Any]]) -> list[Child]:
    """Returns some judged answers: first those whose verdict changes with the order.

    Args:
        rows: Items with `model`, `id`, `answer` and `judged`, by form.
    """
    ordered = sorted(rows, key=_rank)
    shown = [_example(each) for each in ordered[:_SHOWN]]
    if not shown:
        return []
    text = f"{len(shown):,} of {len(rows):,}: first those whose verdict changes with the order."
    return [el("p", text, class_="note"), shown]


def _rank(row: Mapping[str, Any]) -> int:
    pair = _forms(row).get("pair", {})
    verdicts = pair.get("verdicts")
    if isinstance(verdicts, list) and len({*verdicts}) > 1:
        return 0
    return {"other": 1, "model": 2}.get(str(pair.get("winner")), 3)


def _forms(row: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    found = row.get("judged")
    return found if isinstance(found, Mapping) else {}


def _example(row: Mapping[str, Any]) -> Markup:
    forms = _forms(row)
    sides: list[tuple[str, object]] = [(str(row.get("model")), row.get("answer"))]
    sides += [("the other", each["other"]) for each in forms.values() if each.get("other")]
    return el(
        "div",
        el("p", quote(f"{row.get('task')} {row.get('id')}", 160), class_="evidence"),
        el(
            "div",
            [
                el("dl", el("dt", quote(name, 80)), el("dd", _quoted(text), class_="text"))
                for name, text in sides
            ],
            class_="pair",
        ),
        [_said(form, each) for form, each in forms.items()],
        class_="example",
    )


def _quoted(text: object) -> Markup:
    return quote(str(text or ""), _TEXT)


def _said(form: str, each: Mapping[str, Any]) -> list[Markup]:
    if each.get("dropped"):
        return [
            el("p", f"{form}: no verdict, ", quote(str(each["dropped"]), 60), class_="evidence")
        ]
    if form == "grade":
        told = f"grade {each.get('grade')}"
        return [el("p", el("strong", told), quote(str(each.get("reason")), 300), class_="evidence")]
    verdicts = [{"a": "model", "b": "other"}.get(v, "tie") for v in each.get("verdicts", ())]
    order = f"{' and '.join(verdicts)} in the two orders" if verdicts else "the same text"
    told = f"{each.get('winner')}: {order}"
    reasons = " / ".join(str(text) for text in each.get("reasons", ()))
    return [el("p", el("strong", told), quote(reasons, 400), class_="evidence")]
