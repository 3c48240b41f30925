"""Compares variants: every pair at once, with intervals that hold together.

The error of a difference has replicates and items in it (`trainers.lift.variance`), and Student's
t with K - 1 degrees of freedom: a percentile bootstrap over few replicates is too narrow. The
critical value is that of the largest of all |t| of the family (`trainers.lift.family`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trainers.lift.family import DRAWS, critical, p_value
from trainers.lift.power import smallest_effect
from trainers.lift.variance import (
    Components,
    Floats,
    clustered,
    components,
    covariance,
    linear,
    worth,
)

__all__ = ["ENOUGH", "Comparison", "Difference", "compare"]

# Replicates from which on there is a verdict.
ENOUGH = 5
# Scores with these values only are right, wrong and half right.
_MARKS = (0.0, 0.5, 1.0)


@dataclass(frozen=True)
class Difference:
    """How much one variant's score is over another's.

    Args:
        variant: The one.
        over: The other.
        value: The mean difference over replicates and items.
        low: Lower end of the simultaneous interval; None if there is one replicate only, or one
            item with all the weight.
        high: Upper end.
        p: How often chance alone would make one of the family as large, adjusted: for looks, too,
            so that it is below .05 exactly where the interval leaves out 0; None likewise.
        error: Standard error of `value`.
        by_replicate: The difference of each replicate, over the items.
        components: Where the error comes from; None likewise.
        sees: About how large a true difference must be for a study of this size to find it four
            times in five, judged as this one is; from `components`, so for planning only. None
            likewise.
    """

    variant: str
    over: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    error: float | None
    by_replicate: tuple[float, ...]
    components: Components | None
    sees: float | None = None

    @property
    def clear(self) -> bool:
        """Whether the interval excludes nought."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Comparison:
    """All variants of a study against each other, in one metric.

    Args:
        means: Of each variant, over replicates and items.
        differences: Of every pair, the later one over the earlier one.
        best: For each variant how probable it is that it is the best (flat prior; those that are
            alike share); empty where there is no interval.
        critical: What |t| must be over; None where there is no interval.
        freedom: Degrees of freedom of each error; 0 where there is no interval.
        confidence: Of the family: so probable is it that all intervals hold.
        replicates: K.
        items: n; clusters, if items were counted by them.
        lower_is_better: Of the metric.
    """

    means: Mapping[str, float]
    differences: tuple[Difference, ...]
    best: Mapping[str, float]
    critical: float | None
    freedom: int
    confidence: float
    replicates: int
    items: int
    lower_is_better: bool

    @property
    def enough(self) -> bool:
        """Whether there are replicates enough for a verdict."""
        return self.replicates >= ENOUGH

    def difference(self, variant: str, over: str) -> Difference:
        """Returns how much a variant is over another one.

        Raises:
            KeyError: If one of them was not compared.
        """
        for each in self.differences:
            if (each.variant, each.over) == (variant, over):
                return each
            if (each.over, each.variant) == (variant, over):
                return _turned(each)
        raise KeyError(f"{variant} over {over}")


def _turned(it: Difference) -> Difference:
    return replace(
        it,
        variant=it.over,
        over=it.variant,
        value=-it.value,
        low=None if it.high is None else -it.high,
        high=None if it.low is None else -it.low,
        by_replicate=tuple(-each for each in it.by_replicate),
    )


def compare(
    scores: Mapping[str, Sequence[Sequence[float]] | Floats],
    *,
    weights: Sequence[float] | Floats | None = None,
    clusters: Sequence[Hashable] | None = None,
    least: float = 0.0,
    confidence: float = 0.95,
    lower_is_better: bool = False,
    bounded: bool | None = None,
    draws: int = DRAWS,
) -> Comparison:
    """Compares variants over the same replicates and items.

    Scores between 0 and 1 get the adjustment of Bonett and Price (2012): two items more, one won
    and one lost, count towards the error. So there is one also where no item changed.

    Args:
        scores: Of each variant a table of K replicates by n items, in the same order.
        weights: Of the items, where a score is a weighted mean (nats per token); None is plain.
        clusters: Of each item, what its cluster is called: those of one count as one item together.
            None takes items for independent.
        least: An error that is smaller counts as this.
        confidence: Of all intervals together.
        lower_is_better: Of the metric.
        bounded: Whether scores are shares, from 0 to 1; None says so of right, wrong and half right
            alone.
        draws: Of the largest |t|, and of the probability of being best.

    Raises:
        ValueError: If the tables are not of one shape, with 2 variants, 1 replicate and 2 items at
            least, or a score is no finite number, or the weights are no weights of these items.
    """
    names, tables = list(scores), _tables(scores)
    of_items = None if weights is None else _weights(weights, tables.shape[2])
    marks = bool(np.isin(tables, _MARKS).all()) if bounded is None else bounded
    if clusters is not None:
        tables, of_items = clustered(tables, of_items, clusters)
        if tables.shape[2] < 2:
            raise ValueError("all items are of one cluster")
    flat = linear(tables, of_items)
    m, k, n = tables.shape
    freedom = _freedom(k, n, of_items)
    limit = critical(m, freedom, confidence, draws) if freedom else None
    differences = []
    for one, other in itertools.combinations(range(m), 2):
        found = _difference(names[other], names[one], _less(flat[other], flat[one]))
        if limit is not None:
            change = _less(flat[other], flat[one])
            found = _sure(found, change, marks, m, freedom, limit, confidence, draws, least)
        differences.append(found)
    best = _best(flat, marks, freedom, -1.0 if lower_is_better else 1.0, draws) if freedom else []
    means = (float(each) for each in flat.mean(axis=(1, 2)))
    return Comparison(
        means=dict(zip(names, means, strict=True)),
        differences=tuple(differences),
        best=dict(zip(names, best, strict=False)),
        critical=limit,
        freedom=freedom,
        confidence=confidence,
        replicates=k,
        items=n,
        lower_is_better=lower_is_better,
    )


def _tables(scores: Mapping[str, Sequence[Sequence[float]] | Floats]) -> Floats:
    tables = [np.asarray(each, dtype=np.float64) for each in scores.values()]
    if len(tables) < 2:
        raise ValueError("a comparison needs 2 variants at least")
    shapes = {each.shape for each in tables}
    if len(shapes) > 1 or tables[0].ndim != 2:
        raise ValueError(f"the tables are not all replicates by items: {sorted(shapes)}")
    if tables[0].shape[0] < 1 or tables[0].shape[1] < 2:
        raise ValueError("a comparison needs 1 replicate and 2 items at least")
    whole: Floats = np.stack(tables)
    if not np.isfinite(whole).all():
        raise ValueError("a score is not a finite number")
    return whole


def _weights(weights: Sequence[float] | Floats, items: int) -> Floats:
    array: Floats = np.asarray(weights, dtype=np.float64)
    if array.shape != (items,):
        raise ValueError(f"{items} items, but weights of shape {array.shape}")
    if not np.isfinite(array).all() or array.min() < 0 or array.sum() <= 0:
        raise ValueError("the weights must be finite and not negative, nor all 0")
    return array


def _freedom(replicates: int, items: int, weights: Floats | None) -> int:
    """Returns K - 1, or less where the items are worth fewer than the replicates.

    With 2 items the error between items has 1 degree of freedom, however many replicates there are.
    """
    if weights is None:
        return min(replicates, items) - 1
    if weights.max() > (1 - 1e-9) * weights.sum():
        return 0
    return min(replicates - 1, max(1, int(worth(weights) - 1 + 1e-9)))


def _less(one: Floats, other: Floats) -> Floats:
    """Returns the difference of two tables; what is rounding only is nought."""
    change = one - other
    change[np.abs(change) <= 1e-12 * np.maximum(np.abs(one), np.abs(other))] = 0.0
    return change


def _difference(variant: str, over: str, change: Floats) -> Difference:
    by_replicate = tuple(float(each) for each in change.mean(axis=1))
    return Difference(
        variant, over, float(change.mean()), None, None, None, None, by_replicate, None
    )


def _sure(
    it: Difference,
    change: Floats,
    marks: bool,
    variants: int,
    freedom: int,
    limit: float,
    confidence: float,
    draws: int,
    least: float,
) -> Difference:
    """Returns a difference with its error, interval and p."""
    k, n = change.shape
    parts = components(np.hstack([change, np.tile([1.0, -1.0], (k, 1))]) if marks else change)
    error = parts.error(k, n)
    if error < least:
        # It is for want of replicates that the error looks smaller.
        parts = replace(parts, replicates=parts.replicates + k * (least**2 - error**2))
        error = least
    t = abs(it.value) / error if error > 0 else (math.inf if it.value else 0.0)
    low, high = it.value - limit * error, it.value + limit * error
    return replace(
        it,
        low=max(-1.0, low) if marks else low,
        high=min(1.0, high) if marks else high,
        # At another look, or in a family by Bonferroni, the level is another one than 5 %.
        p=min(1.0, p_value(t, variants, freedom, draws) / round((1 - confidence) / 0.05, 12)),
        error=error,
        components=parts,
        sees=smallest_effect(parts, k, n, critical=limit, freedom=freedom),
    )


def _best(flat: Floats, marks: bool, freedom: int, sign: float, draws: int) -> list[float]:
    """Returns how probable each variant is to be the best: a multivariate t around the means."""
    m, k, _ = flat.shape
    means = sign * flat.mean(axis=(1, 2))
    if marks:
        # As for a difference: for each variant an item that it alone has right.
        flat = np.concatenate([flat, np.eye(m)[:, None, :].repeat(k, axis=1)], axis=2)
    # What all variants have in common says nothing of which is best.
    spread = covariance(flat - flat.mean(axis=0))
    values, vectors = np.linalg.eigh(spread)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    generator = np.random.default_rng(0)
    scale = np.sqrt(generator.chisquare(freedom, draws) / freedom)
    drawn = means + generator.standard_normal((draws, m)) @ root.T / scale[:, None]
    # Those that never differ share; rounding must not decide between them.
    near = 1e-6 * math.sqrt(max(0.0, float(values[-1]))) + 1e-12 * float(np.abs(means).max())
    first = drawn >= drawn.max(axis=1, keepdims=True) - near
    return [float(each) for each in (first / first.sum(axis=1, keepdims=True)).mean(axis=0)]
