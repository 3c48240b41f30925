"""What steps were worth, and the words for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from datakit.ablation import StepCost
from datakit.amounts import counted, money
from trainers.lift.estimate import ENOUGH, Difference
from trainers.lift.result import Lift, difference_json
from trainers.lift.words import held_against

__all__ = ["HELPLESS", "NEEDED", "Ablated", "Worth", "unknown", "verdict_of"]

_SAID = {
    "Paid": "Paid:",
    "Hurt": "Hurt:",
    "Open": "Cannot be told from chance at this size:",
    "Changed nothing": "Changed no record:",
    "Not known": "Not known, since a teacher would have to be asked:",
}
NEEDED = "Cannot be left out: no record comes out without it."
_ONE = {"points": "point", "nats per token": "nat per token", "bits per byte": "bit per byte"}
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
        makes: Whether fewer records come out without it: it makes them, or others need it.
        against: What it is held against, in words.
        worth: How much better the model is with what the step chose than with as many records drawn
            at random; of a step that makes records, with those than with as many others. None if
            nothing changed.
        raw: How much better with all steps than without this one, of whatever sizes.
        cost: What it asked for and threw away.
        verdict: In words.
        needs: Steps that ask for what it looks at; a point is paid for with them.
    """

    step: str
    alone: bool
    records: int
    whole: int
    changed: bool
    makes: bool
    against: str
    worth: Difference | None
    raw: Difference | None
    cost: StepCost
    verdict: str
    needs: tuple[str, ...] = ()

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
            "makes": self.makes,
            "against": self.against or None,
            "worth": None if self.worth is None else difference_json(self.worth),
            "raw": None if self.raw is None else difference_json(self.raw),
            "cost": self.cost.to_json(),
            "needs": list(self.needs),
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

    @property
    def verdict(self) -> str:
        """All steps in a sentence: which paid, which hurt, which cannot be told from chance."""
        if not any(each.worth for each in self.steps):
            unclear = [each.name for each in self.steps if each.verdict.startswith("Not known")]
            rest = f" {_SAID['Not known']} {', '.join(unclear)}." if unclear else ""
            return f"No step changed a record that is trained on.{rest}"
        if self.lift is None or self.lift.stopped or not self.lift.comparison.enough:
            return next(each.verdict for each in self.steps if each.worth)
        parts = []
        for word, said in _SAID.items():
            if names := [each.name for each in self.steps if each.verdict.startswith(word)]:
                parts.append(f"{said} {', '.join(names)}.")
        return " ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        study = {} if self.lift is None else self.lift.to_json()
        verdicts = [f"{each.name}: {each.verdict}" for each in self.steps]
        return {
            **study,
            "ref": self.ref,
            "steps": [each.to_json() for each in self.steps],
            "funnel": [{"step": step, "change": change} for step, change in self.funnel],
            "notes": [*self.notes, *study.get("notes", [])],
            "verdicts": verdicts,
            "verdict": self.verdict,
        }


def unknown(records: int, *, rerun: bool) -> str:
    """Says that the log cannot tell what a step was worth.

    Args:
        records: Those of which nobody was asked what a later step asks.
        rerun: Whether a true rerun would tell.
    """
    text = f"Not known: of {counted(records, 'record')} nobody was asked what a later step asks"
    return f"{text}; --rerun asks." if rerun else f"{text}."


def verdict_of(
    worth: Difference | None,
    raw: Difference | None,
    found: Lift | None,
    costs: Sequence[StepCost],
    rival: str = "as many at random",
) -> str:
    """Says what a step was worth; nothing from a point estimate.

    Args:
        worth: The difference from its control; None if it changed nothing.
        raw: All steps over all but this one, for a step that makes records; else None.
        found: The study.
        costs: What the step cost, then those that it needs.
        rival: What it is held against, in words.
    """
    if worth is None or found is None:
        return "Changed nothing here: the records are the same."
    if found.stopped:
        return "No verdict: test items stand in the records."
    if not found.comparison.enough:
        return f"No verdict: {ENOUGH} replicates are needed."
    lower, unit = found.lower_is_better, found.unit
    if raw is None:
        said = held_against(worth, unit, rival, lower_is_better=lower)
        return f"{_word(worth, lower)}: {said}.{_price(worth, found, costs)}"
    each = held_against(worth, unit, "as many others", lower_is_better=lower)
    whole = held_against(raw, unit, "without them", lower_is_better=lower)
    return f"{_word(raw, lower)}: with its records {whole}; record for record {each}." + _price(
        raw, found, costs
    )


def _word(it: Difference, lower_is_better: bool) -> str:
    if not it.clear:
        return "Open"
    return "Paid" if (it.value < 0) == lower_is_better else "Hurt"


def _price(it: Difference, found: Lift, costs: Sequence[StepCost]) -> str:
    """Returns what the step cost, and where it paid, from what to what for each point."""
    paid = [each.usd for each in costs if each.usd is not None]
    whole = sum(paid, Decimal(0))
    if not whole or len(paid) < len(costs):
        return ""
    needs = ", ".join(each.step for each in costs[1:] if each.usd)
    said = f" It cost {money(whole)}" + (f" with {needs}, which it needs" if needs else "")
    if not it.clear or (it.value < 0) != found.lower_is_better or it.low is None or it.high is None:
        return f"{said}."
    times = 100 if found.unit.share else 1
    dear, cheap = sorted((abs(it.low), abs(it.high)))
    unit = _ONE.get(found.unit.name, found.unit.name.removeprefix("of "))
    each = float(whole) / times
    return f"{said}: {money(each / cheap)} to {money(each / dear)} for each {unit}."
