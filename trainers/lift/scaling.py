"""Lift against size: would more records pay?

The records of a smaller size are among those of a larger one, in each replicate; all sizes get the
same steps, so that a small one repeats its records (`match="steps"`), or each record is seen once
(`match="examples"`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from datakit.errors import InputError
from trainers.lift.arms import worth_of
from trainers.lift.budget import Budget, Match, Plan
from trainers.lift.carrying import carry_out
from trainers.lift.draws import circle
from trainers.lift.estimate import Difference
from trainers.lift.restricted import restricted
from trainers.lift.result import Lift, difference_json
from trainers.lift.study import Study, declare
from trainers.lift.terms import Terms
from trainers.lift.variants import Variant, open_variant
from trainers.lift.words import held_against
from trainers.lift.written import page_of, save
from trainers.quiet import quiet

__all__ = ["Scaled", "name_of", "scaling"]


def name_of(size: int) -> str:
    """Returns the variant's name of a size."""
    return f"{size:,} records" if size != 1 else "1 record"


@dataclass(frozen=True)
class Scaled:
    """Lift against size.

    Args:
        ref: The dataset.
        sizes: Records, from few to many.
        gains: For each size but the first, how much better than the one before it; a family of
            their own, by Bonferroni.
        match: What they have alike: `steps`, or each record once (`examples`).
        lift: The study; the smallest size is its baseline.
    """

    ref: str
    sizes: tuple[int, ...]
    gains: tuple[Difference, ...]
    match: str
    lift: Lift

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Whether the last records paid, then the same for those before, in words."""
        if self.lift.stopped or not self.lift.comparison.enough:
            return self.lift.verdicts
        return tuple(map(self._verdict, reversed(self.gains)))

    def _verdict(self, gain: Difference) -> str:
        lower = self.lift.lower_is_better
        said = held_against(gain, self.lift.unit, gain.over, lower_is_better=lower)
        more = "" if self.match == "steps" else ", in as many more steps"
        return f"{gain.variant} {'' if said.startswith('cannot') else 'are '}{said}{more}."

    @property
    def note(self) -> str:
        """What besides the number of different records differs between the sizes."""
        own = {each.variant: each for each in self.lift.trials}
        trials = [own[name_of(size)] for size in self.sizes]
        if self.match == "examples":
            steps = " / ".join(f"{each.steps:,}" for each in trials)
            return f"Larger sizes also had more steps: {steps}."
        often = " / ".join(f"{each.examples / each.distinct:.3g}" for each in trials)
        return f"All sizes had the same steps, so a record was seen {often} times."

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        return {
            **self.lift.to_json(),
            "ref": self.ref,
            "sizes": list(self.sizes),
            "note": self.note,
            "gains": [difference_json(each) for each in self.gains],
            "verdicts": list(self.verdicts),
            "verdict": self.verdicts[0],
        }


@quiet()
def scaling(
    data: str | Variant,
    sizes: Sequence[int],
    *,
    match: Match = "steps",
    steps: int | None = None,
    **terms: Any,  # noqa: ANN401  each as `Terms` has it
) -> Scaled:
    """Fine-tunes a model on more and more records of one dataset.

    Args:
        data: The dataset.
        sizes: How many records; two at least.
        match: `steps` or `examples`.
        steps: Optimizer steps of every trial; None takes each record of the largest size once.
        **terms: `task` and whatever else `trainers.lift.terms.Terms` takes.

    Raises:
        InputError: If a size is more than there is.
    """
    held = Terms(**terms)
    page = page_of(held.out)
    if match not in ("steps", "examples"):
        raise InputError(f"--match {match}: sizes have steps or examples alike, not tokens.")
    whole = (
        open_variant(data, store=held.store, fields=held.fields) if isinstance(data, str) else data
    )
    wanted = _sizes(sizes, whole)
    names = [name_of(size) for size in wanted]
    least = steps or math.ceil(wanted[-1] / held.batch)
    budget = Budget(match, least, held.batch, wanted[-1] if match == "examples" else None)
    study = declare([replace(whole, name=name) for name in names], held, budget, baseline=names[0])
    found = carry_out(_cut(study, wanted, once=match == "examples"), held, page)
    pairs = zip(names[1:], names, strict=False)
    gains = tuple(worth_of(found, one, other, len(names) - 1) for one, other in pairs)
    result = Scaled(whole.name, tuple(wanted), gains, match, found)
    if page is not None:
        from trainers.lift.page.scaled import render

        save(page, result.to_json(), render(result))
    return result


def _sizes(sizes: Sequence[int], whole: Variant) -> list[int]:
    wanted = sorted(set(sizes))
    if len(wanted) < 2 or wanted[0] < 1:
        raise InputError("--sizes: name two sizes at least, such as 50,100,200.")
    if wanted[-1] > len(whole):
        raise InputError(
            f"--sizes {wanted[-1]}: {whole.name} has {len(whole):,} records. Name smaller sizes."
        )
    return wanted


def _cut(study: Study, sizes: Sequence[int], *, once: bool) -> Study:
    """Gives each size's trials its own records, those of the smaller sizes among them."""
    plans: dict[str, Sequence[Plan]] = {}
    for size in sizes:
        name = name_of(size)
        rows = study.variants[name].lengths
        if size > len(rows):
            raise InputError(f"--sizes {size}: only {len(rows):,} records can be trained on.")
        plans[name] = [
            restricted(
                study,
                name,
                sorted(circle(study.places[name], replicate)[:size]),
                replicate,
                count=size if once else None,
            )
            for replicate in range(study.replicates)
        ]
    bound = study.bound(plans)
    # One speaks of variants that differ in their records, the other of as many examples.
    beside = {"shared", "budget"} if once else {"shared"}
    return replace(bound, guards=tuple(each for each in bound.guards if each.name not in beside))
