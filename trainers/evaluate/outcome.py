"""What a task says of a model: metrics with intervals, and differences from its base."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from datakit.errors import visible
from trainers.evaluate import Items, Task
from trainers.evaluate.judged import Judged
from trainers.evaluate.shown import text_table
from trainers.stats import Interval, difference, mean, paired, ratio

__all__ = ["Outcome", "lift_of", "outcome_of", "scores_of"]


@dataclass(frozen=True, repr=False)
class Outcome:
    """What one task says of a model.

    Args:
        task: What the user wrote.
        items: The model's scores, item by item.
        base: Those of its base, if it was measured.
        scores: Metrics with their intervals.
        base_scores: The base's.
        lift: The model's less the base's, over the same items.
        judged: What a judge says, of a task that one finishes.
    """

    task: str
    items: Items
    scores: Mapping[str, Interval]
    base: Items | None = None
    base_scores: Mapping[str, Interval] = field(default_factory=dict)
    lift: Mapping[str, Interval] = field(default_factory=dict)
    judged: tuple[Judged, ...] = ()

    def __repr__(self) -> str:
        """Returns a table with a row for each metric."""
        return visible(text_table([self]))

    def to_json(self) -> dict[str, Any]:
        """Returns metrics and notes as JSON values."""
        value: dict[str, Any] = {
            "task": self.task,
            "n": len(self.items.ids),
            "scores": _json(self.scores),
        }
        if self.base is not None:
            value |= {"base": _json(self.base_scores), "lift": _json(self.lift)}
        if self.judged:
            value["judged"] = [each.to_json() for each in self.judged]
        return {**value, "notes": list(self.items.notes)}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yields a JSON object for each item."""
        for at, name in enumerate(self.items.ids):
            row = {"task": self.task, "id": name, **_item(self.items, at)}
            if self.judged:
                row["judged"] = {each.form: each.rows[at].to_json() for each in self.judged}
            if self.base is not None:
                row["base"] = _item(self.base, at)
            yield row


def _json(scores: Mapping[str, Interval]) -> dict[str, dict[str, float | None]]:
    return {name: each.to_json() for name, each in scores.items()}


def _item(items: Items, at: int) -> dict[str, Any]:
    scores = {name: values[at] for name, values in items.scores.items()}
    return {"scores": scores, "answer": items.answers[at] if items.answers else None}


def scores_of(items: Items) -> dict[str, Interval]:
    """Returns each metric's value over all items, with its interval."""
    found = {}
    for name, values in items.scores.items():
        if name in items.weights:
            found[name] = ratio(*_sums(items, name))
        else:
            found[name] = mean(values)
    exps = {name: found[of].map(_exp) for name, of in items.exps.items()}
    return {**exps, **found}


def lift_of(items: Items, base: Items) -> dict[str, Interval]:
    """Returns each metric's value less the base's, over the same items.

    Of metrics that are exponentials of others there is none: the others have it.

    Raises:
        ValueError: If the items are not the same.
    """
    if items.ids != base.ids:
        raise ValueError("the items are not the same")
    found = {}
    for name, values in items.scores.items():
        if name in items.fixed or name not in base.scores:
            continue
        if name in items.weights:
            found[name] = difference(_sums(base, name), _sums(items, name))
        else:
            found[name] = paired(base.scores[name], values)
    return found


def _sums(items: Items, name: str) -> tuple[list[float], tuple[float, ...]]:
    weights = items.weights[name]
    values = zip(items.scores[name], weights, strict=True)
    return [value * weight for value, weight in values], weights


def _exp(value: float) -> float:
    # Over some 700 nats a token, a float has no room for it.
    return math.exp(min(value, 700.0))


def outcome_of(task: Task, items: Items, base: Items | None = None) -> Outcome:
    """Returns what a task says, given its items of a model and, if measured, of its base."""
    if base is None:
        return Outcome(task.text, items, scores_of(items))
    base_scores = {name: each for name, each in scores_of(base).items() if name not in items.fixed}
    lift = lift_of(items, base)
    against = getattr(task, "against", None)
    if against is not None:
        items = replace(items, scores={**items.scores, **against(items, base)})
    return Outcome(task.text, items, scores_of(items), base, base_scores, lift)
