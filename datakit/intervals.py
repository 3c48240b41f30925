"""Intervals and tests for counts of wins, losses and ties.

A mean of ones, halves and noughts is (1 + d) / 2 with d the difference of two paired proportions,
wins less losses. Its interval is Tango's score interval for such a difference (Statistics in
Medicine 17, 1998, 891-908). It holds near its level at small sizes, where the usual one (mean and
standard error) is too narrow and is nothing at all if all are alike; and it makes use of the ties,
which Wilson's interval, its special case without ties, takes for coin flips. Its exact coverage is
computed in the tests.
"""

from __future__ import annotations

import math

__all__ = ["score_interval", "sign_test"]

_Z = 1.959963984540054


def sign_test(first: int, second: int) -> float:
    """Returns the two-sided exact p of so uneven a split of fair coins; 1 for none."""
    n, least = first + second, min(first, second)
    tail = sum(math.comb(n, k) for k in range(least + 1))
    return float(min(1, 2 * tail / 2**n))


def score_interval(wins: float, losses: float, n: float) -> tuple[float, float]:
    """Returns the 95 % interval of the win rate of `n` pairs (Tango 1998), within 0 to 1.

    Args:
        wins: Pairs worth 1; counts need not be whole, where pairs are worth less than one each.
        losses: Pairs worth 0; the other `n - wins - losses` are worth half.
        n: All pairs; without any, the interval is 0 to 1.
    """
    if not n:
        return 0.0, 1.0
    low = -_upper(losses, wins, n)
    return (1 + low) / 2, (1 + _upper(wins, losses, n)) / 2


def _upper(wins: float, losses: float, n: float) -> float:
    """Returns the greatest difference wins - losses, as a share, that the counts leave possible."""
    inside, outside = (wins - losses) / n, 1.0
    if _score(wins, losses, n, outside) >= -_Z:
        return outside
    for _ in range(60):
        middle = (inside + outside) / 2
        if _score(wins, losses, n, middle) >= -_Z:
            inside = middle
        else:
            outside = middle
    return inside


def _score(wins: float, losses: float, n: float, difference: float) -> float:
    """Returns by how many standard errors the counts lie over a supposed difference."""
    gap = wins - losses - n * difference
    # The share of losses that is likeliest under that difference.
    b = (2 * n - wins + losses) * difference - wins - losses
    c = -losses * difference * (1 - difference)
    share = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * share + difference * (1 - difference))
    if variance <= 1e-12:
        return 0.0 if abs(gap) < 1e-9 else math.copysign(math.inf, gap)
    return gap / math.sqrt(variance)
