"""All that the report tells of the records; `datakit.report.collect` reads it from a version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from datakit.report.sample import Sample

__all__ = ["Facts", "Lengths", "Limit"]

# What is within this part of a limit is near it.
_NEAR = 0.1


@dataclass(frozen=True)
class Limit:
    """What a length filter was asked for."""

    field: str
    fewest: int
    most: int | None

    def is_near(self, chars: int) -> bool:
        """Returns whether a length lies within a tenth of an end; one character is no limit."""
        low = self.fewest > 1 and chars <= self.fewest * (1 + _NEAR)
        return low or (self.most is not None and chars >= self.most * (1 - _NEAR))


@dataclass(frozen=True)
class Lengths:
    """How many kept records have a field of each length."""

    chars: Counter[int]
    words: Counter[int]


@dataclass(frozen=True)
class Facts:
    """What there is to tell.

    Args:
        lengths: By field.
        languages: Kept records by language, of `languages_of` that were looked at.
        languages_of: How many were.
        languages_how: `recorded`, `measured` or, if not measured, empty.
        openings: The commonest first three words by field, of all with any.
        families: Made and kept records by the seed that they descend from, in parts of records.
        families_of: Made and kept records; 0 if lineage was not measured.
        limits: What the recipe sets for filter.length.
        near_limits: Kept records whose length is near a limit.
        similarities: Dropped records by step and by similarity in hundredths.
        benchmarks: Dropped records by benchmark.
        pairs: The closest dropped records, the closest first.
        kept: Sample of the kept records.
        dropped: Sample of the dropped ones.
        dropped_of: How many were dropped.
        rivals: Records that sampled ones were compared with, by id.
        ancestors: Of each sampled record those beyond its parents, the nearest first.
        empty: Kept records without an output.
        repeated: Kept records, seeds aside, whose output an earlier kept record has already.
        grown: Kept records that were made, rather than seeds or lines of a source.
    """

    lengths: Mapping[str, Lengths]
    languages: Counter[str]
    languages_of: int
    languages_how: str
    openings: Mapping[str, tuple[tuple[tuple[str, int], ...], int]]
    families: Mapping[str, float]
    families_of: int
    limits: tuple[Limit, ...]
    near_limits: int
    similarities: Mapping[str, Counter[int]]
    benchmarks: Counter[str]
    pairs: tuple[Sample, ...]
    kept: tuple[Sample, ...]
    dropped: tuple[Sample, ...]
    dropped_of: int
    rivals: Mapping[str, Sample]
    ancestors: Mapping[str, list[str]]
    empty: int
    repeated: int
    grown: int
