"""A changed dataset, and its control: as many records, but drawn at random.

A set that is smaller scores otherwise for its size alone. So whatever takes records away is held
against taking as many away at random, others in each replicate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from datakit.errors import InputError
from trainers.lift.budget import Plan
from trainers.lift.estimate import Difference
from trainers.lift.judging import compared, table_of
from trainers.lift.restricted import restricted
from trainers.lift.result import Lift
from trainers.lift.study import Study
from trainers.lift.variants import Variant

__all__ = ["Arm", "bound", "variants_of", "worth_of"]


@dataclass(frozen=True)
class Arm:
    """Two variants of one size that differ in how their records were chosen.

    Args:
        one: The variant whose worth is wanted, by name.
        other: What it is held against, by name.
        control: Which of both is drawn at random; empty where neither is: they are of one size.
        variants: Those of both, and others to be trained beside them, that no other arm has.
        drawn: For each replicate, ids of the records that the control may be trained on.
        words: What it is held against, in words.
    """

    one: str
    other: str
    control: str
    variants: tuple[Variant, ...]
    drawn: tuple[frozenset[str], ...]
    words: str


def variants_of(first: Variant, arms: Iterable[Arm]) -> list[Variant]:
    """Returns all variants of arms, each once, after a first one.

    Raises:
        InputError: If two that differ have one name.
    """
    named = {first.name: first}
    for arm in arms:
        for each in arm.variants:
            if named.setdefault(each.name, each).sha256 != each.sha256:
                raise InputError(f"{each.name}: two variants have this name.")
    return list(named.values())


def bound(study: Study, arms: Iterable[Arm]) -> Study:
    """Binds the controls to the records that were drawn for them."""
    plans: dict[str, Sequence[Plan]] = {}
    for arm in arms:
        if not arm.control:
            continue
        records = study.variants[arm.control].variant.records
        plans[arm.control] = [
            restricted(
                study,
                arm.control,
                [at for at, each in enumerate(records) if each.id in drawn],
                replicate,
            )
            for replicate, drawn in enumerate(arm.drawn)
        ]
    return study.bound(plans)


def worth_of(found: Lift, one: str, other: str, family: int) -> Difference:
    """Returns how much better one variant is than another, as one of a family by Bonferroni.

    Args:
        found: The study.
        one: The variant whose worth is wanted.
        other: What it is held against.
        family: How many such differences are told together.
    """
    confidence = 1 - (1 - found.comparison.confidence) / family
    tables = {name: table_of(found.trials, name, found.metric) for name in (other, one)}
    return compared(tables, found.untrained, found.metric, confidence).difference(one, other)
