"""Rows of datasets on the Hugging Face hub, streamed."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

from datakit.errors import DatakitError, InputError, MissingExtraError
from datakit.rows import Row, plain_row

__all__ = ["hub_rows", "is_hub_id"]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+\Z")


def is_hub_id(text: str) -> bool:
    """Returns whether a text has the form `owner/name`."""
    return _HUB_ID.match(text) is not None


def hub_rows(
    id: str, split: str, config: str | None = None, revision: str | None = None
) -> Iterator[Row]:
    """Returns the rows of a split as they are, each with its place.

    Args:
        id: The dataset's id, or a local folder.
        split: The split.
        config: The configuration, if the dataset has several.
        revision: A commit or a tag; without one, what is newest.

    Raises:
        MissingExtraError: If `datasets` is not installed.
        InputError: If the dataset cannot be loaded.
    """
    try:
        import datasets
    except ImportError:
        raise MissingExtraError.of("datasets", "hub", "source.hub") from None
    # Both report every attempt and retry; what counts comes with the error.
    for name in ("datasets", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        rows = datasets.load_dataset(id, config, split=split, revision=revision, streaming=True)
    except Exception as error:  # the library's own and those of the network are many
        raise InputError(
            f"{id}: is no file here, and cannot be loaded from the hub: {_why(error)}"
        ) from None
    return _numbered(rows, f"{id}:{split}")


def _numbered(rows: Any, place: str) -> Iterator[Row]:  # noqa: ANN401
    number = 0
    try:
        for row in rows:
            number += 1
            where = f"{place}:{number}"
            yield where, plain_row(row, where)
    except DatakitError:
        raise
    except Exception as error:  # as above, and of the files: the rows are streamed
        raise InputError(f"{place}: cannot be read after row {number:,}: {_why(error)}") from None


def _why(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
