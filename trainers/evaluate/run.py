"""Runs tasks on a model, and on its base for comparison, item by item."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from trainers.evaluate import Items, Task
from trainers.stats import Interval, difference, mean, paired, ratio
from trainers.subject import Subject

__all__ = ["Outcome", "evaluate", "lift_of", "outcome_of", "scores_of"]


@dataclass(frozen=True)
class Outcome:
    """What one task says of a model.

    Args:
        task: What the user wrote.
        items: The model's scores, item by item.
        base: Those of its base, if it was measured.
        scores: Metrics with their intervals.
        base_scores: The base's.
        lift: The model's less the base's, over the same items.
    """

    task: str
    items: Items
    scores: Mapping[str, Interval]
    base: Items | None = None
    base_scores: Mapping[str, Interval] = field(default_factory=dict)
    lift: Mapping[str, Interval] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Returns metrics and notes as JSON values."""
        value: dict[str, Any] = {
            "task": self.task,
            "n": len(self.items.ids),
            "scores": _json(self.scores),
        }
        if self.base is not None:
            value |= {"base": _json(self.base_scores), "lift": _json(self.lift)}
        return {**value, "notes": list(self.items.notes)}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yields a JSON object for each item."""
        for at, name in enumerate(self.items.ids):
            row = {"task": self.task, "id": name, **_item(self.items, at)}
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


def evaluate(
    opener: Callable[[str], Subject],
    model: str,
    tasks: Sequence[Task],
    *,
    base: str | None = None,
    with_base: Sequence[bool] = (),
    note: Callable[[str], None],
) -> list[Outcome]:
    """Measures a model by tasks, and its base by some of them.

    Two models are not in memory at once: the base of an adapter is the adapter switched off, and
    another one is loaded when the first is let go.

    Args:
        opener: Opens a model by its name.
        model: The model.
        tasks: What to measure.
        base: Another model to compare with; None takes the adapter's own base, if there is one.
        with_base: For each task whether the base is measured too; without it, all are.
        note: Is told in words how far it is.

    Returns:
        An outcome for each task, in their order.
    """
    wanted = [*with_base] or [True] * len(tasks)
    before: list[Items | None] = [None] * len(tasks)
    with _opened(opener, model) as subject:
        after = [_measured(task, subject, note) for task in tasks]
        if base is None and subject.adapter and any(wanted):
            with subject.without_adapter():
                before = _befores(tasks, wanted, subject, note)
    if base is not None and any(wanted):
        with _opened(opener, base) as other:
            before = _befores(tasks, wanted, other, note)
    return [outcome_of(*each) for each in zip(tasks, after, before, strict=True)]


def _befores(
    tasks: Sequence[Task], wanted: Sequence[bool], subject: Subject, note: Callable[[str], None]
) -> list[Items | None]:
    return [
        _measured(task, subject, lambda text: note(f"base: {text}")) if also else None
        for task, also in zip(tasks, wanted, strict=True)
    ]


def _measured(task: Task, subject: Subject, note: Callable[[str], None]) -> Items:
    def told(text: str) -> None:
        note(text if text.startswith(task.text) else f"{task.text}: {text}")

    subject.note = told
    return task.run(subject, told)


@contextmanager
def _opened(opener: Callable[[str], Subject], model: str) -> Iterator[Subject]:
    subject = opener(model)
    try:
        yield subject
    finally:
        subject.close()
