"""An index of benchmark items, to look records up in.

An item's question is found in ONE record if all of its texts are, each by the rule: a schema that
items and records share is no contamination, nor is an instruction that they share over different
inputs. A question of 5 to 7 words must be found with its answer, if it has one; one under 5 cannot
be checked. Choices and answers are looked for apart, and are only a hint.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from datakit.errors import InputError, did_you_mean
from datakit.overlap.index import Index
from datakit.overlap.items import ENOUGH, SHORTEST, Item, Part, Parts, Side, hashed
from datakit.overlap.rules import RULES, Found, Hits, inside
from datakit.record import Record
from datakit.text import clip, spans

__all__ = ["Match", "Overlap", "Span"]

FIELDS = ("instruction", "input", "output")
# Between two texts of a record: no word has this number.
_BETWEEN = 1 << 32


@dataclass(frozen=True)
class Span:
    """A piece of a record's text: `record.<field>[start:end]`, clipped to 200 characters."""

    field: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Match:
    """A side of an item that was found in a record.

    Args:
        of: `benchmark/item`.
        side: `question` counts as contamination; `choices` and `answer` are a hint.
        score: The share of the side's words that were found, of its least found part.
        span: The longest piece that both have, in the record's text.
        rule: By which it was found.
    """

    of: str
    side: Side
    score: float
    span: Span
    rule: str


class Overlap:
    """Items of benchmarks, found in records.

    Args:
        items: The items of all benchmarks, as texts or as hashes.
        rule: One of `RULES`.

    Raises:
        InputError: If there is no such rule.
    """

    def __init__(self, items: Iterable[Item | Parts], rule: str = "by_length") -> None:
        if rule not in RULES:
            near = did_you_mean(rule, RULES) or f"; there are {', '.join(RULES)}"
            raise InputError(f'there is no rule "{rule}" of contamination{near}')
        self._rule = RULES[rule]
        self._items = [each.hashed() if isinstance(each, Item) else each for each in items]
        numbers: dict[tuple[int, ...], int] = {}
        self._sides: list[tuple[int, Side, tuple[int, ...]]] = []
        self._of: defaultdict[int, list[int]] = defaultdict(list)
        for at, item in enumerate(self._items):
            for side in item.sides():
                parts = tuple(numbers.setdefault(each, len(numbers)) for each in item.side(side))
                for part in set(parts):
                    self._of[part].append(len(self._sides))
                self._sides.append((at, side, parts))
        self._parts = [Part(each) for each in numbers]
        self._index = Index(self._parts, self._rule.size)

    @property
    def uncheckable(self) -> list[str]:
        """Names of the items whose question is too short to be looked for."""
        return [item.name for item in self._items if item.length < SHORTEST]

    def __len__(self) -> int:
        return len(self._items)

    def matches(self, record: Record) -> list[Match]:
        """Returns all sides of items that are found in a record, the most certain first."""
        looked = _Looked(record)
        matches = [
            Match(self._items[item].name, side, round(share, 4), looked.span(best), self._rule.name)
            for item, side, share, best in self._found(looked.said)
        ]
        return sorted(matches, key=lambda m: (m.side != "question", -m.score, m.of))

    def questions_in(self, texts: Sequence[str]) -> list[int]:
        """Returns the numbers of the items whose question is found in the texts of one record."""
        found = self._found(_said(texts))
        return sorted(item for item, side, _, _ in found if side == "question")

    def _found(self, said: npt.NDArray[np.uint64]) -> Iterator[tuple[int, Side, float, Found]]:
        hits = dict(self._index.hits(said))
        listed = said.tolist() if hits else []
        there: dict[int, Found | None] = {}
        for number in dict.fromkeys(each for at in hits for each in self._of[at]):
            item, side, parts = self._sides[number]
            known = []
            for at in parts:
                # What many items share is looked at once, and only where the rest is there too.
                if at not in there:
                    there[at] = self._part(at, hits.get(at), said, listed)
                if (found := there[at]) is None:
                    break
                known.append(found)
            if len(known) == len(parts) and self._told(item, side, said):
                best = max(known, key=lambda one: one.length)
                yield item, side, min(one.share for one in known), best

    def _part(
        self, at: int, hits: Hits | None, said: npt.NDArray[np.uint64], listed: Sequence[int]
    ) -> Found | None:
        part = self._parts[at]
        if hits is not None:
            return self._rule.found(part, hits, listed)
        if self._rule.size(len(part)):
            return None
        # One that is too short to be looked for must still be there, whole.
        start = inside(said, part.hashes)
        return Found(1.0, start, len(part)) if start >= 0 else None

    def _told(self, item: int, side: Side, said: npt.NDArray[np.uint64]) -> bool:
        """Says whether what was found tells anything, or is a short question without its answer."""
        known = self._items[item]
        if side != "question" or known.length >= ENOUGH or not known.answer:
            return True
        return inside(said, np.array(known.answer, dtype=np.uint64)) >= 0


def _said(texts: Iterable[str]) -> npt.NDArray[np.uint64]:
    words: list[int] = []
    for text in texts:
        words += [*hashed(text), _BETWEEN]
    return np.array(words, dtype=np.uint64)


class _Looked:
    """A record as it is looked at: the words of its fields, in one row."""

    def __init__(self, record: Record) -> None:
        self._texts: Mapping[str, str] = {field: getattr(record, field) for field in FIELDS}
        self.said = _said(self._texts.values())

    @cached_property
    def _ends(self) -> npt.NDArray[np.intp]:
        return np.flatnonzero(self.said == _BETWEEN)

    def span(self, found: Found) -> Span:
        which = int(np.searchsorted(self._ends, found.start))
        field = FIELDS[which]
        begin = found.start - (int(self._ends[which - 1]) + 1 if which else 0)
        text = self._texts[field]
        places = spans(text)[begin : begin + found.length]
        first, last = places[0][1], places[-1][2]
        return Span(field, first, last, clip(text[first:last]))
