"""What the page needs to know of the items: the seam where a further kind of item goes in.

A kind is a class like `PairSheet` here, and an entry under its name in `rate.js` that draws an item
and lists its keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from datakit.curate.answers import Answer
from datakit.curate.items import Pairs
from datakit.curate.rate import win_rate

__all__ = ["CHOICES", "PairSheet", "Sheet"]

CHOICES = frozenset({"left", "right", "tie", "both_bad", "skip"})


class Sheet(Protocol):
    """Items in the order in which they are shown, and what is known of them."""

    @property
    def kind(self) -> str:
        """The name under which the page's script knows how to draw an item."""

    @property
    def title(self) -> str:
        """The question that the page asks."""

    @property
    def note(self) -> str:
        """A sentence to know beforehand, or an empty text."""

    @property
    def choices(self) -> frozenset[str]:
        """What may be answered."""

    @property
    def ids(self) -> Sequence[str]:
        """Ids of the items."""

    def item(self, at: int) -> Mapping[str, Any]:
        """Returns what the page may know of an item, as JSON."""

    def result(self, answers: Mapping[str, Answer]) -> Mapping[str, Any]:
        """Returns the result as JSON: what is told once all is rated, not before."""


class PairSheet:
    """Pairs, rated blind: an item has its texts by side, and nothing of who made them.

    Args:
        pairs: The pairs; those with the same text on both sides are not shown.
    """

    kind = "pair"
    title = "Which answer is better?"
    choices = CHOICES

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = pairs
        self._shown = pairs.shown

    @property
    def note(self) -> str:
        """Says how many pairs need no rating."""
        count = len(self._pairs.items) - len(self._shown)
        if not count:
            return ""
        what = "1 pair has" if count == 1 else f"{count:,} pairs have"
        return f"{what} the same text on both sides: a tie, not shown."

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the pairs that are shown."""
        return tuple(pair.id for pair in self._shown)

    def item(self, at: int) -> dict[str, Any]:
        """Returns prompt, left and right text of a pair."""
        pair = self._shown[at]
        return {
            "prompt": list(pair.prompt),
            "left": pair.outputs[pair.left],
            "right": pair.outputs[1 - pair.left],
        }

    def result(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        """Returns names, figures and words."""
        rate = win_rate(answers, self._pairs.items)
        names = self._pairs.names
        return {"names": list(names), "sentences": rate.sentences(names), **rate.to_json()}
