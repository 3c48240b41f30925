"""source.hub: records from a dataset on the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator

from datakit.hub import hub_rows
from datakit.reading import identified
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
        return hub_rows(self.id, self.split, self.config, self.revision)
