"""Which pairs may have a cosine of at least a threshold, told by a part of their numbers.

Of two vectors the product is that of their heads and that of their tails, and the latter is at most
the product of the tails' lengths. So a head with its tail's length as one more number gives, by one
product, a bound that no cosine exceeds. Turned to the axes along which all vectors are longest, a
quarter of the numbers is mostly enough, and every pair whose bound is below the threshold is left
out for certain.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from datakit.embedding.models import Vectors

__all__ = ["Bounds", "side_by_side"]

Ints = npt.NDArray[np.int64]

_HEADS = (32, 64, 96, 128, 192)
# Share of all pairs that may be computed in full for nothing; more cost more than longer heads.
_LEFT = 5e-4
_TILE = 1024
_TRAINED = 20_000
# What single precision may be wrong by.
_SLACK = 1e-4


def side_by_side(fields: Sequence[Vectors]) -> Vectors:
    """Returns the fields as one vector per record.

    The mean of the cosines of the fields is the cosine of these, and is never below the least.
    """
    joined = fields[0] if len(fields) == 1 else np.hstack(fields) / np.sqrt(len(fields))
    return np.ascontiguousarray(joined, dtype=np.float32)


class Bounds:
    """Bounds of the least cosine of two records over their fields.

    Args:
        fields: For each field the unit vectors as rows.
        threshold: Lowest cosine of interest.
    """

    def __init__(self, fields: Sequence[Vectors], threshold: float) -> None:
        self._lowest = threshold - _SLACK
        joined = side_by_side(fields)
        self._heads = joined
        if len(joined) < 4 * _TILE:
            return
        some = joined[:: -(-len(joined) // _TRAINED)].astype(np.float64)
        axes = np.linalg.eigh(some.T @ some)[1][:, ::-1].astype(np.float32)
        for size in _HEADS:
            if 2 * size > joined.shape[1]:
                return
            heads = _headed(joined, axes[:, :size])
            if self._left(heads, joined) <= _LEFT:
                self._heads = heads
                return

    @property
    def size(self) -> int:
        """Numbers of a vector that a bound takes."""
        return int(self._heads.shape[1])

    def pairs(self, rows: Ints, columns: Ints) -> tuple[Ints, Ints]:
        """Returns the pairs (later, earlier) whose bound reaches the threshold.

        Args:
            rows: Records.
            columns: Records that they are compared with.
        """
        found = np.flatnonzero(self._heads[rows] @ self._heads[columns].T >= self._lowest)
        later, earlier = rows[found // len(columns)], columns[found % len(columns)]
        before = earlier < later
        return later[before], earlier[before]

    def _left(self, heads: Vectors, joined: Vectors) -> float:
        """Returns the share of a sample's pairs that heads leave and whole vectors would not."""
        at = np.linspace(0, len(joined) - 1, 2 * _TILE).astype(np.int64)
        a, b = at[::2], at[1::2]
        may, do = (float((each[a] @ each[b].T >= self._lowest).mean()) for each in (heads, joined))
        return may - do


def _headed(joined: Vectors, axes: Vectors) -> Vectors:
    heads = np.empty((len(joined), axes.shape[1] + 1), dtype=np.float32)
    heads[:, :-1] = joined @ axes
    whole, head = (np.einsum("ij,ij->i", each, each) for each in (joined, heads[:, :-1]))
    heads[:, -1] = np.sqrt(np.maximum(whole - head, 0.0))
    return heads
