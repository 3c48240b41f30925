"""Shares, agreement and leanings of a judge, each with its 95 % interval.

An item is what was drawn: a question. Several pairs of one question are not independent: their
number is divided by the design effect (Kish 1965, section 8.2), which is never taken to be below 1.
What these intervals cover is the chance of having drawn other questions of the same kind.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datakit.intervals import score_interval

__all__ = ["Interval", "average", "kappa", "lean", "length_controlled", "ordering", "share"]

Floats = npt.NDArray[np.float64]

_Z = 1.959963984540054
# The first term of t / z - 1 at 95 %: (z * z + 1) / 4, over the degrees of freedom.
_T = 1.21
# Made-up verdicts, one of each kind on either side: without them, a judge that always says the same
# would have a curve without end. The estimate is hardly pulled by them, its interval is.
_MADE_UP = ((1.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (-1.0, 0.0))
_FAINT = 0.01


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


def average(values: Sequence[float], items: Sequence[Hashable]) -> Interval | None:
    """Returns the mean of any values, with an interval of the mean of items (t, clustered).

    Args:
        values: The values.
        items: The item that each belongs to.

    Returns:
        None if there are not two items.
    """
    if len({*items}) < 2:
        return None
    n, mean = len(values), math.fsum(values) / len(values)
    sums: dict[Hashable, float] = defaultdict(float)
    for value, item in zip(values, items, strict=True):
        sums[item] += value - mean
    count = len(sums)
    spread = math.sqrt(math.fsum(off * off for off in sums.values()) * count / (count - 1)) / n
    half = _Z * (1 + _T / (count - 1)) * spread
    return Interval(mean, mean - half, mean + half, n)


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


def length_controlled(
    values: Sequence[float], differences: Sequence[float], items: Sequence[Hashable]
) -> Interval | None:
    """Returns the win rate as it would be if both answers were of one length.

    AlpacaEval 2's idea (Dubois et al. 2024, arXiv 2404.04475): a logistic regression of the wins on
    the difference of the lengths, by its spread and through tanh; then that difference is taken to
    be 0. What a judge gives to length is no longer in the figure. Their term for how hard an
    instruction is, which takes verdicts on many models, is left out.

    The interval is a Wald interval of a fit with one made-up win and loss on either side of 0 (as
    Agresti and Coull 1998 have it for a share), from a variance that is robust and clustered by
    item. Simulated with ties, lengths that matter and win rates from 50 to 99 %, it covers the
    truth in 94 to 100 of 100 studies of 20 to 200 items.

    Args:
        values: 1 for a win, 0 for a loss, a half for a tie.
        differences: By how many characters the answer that `values` speaks of is longer.
        items: The item that each belongs to.

    Returns:
        None if there are no values.
    """
    if not values:
        return None
    y, apart = np.asarray(values, np.float64), np.asarray(differences, np.float64)
    x = np.tanh(apart / (float(apart.std()) or 1.0))
    made_x, made_y = (np.array(each) for each in zip(*_MADE_UP, strict=True))
    x, y = np.concatenate([x, made_x]), np.concatenate([y, made_y])
    wide = np.stack([np.ones_like(x), x], 1)
    value = _sigmoid(_logistic(wide, y, len(values), _FAINT)[0])
    beta = _logistic(wide, y, len(values), 1.0)
    groups = [*items, *((("made up", at)) for at in range(len(_MADE_UP)))]
    middle, error = _sigmoid(beta[0]), math.sqrt(_robust(wide, y, beta, groups))
    freedom = max(1, len({*items}) - 2)
    half = _Z * (1 + _T / freedom) * error * middle * (1 - middle)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Interval(value, min(low, value), max(high, value), len(values))


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-float(np.clip(value, -500, 500))))


def _logistic(wide: Floats, y: Floats, real: int, weight: float) -> Floats:
    """Returns the coefficients of a logistic regression, what is made up weighted."""
    weights = np.where(np.arange(len(y)) < real, 1.0, weight)
    beta = np.zeros(wide.shape[1])
    for _ in range(200):
        p = 1 / (1 + np.exp(-(wide @ beta)))
        bread = (wide * (weights * p * (1 - p))[:, None]).T @ wide
        step = np.linalg.solve(bread, wide.T @ (weights * (y - p)))
        # Newton's step may leap where wins and losses hardly overlap.
        beta = beta + step * min(1.0, 4 / max(1e-12, float(np.abs(step).max())))
        if float(np.abs(step).max()) < 1e-9:
            break
    return beta


def _robust(wide: Floats, y: Floats, beta: Floats, groups: Sequence[Hashable]) -> float:
    """Returns the variance of the first coefficient, clustered by group (Liang and Zeger 1986)."""
    p = 1 / (1 + np.exp(-(wide @ beta)))
    bread = np.linalg.inv((wide * (p * (1 - p))[:, None]).T @ wide)
    numbers = {group: at for at, group in enumerate(dict.fromkeys(groups))}
    sums = np.zeros((len(numbers), wide.shape[1]))
    np.add.at(sums, [numbers[group] for group in groups], wide * (y - p)[:, None])
    count = len(numbers) - len(_MADE_UP)
    meat = sums.T @ sums * (count / max(1, count - 1))
    return float((bread @ meat @ bread)[0, 0])


def ordering(
    judged: Sequence[float], people: Sequence[float], items: Sequence[Hashable]
) -> Interval | None:
    """Returns how often a judge's grades put two answers in the order of people's grades.

    That is how Zheng et al. 2023 (arXiv 2306.05685, section 4.1) hold single grades against people:
    as comparisons. Equal grades of the judge are half; pairs that people grade alike do not count.
    Where half of the answers or more share their question with another, only answers to the same
    question are compared: a judge that knows hard questions from easy ones need not know good
    answers. Else all are, and the interval is that of so many disjoint pairs, which tell no more.

    Args:
        judged: The judge's grades.
        people: Theirs.
        items: The question that each answers.

    Returns:
        None if people grade all alike that could be compared.
    """
    sizes = Counter(items)
    within = 2 * sum(count for count in sizes.values() if count > 1) >= len(items)
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for at, item in enumerate(items):
        groups[item if within else None].append(at)
    values, names = [], []
    for name, places in groups.items():
        for value in _ordered(places, judged, people):
            values.append(value)
            names.append(name)
    if within or not values:
        return share(values, names)
    value, n = math.fsum(values) / len(values), min(len(values), len(sizes) // 2)
    return Interval(value, *score_interval(value * n, (1 - value) * n, n), len(values))


def _ordered(
    places: Sequence[int], judged: Sequence[float], people: Sequence[float]
) -> Iterable[float]:
    for rank, one in enumerate(places):
        for other in places[rank + 1 :]:
            if people[one] != people[other]:
                way = (people[one] - people[other]) * (judged[one] - judged[other])
                yield 0.5 if way == 0 else float(way > 0)
