"""Test items that stand in what is trained on, and the reverse.

The rule is that of `datakit.overlap`, by length, in both directions: an item's question in a
record, a record's question in an item. A study has thousands of records and hundreds of items whose
texts may be of one template, so that every pair shares something; here all pairs are looked at
together, as arrays, and a part that many questions share (a schema, an instruction) is one part.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from datakit.overlap import GRAM, LONG, LONG_SHARE, SHARE, SHORTEST
from datakit.record import Record
from datakit.text import Hashes, clip, collapse, grams, word_hashes, words
from trainers.exchange import has
from trainers.lift.variants import answered, asked, question

__all__ = ["Leak", "Rule", "Sought", "leaks", "shown"]

Rule = Literal["same_prompt", "item_in_record", "record_in_item"]
_Found = Mapping[int, Sequence[int]]

# Records that are named of one item; whoever has more has them of one template.
_NAMED = 5
# No word has a space.
_END = " "


@dataclass(frozen=True)
class Leak:
    """An item and a record of which one stands in the other.

    Args:
        item: The item's index.
        record: The record's index in its variant.
        rule: How it was found.
        text: What stands in the other, clipped to 200 characters.
    """

    item: int
    record: int
    rule: Rule
    text: str


def leaks(variants: Sequence[Sequence[Record]], items: Sequence[Record]) -> list[list[Leak]]:
    """Returns what of the items is in each variant, by item; at most 5 records of one item.

    Args:
        variants: Records of each.
        items: What is tested on.
    """
    # Variants share records; each is looked at once.
    pool = {each.content_hash: each for records in variants for each in records}
    known = list(pool.values())
    found: tuple[tuple[Rule, _Found], ...] = (
        ("same_prompt", _equal(known, items)),
        ("item_in_record", _inside(Sought(items), known)),
        ("record_in_item", _turned(_inside(Sought(known), items), len(known))),
    )
    at_of = {name: at for at, name in enumerate(pool)}
    return [
        list(_of([at_of[each.content_hash] for each in records], records, items, found))
        for records in variants
    ]


def shown(record: Record) -> str:
    """Returns what a record asks, in one line of at most 200 characters."""
    return clip(collapse(record.prompt or asked(record)[-1]["content"]))


class Sought:
    """Questions to be looked for in texts, all at once.

    Args:
        records: Whose questions they are.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        numbers: dict[tuple[str, ...], int] = {}
        flat: list[int] = []
        starts: list[int] = []
        self.questions: list[int] = []
        """Indices of the records whose question is long enough."""
        self._answers: dict[int, list[str]] = {}
        for at, record in enumerate(records):
            parts = [each for text in _parts(record) if (each := tuple(words(text)))]
            length = sum(map(len, parts))
            # As `Overlap`, which starts from parts of that length.
            if max(map(len, parts), default=0) < SHORTEST:
                continue
            if length < GRAM and (answer := words(answered(record))):
                self._answers[len(self.questions)] = answer
            self.questions.append(at)
            starts.append(len(flat))
            flat += (numbers.setdefault(part, len(numbers)) for part in parts)
        self._flat, self._starts = np.array(flat, np.intp), np.array(starts, np.intp)
        self._index(list(numbers))

    def _index(self, parts: Sequence[tuple[str, ...]]) -> None:
        """Lays all words of all parts in one row, and sorts their grams by hash."""
        self._lengths = np.array([len(each) for each in parts], np.intp)
        self._begins = np.cumsum(self._lengths) - self._lengths
        rows: defaultdict[int, list[tuple[int, Hashes]]] = defaultdict(list)
        for begin, part in zip(self._begins, parts, strict=True):
            size = min(GRAM, len(part))
            rows[size].append((begin, grams(word_hashes(part), size)))
        self._tables = {}
        for size, listed in rows.items():
            hashes = np.concatenate([each for _, each in listed])
            place = np.concatenate([begin + np.arange(len(each)) for begin, each in listed])
            order = np.argsort(hashes, kind="stable")
            self._tables[size] = hashes[order], place[order]

    def inside(self, texts: Sequence[str]) -> Iterator[int]:
        """Yields the indices of the records whose question is in some texts of one record."""
        if not self.questions:
            return
        said = [words(each) for each in texts]
        # No part has a gram with the mark between two texts in it.
        found = self._parts_inside(word_hashes([word for each in said for word in (*each, _END)]))
        whole = np.logical_and.reduceat(found[self._flat], self._starts)
        for at in map(int, np.flatnonzero(whole)):
            answer = self._answers.get(at)
            if answer is None or _has(said, answer):
                yield self.questions[at]

    def _parts_inside(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Returns of each part whether enough of it is among the words of a text."""
        edge = np.zeros(int(self._lengths.sum()) + 1, np.int32)
        for size, (table, place) in self._tables.items():
            wanted = np.unique(grams(hashes, size))
            low = np.searchsorted(table, wanted, side="left")
            counts = np.searchsorted(table, wanted, side="right") - low
            before = np.cumsum(counts) - counts
            hit = place[np.repeat(low - before, counts) + np.arange(counts.sum())]
            # No place is there twice, so that plain indexing adds all of them.
            edge[hit] += 1
            edge[hit + size] -= 1
        if not edge.any():
            return np.zeros(len(self._lengths), np.bool_)
        covered = np.cumsum(edge[:-1]) > 0
        share = np.add.reduceat(covered, self._begins, dtype=np.intp) / self._lengths
        needed = np.where(self._lengths < GRAM, 1.0, SHARE)
        enough: npt.NDArray[np.bool_] = np.where(
            self._lengths >= LONG, share > LONG_SHARE, share >= needed
        )
        return enough


def _equal(known: Sequence[Record], items: Sequence[Record]) -> _Found:
    """Returns for each item the records with the same prompt."""
    by_question = defaultdict(list)
    for at, record in enumerate(known):
        by_question[question(record)].append(at)
    found = ((at, by_question.get(question(item))) for at, item in enumerate(items))
    return {at: each for at, each in found if each}


def _inside(sought: Sought, records: Sequence[Record]) -> _Found:
    """Returns for each question the records that it stands in."""
    found = defaultdict(list)
    for at, record in enumerate(records):
        for each in sought.inside(_texts(record)):
            found[each].append(at)
    return found


def _turned(found: _Found, count: int) -> _Found:
    turned = defaultdict(list)
    for at in range(count):
        for item in found.get(at, ()):
            turned[item].append(at)
    return turned


def _of(
    pooled: Sequence[int],
    records: Sequence[Record],
    items: Sequence[Record],
    found: Iterable[tuple[Rule, _Found]],
) -> Iterator[Leak]:
    """Yields what was found of one variant.

    Args:
        pooled: For each of its records the place in the pool.
        records: Its records.
        items: The items.
        found: For each rule, by item, the places in the pool.
    """
    first: dict[int, int] = {}
    for at, place in enumerate(pooled):
        first.setdefault(place, at)
    for item, tested in enumerate(items):
        rules: dict[int, Rule] = {}
        for rule, by_item in found:
            here = (first[place] for place in by_item.get(item, ()) if place in first)
            for at in itertools.islice(here, _NAMED):
                rules.setdefault(at, rule)
        for at, rule in itertools.islice(rules.items(), _NAMED):
            inner = records[at] if rule == "record_in_item" else tested
            yield Leak(item, at, rule, shown(inner))


def _parts(record: Record) -> Iterator[str]:
    """Yields the parts of a question, all of which must be found."""
    if not has(record, "messages"):
        yield from (record.instruction, record.input)
        return
    for each in asked(record):
        if each["role"] == "user":
            yield each["content"]


def _texts(record: Record) -> list[str]:
    """Returns all texts of a record, each for itself."""
    if not has(record, "messages"):
        return [record.instruction, record.input, record.output]
    return [*(each["content"] for each in asked(record)), answered(record)]


def _has(said: Sequence[Sequence[str]], wanted: Sequence[str]) -> bool:
    needle = f" {' '.join(wanted)} "
    return any(needle in f" {' '.join(each)} " for each in said)
