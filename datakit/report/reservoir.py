"""Samples and tallies of bounded size; the same stream gives the same."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

__all__ = ["Reservoir", "Strata", "Tally"]

T = TypeVar("T")
_MAX_STRATA = 64
_TALLIED = 200_000


class Reservoir(Generic[T]):
    """A uniform sample of a stream (Vitter 1985, algorithm R).

    Args:
        size: Items that are kept.
        seed: Seed of the choice.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.seen = 0
        self._size = size
        self._random = random.Random(seed)
        self._items: list[tuple[int, T]] = []

    def offer(self, make: Callable[[], T]) -> None:
        """Considers the next item; `make` is called only if it is taken."""
        place = self.seen
        self.seen += 1
        if len(self._items) < self._size:
            self._items.append((place, make()))
        elif (slot := self._random.randrange(self.seen)) < self._size:
            self._items[slot] = (place, make())

    def __iter__(self) -> Iterator[T]:
        return (item for _, item in sorted(self._items, key=lambda each: each[0]))

    def __len__(self) -> int:
        return len(self._items)


class Strata(Generic[T]):
    """A sample in which every kind of item has its part, rare kinds as much as common ones.

    Args:
        size: Items of the whole sample.
        seed: Seed of the choice.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self._size = size
        self._seed = seed
        self._kinds: dict[Hashable, Reservoir[T]] = {}

    @property
    def seen(self) -> int:
        """Items that were offered."""
        return sum(kind.seen for kind in self._kinds.values())

    def offer(self, kind: Hashable, make: Callable[[], T]) -> None:
        """Considers the next item; `make` is called only if it is taken."""
        if kind not in self._kinds and len(self._kinds) >= _MAX_STRATA:
            kind = None
        if kind not in self._kinds:
            self._kinds[kind] = Reservoir(self._size, self._seed + len(self._kinds))
        self._kinds[kind].offer(make)

    def take(self) -> list[T]:
        """Returns the sample: from each kind the same number, as far as it has as many."""
        left, taken = self._size, []
        kinds = sorted(self._kinds.values(), key=len)
        for at, kind in enumerate(kinds):
            share = left // (len(kinds) - at)
            part = _thinned(list(kind), share)
            left -= len(part)
            taken.extend(part)
        return taken


def _thinned(items: list[T], size: int) -> list[T]:
    if len(items) <= size:
        return items
    return [items[at * len(items) // size] for at in range(size)]


class Tally:
    """Counts of things of which there may be as many as records.

    Whenever there are too many different ones, those seen least are forgotten (lossy counting,
    Manku and Motwani 2002): what makes a share worth a finding is never among them.
    """

    def __init__(self) -> None:
        self.total = 0
        self._counts: Counter[str] = Counter()

    def add(self, item: str) -> None:
        """Counts an item."""
        self.total += 1
        self._counts[item] += 1
        if len(self._counts) > _TALLIED:
            floor = 1
            while len(self._counts) > _TALLIED // 2:
                self._counts = Counter({k: n for k, n in self._counts.items() if n > floor})
                floor *= 2

    def top(self, n: int = 5) -> tuple[tuple[str, int], ...]:
        """Returns the commonest items with their counts; equals by name."""
        ranked = sorted(self._counts.items(), key=lambda each: (-each[1], each[0]))
        return tuple(ranked[:n])
