"""What a study can see, what it would take to see more, and what looking again costs.

All from a pilot's variance components (`trainers.lift.variance`). A pilot of 5 replicates knows
the spread between replicates only to within a factor of about 0.6 to 2.9, so these are plans and no
promises.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trainers.lift.family import critical as critical_of
from trainers.lift.variance import Components, Floats

__all__ = ["MOST", "Need", "hardest", "level", "looks", "needed", "risk", "smallest_effect"]

# A plan with more replicates, or more items, is none.
MOST = 100_000
# Beyond it Student's t is the normal distribution, to 1 %.
_FREEDOM = 200
_NODES = 801
_ERF = np.vectorize(math.erf, otypes=[np.float64])


def smallest_effect(
    parts: Components,
    replicates: int,
    items: int,
    *,
    variants: int = 2,
    critical: float | None = None,
    freedom: int | None = None,
    power: float = 0.8,
    confidence: float = 0.95,
) -> float:
    """Returns the smallest true difference that a study of this size is likely to find.

    Exact where replicates dominate; where items do, the study finds it more often than it says.

    Args:
        parts: Variance components of a difference, from a pilot with 5 replicates at least.
        replicates: K of the study; 2 at least.
        items: n of the study; 2 at least.
        variants: How many are compared, each pair of them.
        critical: What |t| must be over, where it is known (`Comparison.critical`).
        freedom: Degrees of freedom, where they are known (`Comparison.freedom`): fewer than K - 1
            where weights leave few items.
        power: How likely.
        confidence: Of all intervals together, where `critical` is None.

    Returns:
        In the metric's own unit.

    Raises:
        ValueError: If there are too few replicates or items, or `power` is not within 0 and 1.
    """
    if replicates < 2 or items < 2:
        raise ValueError(f"{replicates} replicates and {items} items: 2 of each at least")
    if not 0 < power < 1:
        raise ValueError(f"a power of {power} is not between 0 and 1")
    freedom = min(freedom or replicates - 1, items - 1, _FREEDOM)
    limit = critical_of(variants, freedom, confidence) if critical is None else critical
    return _shift(limit, freedom, power) * parts.error(replicates, items)


@dataclass(frozen=True)
class Need:
    """What it takes to find an effect of a given size.

    Args:
        effect: The size, in the metric's own unit.
        replicates: The K of the pilot's plan.
        items: The n of it.
        smallest: What that plan is likely to find.
        more_replicates: The lowest K that finds the effect with n items; None if none does.
        more_items: The lowest n that does with K replicates; None if none does.
        floor_replicates: What is found with n items and all the replicates one can think of.
        floor_items: What is found with K replicates and all the items one can think of.
    """

    effect: float
    replicates: int
    items: int
    smallest: float
    more_replicates: int | None
    more_items: int | None
    floor_replicates: float
    floor_items: float

    def sentence(self, show: Callable[[float], str] = "{:.3g}".format) -> str:
        """Returns it in words.

        Args:
            show: Writes a value with its unit.
        """
        start = f"{self.replicates} replicates on {self.items} items find {show(self.smallest)}"
        if self.smallest <= self.effect:
            return f"{start} or more: enough for {show(self.effect)}."
        ways = []
        if self.more_replicates is not None:
            ways.append(f"{self.more_replicates} replicates on the same items")
        if self.more_items is not None:
            ways.append(f"{self.more_items} items with the same number of replicates")
        if ways:
            return f"{start} or more; {show(self.effect)} takes {', or '.join(ways)}."
        return (
            f"{start} or more; {show(self.effect)} takes more of both: replicates alone end at "
            f"{show(self.floor_replicates)}, items alone at {show(self.floor_items)}."
        )


def needed(
    parts: Components,
    effect: float,
    *,
    replicates: int,
    items: int,
    variants: int = 2,
    power: float = 0.8,
    confidence: float = 0.95,
    again: float | None = None,
    most_freedom: int | None = None,
) -> Need:
    """Returns how many replicates, or how many items, a study needs to find an effect.

    More replicates do nothing against the spread between items, nor the reverse: so either has a
    floor of its own.

    Args:
        parts: Variance components of a difference, from a pilot with 5 replicates at least.
        effect: The difference to be found, over 0.
        replicates: K as planned; 2 at least.
        items: n as planned; 2 at least.
        variants: How many are compared, each pair of them.
        power: How likely it is to be found.
        confidence: Of all intervals together.
        again: Of the look at more replicates, if that is another one.
        most_freedom: Degrees of freedom where weights leave few items, however many replicates.

    Raises:
        ValueError: As for `smallest_effect`, or if `effect` is not over 0.
    """
    if not effect > 0:
        raise ValueError(f"an effect of {effect} is not over 0")

    def seen(k: int, n: int, at: float = confidence) -> float:
        freedom = min(k - 1, most_freedom or k - 1)
        return smallest_effect(
            parts, k, n, variants=variants, freedom=freedom, power=power, confidence=at
        )

    later = confidence if again is None else again

    return Need(
        effect,
        replicates,
        items,
        seen(replicates, items),
        _first(lambda k: seen(k, items, later) <= effect),
        _first(lambda n: seen(replicates, n) <= effect),
        seen(MOST, items, later),
        seen(replicates, MOST),
    )


def hardest(needs: Sequence[Need]) -> Need:
    """Returns what it takes to find an effect in each of several differences; one at least."""

    def most(values: Iterable[int | None]) -> int | None:
        known = list(values)
        return None if None in known else max(each for each in known if each is not None)

    return replace(
        needs[0],
        smallest=max(each.smallest for each in needs),
        more_replicates=most(each.more_replicates for each in needs),
        more_items=most(each.more_items for each in needs),
        floor_replicates=max(each.floor_replicates for each in needs),
        floor_items=max(each.floor_items for each in needs),
    )


def level(look: int, declared: int = 1, confidence: float = 0.95) -> float:
    """Returns the confidence at which the intervals of a look are drawn.

    Looks that were declared beforehand share 1 - confidence equally. Every one after them, for
    which replicates were added because of what was seen, has half the error of the one before,
    starting with half of all that the declared ones had: 97.5 %, 98.75 % and so on.

    Args:
        look: From 1.
        declared: How many looks the study declared.
        confidence: Of all declared looks together.

    Raises:
        ValueError: If `look` or `declared` is below 1.
    """
    if look < 1 or declared < 1:
        raise ValueError(f"look {look} of {declared} declared: both start at 1")
    if look <= declared:
        return 1 - (1 - confidence) / declared
    return 1 - math.ldexp(1 - confidence, declared - look)


def risk(look: int, declared: int = 1, confidence: float = 0.95) -> float:
    """Returns how often, at most, any look up to this one tells apart what does not differ.

    By Bonferroni: 1 - confidence for the declared looks, and less than twice that with all others.

    Args:
        look: From 1.
        declared: How many looks the study declared.
        confidence: Of all declared looks together.
    """
    return math.fsum(1 - level(each, declared, confidence) for each in range(1, look + 1))


def looks(look: int, declared: int = 1, confidence: float = 0.95) -> str:
    """Returns in a sentence what `level` and `risk` say of a look."""
    here = f"{100 * level(look, declared, confidence):.4g} %"
    all_looks = f"{100 * risk(max(look, declared), declared, confidence):.3g} %"
    if look > declared:
        count = "1 look" if declared == 1 else f"{declared} looks"
        return (
            f"Replicates were added after a look: this is look {look}, the study declared {count}. "
            f"So these intervals are at {here}; that any of the {look} looks finds a difference "
            f"where there is none has a chance of up to {all_looks}."
        )
    if declared == 1:
        return f"One look, declared beforehand: the intervals are at {here}."
    return (
        f"Look {look} of {declared} that were declared beforehand: the intervals of each are at "
        f"{here}, and all looks together find a difference where there is none in up to "
        f"{all_looks} of studies."
    )


def _first(enough: Callable[[int], bool]) -> int | None:
    """Returns the lowest number from 2 that is enough, if it stays so; None if none is."""
    low, high = 1, 2
    while not enough(high):
        if high == MOST:
            return None
        low, high = high, min(MOST, 2 * high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


@functools.lru_cache(maxsize=4096)
def _shift(limit: float, freedom: int, power: float) -> float:
    """Returns how many errors a difference must be off 0 for t to be over a limit so often."""
    scale, mass = _scales(freedom)
    low, high = 0.0, limit + 10.0
    while _over(high, limit, scale, mass) < power:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        if _over(middle, limit, scale, mass) < power:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _over(shift: float, limit: float, scale: Floats, mass: Floats) -> float:
    """Returns how probable normal + shift > limit * scale is."""
    return float(mass @ (1 + _ERF((shift - limit * scale) / math.sqrt(2)))) / 2


def _scales(freedom: int) -> tuple[Floats, Floats]:
    """Returns values of sqrt(chi-square / freedom), and how probable each is."""
    width = 9 / math.sqrt(2 * freedom)
    edges = np.linspace(max(0.0, 1 - width), 1 + width, _NODES + 1)
    scale = (edges[1:] + edges[:-1]) / 2
    density = (freedom - 1) * np.log(scale) - freedom * np.square(scale) / 2
    mass = np.exp(density - density.max())
    return scale, mass / mass.sum()
