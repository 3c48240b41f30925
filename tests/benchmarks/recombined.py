"""Runs of one version, taken as two variants again and again: how often are they told apart?

Of R runs, 2K are chosen at random, K of them named A and K named B. Choices share runs, so they
are no independent studies: the interval of their share is a jackknife over the runs (each left
out in turn; the share is a U-statistic, Arvesen 1969). In 40 simulated pools of 40 runs, K = 5, it
was twice as wide as the true spread of the share from pool to pool: it errs on the wide side.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from trainers.lift.estimate import compare
from trainers.lift.variance import Floats
from trainers.stats import Interval, t_quantile

__all__ = ["WAYS", "chosen", "compared", "share", "told_apart"]

WAYS = {
    "ours": "**ours**: two-way, t(K-1)",
    "replicates": "replicates alone, t(K-1)",
    "items": "items alone, t(n-1)",
}
_CHUNK = 5_000

Choices = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


def chosen(runs: int, replicates: int, count: int, seed: int = 0) -> Choices:
    """Returns random choices of runs, (count, 2K): the first K of a row are A, the others B.

    Args:
        runs: R.
        replicates: K.
        count: How many choices.
        seed: Another one chooses others.

    Raises:
        ValueError: If there are fewer than 2K runs.
    """
    if runs < 2 * replicates:
        raise ValueError(f"{runs} runs: {2 * replicates} are needed")
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(runs), (count, 1)), axis=1)
    return order[:, : 2 * replicates]


def told_apart(flat: Floats, choices: Choices, critical: float) -> dict[str, Flags]:
    """Returns of each choice whether A and B are told apart, by way.

    Args:
        flat: Scores of runs by items, as `trainers.lift.variance.linear` has them: so a difference
            of means is that of the weighted ones.
        choices: As `chosen` gave them.
        critical: What |t| must be over in the lift lab (`Comparison.critical`).
    """
    k = choices.shape[1] // 2
    parts: dict[str, list[Flags]] = {name: [] for name in WAYS}
    for at in range(0, len(choices), _CHUNK):
        own = choices[at : at + _CHUNK]
        change = flat[own[:, k:]] - flat[own[:, :k]]
        off = np.abs(change.mean(axis=(1, 2)))
        by_rows = change.mean(axis=2).std(axis=1, ddof=1) / math.sqrt(k)
        by_columns = change.mean(axis=1).std(axis=1, ddof=1) / math.sqrt(change.shape[2])
        parts["ours"].append(off > critical * _errors(change))
        parts["replicates"].append(off > t_quantile(0.975, k - 1) * by_rows)
        parts["items"].append(off > t_quantile(0.975, change.shape[2] - 1) * by_columns)
    return {name: np.concatenate(each) for name, each in parts.items()}


def _errors(change: Floats) -> Floats:
    """Returns what `trainers.lift.variance.Components.error` does, for all tables at once."""
    _, k, n = change.shape
    middle = change.mean(axis=(1, 2))
    rows = change.mean(axis=2) - middle[:, None]
    columns = change.mean(axis=1) - middle[:, None]
    rest = change - middle[:, None, None] - rows[:, :, None] - columns[:, None, :]
    square = np.square(rest).sum(axis=(1, 2)) / ((k - 1) * (n - 1))
    of_rows = n * np.square(rows).sum(axis=1) / (k - 1)
    of_columns = k * np.square(columns).sum(axis=1) / (n - 1)
    extra = np.maximum(0.0, of_rows - square) + np.maximum(0.0, of_columns - square)
    found: Floats = np.sqrt((extra + square) / (k * n))
    return found


def compared(table: Floats, weights: Floats | None, choices: Choices) -> tuple[Flags, float]:
    """Does the same by `trainers.lift.estimate.compare` itself, one choice after another.

    Args:
        table: Scores of runs by items, as they were measured.
        weights: Of the items.
        choices: As `chosen` gave them.

    Returns:
        Whether A and B are told apart, and what |t| must be over.
    """
    k = choices.shape[1] // 2
    found = [
        compare({"A": table[own[:k]], "B": table[own[k:]]}, weights=weights, draws=100)
        for own in choices
    ]
    if found[0].critical is None:
        raise ValueError(f"{k} replicates on these items have no interval")
    return np.array([each.differences[0].clear for each in found]), found[0].critical


def share(told: Flags, choices: Choices, runs: int, confidence: float = 0.95) -> Interval:
    """Returns how often A and B were told apart, with a jackknife interval over the runs.

    Args:
        told: Of each choice.
        choices: As `chosen` gave them.
        runs: R.
        confidence: Of the interval.
    """
    without = []
    for run in range(runs):
        kept = told[~(choices == run).any(axis=1)]
        if not len(kept):
            raise ValueError(f"every choice has run {run}: take fewer replicates, or more choices")
        without.append(float(kept.mean()))
    off = np.array(without) - np.mean(without)
    error = math.sqrt((runs - 1) / runs * float(np.square(off).sum()))
    value, half = float(told.mean()), t_quantile((1 + confidence) / 2, runs - 1) * error
    return Interval(value, max(0.0, value - half), min(1.0, value + half), runs)
