"""What test items are worth: how many they are, and whether each tells something new."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from datakit.amounts import counted
from datakit.families import families
from datakit.record import Record
from trainers.lift.variants import question

__all__ = ["FEW", "few", "too_few_for", "worth_fewer"]

# Below this, a reader is warned.
FEW = 30

# Quoted words (not an apostrophe within one) and numbers.
_FILLED = re.compile(r"(?<!\w)'[^'\n]*'(?!\w)|\"[^\"\n]*\"|\d+(?:[.,]\d+)*")


def few(tested: int) -> str:
    """Says what few items mean."""
    one = f"{counted(tested, 'test item')}: one of them is {100 / tested:.0f} points of a share."
    return f"{one} Only a large lift can be seen."


def too_few_for(effect: float | None, tested: int) -> str:
    """Says that an effect is less than one item, if it is; else nothing."""
    if effect is None or effect * tested >= 1:
        return ""
    text = f"--detect {effect:g}: if the score is a share, this is less than one of "
    return f"{text}{counted(tested, 'test item')}: take more items then."


def worth_fewer(items: Sequence[Record]) -> Iterator[str]:
    """Says that items repeat each other, or are of fewer families than they are many."""
    again = sum(count - 1 for count in Counter(map(question, items)).values())
    total = counted(len(items), "test item")
    if again:
        text = f"{again:,} of {total} ask what another one asks: intervals "
        yield f"{text}take them for new ones and are too narrow."
    alike = len(families(items, key=_wording))
    if alike < len(items) - again:
        text = f"{total} are of {alike:,} {'family' if alike == 1 else 'families'}: those of one "
        text += "have an ancestor in common, or differ by numbers and quoted words alone. "
        yield f"{text}Intervals take items for independent, so they may be too narrow."


def _wording(item: Record) -> tuple[str, ...]:
    """Returns a prompt without what a template fills in."""
    return tuple(_FILLED.sub("_", text) for _, text in question(item))
