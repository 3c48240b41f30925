"""How much of a text must be in a record: the rule "by length", and three that were published.

`by_length` aligns a text with the place in ONE record that has most of its 4-grams. What is there
is the longest common subsequence of words (a word cut, or put in, costs one word, not all n-grams
around it), and it must lie close together:

    words of the text     found in the record's place           of the words there
    40 and more           80 % (or 50 %)                        80 % (95 %)
    20 to 39              80 %                                  80 %
    8 to 19               86 %                                  90 %
    under 8               all, one after the other

One word of a short question in another's place may make it another question ("in Japan", "in
Brazil"), so that nearly all of it is asked for. `python -m tests.benchmarks.contamination` prints
what this finds and flags beside the other rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import LCSseq

from datakit.overlap.items import ENOUGH, SHORTEST, Part
from datakit.text import covered

__all__ = ["RULES", "Found", "Hits", "Rule", "inside"]

Places = npt.NDArray[np.intp]

_GRAM = 4
# Fewest words of a text; the least share of them, and of the words of the place where they are.
_NEEDED = (
    (40, ((0.8, 0.8), (0.5, 0.95))),
    (20, ((0.8, 0.8),)),
    (ENOUGH, ((0.86, 0.9),)),
)
# Least share of a text's grams for which it is aligned at all (of 8 words without one of the middle
# a fifth is left), and how far words may have moved.
_FEWEST = 0.2
_SLACK = 0.2


@dataclass(frozen=True)
class Hits:
    """Grams that a part and a record have in common.

    Args:
        places: Where they begin in the part.
        at: Where they begin in the record.
        of: How many grams of the part are looked up.
    """

    places: Places
    at: Places
    of: int


@dataclass(frozen=True)
class Found:
    """A part in a record.

    Args:
        share: The share of the part's words that are there.
        start: Where the longest piece that both have begins in the record, in words.
        length: Words of that piece.
    """

    share: float
    start: int
    length: int


class Rule(Protocol):
    """Says whether a part is in a record."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def size(self, length: int) -> int:
        """Returns the size of the grams by which a part of so many words is looked up, or 0."""
        ...

    def found(self, part: Part, hits: Hits, said: Sequence[int]) -> Found | None:
        """Returns how a part is in a record with whose words it has grams in common."""
        ...


@dataclass(frozen=True)
class ByLength:
    """By alignment, with shares that depend on the length; see the module."""

    name: str = "by_length"

    def size(self, length: int) -> int:
        """Returns 4, or all words of a text under 8."""
        if length >= ENOUGH:
            return _GRAM
        return length if length >= SHORTEST else 0

    def found(self, part: Part, hits: Hits, said: Sequence[int]) -> Found | None:
        """Aligns the part with the place where most of its grams are."""
        length = len(part)
        if length < ENOUGH:
            return Found(1.0, int(hits.at.min()), length)
        if len(hits.at) < _FEWEST * hits.of:
            return None
        slack = 2 + int(_SLACK * length)
        begin = max(0, _densest(hits.at - hits.places, slack) - slack)
        window = said[begin : begin + length + 3 * slack]
        needed = next(shares for fewest, shares in _NEEDED if length >= fewest)
        fewest = min(share for share, _ in needed) * length
        if LCSseq.similarity(part.listed, window, score_cutoff=int(fewest)) < fewest:
            return None
        blocks = [
            (each.dest_start, each.dest_end)
            for each in LCSseq.opcodes(part.listed, window)
            if each.tag == "equal"
        ]
        for share, density in needed:
            if kept := _close(blocks, share * length, density):
                start, end = max(kept, key=lambda block: block[1] - block[0])
                count = sum(end - start for start, end in kept)
                return Found(count / length, begin + start, end - start)
        return None


def _densest(diagonals: Places, width: int) -> int:
    """Returns the first of the diagonals within `width` of which most others are."""
    ordered = np.sort(diagonals)
    within = np.searchsorted(ordered, ordered + width, side="right") - np.arange(len(ordered))
    return int(ordered[np.argmax(within)])


def _close(
    blocks: Sequence[tuple[int, int]], fewest: float, density: float
) -> list[tuple[int, int]]:
    """Returns the blocks without those at the ends that are too far off; empty if too few are left.

    Args:
        blocks: Start and end of each in the record.
        fewest: Words that they must have.
        density: Least share of the words from the first to the last of them.
    """
    kept = list(blocks)
    count = sum(end - start for start, end in kept)
    while kept and count >= fewest:
        if count >= density * (kept[-1][1] - kept[0][0]):
            return kept
        first, last = kept[0], kept[-1]
        # Of both ends that which costs fewer words for the gap that it leaves.
        ahead = (first[1] - first[0]) / max(1, kept[min(1, len(kept) - 1)][0] - first[1])
        behind = (last[1] - last[0]) / max(1, last[0] - kept[max(-2, -len(kept))][1])
        gone = kept.pop(0 if ahead <= behind else -1)
        count -= gone[1] - gone[0]
    return []


@dataclass(frozen=True)
class Shared:
    """By the share of a part's words that stand in n-grams of the record.

    Args:
        name: What the rule is called.
        gram: Words of an n-gram; shorter parts are not looked for.
        over: The share must be above this.
    """

    name: str
    gram: int
    over: float

    def size(self, length: int) -> int:
        """Returns the size of the n-grams."""
        return self.gram if length >= self.gram else 0

    def found(self, part: Part, hits: Hits, said: Sequence[int]) -> Found | None:
        """Counts the words in shared n-grams."""
        share = float(covered(np.unique(hits.places), self.gram, len(part)).mean())
        if share <= self.over:
            return None
        start, grams = _run(hits)
        return Found(share, start, grams + self.gram - 1)


def _run(hits: Hits) -> tuple[int, int]:
    """Returns start and length of the longest run of grams that part and record have alike."""
    # On one diagonal a run is a row of neighbours.
    diagonal = hits.places - hits.at
    order = np.lexsort((hits.at, diagonal))
    diagonal, at = diagonal[order], hits.at[order]
    goes_on = (diagonal[1:] == diagonal[:-1]) & (at[1:] == at[:-1] + 1)
    starts = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    lengths = np.diff(starts, append=len(at))
    longest = int(np.argmax(lengths))
    return int(at[starts[longest]]), int(lengths[longest])


def inside(said: npt.NDArray[np.uint64], wanted: npt.NDArray[np.uint64]) -> int:
    """Returns where words stand one after the other, or -1."""
    data, needle = said.tobytes(), wanted.tobytes()
    at = data.find(needle)
    while at > 0 and at % said.itemsize:
        at = data.find(needle, at + 1)
    return at // said.itemsize if at >= 0 else -1


RULES: Mapping[str, Rule] = {
    each.name: each
    for each in (
        ByLength(),
        # Brown et al. 2020, appendix C: any 13-gram.
        Shared("gpt3", 13, 0.0),
        # https://github.com/huggingface/open-r1: any 8-gram.
        Shared("any_8", 8, 0.0),
        # Lambert et al. 2024, section 3.2: over half of the words in 8-grams of one record.
        Shared("tulu3", 8, 0.5),
    )
}
"""The rules, by name."""
