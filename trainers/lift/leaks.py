"""Test items that stand in what is trained on, and the reverse.

The rule is that of `datakit.overlap`, by length, in both directions: an item's question in a
record, a record's question in an item.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from datakit.exchange import has
from datakit.overlap import SHORTEST, Overlap, Parts, hashed
from datakit.record import Record
from datakit.text import clip, collapse
from trainers.lift.variants import answered, asked, question

__all__ = ["Leak", "Rule", "Sought", "leaks", "shown"]

Rule = Literal["same_prompt", "item_in_record", "record_in_item"]
_Found = Mapping[int, Sequence[int]]

# Records that are named of one item; whoever has more has them of one template.
_NAMED = 5


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
    """Questions to be looked for in texts.

    Args:
        records: Whose questions they are.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        items = [
            Parts(str(at), _parts(each), hashed(answered(each))) for at, each in enumerate(records)
        ]
        self.questions = [
            at
            for at, each in enumerate(items)
            if max(map(len, each.question), default=0) >= SHORTEST
        ]
        """Indices of the records whose question is long enough."""
        self._overlap = Overlap(items[at] for at in self.questions)

    def inside(self, texts: Sequence[str]) -> Iterator[int]:
        """Yields the indices of the records whose question is in some texts of one record."""
        for at in self._overlap.questions_in(texts):
            yield self.questions[at]


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


def _parts(record: Record) -> tuple[tuple[int, ...], ...]:
    """Returns the words of the parts of a question, all of which must be found."""
    texts = [record.instruction, record.input]
    if has(record, "messages"):
        texts = [each["content"] for each in asked(record) if each["role"] == "user"]
    return tuple(each for text in texts if (each := hashed(text)))


def _texts(record: Record) -> list[str]:
    """Returns all texts of a record, each for itself."""
    if not has(record, "messages"):
        return [record.instruction, record.input, record.output]
    return [*(each["content"] for each in asked(record)), answered(record)]
