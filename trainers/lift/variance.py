"""Means over replicates and items, both drawn: their error, and where it comes from.

A score is a table of K replicates by n items. Another study would draw other replicates (data,
order, initialisation) and other items, so the error of the mean has both in it (two-way random
effects without repetition; Searle, Casella and McCulloch, Variance Components, 4.3):

    score[k, i] = mean + replicate[k] + item[i] + rest[k, i]
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Components", "Floats", "clustered", "components", "covariance", "linear", "worth"]

Floats = npt.NDArray[np.float64]

# An item with so large a share of the weight has all of it.
_ALL = 1 - 1e-9


@dataclass(frozen=True)
class Components:
    """Where the variance of a score comes from, in its unit squared.

    Args:
        replicates: Between replicates, all items alike.
        items: Between items, all replicates alike.
        rest: What is left of a single item of a single replicate.
    """

    replicates: float
    items: float
    rest: float

    def error(self, replicates: int, items: int) -> float:
        """Returns the standard error of a mean over so many replicates and items."""
        return math.sqrt(
            self.replicates / replicates + self.items / items + self.rest / replicates / items
        )


def worth(weights: Floats) -> float:
    """Returns how many items of equal weight these are worth (Kish): 1 if one has all of it."""
    return float(weights.sum() ** 2 / np.square(weights).sum())


def clustered(
    scores: Floats, weights: Floats | None, clusters: Sequence[Hashable]
) -> tuple[Floats, Floats]:
    """Makes one item of all that are of one cluster: their mean, with their weight together.

    Items of one cluster are not drawn one by one (Cameron and Miller 2015, A Practitioner's Guide
    to Cluster-Robust Inference).

    Args:
        scores: Of shape (..., K, n).
        weights: Of shape (n,); None is 1 each.
        clusters: Of each item, what its cluster is called.

    Returns:
        Scores of shape (..., K, clusters), and weights of shape (clusters,).
    """
    places: dict[Hashable, int] = {}
    at = np.array([places.setdefault(each, len(places)) for each in clusters])
    own = np.ones(scores.shape[-1]) if weights is None else weights
    member = np.zeros((len(at), len(places)))
    member[np.arange(len(at)), at] = own
    total: Floats = member.sum(axis=0)
    # A cluster without weight has no mean, and needs none.
    means: Floats = scores @ (member / np.where(total > 0, total, 1.0))
    return means, total


def linear(scores: Floats, weights: Floats | None) -> Floats:
    """Turns a weighted mean into a plain one, whose spread over items is that of the ratio.

    Nats per token are a ratio of two sums over items. To first order, an item moves the ratio of
    a replicate by its weight times how far it lies from that ratio (Cochran, Sampling Techniques,
    6.17). A heavy item lies too near, because the ratio follows it: all deviations are stretched
    by the factor that makes the variance right on average, were items alike in spread.

    Args:
        scores: Of shape (..., K, n).
        weights: Of shape (n,), none negative; None leaves the scores as they are.

    Returns:
        The same shape; the plain mean of a replicate is its weighted mean. If one item has all the
        weight, there is no deviation left.
    """
    if weights is None:
        return scores
    share = weights / weights.sum()
    n = len(share)
    middle = (scores * share).sum(axis=-1, keepdims=True)
    if share.max() > _ALL:
        flat: Floats = middle + np.zeros_like(scores)
        return flat
    squares, cubes = float(np.square(share).sum()), float(np.power(share, 3).sum())
    stretch = math.sqrt((1 - 1 / n) * squares / (squares - 2 * cubes + squares**2))
    whole: Floats = middle + stretch * n * share * (scores - middle)
    return whole


def components(table: Floats) -> Components:
    """Returns the variance components of a table of replicates by items.

    The mean squares are unbiased. A component that would be negative is nought; the rest stays as
    it is, so that the error is never below what replicates alone, or items alone, would say.

    Args:
        table: Of shape (K, n), both at least 2.
    """
    rows, columns, rest = (float(each[0, 0]) for each in _mean_squares(table[None]))
    k, n = table.shape
    return Components(max(0.0, rows - rest) / n, max(0.0, columns - rest) / k, rest)


def covariance(tables: Floats) -> Floats:
    """Returns the covariance of several scores' means over the same replicates and items.

    What `components` does to a number is done to matrices here: each of the two parts loses its
    negative eigenvalues. So no difference of two scores has less variance than `components` says.

    Args:
        tables: Of shape (M, K, n).

    Returns:
        Of shape (M, M): symmetric, no eigenvalue below 0.
    """
    _, k, n = tables.shape
    rows, columns, rest = _mean_squares(tables)
    whole: Floats = (_not_negative(rows - rest) + _not_negative(columns - rest) + rest) / (k * n)
    return whole


def _not_negative(matrix: Floats) -> Floats:
    values, vectors = np.linalg.eigh(matrix)
    whole: Floats = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return whole


def _mean_squares(tables: Floats) -> tuple[Floats, Floats, Floats]:
    """Returns the mean squares and products of replicates, items and rest, each (M, M)."""
    m, k, n = tables.shape
    middle = tables.mean(axis=(1, 2))
    rows = tables.mean(axis=2) - middle[:, None]
    columns = tables.mean(axis=1) - middle[:, None]
    rest = tables - middle[:, None, None] - rows[:, :, None] - columns[:, None, :]
    flat = rest.reshape(m, k * n)
    return (
        n * rows @ rows.T / (k - 1),
        k * columns @ columns.T / (n - 1),
        flat @ flat.T / ((k - 1) * (n - 1)),
    )
