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
        max_steps: Steps that one record may take, the generated databases included. A step is an
            instruction of SQLite's virtual machine: a count, not a time, so that the same record
            ends alike on a busy machine. The default takes 0.5 to 3 seconds.
        memory_mb: Mebibytes that the process may take.
        max_rows: More rows than this are a fault.
        variants: Generated databases on which a query that finds no row is tried.
    """

    max_steps: Annotated[int, Meta(ge=1)] = 50_000_000
    memory_mb: Annotated[int, Meta(ge=64)] = 256
    max_rows: Annotated[int, Meta(ge=1)] = 10_000
    variants: Annotated[int, Meta(ge=0)] = 4

    def check(self, record: Record, resources: Resources) -> Drop | None:
        """Drops a record whose query is wrong, with SQLite's own message."""
        limits = (self.max_steps, self.memory_mb, self.max_rows, self.variants)
        verdict = resources.open(Sandbox, *limits).check(record.input, record.output)
        if verdict.reason is None:
            return None
        return Drop(verdict.reason, message=verdict.message)
