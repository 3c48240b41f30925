"""select.top: keeps the best of all records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import step


@step("select.top")
class Top:
    """Drops all but the `n` records with the highest score; of equals the first are kept.

    Args:
        n: Records that are kept.
        by: The score, as a step before this one measured it.
    """

    n: Annotated[int, Meta(ge=1)]
    by: Annotated[str, Meta(min_length=1)]

    def select(self, records: Iterable[Record]) -> dict[str, Drop]:
        """Drops the lower scores, and records without that score."""
        drops: dict[str, Drop] = {}
        ranked: list[tuple[float, int, str]] = []
        for place, record in enumerate(records):
            value = record.scores.get(self.by)
            if isinstance(value, int | float) and value == value:
                ranked.append((-value, place, record.id))
            else:
                drops[record.id] = Drop("no_score", by=self.by)
        ranked.sort()
        for rank, (value, _, key) in enumerate(ranked[self.n :], self.n + 1):
            drops[key] = Drop("not_in_top", by=self.by, value=-value, rank=rank, n=self.n)
        return drops
