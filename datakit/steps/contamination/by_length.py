"""contamination.by_length: drops records that a benchmark's question is found in."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from datakit.benchmark import check_against, contaminated, open_overlap
from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import DataRef, Resources, step


@step("contamination.by_length")
class ByLength:
    """Drops records that hold a benchmark's item, by a share that depends on the item's length.

    An item is aligned with the place of a record that is most like it. Of a question of 20 words
    and more, 80 % must be there in their order, with few others between; of 8 to 19 words, 86 % and
    hardly any other; one of 5 to 7 must be there whole, with its answer. Instruction and input of
    an item must both be found, so that a shared schema is no contamination.

    Args:
        against: Benchmarks to look for. By name (`gsm8k`, `humaneval`, ...; `datakit contamination
            --help` has all), hub datasets (`owner/name`), versions (`other@v3`), or files of items:
            JSONL, JSON, CSV or Parquet with a question (`instruction`, `question`, `prompt`, ...)
            and its answer.
        sides: What must be found for a record to be dropped. Answers and choices are often found
            by chance; `datakit contamination` shows them without dropping anything.
    """

    against: Annotated[tuple[DataRef, ...], Meta(min_length=1)]
    sides: Annotated[tuple[Literal["question", "choices", "answer"], ...], Meta(min_length=1)] = (
        "question",
    )

    def __post_init__(self) -> None:
        check_against(self.against)

    def check(self, record: Record, resources: Resources) -> Drop | None:
        """Drops a record in which an item is found, with the longest piece that they share."""
        return contaminated(resources.open(open_overlap, *self.against), record, self.sides)
