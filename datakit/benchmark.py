"""Benchmarks as the files that people have them in, read as items to look for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from datakit.errors import RecordError
from datakit.overlap import Item, Overlap
from datakit.reading import read_rows

__all__ = ["open_overlap", "read_items"]

# The first of these keys that an item has; upper and lower case do not count.
QUESTION = ("instruction", "question", "prompt", "problem", "text", "query", "turns")
CONTEXT = ("input", "context")
ANSWER = (
    "output",
    "answer",
    "solution",
    "canonical_solution",
    "code",
    "response",
    "completion",
    "best answer",
    "reference",
)
CHOICES = ("choices", "options")
NAME = ("id", "task_id", "question_id", "key", "name")


def open_overlap(*paths: str) -> Overlap:
    """Reads benchmark files and indexes their items; for `resources.open(open_overlap, *paths)`.

    Raises:
        InputError: If a file cannot be read, or an item has no question.
    """
    return Overlap(item for path in paths for item in read_items(path))


def read_items(path: str) -> Iterator[Item]:
    """Yields the items of a benchmark file: JSONL, JSON, CSV or Parquet, also compressed.

    An item needs a question (`instruction`, `question`, `prompt`, `problem`, `text`, `query` or
    `turns`); it may have an input or context, an answer, choices, and an id. Its name is
    `<file's stem>/<id>`, or its line where it has no id.

    Raises:
        RecordError: If an item has no question, or if there is no item.
    """
    stem = PurePath(path).name.split(".")[0]
    found = False
    for where, raw in read_rows(path):
        found = True
        row = {key.lower(): value for key, value in raw.items()}
        question = _first(row, QUESTION)
        if not question:
            known = ", ".join(QUESTION)
            raise RecordError(f"{where}: no question; an item has one of {known}.")
        name = _first(row, NAME) or where.rpartition(":")[2].strip("[]")
        parts = (question, _first(row, CONTEXT))
        yield Item(
            name=f"{stem}/{name}",
            question=tuple(part for part in parts if part),
            answer=_first(row, ANSWER),
            choices=_first(row, CHOICES),
        )
    if not found:
        raise RecordError(f"{path}: there are no items in it.")


def _first(row: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    for key in keys:
        if row.get(key) is not None:
            return _text(row[key]).strip()
    return ""


def _text(value: object) -> str:
    """Returns a text, or a list of texts (in whatever nesting) as lines."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        value = value.get("text", "")
        return value if isinstance(value, str) else _text(value)
    if isinstance(value, list):
        return "\n".join(_text(each) for each in value)
    return "" if value is None else str(value)
