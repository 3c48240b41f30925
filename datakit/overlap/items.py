"""Benchmark items, and the parts of which they consist, as hashes of their words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from datakit.text import Hashes, word_hashes, words

__all__ = ["ENOUGH", "SHORTEST", "SIDES", "Item", "Part", "Parts", "Side", "hashed"]

Side = Literal["question", "choices", "answer"]
SIDES: tuple[Side, ...] = ("question", "choices", "answer")

# Words of the shortest question that is looked for, and of the shortest that needs no answer
# beside it. Answers and choices that are shorter are too common to tell anything.
SHORTEST = 5
ENOUGH = 8

_LOW = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True)
class Item:
    """One item of a benchmark.

    Args:
        name: `benchmark/item`.
        question: The texts of which the question consists: instruction, input.
        answer: The right answer, text or code; may be empty.
        choices: The answers to choose from, as one text; may be empty.
    """

    name: str
    question: tuple[str, ...]
    answer: str = ""
    choices: str = ""

    def hashed(self) -> Parts:
        """Returns the item as hashes of its words."""
        return Parts(
            self.name,
            tuple(each for text in self.question if (each := hashed(text))),
            hashed(self.answer),
            hashed(self.choices),
        )


def hashed(text: str) -> tuple[int, ...]:
    """Returns a number of 32 bits for each word of a text."""
    return tuple((word_hashes(words(text)) & _LOW).tolist())


@dataclass(frozen=True)
class Parts:
    """An item whose texts are numbers that stand for words.

    Args:
        name: `benchmark/item`.
        question: The question's texts.
        answer: The answer; may be empty.
        choices: The choices; may be empty.
    """

    name: str
    question: tuple[tuple[int, ...], ...]
    answer: tuple[int, ...] = ()
    choices: tuple[int, ...] = ()

    def side(self, side: Side) -> Sequence[tuple[int, ...]]:
        """Returns the texts of a side."""
        if side == "question":
            return self.question
        one = self.answer if side == "answer" else self.choices
        return (one,) if one else ()

    @property
    def length(self) -> int:
        """Words of the question."""
        return sum(map(len, self.question))

    def sides(self) -> Iterable[Side]:
        """Yields the sides that are long enough to be looked for."""
        for side in SIDES:
            words_in = sum(map(len, self.side(side)))
            if words_in >= (SHORTEST if side == "question" else ENOUGH):
                yield side


@dataclass(frozen=True)
class Part:
    """A text that sides of items consist of; what several have is one part.

    Args:
        words: Its words.
    """

    words: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def hashes(self) -> Hashes:
        """The words as an array."""
        return np.array(self.words, dtype=np.uint64)

    @cached_property
    def listed(self) -> list[int]:
        """The words as a list, which is what rapidfuzz takes fastest."""
        return list(self.words)
