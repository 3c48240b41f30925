"""source.versions: the records of several versions or files, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated

from msgspec import Meta

from datakit.reading import identified, read_rows
from datakit.record import Record
from datakit.step import DataRef, step


@step("source.versions")
class Versions:
    """Reads the records of several versions or files, in that order.

    Ids and meta stay. A record whose id an earlier one has gets a new one, and the old as
    `meta.source_id`; what is the same in two of them is for `dedup.exact` to drop.

    Args:
        of: Versions (`sql@v3`) or files.
    """

    of: Annotated[tuple[DataRef, ...], Meta(min_length=1)]

    def read(self) -> Iterator[Record]:
        """Yields the records."""
        rows = chain.from_iterable(read_rows(path) for path in self.of)
        return identified(rows, self.of[0])
