"""What steps were worth, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from datakit.ablation import StepCost
from trainers.lift.estimate import Difference
from trainers.lift.result import Lift, difference_json

__all__ = ["NEEDED", "Ablated", "Worth", "verdict_of"]

NEEDED = "Cannot be left out: no record comes out without it."


@dataclass(frozen=True)
class Worth:
    """What a step was worth.

    Args:
        step: Its label.
        without: How many records come out without it.
        whole: How many come out with all steps.
        changed: Whether its absence changes the records; if not, nothing was trained for it.
        against: What it is held against, in words.
        worth: How much better the model is with the step than with the control; None if nothing
            changed.
        raw: How much better with all steps than without this one, of whatever sizes.
        cost: What it asked for and threw away.
        verdict: In words.
    """

    step: str
    without: int
    whole: int
    changed: bool
    against: str
    worth: Difference | None
    raw: Difference | None
    cost: StepCost
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        return {
            "step": self.step,
            "records": {"without": self.without, "whole": self.whole},
            "changed": self.changed,
            "against": self.against or None,
            "worth": None if self.worth is None else difference_json(self.worth),
            "raw": None if self.raw is None else difference_json(self.raw),
            "cost": self.cost.to_json(),
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class Ablated:
    """A pipeline, step by step.

    Args:
        ref: The version that was taken apart.
        steps: Its steps, in order.
        lift: The study; None if no step changed anything.
        notes: What holds for all of it, in sentences.
    """

    ref: str
    steps: tuple[Worth, ...]
    lift: Lift | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        study = {} if self.lift is None else self.lift.to_json()
        return {
            "ref": self.ref,
            "steps": [each.to_json() for each in self.steps],
            "notes": list(self.notes),
            "study": study,
        }


def verdict_of(worth: Difference | None, found: Lift | None, cost: StepCost) -> str:
    """Says what a step was worth; nothing from a point estimate."""
    if worth is None or found is None:
        return "Changed nothing here: the records are the same without it."
    if not found.comparison.enough:
        return "No verdict: 5 replicates are needed."
    unit = found.unit
    better = (worth.value < 0) == found.lower_is_better
    size = f"{unit.amount(worth.value)} {unit.ends(worth)}"
    if not worth.clear:
        spent = f" It cost ${cost.usd:.2f}." if cost.usd else ""
        return f"No worth seen ({unit.signed(worth.value)} {unit.ends(worth)}).{spent}"
    if not better:
        return f"Hurt: {size} worse than dropping as many at random."
    price = ""
    if cost.usd:
        points = abs(worth.value) * (100 if unit.share else 1)
        price = f" ${float(cost.usd) / points:.2f} for each {'point' if unit.share else 'unit'}."
    return f"Paid: {size} better than dropping as many at random.{price}"
