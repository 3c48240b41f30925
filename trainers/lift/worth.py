"""What steps were worth, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from datakit.ablation import StepCost
from trainers.lift.estimate import ENOUGH, Difference
from trainers.lift.result import Lift, difference_json

__all__ = ["HELPLESS", "NEEDED", "Ablated", "Worth", "verdict_of"]

NEEDED = "Cannot be left out: no record comes out without it."
HELPLESS = "Keeps nothing alone: it needs what another step measures."


@dataclass(frozen=True)
class Worth:
    """What a step was worth.

    Args:
        step: Its label.
        alone: Whether it was measured alone with the generators, and not left out.
        records: How many records come out then.
        whole: How many come out with all steps; of a step alone, with the generators only.
        changed: Whether that changes the records; if not, nothing was trained for it.
        against: What it is held against, in words.
        worth: How much better the model is with the step than with the control; None if nothing
            changed.
        raw: How much better with all steps than without this one, of whatever sizes.
        cost: What it asked for and threw away.
        verdict: In words.
    """

    step: str
    alone: bool
    records: int
    whole: int
    changed: bool
    against: str
    worth: Difference | None
    raw: Difference | None
    cost: StepCost
    verdict: str

    @property
    def name(self) -> str:
        """The step, as tables show it."""
        return f"{self.step} alone" if self.alone else self.step

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        return {
            "step": self.step,
            "alone": self.alone,
            "records": {"then": self.records, "whole": self.whole},
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
        steps: Its steps in order, left out one by one; then each alone, where that was asked for.
        funnel: How many records there were at first, and what each step added or took away.
        lift: The study; None if no step changed anything.
        notes: What holds for all of it, in sentences.
    """

    ref: str
    steps: tuple[Worth, ...]
    funnel: tuple[tuple[str, int], ...]
    lift: Lift | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        study = {} if self.lift is None else self.lift.to_json()
        return {
            **study,
            "ref": self.ref,
            "steps": [each.to_json() for each in self.steps],
            "funnel": [{"step": step, "change": change} for step, change in self.funnel],
            "notes": list(self.notes),
            "verdicts": [f"{each.name}: {each.verdict}" for each in self.steps],
        }


def verdict_of(worth: Difference | None, found: Lift | None, cost: StepCost) -> str:
    """Says what a step was worth; nothing from a point estimate.

    Args:
        worth: The difference from its control; None if it changed nothing.
        found: The study.
        cost: What the step cost.
    """
    if worth is None or found is None:
        return "Changed nothing here: the records are the same."
    stopped = [each.text for each in found.guards if each.level == "stop"]
    if stopped:
        return "No verdict: test items stand in the records."
    if not found.comparison.enough:
        return f"No verdict: {ENOUGH} replicates are needed."
    unit = found.unit
    better = (worth.value < 0) == found.lower_is_better
    size = f"{unit.amount(worth.value)} {unit.ends(worth)}"
    if not worth.clear:
        spent = f" It cost ${cost.usd:.2f}." if cost.usd else ""
        return f"No worth seen ({unit.signed(worth.value)} {unit.ends(worth)}).{spent}"
    if not better:
        return f"Hurt: {size} worse than its control."
    return f"Paid: {size} better than its control.{_price(worth, found, cost)}"


def _price(worth: Difference, found: Lift, cost: StepCost) -> str:
    if not cost.usd:
        return ""
    points = abs(worth.value) * (100 if found.unit.share else 1)
    unit = "point" if found.unit.share else found.unit.amount(1.0).partition(" ")[2] or "unit"
    return f" ${float(cost.usd) / points:.2f} for each {unit}."
