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
from trainers.lift.budget import Budget, Plan
from trainers.lift.carrying import carry_out
from trainers.lift.draws import circle
from trainers.lift.estimate import Difference
from trainers.lift.restricted import restricted
from trainers.lift.result import Lift, difference_json
from trainers.lift.study import Study, declare
from trainers.lift.terms import Terms
from trainers.lift.variants import Variant, open_variant
from trainers.lift.written import page_of, save
from trainers.quiet import quiet

__all__ = ["Scaled", "name_of", "scaling"]

_OF_VARIANTS = ("same", "shared", "draws", "budget")


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
        lift: The study; the smallest size is its baseline.
    """

    ref: str
    sizes: tuple[int, ...]
    gains: tuple[Difference, ...]
    lift: Lift

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Whether the last records paid, then the same for those before, in words."""
        stopped = [each.text for each in self.lift.guards if each.level == "stop"]
        if stopped or not self.lift.comparison.enough:
            return tuple(stopped or self.lift.verdicts)
        return tuple(map(self._verdict, reversed(self.gains)))

    def _verdict(self, gain: Difference) -> str:
        unit = self.lift.unit
        steps = f"From {gain.over} to {gain.variant.split()[0]}"
        if not gain.clear:
            return f"{steps}: no gain seen ({unit.signed(gain.value)} {unit.ends(gain)})."
        word = "better" if (gain.value < 0) == self.lift.lower_is_better else "worse"
        return f"{steps}: {word} by {unit.amount(gain.value)} {unit.ends(gain)}."

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        return {
            **self.lift.to_json(),
            "ref": self.ref,
            "sizes": list(self.sizes),
            "gains": [difference_json(each) for each in self.gains],
            "verdicts": list(self.verdicts),
            "verdict": self.verdicts[0],
        }


@quiet()
def scaling(
    data: str | Variant,
    sizes: Sequence[int],
    *,
    match: str = "steps",
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
    budget = Budget("steps", steps or math.ceil(wanted[-1] / held.batch), held.batch)
    study = declare([replace(whole, name=name) for name in names], held, budget, baseline=names[0])
    found = carry_out(_cut(study, wanted, once=match == "examples"), held, page)
    pairs = zip(names[1:], names, strict=False)
    gains = tuple(worth_of(found, one, other, len(names) - 1) for one, other in pairs)
    result = Scaled(whole.name, tuple(wanted), gains, found)
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
    # They speak of variants that differ in their records, and of plans that are no more.
    own = tuple(each for each in study.guards if each.name not in _OF_VARIANTS)
    return replace(study, plans=plans, guards=own)
