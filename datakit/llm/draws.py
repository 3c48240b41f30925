"""Drawing from a pool: all alike, or what is due more often."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Protocol, TypeVar

__all__ = ["Due", "draw"]

T = TypeVar("T")


class Due(Protocol):
    """What says how much is due, as positive weights."""

    def of_record(self, id: str) -> float:
        """Returns the weight of a record."""
        ...

    def of_choice(self, name: str, value: str) -> float:
        """Returns the weight of a choice; records have it in their meta at `name`."""
        ...


def draw(
    things: Sequence[T], count: int, rng: random.Random, weights: Sequence[float] | None
) -> list[T]:
    """Draws things, none twice, each by its weight among those that are left.

    Efraimidis and Spirakis 2006, Information Processing Letters 97(5).

    Args:
        things: From which.
        count: How many; all come if there are fewer.
        rng: Chance.
        weights: Positive; None draws all alike.
    """
    count = min(count, len(things))
    if weights is None:
        return rng.sample(list(things), count)
    keys = [-math.log1p(-rng.random()) / weight for weight in weights]
    first = sorted(range(len(keys)), key=keys.__getitem__)[:count]
    return [things[at] for at in first]
