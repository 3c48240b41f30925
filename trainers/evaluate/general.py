"""What a training cost elsewhere: a fixed general set, before and after.

The set is `general.jsonl` beside this file: 72 short questions with answers, from general
knowledge, everyday instructions, arithmetic and common sense; half of them are multiple choice as
well. It is small and easy on purpose: it shows what was broken, not how good a model is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from trainers.evaluate import Task
from trainers.evaluate.choice import Choice, question_of
from trainers.evaluate.outcome import Outcome
from trainers.evaluate.perplexity import Perplexity
from trainers.examples import Chat
from trainers.stats import Interval

__all__ = ["Forgetting", "announced", "forgetting", "general_tasks"]

_FILE = "general.jsonl"
_NLL, _CHOICE = "general", "general-choice"
_SIZES = {_NLL: 72, _CHOICE: 36}


@dataclass(frozen=True)
class Change:
    """One metric before and after a training.

    Args:
        name: What it is called in a sentence.
        before: The base's.
        after: The model's.
        change: After less before, over the same items.
        lost: Whether the interval of the change has worse values only.
        shortened: Whether it rests on the first items of the set alone.
    """

    name: str
    before: Interval
    after: Interval
    change: Interval
    lost: bool
    shortened: bool = False

    def sentence(self) -> str:
        """Says what changed, and whether that is a loss."""
        ends = ""
        if self.change.low is not None and self.change.high is not None:
            ends = f", {self.change.low:+.2f} to {self.change.high:+.2f}"
        said = "something was lost" if self.lost else "no loss seen"
        # Of a shortened set, one should know how little it rests on.
        few = f" (first {self.after.n:,} items)" if self.shortened else ""
        return (
            f"General set{few}: {self.name} {self.before.value:.2f} -> {self.after.value:.2f} "
            f"({self.change.value:+.2f}{ends}): {said}."
        )


@dataclass(frozen=True)
class Forgetting:
    """How a model does on the general set, against its base.

    Args:
        changes: Its metrics.
    """

    changes: tuple[Change, ...]

    @property
    def lost(self) -> bool:
        """Whether anything was lost."""
        return any(each.lost for each in self.changes)

    def to_json(self) -> dict[str, Any]:
        """Returns metrics and verdict as JSON values."""
        return {
            "lost": self.lost,
            "scores": {each.name: each.after.to_json() for each in self.changes},
            "base": {each.name: each.before.to_json() for each in self.changes},
            "lift": {each.name: each.change.to_json() for each in self.changes},
            "n": {each.name: each.after.n for each in self.changes},
        }


def general_tasks(limit: int | None = None) -> tuple[Perplexity, Choice]:
    """Returns the general set as two tasks: likelihood of all answers, and multiple choice.

    Args:
        limit: Most items of each, the first ones; None is all.
    """
    text = files("trainers.evaluate").joinpath(_FILE).read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    chats = tuple(
        Chat(
            row["id"],
            (
                {"role": "user", "content": row["instruction"]},
                {"role": "assistant", "content": row["output"]},
            ),
        )
        for row in rows
    )
    questions = tuple(
        question_of({**row, "question": row["instruction"]}, f"{_FILE}:{number}")
        for number, row in enumerate(rows, 1)
        if "choices" in row
    )
    return Perplexity(_NLL, chats[:limit]), Choice(_CHOICE, questions[:limit])


def announced(tasks: Sequence[Task]) -> str:
    """Says what is measured next, and how to leave it out."""
    likely, chosen = map(len, tasks)
    shorter = ", --limit N shortens it" if likely == _SIZES[_NLL] else ""
    return (
        f"Next the general set, to see what was forgotten: {likely:,} answers and {chosen:,} "
        f"questions. --no-general leaves it out{shorter}."
    )


def forgetting(likely: Outcome, chosen: Outcome) -> Forgetting:
    """Judges what the general tasks found, measured on a model and its base.

    Args:
        likely: Of the first of `general_tasks`.
        chosen: Of the second.
    """
    return Forgetting(
        (
            _change("nll", likely, "nll", rising=False),
            _change("choice accuracy", chosen, "accuracy_per_byte", rising=True),
        )
    )


def _change(name: str, outcome: Outcome, metric: str, *, rising: bool) -> Change:
    change = outcome.lift[metric]
    worst = change.high if rising else change.low
    lost = worst is not None and (worst < 0 if rising else worst > 0)
    before, after = outcome.base_scores[metric], outcome.scores[metric]
    return Change(name, before, after, change, lost, after.n < _SIZES[outcome.task])
