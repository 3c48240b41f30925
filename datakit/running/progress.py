"""Where a run stands, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Progress"]


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Args:
        round: Number of the round, from 1.
        done: Requests of this round that were answered.
        requests: Requests of this round.
        kept: Records kept so far, seeds not counted.
        target: Records to keep, or None.
        made: Records made so far.
        spent: US dollars, answers from the log included.
        step: The step that asks about records at the moment, and then `done` is how many it was
            told about, and the rest is 0; empty while records are made.
    """

    round: int
    done: int
    requests: int
    kept: int
    target: int | None
    made: int
    spent: Decimal
    step: str = ""
