"""Shares, agreement and leanings of a judge, each with its 95 % interval.

An item is what was drawn: a question. Several pairs of one question are not independent: their
number is divided by the design effect (Kish 1965, section 8.2), which is never taken to be below 1.
What these intervals cover is the chance of having drawn other questions of the same kind.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from datakit.intervals import score_interval

__all__ = ["Interval", "kappa", "lean", "share"]

# The first term of t / z - 1 at 95 %: (z * z + 1) / 4, over the degrees of freedom.
_T = 1.21


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval.

    Args:
        value: The estimate.
        low: Lower end.
        high: Upper end.
        n: What it rests on: pairs, or verdicts.
    """

    value: float
    low: float
    high: float
    n: int


def share(values: Sequence[float], items: Sequence[Hashable]) -> Interval | None:
    """Returns the mean of values that are 1, 0 or a half (a tie).

    The interval is Tango's score interval; without halves that is Wilson's.

    Args:
        values: The values.
        items: The item that each belongs to.

    Returns:
        None if there are no values.
    """
    if not values:
        return None
    n, counts = len(values), Counter(values)
    scale = _independent(values, items) / n
    low, high = score_interval(counts[1.0] * scale, counts[0.0] * scale, n * scale)
    return Interval(math.fsum(values) / n, low, high, n)


def _independent(values: Sequence[float], items: Sequence[Hashable]) -> float:
    """Returns how many independent values would tell as much."""
    n, mean = len(values), math.fsum(values) / len(values)
    groups: dict[Hashable, list[float]] = defaultdict(list)
    for value, item in zip(values, items, strict=True):
        groups[item].append(value - mean)
    count = len(groups)
    if count == n:
        return float(n)
    alone = math.fsum(off * off for group in groups.values() for off in group)
    if count == 1 or alone < 1e-12:
        # How alike the values of an item are cannot be seen; they may tell no more than one.
        return float(count)
    together = math.fsum(math.fsum(group) ** 2 for group in groups.values()) * count / (count - 1)
    # Few items tell their own spread badly: t in the place of z (Korn and Graubard 1998).
    return n / max(1.0, together / alone * (1 + _T / (count - 1)) ** 2)


def kappa(one: Sequence[str], other: Sequence[str], items: Sequence[Hashable]) -> Interval | None:
    """Returns Cohen's kappa of two raters (Educational and Psychological Measurement 20, 1960).

    The interval is that of the share of equal ratings, put on kappa's scale: as in Cohen's own
    formula, the agreement by chance is taken as known.

    Args:
        one: Ratings.
        other: The other rater's, in the same order.
        items: The item that each belongs to.

    Returns:
        None if there are no ratings, or if both raters always say the same one thing.
    """
    agreed = share([float(x == y) for x, y in zip(one, other, strict=True)], items)
    if agreed is None:
        return None
    first, second = Counter(one), Counter(other)
    chance = math.fsum(first[each] * second[each] for each in first) / len(one) ** 2
    if chance == 1:
        return None
    value, low, high = (
        (each - chance) / (1 - chance) for each in (agreed.value, agreed.low, agreed.high)
    )
    return Interval(value, max(-1.0, low), high, agreed.n)


def lean(
    judged: Sequence[float], people: Sequence[float], items: Sequence[Hashable]
) -> Interval | None:
    """Returns how much a judge leans to a side, such as that of the longer answer.

    Where people prefer one: how often the judge is wrong towards the side, less how often it is
    wrong away from it. Where they prefer neither: how often the side wins, less how often it loses.
    The two are averaged by their pairs. Both are 0 for a judge that is wrong by chance alone,
    however often that is, and whichever side people prefer more often; 1 if the side always wins.

    The interval is put together from those of the three shares behind it (Zou and Donner,
    Statistics in Medicine 27, 2008, 1693-1702).

    Args:
        judged: What the judge gives to that side of each pair: 1, 0, or a half for a tie.
        people: What people give to it.
        items: The item that each belongs to.

    Returns:
        None if there is no pair that people see as a tie, nor both of the other two kinds.
    """
    parts: dict[float, Interval] = {}
    for level in (0.0, 0.5, 1.0):
        at = [n for n, each in enumerate(people) if each == level]
        if found := share([judged[n] for n in at], [items[n] for n in at]):
            parts[level] = found
    even = parts.pop(0.5, None)
    decided = list(parts.values()) if len(parts) == 2 else []
    pairs, ties = sum(each.n for each in decided), even.n if even else 0
    if not pairs + ties:
        return None
    weighed = [(pairs / (pairs + ties), each) for each in decided]
    weighed += [(2 * ties / (pairs + ties), even)] if even else []
    value = math.fsum(weight * part.value for weight, part in weighed) - 1
    low = value - math.hypot(*(weight * (part.value - part.low) for weight, part in weighed))
    high = value + math.hypot(*(weight * (part.high - part.value) for weight, part in weighed))
    return Interval(value, max(-1.0, low), min(1.0, high), pairs + ties)
