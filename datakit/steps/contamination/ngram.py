"""contamination.ngram: published n-gram rules, to compare with."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from datakit.benchmark import check_against, contaminated, open_overlap_by
from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import DataRef, Resources, step


@step("contamination.ngram")
class Ngram:
    """Drops records by one of the n-gram rules that others have published.

    They are here for comparison; `contamination.by_length` finds more with fewer false alarms.

    Args:
        against: Benchmarks to look for, as for `contamination.by_length`.
        rule: `gpt3`: any 13 words in a row (Brown et al. 2020, appendix C). `any_8`: any 8
            (open-r1). `tulu3`: over half of an item's words stand in runs of 8 that one record
            has too (Lambert et al. 2024, section 3.2).
        sides: What must be found for a record to be dropped.
    """

    against: Annotated[tuple[DataRef, ...], Meta(min_length=1)]
    rule: Literal["gpt3", "any_8", "tulu3"] = "tulu3"
    sides: Annotated[tuple[Literal["question", "choices", "answer"], ...], Meta(min_length=1)] = (
        "question",
    )

    def __post_init__(self) -> None:
        check_against(self.against)

    def check(self, record: Record, resources: Resources) -> Drop | None:
        """Drops a record in which an item is found."""
        overlap = resources.open(open_overlap_by, self.rule, *self.against)
        return contaminated(overlap, record, self.sides)
