"""What the trials of a study say: every pair of variants, and each against no training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from datakit.errors import InputError
from trainers.evaluate import Items
from trainers.lift.estimate import Comparison, Difference, compare
from trainers.lift.power import needed, smallest_effect
from trainers.lift.result import UNTRAINED, Lift, Trial
from trainers.lift.study import Study
from trainers.lift.words import Unit, unit_of, verdicts

__all__ = ["LOWER", "judge", "table_of"]

# Metrics that are better when they are lower.
LOWER = frozenset({"nll", "bits_per_byte", "perplexity"})


def judge(
    study: Study,
    untrained: Items,
    general: Items | None,
    trials: Sequence[Trial],
    *,
    confidence: float = 0.95,
    looks: Sequence[int] = (),
    effect: float | None = None,
) -> Lift:
    """Compares the variants of a finished study.

    Args:
        study: What was declared.
        untrained: The base model's items.
        general: Those on the general set.
        trials: All trials.
        confidence: Of all intervals together.
        looks: Replicates at each look so far, this one the last.
        effect: The smallest difference of interest, in the metric's unit.

    Raises:
        InputError: If the task has no such metric.
    """
    metric = _metric(study, untrained)
    tables = {name: table_of(trials, name, metric) for name in study.names}
    comparison = _compared(tables, untrained, metric, confidence)
    others = {
        name: _compared(
            {each: table_of(trials, each, name) for each in study.names},
            untrained,
            name,
            confidence,
        )
        for name in _metrics(untrained)
        if name != metric
    }
    smallest = _smallest(comparison, study.baseline)
    unit = unit_of(metric, tables.values())
    told = verdicts(comparison, study.baseline, unit, smallest=smallest)
    return Lift(
        study=study.declared(looks),
        metric=metric,
        lower_is_better=metric in LOWER,
        untrained=untrained,
        trials=tuple(trials),
        comparison=comparison,
        over_untrained=_over(tables, untrained, metric, confidence),
        others=others,
        forgotten=_forgotten(trials, general, study.names, confidence),
        guards=study.guards,
        smallest=smallest,
        need=_need(comparison, study.baseline, effect, unit),
        verdicts=tuple(study.no_verdict() or told),
    )


def _metrics(items: Items) -> list[str]:
    return [each for each in items.scores if each not in items.fixed]


def _metric(study: Study, untrained: Items) -> str:
    known = _metrics(untrained)
    metric = study.metric or known[0]
    if metric not in known:
        raise InputError(
            f"--metric {metric}: {study.task} has no such metric; it has {', '.join(known)}."
        )
    return metric


def _compared(
    tables: Mapping[str, Any], items: Items, metric: str, confidence: float
) -> Comparison:
    return compare(
        tables,
        weights=items.weights.get(metric),
        confidence=confidence,
        lower_is_better=metric in LOWER,
    )


def _need(comparison: Comparison, baseline: str, effect: float | None, unit: Unit) -> str:
    """Says what it takes to find the effect that was asked for; empty if none was."""
    if effect is None or not comparison.enough or not comparison.freedom:
        return ""
    needs = [
        needed(
            each.components,
            effect,
            replicates=comparison.replicates,
            items=comparison.items,
            variants=len(comparison.means),
        )
        for each in comparison.differences
        if each.components is not None and baseline in (each.variant, each.over)
    ]
    return max(needs, key=lambda each: each.smallest).sentence(unit.amount)


def table_of(trials: Sequence[Trial], variant: str, metric: str) -> Any:  # noqa: ANN401
    """Returns a variant's scores as an array of replicates by items."""
    own = sorted((t for t in trials if t.variant == variant), key=lambda t: t.replicate)
    return np.array([each.items.scores[metric] for each in own], dtype=np.float64)


def _smallest(comparison: Comparison, baseline: str) -> float | None:
    found = [
        smallest_effect(
            each.components,
            comparison.replicates,
            comparison.items,
            critical=comparison.critical,
            freedom=comparison.freedom,
        )
        for each in comparison.differences
        if each.components is not None and baseline in (each.variant, each.over)
    ]
    return max(found) if found and comparison.freedom else None


def _over(
    tables: Mapping[str, Any], untrained: Items, metric: str, confidence: float
) -> dict[str, Difference]:
    """Holds each variant against the untrained model: a family of its own, by Bonferroni."""
    base = np.array(untrained.scores[metric], dtype=np.float64)
    level = 1 - (1 - confidence) / len(tables)
    found = {}
    for name, table in tables.items():
        it = compare(
            {UNTRAINED: np.broadcast_to(base, table.shape), name: table},
            weights=untrained.weights.get(metric),
            confidence=level,
            lower_is_better=metric in LOWER,
        ).difference(name, UNTRAINED)
        found[name] = replace(it, p=None if it.p is None else min(1.0, it.p * len(tables)))
    return found


def _forgotten(
    trials: Sequence[Trial], general: Items | None, names: Sequence[str], confidence: float
) -> dict[str, Difference]:
    if general is None:
        return {}
    tables = {
        name: np.array([
            each.general.scores["nll"]
            for each in trials
            if each.variant == name and each.general is not None
        ])
        for name in names
    }  # fmt: skip
    return _over(tables, general, "nll", confidence)
