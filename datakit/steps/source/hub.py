"""source.hub: records from a dataset on the Hugging Face hub."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from datakit.errors import DatakitError, InputError, MissingExtraError
from datakit.reading import identified, plain_row
from datakit.record import Record
from datakit.rows import Row
from datakit.step import step


@step("source.hub")
class Hub:
    """Reads records from a dataset on the Hugging Face hub, streamed.

    Args:
        id: The dataset's id, such as `databricks/databricks-dolly-15k`, or a local folder.
        split: The split.
        config: The configuration, if the dataset has several.
        revision: A commit or a tag; without one, what is newest.
        fields: Our fields to the dataset's, such as `{input: context, output: response}`.
        answers: Whether every record must have an output.
    """

    id: str
    split: str = "train"
    config: str | None = None
    revision: str | None = None
    fields: dict[str, str] | None = None
    answers: bool = False

    def read(self) -> Iterator[Record]:
        """Yields the records.

        Raises:
            MissingExtraError: If `datasets` is not installed.
            InputError: If the dataset cannot be loaded.
        """
        return identified(self.rows(), self.id, fields=self.fields, answers=self.answers)

    def rows(self) -> Iterator[Row]:
        """Returns the rows as they are, each with its place; errors as for `read`."""
        try:
            import datasets
        except ImportError:
            raise MissingExtraError.of("datasets", "hub", "source.hub") from None
        # Both report every attempt and retry; what counts comes with the error.
        for name in ("datasets", "huggingface_hub"):
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            rows = datasets.load_dataset(
                self.id, self.config, split=self.split, revision=self.revision, streaming=True
            )
        except Exception as error:  # the library's own and those of the network are many
            raise InputError(
                f"{self.id}: is no file here, and cannot be loaded from the hub: {_why(error)}"
            ) from None
        return self._numbered(rows)

    def _numbered(self, rows: Any) -> Iterator[Row]:  # noqa: ANN401
        number = 0
        try:
            for row in rows:
                number += 1
                where = f"{self.id}:{self.split}:{number}"
                yield where, plain_row(row, where)
        except DatakitError:
            raise
        except Exception as error:  # as above, and of the files: the rows are streamed
            raise InputError(
                f"{self.id}:{self.split}: cannot be read after row {number:,}: {_why(error)}"
            ) from None


def _why(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
