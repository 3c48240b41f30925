"""Near duplicates by MinHash: candidates from banded signatures, every one verified.

A candidate is a pair that shares a band of its signatures (Broder 1997; Leskovec, Rajaraman,
Ullman, Mining of Massive Datasets, chapter 3). It becomes a pair only if the true Jaccard
similarity of its shingle sets reaches the threshold; bands alone are wrong more often than not.

With several fields a pair must reach the threshold in each. Two kinds of bands find these: those of
one field among records that are equal in all others, and those of all fields' shingles together,
whose similarity is never below the lowest of the fields'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from datakit.pairs import Fields, Ints, Mask, Pairs
from datakit.shingling import Shingled, distinct, joined, shingled
from datakit.sketching import Backend, Sketcher, sketcher
from datakit.text import Hashes, Shingle, combine, hash64

__all__ = ["bands_for", "chance", "minhash_pairs"]

# Chance that a pair just at the threshold becomes a candidate; verifying costs less than missing.
RECALL = 0.95
_CANDIDATES = 2_000_000
_VERIFIED = 20_000


def bands_for(threshold: float, num_perm: int, recall: float = RECALL) -> tuple[int, int]:
    """Returns bands and rows of a signature: the longest rows that find enough.

    Args:
        threshold: The lowest Jaccard similarity to find.
        num_perm: Values of a signature.
        recall: Chance that a pair just at the threshold shares a band.
    """
    for rows in range(num_perm, 1, -1):
        bands = num_perm // rows
        if chance(threshold, bands, rows) >= recall:
            return bands, rows
    return num_perm, 1


def chance(similarity: float, bands: int, rows: int) -> float:
    """Returns how likely a pair of that similarity shares a band: the S-curve."""
    return float(1 - (1 - similarity**rows) ** bands)


def minhash_pairs(
    fields: Fields,
    threshold: float,
    kept: Mask | None = None,
    start: int = 0,
    *,
    num_perm: int = 128,
    kind: Shingle = "word",
    size: int = 5,
    backend: Backend = "rensa",
) -> Iterator[Pairs]:
    """Yields the pairs whose true Jaccard similarity is at least `threshold` in every field.

    Of the pairs just at the threshold some 95 % are found, of those above it more.

    Args:
        fields: For each field the texts, in walking order.
        threshold: Lowest similarity, over 0.
        kept: What the walk has not dropped, or None for every pair.
        start: The first record that is compared with those before it.
        num_perm: Values of a signature.
        kind: What a shingle is made of.
        size: Length of a shingle.
        backend: What makes the signatures: `rensa`, or `datasketch`, the reference.
    """
    count = len(fields[0])
    kept = np.ones(count, dtype=bool) if kept is None else kept
    columns = [shingled(texts, size, kind) for texts in fields]
    sketch = sketcher(backend, *bands_for(threshold, num_perm))
    tables = list(_tables(fields, columns, sketch))
    if not tables:
        return
    some = distinct(np.concatenate([each.order for each in tables]).astype(np.int64))
    sets = [_Sets(column.of(some), some, count) for column in columns]
    for first, end in _blocks(tables, start, count):
        later, earlier = _candidates(tables, first, end, kept)
        yield _verified(sets, later, earlier, threshold)


@dataclass(frozen=True)
class _Table:
    """The buckets of one band: for each member of `later` those before it, `order[low:high]`."""

    order: npt.NDArray[np.int32]
    later: Ints
    low: Ints
    high: Ints
    texts: npt.NDArray[np.uint64] | None = None

    @classmethod
    def of(cls, rows: Ints, keys: Hashes, texts: npt.NDArray[np.uint64] | None = None) -> _Table:
        """Sorts records (`rows`, rising) into buckets by their keys."""
        order = np.argsort(keys, kind="stable")
        new = np.diff(keys[order], prepend=~keys[order[:1]]) != 0
        low = np.maximum.accumulate(np.where(new, np.arange(len(keys)), 0))
        inner = np.flatnonzero(~new)
        inner = inner[np.argsort(order[inner], kind="stable")]
        return cls(rows[order].astype(np.int32), rows[order[inner]], low[inner], inner, texts)

    def pairs(self, start: int, end: int, kept: Mask) -> tuple[Ints, Ints]:
        some = slice(*np.searchsorted(self.later, [start, end]))
        low, counts = self.low[some], self.high[some] - self.low[some]
        later = np.repeat(self.later[some], counts)
        within = np.arange(len(later)) - np.repeat(np.cumsum(counts) - counts, counts)
        earlier = self.order[np.repeat(low, counts) + within].astype(np.int64)
        alive = kept[earlier]
        if self.texts is not None:
            # Pairs that differ in one field only are found by that field's own bands.
            alive &= (self.texts[:, later] != self.texts[:, earlier]).sum(axis=0) > 1
        return later[alive], earlier[alive]


def _tables(fields: Fields, columns: Sequence[Shingled], sketch: Sketcher) -> Iterator[_Table]:
    """Yields the bands of all records that share one at all with another."""
    everything = np.arange(len(fields[0]))
    differ = [at for at, column in enumerate(fields) if any(text != column[0] for text in column)]
    if len(differ) < 2:
        for rows, keys in sketch.buckets(columns[differ[0] if differ else 0], everything):
            yield _Table.of(rows, keys)
        return
    texts = np.array([[hash64(text) for text in column] for column in fields], dtype=np.uint64)
    for at in differ:
        others = combine([*np.delete(texts, at, axis=0), np.full_like(texts[0], at)])
        for rows, keys in sketch.buckets(columns[at], _in_company(others)):
            yield _Table.of(rows, combine([keys, others[rows]]))
    # Shingles of one field are none of another's.
    together = joined([columns[at].tagged(at) for at in differ])
    for rows, keys in sketch.buckets(together, everything):
        yield _Table.of(rows, keys, texts)


def _in_company(keys: Hashes) -> Ints:
    """Returns the places of keys that are there more than once."""
    _, which, times = np.unique(keys, return_inverse=True, return_counts=True)
    return np.flatnonzero(times[which] > 1)


def _blocks(tables: Sequence[_Table], start: int, count: int) -> Iterator[tuple[int, int]]:
    """Cuts the records so that no block has much more than `_CANDIDATES` candidates."""
    cost = np.zeros(count, dtype=np.int64)
    for table in tables:
        cost[table.later] += table.high - table.low
    total = np.cumsum(cost)
    while start < count:
        limit = (total[start - 1] if start else 0) + _CANDIDATES
        end = max(start + 1, int(np.searchsorted(total, limit, side="right")))
        yield start, end
        start = end


def _candidates(tables: Sequence[_Table], start: int, end: int, kept: Mask) -> tuple[Ints, Ints]:
    found = [table.pairs(start, end, kept) for table in tables]
    later, earlier = (np.concatenate(each) for each in zip(*found, strict=True))
    both = distinct(later << 32 | earlier)
    return both >> 32, both & 0xFFFFFFFF


def _verified(sets: Sequence[_Sets], later: Ints, earlier: Ints, threshold: float) -> Pairs:
    scores = [np.empty(0)]
    for start in range(0, len(later), _VERIFIED):
        a, b = later[start : start + _VERIFIED], earlier[start : start + _VERIFIED]
        scores.append(np.minimum.reduce([each.jaccard(a, b) for each in sets]))
    score = np.concatenate(scores)
    enough = score >= threshold
    return later[enough], earlier[enough], score[enough]


class _Sets:
    """Sets of hashes as the rows of a sparse 0-1 matrix.

    Args:
        some: The shingles of some records.
        rows: Which they are.
        count: How many records there are.
    """

    def __init__(self, some: Shingled, rows: Ints, count: int) -> None:
        from scipy.sparse import csr_matrix

        ids, offsets, known = some.sets()
        self.sizes = np.diff(offsets)
        self.place = np.zeros(count, dtype=np.int64)
        self.place[rows] = np.arange(len(rows))
        ones = np.ones(len(ids), dtype=np.int32)
        self.matrix: Any = csr_matrix((ones, ids, offsets), shape=(len(rows), known))

    def jaccard(self, a: Ints, b: Ints) -> npt.NDArray[np.float64]:
        a, b = self.place[a], self.place[b]
        shared = np.asarray(self.matrix[a].multiply(self.matrix[b]).sum(axis=1)).ravel()
        ratio: npt.NDArray[np.float64] = shared / (self.sizes[a] + self.sizes[b] - shared)
        return ratio
