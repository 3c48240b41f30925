"""A changed dataset, and its control: as many records, but drawn at random.

A set that is smaller scores otherwise for its size alone. So whatever takes records away is held
against taking as many away at random, others in each replicate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import stdev

from datakit.errors import InputError
from trainers.lift.budget import Plan
from trainers.lift.estimate import Difference
from trainers.lift.judging import compared, table_of
from trainers.lift.restricted import restricted
from trainers.lift.result import Lift
from trainers.lift.study import Study
from trainers.lift.variants import Variant

__all__ = ["Arm", "bound", "by_lot", "variants_of", "worth_of"]


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


def by_lot(found: Lift, one: str, other: str, family: int) -> Difference:
    """Returns how much better a fixed choice of records is than choices by lot.

    The choice is the same in every replicate, so its own luck is no part of their spread. A single
    choice by lot differs from the mean of K others by their spread times sqrt(1 + 1/K): the error
    is no smaller, so that a choice by lot is told from others in 5 % of studies at most.

    Args:
        found: The study.
        one: The variant with the fixed choice, or whose control has it.
        other: What it is held against.
        family: How many such differences are told together.
    """
    it = worth_of(found, one, other, family)
    k = len(it.by_replicate)
    if k < 2:
        return it
    return worth_of(found, one, other, family, least=stdev(it.by_replicate) * math.sqrt(1 + 1 / k))


def worth_of(found: Lift, one: str, other: str, family: int, *, least: float = 0.0) -> Difference:
    """Returns how much better one variant is than another, as one of a family by Bonferroni.

    Args:
        found: The study.
        one: The variant whose worth is wanted.
        other: What it is held against.
        family: How many such differences are told together.
        least: An error that is smaller counts as this.
    """
    confidence = 1 - (1 - found.comparison.confidence) / family
    tables = {name: table_of(found.trials, name, found.metric) for name in (other, one)}
    it = compared(tables, found.untrained, found.metric, confidence, least=least)
    return it.difference(one, other)
