"""An engine that is not asked twice: most variants say the same of the same record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from datakit.errors import BudgetError
from datakit.outcome import Drop
from datakit.record import Record
from datakit.running.local import Engine

__all__ = ["Remembering"]


class Remembering:
    """Carries steps out once for each record that comes to them, whatever variant it comes in.

    A record is known by its whole line: a step may look at what steps before it measured.

    Args:
        engine: Carries them out.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._said: dict[tuple[int, bytes], Any] = {}
        # An id of an object is its own only while the object is there.
        self._steps: list[object] = []

    @property
    def stopped(self) -> BudgetError | None:
        """Why the rest of the records were not asked about; see `Engine`."""
        return self._engine.stopped

    def map(self, step: object, records: Iterable[Record]) -> Iterator[tuple[Record, Any]]:
        """Yields each record with what the step says; see `Engine`."""
        self._steps.append(step)
        keyed = [((id(step), _line_hash(record)), record) for record in records]
        new = {key: record for key, record in keyed if key not in self._said}
        outcomes = self._engine.map(step, new.values())
        for key, (_, outcome) in zip(new, outcomes, strict=True):
            self._said[key] = outcome
        for key, record in keyed:
            yield record, self._said[key]

    def select(self, step: object, records: Iterable[Record]) -> dict[str, Drop]:
        """Returns the drops of a `select` step, which looks at all records: asked each time."""
        return self._engine.select(step, records)

    def close(self) -> None:
        """Closes what steps have opened."""
        self._engine.close()


def _line_hash(record: Record) -> bytes:
    return hashlib.blake2b(record.to_line(), digest_size=16).digest()
