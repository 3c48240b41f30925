"""Plans that draw from a part of a variant: another part in each replicate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trainers.lift.budget import Plan, planned
from trainers.lift.draws import draw
from trainers.lift.study import Study

__all__ = ["restricted"]


def restricted(
    study: Study, name: str, own: Sequence[int], replicate: int, *, count: int | None = None
) -> Plan:
    """Returns a plan for one trial that is trained on some of a variant's records only.

    Args:
        study: The study.
        name: The variant.
        own: Indices of its records that may be trained on; one at least.
        replicate: From 0.
        count: Rows, repeats included; None takes the study's steps.
    """
    where, rows, budget = study.places[name], study.variants[name].lengths, study.budget
    size = budget.steps * budget.batch if count is None else count
    order = [own[at] for at in draw([where[each] for each in own], replicate, size)]
    return replace(planned(order, rows, budget.batch), pool=len(own))
