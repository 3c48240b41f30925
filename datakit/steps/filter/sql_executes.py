"""filter.sql_executes: keeps queries that run on their own schema."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from datakit.outcome import Drop
from datakit.record import Record
from datakit.sqlite import Sandbox
from datakit.step import Resources, step


@step("filter.sql_executes")
class SqlExecutes:
    """Drops records whose output is not a query that runs and can find rows.

    The schema is the record's input (CREATE TABLE, and INSERT for its data), the query its output;
    SQLite runs them in a process of its own, without files or network. A query that finds nothing
    is tried on generated databases before it counts as `always_empty`.

    Args:
        max_seconds: Wall-clock seconds that one record may take.
        memory_mb: Mebibytes that the process may take.
        max_rows: More rows than this are a fault.
        variants: Generated databases on which a query that finds no row is tried.
    """

    max_seconds: Annotated[float, Meta(gt=0)] = 2.0
    memory_mb: Annotated[int, Meta(ge=64)] = 256
    max_rows: Annotated[int, Meta(ge=1)] = 10_000
    variants: Annotated[int, Meta(ge=0)] = 4

    def check(self, record: Record, resources: Resources) -> Drop | None:
        """Drops a record whose query is wrong, with SQLite's own message."""
        limits = (self.max_seconds, self.memory_mb, self.max_rows, self.variants)
        verdict = resources.open(Sandbox, *limits).check(record.input, record.output)
        if verdict.reason is None:
            return None
        return Drop(verdict.reason, message=verdict.message)
