"""Pairs of records whose vectors are near each other, by one of three searches.

`exact` leaves out only what cannot be near (see `bounds`). `ivf` looks only into the cells of a
faiss index that are nearest to a vector, as many as are needed to find what the exact search finds
on a sample. `clusters` looks into one cell alone, as SemDeDup does (Abbas et al. 2023).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from datakit.embedding.bounds import Bounds, side_by_side
from datakit.embedding.models import Vectors
from datakit.errors import MissingExtraError
from datakit.pairs import Mask, Pairs

__all__ = ["EXACT_BELOW", "Search", "near_pairs"]

Search = Literal["auto", "exact", "ivf", "clusters"]
Ints = npt.NDArray[np.int64]

EXACT_BELOW = 300_000
"""Records up to which `auto` is exact."""

_BLOCK = 1024
# Where more than one pair in so many may be near, all cosines at once are cheaper.
_MANY = 64
_SAMPLE = 16_384
# Of the sample half as many pairs may be missed as of all: it has only so many.
_RECALL = 0.9995
_TRAINED = 48
_PAIRS = 65_536
_SEED = 7


def near_pairs(
    fields: Sequence[Vectors],
    threshold: float,
    kept: Mask | None = None,
    start: int = 0,
    search: Search = "auto",
    found: dict[str, Any] | None = None,
) -> Iterator[Pairs]:
    """Yields the pairs of records that have a cosine of at least `threshold` in every field.

    Args:
        fields: For each field the unit vectors as rows, in walking order.
        threshold: Lowest cosine.
        kept: What the walk has not dropped, or None for every pair.
        start: The first record that is compared with those before it.
        search: See above; `auto` is `exact` up to 300,000 records, and `ivf` from there.
        found: Gets, if the search is not exact: `recall`, the share of the pairs of a sample of
            16,384 records that it finds, `recall_pairs`, how many pairs those are, and `cells`, the
            cells that it looks into of how many.

    Raises:
        MissingExtraError: If faiss is not installed and `search` needs it.
    """
    count = len(fields[0])
    kept = np.ones(count, dtype=bool) if kept is None else kept
    fields = _telling(fields)
    if search == "exact" or (search == "auto" and count <= EXACT_BELOW) or not count:
        return _exact(fields, threshold, kept, start)
    return _by_cells(fields, threshold, kept, start, search, {} if found is None else found)


def _telling(fields: Sequence[Vectors]) -> list[Vectors]:
    """Leaves out fields that are the same in all records, as an input is that nobody gives."""
    return [each for each in fields[1:] if len(each) and not (each == each[0]).all()] + [fields[0]]


def _exact(fields: Sequence[Vectors], threshold: float, kept: Mask, start: int) -> Iterator[Pairs]:
    count = len(fields[0])
    bounds = Bounds(fields, threshold)
    for first in range(start, count, _BLOCK):
        rows = np.arange(first, min(first + _BLOCK, count))
        found = [
            _bounded(bounds, fields, rows, columns, threshold)
            for columns in (*_tiles(np.flatnonzero(kept[:first])), rows)
        ]
        later, earlier, score = (np.concatenate(each) for each in zip(*found, strict=True))
        yield later, earlier, score


def _bounded(
    bounds: Bounds, fields: Sequence[Vectors], rows: Ints, columns: Ints, threshold: float
) -> Pairs:
    later, earlier = bounds.pairs(rows, columns)
    if len(later) > len(rows) * len(columns) // _MANY:
        return _tile(fields, rows, columns, threshold)
    return _checked(fields, later, earlier, threshold)


def _tiles(records: Ints) -> Iterator[Ints]:
    for start in range(0, len(records), _BLOCK):
        yield records[start : start + _BLOCK]


def _tile(fields: Sequence[Vectors], rows: Ints, columns: Ints, threshold: float) -> Pairs:
    lowest = fields[0][rows] @ fields[0][columns].T
    for vectors in fields[1:]:
        np.minimum(lowest, vectors[rows] @ vectors[columns].T, out=lowest)
    a, b = np.nonzero((lowest >= threshold) & (columns[None, :] < rows[:, None]))
    score = np.minimum(lowest[a, b].astype(np.float64), 1.0)
    return rows[a], columns[b], score


def _by_cells(
    fields: Sequence[Vectors],
    threshold: float,
    kept: Mask,
    start: int,
    search: Search,
    found: dict[str, Any],
) -> Iterator[Pairs]:
    index = _Cells(fields, threshold)
    found.update(index.measured(1) if search == "clusters" else index.tuned())
    count = len(fields[0])
    for first in range(start, count, _BLOCK):
        rows = np.arange(first, min(first + _BLOCK, count))
        before = kept.copy()
        before[first:] = False
        parts = [index.pairs(rows, before)]
        if search == "clusters":
            within = kept.copy()
            within[:first] = False
            within[first + len(rows) :] = False
            parts.append(index.pairs(rows, within))
        else:
            parts.append(_tile(fields, rows, rows, threshold))
        later, earlier, score = (np.concatenate(each) for each in zip(*parts, strict=True))
        yield later, earlier, score


class _Cells:
    """An inverted file over the fields side by side.

    What it finds at the threshold holds all that is looked for; see `side_by_side`.

    Args:
        fields: Unit vectors as rows.
        threshold: Lowest cosine.
    """

    def __init__(self, fields: Sequence[Vectors], threshold: float) -> None:
        try:
            import faiss
        except ImportError:
            raise MissingExtraError.of("faiss-cpu", "embedding", "a search by cells") from None
        self._faiss = faiss
        self._fields = fields
        self._threshold = threshold
        self._joined = joined = side_by_side(fields)
        self.cells = max(1, min(int(4 * np.sqrt(len(joined))), len(joined) // 39))
        size = self._joined.shape[1]
        self._index = faiss.IndexIVFFlat(
            faiss.IndexFlatIP(size), size, self.cells, faiss.METRIC_INNER_PRODUCT
        )
        self._index.cp.seed = _SEED
        self._index.cp.niter = 8
        self._index.cp.max_points_per_centroid = _TRAINED
        self._index.train(self._joined)
        self._index.add(self._joined)
        self._probes = 1
        # Even steps through the walk, so that near and far neighbours are both among them.
        at = np.linspace(0, len(joined) - 1, min(_SAMPLE, len(joined)))
        self._sample = np.unique(at.astype(np.int64))
        bounds = Bounds(fields, threshold)
        self._there = sum(
            len(_bounded(bounds, fields, rows, columns, threshold)[0])
            for rows in _tiles(self._sample)
            for columns in _tiles(np.arange(len(joined)))
        )

    def tuned(self) -> dict[str, Any]:
        """Looks into as many cells as are needed, and returns what that finds."""
        probes = 1
        while True:
            measured = self.measured(probes)
            if measured["recall"] >= _RECALL or probes >= self.cells:
                return measured
            probes = min(probes + probes // 2 + 1, self.cells)

    def measured(self, probes: int) -> dict[str, Any]:
        """Sets how many cells are looked into, and returns what share of the pairs that finds."""
        self._probes = probes
        found = len(self.pairs(self._sample, None)[0])
        share = found / self._there if self._there else 1.0
        return {
            "recall": round(share, 4),
            "recall_pairs": self._there,
            "cells": f"{probes} of {self.cells}",
        }

    def pairs(self, rows: Ints, among: Mask | None) -> Pairs:
        """Returns the pairs of these rows with earlier ones, in the cells that are looked into."""
        faiss = self._faiss
        options = faiss.SearchParametersIVF(nprobe=self._probes)
        if among is not None:
            bits = np.packbits(among, bitorder="little")
            options.sel = faiss.IDSelectorBitmap(bits)
        limits, _, others = self._index.range_search(
            self._joined[rows], self._threshold - 1e-4, params=options
        )
        later = np.repeat(rows, np.diff(limits.astype(np.int64)))
        near = others < later
        return _checked(self._fields, later[near], others[near], self._threshold)


def _checked(fields: Sequence[Vectors], later: Ints, earlier: Ints, threshold: float) -> Pairs:
    score = np.ones(len(later), dtype=np.float32)
    for vectors in fields:
        for start in range(0, len(later), _PAIRS):
            part = slice(start, start + _PAIRS)
            cosine = np.einsum("ij,ij->i", vectors[later[part]], vectors[earlier[part]])
            np.minimum(score[part], cosine, out=score[part])
    near = score >= threshold
    return later[near], earlier[near], score[near].astype(np.float64)
