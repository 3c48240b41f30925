"""Verdicts in words; never one from a point estimate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from trainers.lift.estimate import ENOUGH, Comparison, Difference

__all__ = ["LOWER", "Unit", "held_against", "is_bounded", "share", "unit_of", "verdicts"]

# Metrics that are better when they are lower.
LOWER = frozenset({"nll", "bits_per_byte", "perplexity"})
# Metrics whose values may be within 0 and 1 by accident.
_UNBOUNDED = LOWER | {"margin", "chosen_logp", "rejected_logp"}


class Unit:
    """How the values of a metric are written.

    Args:
        metric: Its name.
        share: Whether its scores are shares, from 0 to 1: differences are then points of a hundred.
    """

    def __init__(self, metric: str, *, share: bool) -> None:
        self.metric = metric
        self.share = share

    @property
    def name(self) -> str:
        """The unit of a difference: `points`, `nats per token`."""
        return "points" if self.share else _UNITS.get(self.metric, f"of {self.metric}")

    def value(self, score: float) -> str:
        """Returns a score as it is written: `27.9 %`, `1.032`."""
        return f"{100 * score:.1f} %" if self.share else f"{score:.3f}"

    def signed(self, change: float) -> str:
        """Returns a difference with its sign: `+5.1`, `-0.038`."""
        return f"{100 * change:+.1f}" if self.share else f"{change:+.3f}"

    def ends(self, it: Difference) -> str:
        """Returns an interval: `[+0.9, +9.3]`; empty if there is none."""
        if it.low is None or it.high is None:
            return ""
        return f"[{self.signed(it.low)}, {self.signed(it.high)}]"

    def span(self, it: Difference) -> str:
        """Returns the interval of a clear difference, without a sign: `(0.9 to 9.3)`."""
        if it.low is None or it.high is None:
            return ""
        low, high = sorted((abs(it.low), abs(it.high)))
        times, digits = (100, 1) if self.share else (1, 3)
        return f"({times * low:.{digits}f} to {times * high:.{digits}f})"

    def amount(self, change: float) -> str:
        """Returns how much without a sign, with the unit: `5.1 points`, `0.038 nats per token`."""
        size = f"{100 * abs(change):.1f}" if self.share else f"{abs(change):.3f}"
        return f"{size} {self.name}"


_UNITS = {"nll": "nats per token", "bits_per_byte": "bits per byte"}


def unit_of(metric: str, tables: Iterable[Any]) -> Unit:
    """Returns how the values of a metric are written.

    Args:
        metric: Its name.
        tables: All its scores, as arrays of any shapes.
    """
    return Unit(metric, share=is_bounded(metric, tables))


def is_bounded(metric: str, tables: Iterable[Any]) -> bool:
    """Returns whether the scores of a metric are shares, from 0 to 1.

    Args:
        metric: Its name.
        tables: All its scores, as arrays of any shapes.
    """
    arrays = [np.asarray(each) for each in tables]
    return metric not in _UNBOUNDED and all(((a >= 0) & (a <= 1)).all() for a in arrays)


def held_against(it: Difference, unit: Unit, rival: str, *, lower_is_better: bool) -> str:
    """Says what a difference allows to be said: `better than random by 0.1 ... [...]`.

    Args:
        it: The difference.
        unit: How values are written.
        rival: What `it.variant` is held against, in words.
        lower_is_better: Of the metric.
    """
    if not it.clear:
        change = f"({unit.signed(it.value)} {unit.ends(it)})"
        return f"cannot be told from {rival} {change}{_ruled_out(it, unit)}"
    word = "better" if (it.value < 0) == lower_is_better else "worse"
    return f"{word} than {rival} by {unit.amount(it.value)} {unit.span(it)}"


def _ruled_out(it: Difference, unit: Unit) -> str:
    if it.low is None or it.high is None:
        return ""
    return f"; a difference over {unit.amount(max(abs(it.low), abs(it.high)))} is ruled out"


def share(value: float | None) -> str:
    """Returns a probability: `97 %`; never 0 or 100, which it cannot be."""
    if value is None:
        return "\u2013"
    if value > 0.99:
        return "> 99\u00a0%"
    return "< 1\u00a0%" if value < 0.01 else f"{100 * value:.0f}\u00a0%"


def verdicts(it: Comparison, baseline: str, unit: Unit) -> list[str]:
    """Says what the comparison allows to be said, the most wanted sentence first.

    Args:
        it: The comparison.
        baseline: The variant that the others are held against.
        unit: How values are written.
    """
    if not it.enough:
        count = "1 replicate is" if it.replicates == 1 else f"{it.replicates} replicates are"
        return [
            f"No verdict: {count} not enough, {ENOUGH} are needed. What differs between two "
            "replicates may be as large as what differs between the variants."
        ]
    ranked = sorted(it.means, key=lambda name: it.means[name], reverse=not it.lower_is_better)
    first, *others = ranked
    said = [_between(it, first, others[0], unit)]
    if len(others) > 1:
        said += list(_rest(it, ranked, baseline, unit))
    return said


def _rest(it: Comparison, ranked: list[str], baseline: str, unit: Unit) -> Iterator[str]:
    told = set(ranked[:2])
    for name in ranked:
        if name != baseline and {name, baseline} != told:
            yield _between(it, name, baseline, unit)


def _between(it: Comparison, one: str, other: str, unit: Unit) -> str:
    if _better(it, other, one):
        one, other = other, one
    found = it.difference(one, other)
    if found.clear:
        verb = "beats" if _better(it, one, other) else "loses to"
        return f"{one} {verb} {other} by {unit.amount(found.value)} {unit.span(found)}."
    return (
        f"{one} and {other} cannot be told apart at this size "
        f"({unit.signed(found.value)} {unit.ends(found)}){_ruled_out(found, unit)}."
    )


def _better(it: Comparison, one: str, other: str) -> bool:
    return (it.means[one] < it.means[other]) == it.lower_is_better
