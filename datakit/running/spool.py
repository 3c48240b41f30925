"""Records on disk between two steps, so that memory does not grow with the data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from datakit.outcome import Drop
from datakit.record import Record

__all__ = ["Spool"]


class Spool:
    """A file of records that can be read again and again while it is written.

    Args:
        path: The file; what is there is overwritten.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = 0
        self._file: IO[bytes] = open(path, "wb")  # noqa: SIM115  closed by close()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Record]:
        if not self._file.closed:
            self._file.flush()
        with open(self.path, "rb") as reader:
            for line in reader:
                yield Record.from_json(json.loads(line))

    def append(self, record: Record) -> None:
        """Adds a record."""
        self._file.write(record.to_line())
        self._count += 1

    def append_dropped(self, record: Record, step: str, drop: Drop) -> None:
        """Adds a dropped record with its reason."""
        self._file.write(record.to_line(dropped=drop.to_json(step)))
        self._count += 1

    def take_over(self, other: Spool) -> None:
        """Adds all of another spool, whose file is then gone."""
        other.close()
        with open(other.path, "rb") as reader:
            shutil.copyfileobj(reader, self._file)
        other.path.unlink()
        self._count += len(other)

    def extend(self, records: Iterable[Record]) -> Spool:
        """Adds records; returns the spool."""
        for record in records:
            self.append(record)
        return self

    def close(self) -> None:
        """Writes what is still in memory; the spool stays readable."""
        self._file.close()
