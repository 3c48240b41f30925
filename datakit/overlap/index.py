"""The grams of parts, sorted by hash: what of them is in the words of a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from datakit.overlap.items import Part
from datakit.overlap.rules import Hits
from datakit.text import Hashes

__all__ = ["Index"]

Places = npt.NDArray[np.intp]

# A gram of more parts than this tells nothing ("write a function to"), unless all of a part's are.
_COMMON = 32
# Only text that repeats itself has more pairs of grams than this; the first of them are enough.
_MOST = 200_000
_BASE = np.uint64(0x9E3779B97F4A7C15)


class Index:
    """Grams by size.

    Args:
        parts: The parts, each once.
        size: Gives the size of the grams of a part of so many words; 0 leaves it out.
    """

    def __init__(self, parts: Sequence[Part], size: Callable[[int], int]) -> None:
        by_size: dict[int, list[int]] = {}
        for at, part in enumerate(parts):
            if words := size(len(part)):
                by_size.setdefault(words, []).append(at)
        self._tables = {words: _Table(parts, at, words) for words, at in sorted(by_size.items())}

    def hits(self, said: Hashes) -> Iterator[tuple[int, Hits]]:
        """Yields each part of which a gram is in a record's words, with all that are.

        Args:
            said: The words of the record.
        """
        found, size = said, 1
        for wanted, table in self._tables.items():
            while size < wanted:
                found, size = _longer(found, said, size), size + 1
            for at, places, where in table.find(found):
                yield at, Hits(places, where, table.counts[at])


class _Table:
    def __init__(self, parts: Sequence[Part], numbers: Sequence[int], size: int) -> None:
        rows = [_grams(parts[at].hashes, size) for at in numbers]
        counts = np.array([len(each) for each in rows])
        hashes = np.concatenate(rows)
        order = np.argsort(hashes, kind="stable")
        part = np.repeat(np.array(numbers), counts)
        place = np.concatenate([np.arange(each) for each in counts])
        telling = _telling(hashes, np.repeat(np.arange(len(rows)), counts))[order]
        order = order[telling]
        self._part, self._place = part[order], place[order]
        self._hashes, first = np.unique(hashes[order], return_index=True)
        self._starts = np.append(first, len(order))
        self.counts: list[int] = np.bincount(self._part, minlength=len(parts)).tolist()

    def find(self, wanted: Hashes) -> Iterator[tuple[int, Places, Places]]:
        """Yields (part, places in it, places among the wanted), the parts in rising order."""
        which = np.minimum(np.searchsorted(self._hashes, wanted), len(self._hashes) - 1)
        at = np.flatnonzero(self._hashes[which] == wanted)
        if not len(at):
            return
        low = self._starts[which[at]]
        counts = self._starts[which[at] + 1] - low
        kept = max(1, int(np.searchsorted(np.cumsum(counts), _MOST, side="right")))
        at, low, counts = at[:kept], low[:kept], counts[:kept]
        before = np.cumsum(counts) - counts
        slots = np.repeat(low - before, counts) + np.arange(counts.sum())
        where = np.repeat(at, counts)
        order = np.argsort(self._part[slots], kind="stable")
        slots, where = slots[order], where[order]
        parts = self._part[slots]
        starts = np.flatnonzero(np.diff(parts, prepend=-1))
        ends = np.append(starts[1:], len(parts))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            yield int(parts[start]), self._place[slots[start:end]], where[start:end]


def _grams(words: Hashes, size: int) -> Hashes:
    """Returns a hash for each gram: a polynomial of its words, modulo 2^64."""
    found = words
    for length in range(1, size):
        found = _longer(found, words, length)
    return found


def _longer(found: Hashes, words: Hashes, size: int) -> Hashes:
    """Returns the grams of one word more."""
    return found[: max(0, len(words) - size)] * _BASE + words[size:]


def _telling(hashes: Hashes, owner: Places) -> npt.NDArray[np.bool_]:
    """Returns which grams to look up: rare ones, and all of a part that has no rare one."""
    _, which, times = np.unique(hashes, return_inverse=True, return_counts=True)
    rare: npt.NDArray[np.bool_] = times[which] <= _COMMON
    none: npt.NDArray[np.bool_] = np.bincount(owner, weights=rare)[owner] == 0
    return rare | none
