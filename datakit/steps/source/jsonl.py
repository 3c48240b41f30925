"""source.jsonl: records from a file."""

from __future__ import annotations

from collections.abc import Iterator

from datakit.reading import read_records
from datakit.record import Record
from datakit.step import FilePath, step


@step("source.jsonl")
class JsonLines:
    """Reads records from a JSONL, JSON, CSV or Parquet file, also `.gz` or `.zst`.

    Args:
        path: The file, relative to the pipeline's file.
        fields: Our fields to the file's, such as `{instruction: question, output: answer}`.
        answers: Whether every record must have an output; seeds must.
    """

    path: FilePath
    fields: dict[str, str] | None = None
    answers: bool = False

    def __post_init__(self) -> None:
        """Checks the names of our fields."""
        unknown = set(self.fields or {}) - {"instruction", "input", "output", "system", "rejected"}
        if unknown:
            raise ValueError(f"fields: {', '.join(sorted(unknown))} is not a field of a record")

    def read(self) -> Iterator[Record]:
        """Yields the records; see `datakit.reading.read_records`."""
        return read_records(self.path, fields=self.fields, answers=self.answers)
