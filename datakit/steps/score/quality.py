"""score.quality: one number for how sound an answer is, with what spoke against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta

from datakit.quality import faults
from datakit.record import Record
from datakit.step import step


@step("score.quality")
class Quality:
    """Adds `quality`, 0 to 1, and `quality_faults`: what was found, and how much each took away.

    It starts from 1. Of each fault of `filter.quality` a part is left: nothing of a refusal or an
    echo, what is not repeated of a text that repeats itself, and of one that is mostly signs as
    much as it falls short of `alnum`.

    Args:
        alnum: Share of letters and digits from which nothing is taken away; code and formulas have
            less than prose.
    """

    alnum: Annotated[float, Meta(gt=0, le=1)] = 0.4

    def score(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        """Returns `quality` and `quality_faults` of each record."""
        return [self._of(record) for record in records]

    def _of(self, record: Record) -> dict[str, Any]:
        taken: dict[str, float] = {}
        for fault, amount in faults(record):
            if fault.reason == "low_alnum":
                amount = max(0.0, 1 - (1 - amount) / self.alnum)
            if amount > taken.get(fault.reason, 0.0):
                taken[fault.reason] = round(amount, 4)
        left = 1.0
        for amount in taken.values():
            left *= 1 - amount
        return {"quality": round(left, 4), "quality_faults": taken}
