"""Shingles of many texts at once: no Python loop goes over words, characters or shingles.

The shingles are those of `datakit.text.shingles`, under other hashes: two of them are equal here
if they are equal there. A unit (a token, or a character) has a hash, and so has every run of
units, by the sums of a polynomial modulo 2^64 (Karp and Rabin 1987) to which each unit is added
once: the hash of a run is the difference of two sums, shifted to its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from datakit.text import Hashes, Shingle, collapse, hash64
from datakit.units import Ints, character_hashes, mixed, token_hashes

__all__ = ["Shingled", "distinct", "joined", "shingled"]

# Characters of a window, which then fits the processor's cache.
_WINDOW = 1 << 17
_BASE = 0xD6E8FEB86659FD93


@dataclass(frozen=True)
class Shingled:
    """The shingles of texts, one after the other; one that a text has twice is there twice.

    Args:
        hashes: Of all texts, in their order.
        offsets: Where those of each text begin, and where the last ends.
    """

    hashes: Hashes
    offsets: Ints

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, rows: Ints) -> Shingled:
        """Returns the shingles of some of the texts, in the order of `rows`."""
        counts = np.diff(self.offsets)[rows]
        return Shingled(self.hashes[_runs(self.offsets[rows], counts)], _offsets(counts))

    def sets(self) -> tuple[Ints, Ints, int]:
        """Returns the sets of shingles, each shingle as a number that stands for it.

        Returns:
            The numbers of the first text's set, rising, then those of the next; where each
            begins, and the last ends; and how many shingles there are.
        """
        counts = np.diff(self.offsets)
        known, ids = np.unique(self.hashes, return_inverse=True)
        owner = np.repeat(np.arange(len(counts)), counts)
        both = distinct(owner * max(1, len(known)) + ids)
        owner, ids = np.divmod(both, max(1, len(known)))
        return ids, _offsets(np.bincount(owner, minlength=len(counts))), len(known)

    def tagged(self, number: int) -> Shingled:
        """Returns them under other hashes: the shingles of fields are made to differ."""
        return Shingled(mixed(self.hashes + np.uint64(number)), self.offsets)


def shingled(texts: Sequence[str], size: int = 5, kind: Shingle = "word") -> Shingled:
    """Returns the shingles of texts; see `datakit.text.shingles`.

    Of a word of over a million characters each million is a word.

    Args:
        texts: As they were written.
        size: Tokens, or characters, of a shingle.
        kind: `word` or `char`.
    """
    plain = np.fromiter(map(str.isascii, texts), dtype=bool, count=len(texts))
    if plain.all() or not plain.any():
        return _shingled(texts, size, kind)
    # What is ASCII alone takes an eighth of the time, as long as nothing else stands beside it.
    groups = [np.flatnonzero(plain), np.flatnonzero(~plain)]
    made = [_shingled([texts[at] for at in group.tolist()], size, kind) for group in groups]
    counts = np.empty(len(texts), dtype=np.int64)
    for group, each in zip(groups, made, strict=True):
        counts[group] = np.diff(each.offsets)
    offsets = _offsets(counts)
    hashes = np.empty(offsets[-1], dtype=np.uint64)
    for group, each in zip(groups, made, strict=True):
        hashes[_runs(offsets[group], counts[group])] = each.hashes
    return Shingled(hashes, offsets)


def _shingled(texts: Sequence[str], size: int, kind: Shingle) -> Shingled:
    units = token_hashes if kind == "word" else character_hashes
    hashes: list[Hashes] = []
    counts: list[Ints] = []
    for some in _windows(list(texts)):
        own, each = _grams(*units(some), size)
        blank = np.flatnonzero(each == 0)
        if len(blank):
            # Nothing but punctuation: such a text is one shingle, the whole of it.
            whole = [hash64(collapse(some[at])) for at in blank.tolist()]
            own = np.insert(own, np.cumsum(each)[blank], np.array(whole, dtype=np.uint64))
            each[blank] = 1
        hashes.append(own)
        counts.append(each)
    if not hashes:
        return Shingled(np.empty(0, dtype=np.uint64), np.zeros(1, dtype=np.int64))
    return Shingled(np.concatenate(hashes), _offsets(np.concatenate(counts)))


def joined(columns: Sequence[Shingled]) -> Shingled:
    """Returns for each text the shingles that it has in any of the columns."""
    counts = np.array([np.diff(each.offsets) for each in columns])
    offsets = _offsets(counts.sum(axis=0))
    before = offsets[:-1] + np.cumsum(counts, axis=0) - counts
    hashes = np.empty(offsets[-1], dtype=np.uint64)
    for column, starts, own in zip(columns, before, counts, strict=True):
        hashes[_runs(starts, own)] = column.hashes
    return Shingled(hashes, offsets)


def distinct(numbers: Ints) -> Ints:
    """Returns the numbers in rising order, each once; some ten times as fast as `np.unique`."""
    ordered = np.sort(numbers)
    once: Ints = ordered[np.diff(ordered, prepend=ordered[:1] - 1) != 0]
    return once


def _windows(texts: list[str]) -> Iterator[list[str]]:
    start = length = 0
    for at, text in enumerate(texts):
        length += len(text)
        if length >= _WINDOW:
            yield texts[start : at + 1]
            start, length = at + 1, 0
    if start < len(texts):
        yield texts[start:]


@lru_cache(maxsize=2)
def _powers(length: int) -> tuple[Hashes, Hashes]:
    """Returns the powers of an odd number modulo 2^64, and those of its inverse."""
    made = []
    for each in (_BASE, pow(_BASE, -1, 1 << 64)):
        powers = np.full(length, each, dtype=np.uint64)
        powers[0] = 1
        made.append(np.multiply.accumulate(powers))
    return made[0], made[1]


def _sums(units: Hashes) -> tuple[Hashes, Hashes]:
    """Returns the sums before each unit, and the factors that shift a run from there to 0."""
    powers, inverse = _powers(1 << max(18, len(units).bit_length()))
    sums = np.zeros(len(units) + 1, dtype=np.uint64)
    np.multiply(units, powers[: len(units)], out=sums[1:])
    np.cumsum(sums, out=sums)
    return sums, inverse


def _grams(units: Hashes, counts: Ints, size: int) -> tuple[Hashes, Ints]:
    """Returns the hashes of all runs of `size` units in each text; a shorter text is one run."""
    own = np.where(counts > 0, np.maximum(counts - size + 1, 1), 0)
    if not len(units):
        return units, own
    sums, inverse = _sums(units)
    before = np.cumsum(counts) - counts
    # A run from every unit is cheaper than a look-up of those that end in their own text.
    values = np.zeros(len(units), dtype=np.uint64)
    if len(units) >= size:
        values[: len(units) - size + 1] = sums[size:] - sums[:-size]
    short = np.flatnonzero((counts > 0) & (counts < size))
    first = before[short]
    values[first] = sums[first + counts[short]] - sums[first]
    values *= inverse[: len(units)]
    inside = np.zeros(len(units), dtype=bool)
    inside[_runs(before, own)] = True
    return mixed(values[inside]), own


def _runs(starts: Ints, counts: Ints) -> Ints:
    """Returns `starts[0], starts[0] + 1, ...`, `counts[0]` of them, then those of the next."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    runs: Ints = np.arange(total) + np.repeat(starts - (ends - counts), counts)
    return runs


def _offsets(counts: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
