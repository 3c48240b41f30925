"""Shingles of many texts at once: no Python loop goes over words, characters or shingles.

The shingles are those of `datakit.text.shingles`, under other hashes: two of them are equal here
if they are equal there. A unit (a token, or a character) has a hash, and so has every run of
units, by the sums of a polynomial modulo 2^64 (Karp and Rabin 1987) to which each unit is added
once: the hash of a run is the difference of two sums, shifted to its place. Texts are taken in
windows that fit the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from datakit.text import Hashes, Shingle, collapse, fold, hash64

__all__ = ["Shingled", "joined", "shingled"]

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

# Characters of a window; and of a piece of a longer text, which is cut where there is white space.
_WINDOW = 1 << 17
_PIECE = 1 << 20
_BASE, _OTHER = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93
_MIX1, _MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WORD, _SIGN, _HYPHEN = 1, 2, 3
_SIGNS = "#$€£¥%&*+/<=>@^|~"
_CODES = 0x110000


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
        both = np.unique(owner * max(1, len(known)) + ids)
        owner, ids = np.divmod(both, max(1, len(known)))
        return ids, _offsets(np.bincount(owner, minlength=len(counts))), len(known)

    def tagged(self, number: int) -> Shingled:
        """Returns them under other hashes: the shingles of fields are made to differ."""
        return Shingled(_mixed(self.hashes + np.uint64(number)), self.offsets)


def shingled(texts: Sequence[str], size: int = 5, kind: Shingle = "word") -> Shingled:
    """Returns the shingles of texts; see `datakit.text.shingles`.

    Of a word of over a million characters each million is a word.

    Args:
        texts: As they were written.
        size: Tokens, or characters, of a shingle.
        kind: `word` or `char`.
    """
    units = _tokens if kind == "word" else _characters
    hashes: list[Hashes] = []
    counts: list[Ints] = []
    for some in _windows(list(texts)):
        own, each = _grams(*units(some), size)
        blank = np.flatnonzero(each == 0)
        if len(blank):
            # Nothing but punctuation: such a text is one shingle, the whole of it.
            whole = [hash64(collapse(some[at])) for at in blank]
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


def _windows(texts: list[str]) -> Iterator[list[str]]:
    start = length = 0
    for at, text in enumerate(texts):
        length += len(text)
        if length >= _WINDOW:
            yield texts[start : at + 1]
            start, length = at + 1, 0
    if start < len(texts):
        yield texts[start:]


def _tokens(texts: Sequence[str]) -> tuple[Hashes, Ints]:
    """Returns the hashes of all tokens, and how many each text has."""
    folded = [text.lower() if text.isascii() else fold(text) for text in texts]
    pieces: list[str] = []
    owners: list[int] = []
    for at, text in enumerate(folded):
        if len(text) <= _PIECE:
            pieces.append(text)
            owners.append(at)
        else:
            cut = list(_cut(text))
            pieces += cut
            owners += [at] * len(cut)
    if len(pieces) == len(texts) and sum(map(len, pieces)) <= 2 * _PIECE:
        return _of_pieces(pieces)
    hashes, counts = zip(*(_of_pieces([each]) for each in pieces), strict=True)
    owned = np.bincount(owners, weights=np.concatenate(counts), minlength=len(texts))
    return np.concatenate(hashes), owned.astype(np.int64)


def _cut(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > _PIECE:
        # No token has white space in it, so none is cut there.
        at = max(text.rfind(" ", start, start + _PIECE), text.rfind("\n", start, start + _PIECE))
        end = at + 1 if at >= start else start + _PIECE
        yield text[start:end]
        start = end
    yield text[start:]


def _of_pieces(pieces: Sequence[str]) -> tuple[Hashes, Ints]:
    # White space at both ends, and between two: no token begins or ends outside.
    codes = _codes("\n".join(["", *pieces, ""]))
    kinds = _kinds(codes)
    edges = np.flatnonzero(kinds[1:] != kinds[:-1]) + 1
    # One may end a token and begin the next.
    starts, ends = edges[kinds[edges] != 0], edges[kinds[edges - 1] != 0]
    sums, inverse = _sums(_salted(codes), _BASE)
    hashes = _mixed((sums[ends] - sums[starts]) * inverse[starts])
    bounds = np.cumsum(np.fromiter(map(len, pieces), np.int64, len(pieces)) + 1)
    return hashes, np.diff(np.searchsorted(starts, bounds), prepend=0)


def _characters(texts: Sequence[str]) -> tuple[Hashes, Ints]:
    """Returns the hashes of all characters of the folded, collapsed texts, and their numbers."""
    folded = [" ".join((t.lower() if t.isascii() else fold(t)).split()) for t in texts]
    counts = np.fromiter(map(len, folded), dtype=np.int64, count=len(folded))
    return _salted(_codes("".join(folded))), counts


def _codes(text: str) -> npt.NDArray[Any]:
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _kinds(codes: npt.NDArray[Any]) -> Bytes:
    """Returns for each character what token it is in: a word, signs, one hyphen, or none (0)."""
    ascii_ = codes.dtype == np.uint8
    kinds: Bytes = _kind_table(128 if ascii_ else _CODES)[codes]
    hyphens = np.flatnonzero(kinds == _HYPHEN)
    if len(hyphens):
        letters = _letter_table(128 if ascii_ else _CODES)
        left = np.where(hyphens > 0, letters[codes[hyphens - 1]], False)
        right = letters[codes[np.minimum(hyphens + 1, len(codes) - 1)]]
        right &= hyphens + 1 < len(codes)
        kinds[hyphens[left & right]] = 0
        # Each is a token of its own: neighbours must differ.
        others = hyphens[~(left & right)]
        kinds[others] = _HYPHEN + (others & 1)
    return kinds


@lru_cache(maxsize=2)
def _kind_table(count: int) -> Bytes:
    table = np.zeros(count, dtype=np.uint8)
    table[[code for code in range(count) if chr(code).isalnum()]] = _WORD
    table[ord("_")] = _WORD
    table[[ord(each) for each in _SIGNS if ord(each) < count]] = _SIGN
    table[ord("-")] = _HYPHEN
    return table


@lru_cache(maxsize=2)
def _letter_table(count: int) -> npt.NDArray[np.bool_]:
    table: npt.NDArray[np.bool_] = _kind_table(count) == _WORD
    table[ord("_")] = False
    table[[code for code in range(count) if chr(code).isdecimal()]] = False
    return table


def _salted(codes: npt.NDArray[Any]) -> Hashes:
    if codes.dtype == np.uint8:
        salted: Hashes = _salts()[codes]
        return salted
    return _mixed(codes.astype(np.uint64) + np.uint64(1))


@cache
def _salts() -> Hashes:
    return _mixed(np.arange(1, 257, dtype=np.uint64))


def _mixed(values: Hashes) -> Hashes:
    """Returns the values with their bits spread, as in splitmix64 (Steele, Lea, Flood 2014)."""
    values = values ^ (values >> np.uint64(30))
    values *= _MIX1
    values ^= values >> np.uint64(27)
    values *= _MIX2
    values ^= values >> np.uint64(31)
    return values


@lru_cache(maxsize=2)
def _powers(base: int, length: int) -> tuple[Hashes, Hashes]:
    """Returns the powers of an odd number modulo 2^64, and those of its inverse."""
    made = []
    for each in (base, pow(base, -1, 1 << 64)):
        powers = np.full(length, each, dtype=np.uint64)
        powers[0] = 1
        made.append(np.multiply.accumulate(powers))
    return made[0], made[1]


def _sums(units: Hashes, base: int) -> tuple[Hashes, Hashes]:
    """Returns the sums before each unit, and the factors that shift a run from there to 0."""
    powers, inverse = _powers(base, 1 << max(18, len(units).bit_length()))
    sums = np.zeros(len(units) + 1, dtype=np.uint64)
    np.multiply(units, powers[: len(units)], out=sums[1:])
    np.cumsum(sums, out=sums)
    return sums, inverse


def _grams(units: Hashes, counts: Ints, size: int) -> tuple[Hashes, Ints]:
    """Returns the hashes of all runs of `size` units in each text; a shorter text is one run."""
    own = np.where(counts > 0, np.maximum(counts - size + 1, 1), 0)
    if not len(units):
        return units, own
    sums, inverse = _sums(units, _OTHER)
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
    return _mixed(values[inside]), own


def _runs(starts: Ints, counts: Ints) -> Ints:
    """Returns `starts[0], starts[0] + 1, ...`, `counts[0]` of them, then those of the next."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    runs: Ints = np.arange(total) + np.repeat(starts - (ends - counts), counts)
    return runs


def _offsets(counts: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
