"""The result of rated pairs: a win rate with its interval, and a verdict in words.

A pair is worth 1 to the first maker if its output was chosen, 0 if the other's was, and half if
neither was (a tie, or both bad). The win rate is the mean; its interval is Tango's
(`datakit.intervals`).

The verdict is that of the exact sign test over the pairs that were decided, which at no size calls
equal makers different more often than at its level.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from datakit.curate.answers import Answer
from datakit.curate.items import Pair
from datakit.intervals import score_interval, sign_test

__all__ = ["FEWEST", "WinRate", "win_rate"]

# Rated pairs below which no verdict is given.
FEWEST = 10
LEVEL = 0.05


@dataclass(frozen=True)
class WinRate:
    """How often the first maker's output was the better one.

    Args:
        value: Wins and half the ties, as a share of `n`; None if nothing is rated.
        low: Lower end of the 95 % interval of `value`.
        high: Upper end.
        n: Rated pairs: all but skipped and open ones.
        wins: Pairs whose first output was chosen.
        losses: Pairs whose second output was chosen.
        ties: Pairs rated as equal, and pairs whose outputs are the same text.
        both_bad: Pairs whose outputs are both bad; a tie between the two.
        same: Those of `ties` that were not shown, as the outputs are the same text.
        skipped: Pairs that were passed over.
        open: Pairs without an answer.
        sign_p: Two-sided exact sign test of wins against losses.
        left_share: Share of the decided pairs whose left side was chosen; None without any.
        left_p: Two-sided exact sign test of left against right.
    """

    value: float | None
    low: float
    high: float
    n: int
    wins: int
    losses: int
    ties: int
    both_bad: int
    same: int
    skipped: int
    open: int
    sign_p: float
    left_share: float | None
    left_p: float

    @property
    def total(self) -> int:
        """All pairs, rated or not."""
        return self.n + self.skipped + self.open

    @property
    def verdict(self) -> str:
        """`first`, `second`, `none` (cannot be told apart) or `too_few` (under ten rated)."""
        if self.n < FEWEST:
            return "too_few"
        clear = self.sign_p < LEVEL and not self.low <= 0.5 <= self.high
        if not clear:
            return "none"
        return "first" if self.wins > self.losses else "second"

    def sentences(self, names: tuple[str, str]) -> list[str]:
        """Returns the result in words: the rate, the verdict, and what to know about it."""
        if self.value is None:
            return [f"Nothing is rated yet, of {_pairs(self.total)}."]
        ahead = 0 if self.value >= 0.5 else 1
        shares = (self.value, self.low, self.high)
        if ahead:
            shares = (1 - self.value, 1 - self.high, 1 - self.low)
        told = [
            f"{names[ahead]} is preferred in {_percent(shares[0])} % "
            f"({_percent(shares[1])} to {_percent(shares[2])}) of {_pairs(self.n)}."
        ]
        return [*told, self._judged(names), *self._remarks()]

    def _judged(self, names: tuple[str, str]) -> str:
        if self.verdict == "too_few":
            return f"That is too few for a verdict; rate {FEWEST} pairs at least."
        if self.verdict == "none":
            return f"The two cannot be told apart at this size (sign test {_p(self.sign_p)})."
        better = names[self.verdict == "second"]
        return f"{better} is better (sign test {_p(self.sign_p)})."

    def _remarks(self) -> list[str]:
        told = ["In brackets: the 95 % interval. A tie, or both bad, counts half."]
        if self.same:
            has = "has" if self.same == 1 else "have"
            told.append(f"{_pairs(self.same)} {has} the same text on both sides: a tie, not shown.")
        if self.open:
            told.append(f"{_pairs(self.open)} of {self.total:,} still to rate.")
        if self.left_share is not None and self.left_p < LEVEL:
            told.append(
                f"The left side was chosen in {_percent(self.left_share)} % of the decided pairs "
                f"({_p(self.left_p)}): the side may have mattered. Each stood left equally "
                "often, so this hides a difference rather than makes one."
            )
        return told

    def to_json(self) -> dict[str, Any]:
        """Returns all figures, and the verdict."""
        return {**asdict(self), "verdict": self.verdict}


def _pairs(count: int) -> str:
    return f"{count:,} pair{'' if count == 1 else 's'}"


def _percent(share: float) -> str:
    return str(math.floor(100 * share + 0.5))


def _p(value: float) -> str:
    if value < 0.001:
        return "p < 0.001"
    return f"p = {value:.3f}" if value < 0.1 else f"p = {value:.2f}"


def win_rate(answers: Mapping[str, Answer], items: Sequence[Pair]) -> WinRate:
    """Counts the answers, and says how sure the result is.

    Args:
        answers: By the item's id.
        items: The pairs; those without an answer do not count, but are told as open.
    """
    same = sum(pair.same for pair in items)
    tally = dict.fromkeys(("tie", "both_bad", "skip"), 0)
    sides, winners, still = [0, 0], [0, 0], 0
    for pair in items:
        if pair.same:
            continue
        answer = answers.get(pair.id)
        if answer is None:
            still += 1
        elif (winner := pair.winner(answer.choice)) is None:
            tally[answer.choice] += 1
        else:
            winners[winner] += 1
            sides[answer.choice == "right"] += 1
    (wins, losses), decided = winners, sum(sides)
    n = decided + tally["tie"] + tally["both_bad"] + same
    low, high = score_interval(wins, losses, n)
    return WinRate(
        value=0.5 + (wins - losses) / (2 * n) if n else None,
        low=low,
        high=high,
        n=n,
        wins=wins,
        losses=losses,
        ties=tally["tie"] + same,
        both_bad=tally["both_bad"],
        same=same,
        skipped=tally["skip"],
        open=still,
        sign_p=sign_test(wins, losses),
        left_share=sides[0] / decided if decided else None,
        left_p=sign_test(*sides),
    )
