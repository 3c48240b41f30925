"""contamination.by_length: drops records that a benchmark's question is found in."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from msgspec import Meta

from datakit.benchmark import open_overlap
from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import DataRef, Resources, step


@step("contamination.by_length")
class ByLength:
    """Drops records that hold a benchmark's item, by a share that depends on the item's length.

    Of a question of 20 words and more, over half of the words must stand in 8-grams that the record
    has too; of 8 to 19 words, 90 %; one of 5 to 7 must be there whole, with its answer. Instruction
    and input of an item must both be found, so that a shared schema is no contamination.

    Args:
        against: Files of benchmark items: JSONL, JSON, CSV or Parquet with a question
            (`instruction`, `question`, `prompt`, ...) and its answer.
        sides: What must be found for a record to be dropped. Answers and choices are often found
            by chance; `datakit contamination` shows them without dropping anything.
    """

    against: Annotated[tuple[DataRef, ...], Meta(min_length=1)]
    sides: Annotated[tuple[Literal["question", "choices", "answer"], ...], Meta(min_length=1)] = (
        "question",
    )

    def __post_init__(self) -> None:
        for path in self.against:
            if os.path.isdir(path):
                raise ValueError(f"against: {path} is a folder; name a file in it")
            if not path.is_path:
                raise ValueError(
                    f'against: benchmarks are files for now; write "./{path}.jsonl", not "{path}"'
                )

    def check(self, record: Record, resources: Resources) -> Drop | None:
        """Drops a record in which an item is found, with the longest piece that they share."""
        overlap = resources.open(open_overlap, *self.against)
        found = [match for match in overlap.matches(record) if match.side in self.sides]
        if not found:
            return None
        best = found[0]
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
