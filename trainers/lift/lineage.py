"""Test items and records of one descent: made from each other, or from the same seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from datakit.families import families
from datakit.record import Record
from trainers.lift.variants import Variant, question

__all__ = ["Descent", "Kin", "kin"]

Descent = Literal["made_from", "family"]


@dataclass(frozen=True)
class Kin:
    """An item, and a record of its descent.

    Args:
        item: The item's index.
        record: The index of the first such record.
        rule: `made_from`: the record was made from the item, at whatever distance. `family`: they
            have an ancestor in common, or the item was made from the record.
    """

    item: int
    record: int
    rule: Descent


def kin(variant: Variant, items: Sequence[Record]) -> list[Kin]:
    """Returns for each item that has relatives in a variant the nearest kind of them.

    Ids of files are often plain numbers, so that an equal id alone relates nothing: one must be
    named as a parent, and an item is not the record of its id that asks something else.

    Args:
        variant: With the records that it dropped.
        items: What is tested on.
    """
    everyone = (*items, *variant.records, *variant.gone)
    named = {parent for each in everyone for parent in each.parents}
    if not named:
        return []
    items = _own(variant, items, named)
    children: defaultdict[Hashable, list[Hashable]] = defaultdict(list)
    place: dict[Hashable, int] = {}
    for at, each in enumerate(variant.records):
        # A record without an id has no children.
        name: Hashable = each.id or ("record", at)
        place.setdefault(name, at)
        for parent in each.parents:
            children[parent].append(name)
    for each in (*items, *variant.gone):
        for parent in each.parents:
            children[parent].append(each.id)
    relatives = _relatives(variant, items, named)
    found = []
    for at, item in enumerate(items):
        made = _made_from(item.id, children, place)
        if made is not None:
            found.append(Kin(at, made, "made_from"))
        elif at in relatives:
            found.append(Kin(at, relatives[at], "family"))
    return found


def _own(variant: Variant, items: Sequence[Record], named: set[str]) -> list[Record]:
    """Returns the items, without an id where a record of the variant has it for something else."""
    parents = (each for each in variant.records if each.id in named)
    asked = {each.id: question(each) for each in parents}
    return [
        each if asked.get(each.id) in (None, question(each)) else each.replace(id="")
        for each in items
    ]


def _made_from(
    id: str, children: Mapping[Hashable, Sequence[Hashable]], place: Mapping[Hashable, int]
) -> int | None:
    """Returns the first record that descends from an id, None if there is none."""
    seen: set[Hashable] = set()
    waiting = list(children.get(id, ())) if id else []
    while waiting:
        name = waiting.pop(0)
        if name in seen or not name:
            continue
        seen.add(name)
        if name in place:
            return place[name]
        waiting += children.get(name, ())
    return None


def _relatives(variant: Variant, items: Sequence[Record], named: set[str]) -> dict[int, int]:
    """Returns for items with relatives the index of their first one."""
    # New objects, since one record may be there twice; an id that is nobody's parent is blank.
    fresh = [
        each.replace(id=each.id if each.id in named else "") for each in (*items, *variant.records)
    ]
    place = {id(each): at for at, each in enumerate(fresh)}
    found = {}
    for family in families(fresh, variant.gone):
        members = [place[id(each)] for each in family]
        records = [at - len(items) for at in members if at >= len(items)]
        if records:
            found.update({at: min(records) for at in members if at < len(items)})
    return found
