"""The drop of a record that a benchmark's item is found in."""

from __future__ import annotations

from collections.abc import Collection

from datakit.outcome import Drop
from datakit.overlap import Overlap
from datakit.record import Record

__all__ = ["contaminated"]


def contaminated(overlap: Overlap, record: Record, sides: Collection[str]) -> Drop | None:
    """Returns why a record is dropped, with the longest piece that it shares with an item.

    Args:
        overlap: The items.
        record: The record.
        sides: What must be found: `question`, `choices`, `answer`.
    """
    best = next((match for match in overlap.matches(record) if match.side in sides), None)
    if best is None:
        return None
    return Drop(
        "contaminated",
        of=best.of,
        score=best.score,
        side=best.side,
        rule=best.rule,
        field=best.span.field,
        start=best.span.start,
        end=best.span.end,
        text=best.span.text,
    )
