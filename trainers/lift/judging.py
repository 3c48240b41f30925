"""What the trials of a study say: every pair of variants, and each against no training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from datakit.errors import InputError
from trainers.evaluate import Items
from trainers.lift.estimate import Comparison, Difference, compare
from trainers.lift.looking import Look
from trainers.lift.power import hardest, level, needed
from trainers.lift.result import UNTRAINED, Lift, Trial
from trainers.lift.study import Study
from trainers.lift.words import LOWER, Unit, is_bounded, unit_of, verdicts

__all__ = ["compared", "judge", "metric_of", "table_of"]


def judge(
    study: Study,
    untrained: Items,
    general: Items | None,
    trials: Sequence[Trial],
    *,
    look: Look | None = None,
    effect: float | None = None,
) -> Lift:
    """Compares the variants of a finished study.

    Args:
        study: What was declared.
        untrained: The base model's items.
        general: Those on the general set.
        trials: All trials.
        look: Which look at the study this is; None is the first.
        effect: The smallest difference of interest, in the metric's unit.

    Raises:
        InputError: If the task has no such metric.
    """
    metric = metric_of(study, untrained)
    look = look or Look(1, 1, (study.replicates,))
    confidence = level(look.number, look.declared)
    tables = {name: table_of(trials, name, metric) for name in study.names}
    comparison = compared(tables, untrained, metric, confidence)
    others = {
        name: compared(
            {each: table_of(trials, each, name) for each in study.names},
            untrained,
            name,
            confidence,
        )
        for name in _metrics(untrained)
        # What has no number in some trial cannot be compared.
        if name != metric and all(name in each.items.scores for each in trials)
    }
    seen = [each.sees for each in _over_baseline(comparison, study.baseline)]
    unit = unit_of(metric, tables.values())
    told = verdicts(comparison, study.baseline, unit)
    return Lift(
        study=study.declared(look),
        metric=metric,
        lower_is_better=metric in LOWER,
        untrained=untrained,
        trials=tuple(trials),
        comparison=comparison,
        over_untrained=_over(tables, untrained, metric, confidence),
        others=others,
        forgotten=_forgotten(trials, general, study.names, confidence),
        guards=study.guards,
        smallest=max((each for each in seen if each is not None), default=None),
        need=_need(comparison, study.baseline, effect, unit, level(look.number + 1, look.declared)),
        by_family=_by_family(study, tables, untrained, metric, comparison),
        looks=look.sentence,
        verdicts=tuple(study.no_verdict() or told),
    )


def _metrics(items: Items) -> list[str]:
    return [each for each in items.scores if each not in items.fixed]


def metric_of(study: Study, untrained: Items) -> str:
    """Returns the metric that the verdicts are about.

    Raises:
        InputError: If the task has no such metric.
    """
    known = _metrics(untrained)
    metric = study.metric or known[0]
    if metric not in known:
        raise InputError(
            f"--metric {metric}: {study.task} has no such metric; it has {', '.join(known)}."
        )
    return metric


def compared(
    tables: Mapping[str, Any],
    items: Items,
    metric: str,
    confidence: float,
    *,
    clusters: Sequence[int] | None = None,
    least: float = 0.0,
) -> Comparison:
    """Compares tables of scores, as their metric asks for.

    Args:
        tables: Of each variant, replicates by items.
        items: Those of any trial, for their weights.
        metric: Its name.
        confidence: Of all intervals together.
        clusters: Of each item, what it is counted together with.
        least: An error that is smaller counts as this.
    """
    return compare(
        tables,
        weights=items.weights.get(metric),
        clusters=clusters,
        least=least,
        confidence=confidence,
        lower_is_better=metric in LOWER,
        bounded=is_bounded(metric, tables.values()),
    )


def _by_family(
    study: Study, tables: Mapping[str, Any], items: Items, metric: str, found: Comparison
) -> str:
    """Says what the differences are if items of one family are no more than one item."""
    count = len(set(study.families))
    if count < 2 or not found.enough:
        return ""
    it = compared(tables, items, metric, found.confidence, clusters=study.families)
    unit = unit_of(metric, tables.values())
    rows = [
        f"{name} is {unit.signed(each.value)} {unit.ends(each)}".rstrip()
        for name in study.names
        if name != study.baseline
        for each in [it.difference(name, study.baseline)]
    ]
    return (
        f"With the {count:,} families of test items as one item each, and {study.baseline} as the "
        f"baseline, {', '.join(rows)}, in {unit.name}. Where that says less than the verdict, "
        "believe the verdict for these items only."
    )


def _need(
    comparison: Comparison, baseline: str, effect: float | None, unit: Unit, again: float
) -> str:
    """Says what it takes to find the effect that was asked for; empty if none was.

    Args:
        comparison: The pilot.
        baseline: Differences from it are planned for.
        effect: What was asked for.
        unit: How values are written.
        again: Confidence of the next look, at which more replicates would be judged.
    """
    if effect is None or not comparison.enough or not comparison.freedom:
        return ""
    full = min(comparison.replicates, comparison.items) - 1
    needs = [
        needed(
            each.components,
            effect,
            replicates=comparison.replicates,
            items=comparison.items,
            variants=len(comparison.means),
            confidence=comparison.confidence,
            again=again,
            most_freedom=comparison.freedom if comparison.freedom < full else None,
        )
        for each in _over_baseline(comparison, baseline)
        if each.components is not None
    ]
    return hardest(needs).sentence(unit.amount)


def _over_baseline(comparison: Comparison, baseline: str) -> list[Difference]:
    return [each for each in comparison.differences if baseline in (each.variant, each.over)]


def table_of(trials: Sequence[Trial], variant: str, metric: str) -> Any:  # noqa: ANN401
    """Returns a variant's scores as an array of replicates by items."""
    own = sorted((t for t in trials if t.variant == variant), key=lambda t: t.replicate)
    return np.array([each.items.scores[metric] for each in own], dtype=np.float64)


def _over(
    tables: Mapping[str, Any], untrained: Items, metric: str, confidence: float
) -> dict[str, Difference]:
    """Holds each variant against the untrained model: a family of its own, by Bonferroni."""
    base = np.array(untrained.scores[metric], dtype=np.float64)
    own = 1 - (1 - confidence) / len(tables)
    found = {}
    for name, table in tables.items():
        both = {UNTRAINED: np.broadcast_to(base, table.shape), name: table}
        found[name] = compared(both, untrained, metric, own).difference(name, UNTRAINED)
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
