"""What test items are worth: how many they are, and whether each tells something new."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from datakit.amounts import counted
from datakit.families import families
from datakit.record import Record
from trainers.lift.power import smallest_effect
from trainers.lift.variance import Components
from trainers.lift.variants import question

__all__ = ["FEW", "families_of", "few", "too_few_for", "worth_fewer"]

# Below this, a reader is warned.
FEW = 30

# Quoted words (not an apostrophe within one) and numbers.
_FILLED = re.compile(r"(?<!\w)'[^'\n]*'(?!\w)|\"[^\"\n]*\"|\d+(?:[.,]\d+)*")


def few(tested: int) -> str:
    """Says what few items mean."""
    one = f"{counted(tested, 'test item')}: one of them is {100 / tested:.0f} points of a share."
    return f"{one} Only a large lift can be seen."


def too_few_for(effect: float | None, tested: int, replicates: int, variants: int) -> str:
    """Says that an effect is below what shares on so few items can show, if it is; else nothing.

    Two items more count towards the error of a share (`trainers.lift.estimate`), so there is a
    floor whatever the scores are.

    Args:
        effect: The smallest difference of interest; None is any.
        tested: Number of items.
        replicates: Declared.
        variants: How many are compared, each pair of them.
    """
    if effect is None or tested < 2 or replicates < 2:
        return ""
    parts = Components(0.0, 2 / (tested + 1), 0.0)
    floor = smallest_effect(parts, replicates, tested, variants=variants)
    if effect >= floor:
        return ""
    text = f"--detect {effect:g}: if the score is a share, {replicates} replicates on "
    text += f"{counted(tested, 'test item')} find {100 * floor:.1f} points or more, however alike "
    return f"{text}all scores are: take more items then."


def families_of(items: Sequence[Record]) -> tuple[int, ...]:
    """Returns of each item which family it is of; empty where none is of another one's.

    A family is what has an ancestor in common, or differs by numbers and quoted words alone.
    """
    found = families(items, key=_wording)
    if len(found) == len(items):
        return ()
    home = {id(each): at for at, family in enumerate(found) for each in family}
    return tuple(home[id(each)] for each in items)


def worth_fewer(items: Sequence[Record]) -> Iterator[str]:
    """Says that items repeat each other, or are of fewer families than they are many."""
    again = sum(count - 1 for count in Counter(map(question, items)).values())
    total = counted(len(items), "test item")
    if again:
        text = f"{again:,} of {total} ask what another one asks: intervals "
        yield f"{text}take them for new ones and are too narrow."
    alike = len(set(families_of(items))) or len(items)
    if alike < len(items) - again:
        text = f"{total} are of {alike:,} {'family' if alike == 1 else 'families'}: those of one "
        text += "have an ancestor in common, or differ by numbers and quoted words alone. "
        yield f"{text}Intervals take items for independent, so they may be too narrow."


def _wording(item: Record) -> tuple[str, ...]:
    """Returns a prompt without what a template fills in."""
    return tuple(_FILLED.sub("_", text) for _, text in question(item))
