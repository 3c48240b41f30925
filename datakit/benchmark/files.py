"""Benchmarks as the files that people have them in, read as items to look for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from datakit.errors import RecordError
from datakit.fields import DataRef
from datakit.overlap import Item
from datakit.reading import read_rows

__all__ = ["item_of", "read_items"]

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
    "target",
)
CHOICES = ("choices", "options")
RIGHT = ("answer", "answerkey", "label", "target")
NAME = ("id", "task_id", "question_id", "key", "name")


def read_items(path: str) -> Iterator[Item]:
    """Yields the items of a benchmark file: JSONL, JSON, CSV or Parquet, also compressed.

    An item needs a question (`instruction`, `question`, `prompt`, `problem`, `text`, `query` or
    `turns`); it may have an input or context, an answer, choices, and an id. Its name is
    `<file's stem>/<id>`, or its line where it has no id.

    Raises:
        RecordError: If an item has no question, or if there is no item.
    """
    # A version's records are called by its reference, not `data`.
    stem = DataRef(path).shown.split(".")[0]
    found = False
    for where, row in read_rows(path):
        found = True
        yield item_of(where, row, stem)
    if not found:
        raise RecordError(f"{path}: there are no items in it.")


def item_of(where: str, raw: Mapping[str, Any], benchmark: str) -> Item:
    """Returns the item of a row.

    Args:
        where: The row's place.
        raw: The row.
        benchmark: What the benchmark is called.

    Raises:
        RecordError: If it has no question.
    """
    row = {key.lower(): value for key, value in raw.items()}
    question = _first(row, QUESTION)
    if not question:
        known = ", ".join(QUESTION)
        raise RecordError(f"{where}: no question; an item has one of {known}.")
    name = _first(row, NAME) or where.rpartition(":")[2].strip("[]")
    parts = (question, _first(row, CONTEXT))
    return Item(
        name=f"{benchmark}/{name}",
        question=tuple(part for part in parts if part),
        answer=_right(row) or _first(row, ANSWER),
        choices=_first(row, CHOICES),
    )


def _right(row: Mapping[str, Any]) -> str:
    """Returns the text of the right choice, if the row has it as a number or a letter."""
    choices: Any = next((row[key] for key in CHOICES if row.get(key)), None)
    labels: list[Any] = []
    if isinstance(choices, Mapping):
        choices, labels = choices.get("text"), list(choices.get("label") or [])
    given = next((row[key] for key in RIGHT if row.get(key) is not None), None)
    if not isinstance(choices, list) or given is None:
        return ""
    if given in labels:
        return _text(choices[labels.index(given)]).strip()
    at = int(given) if isinstance(given, int) or str(given).isdecimal() else -1
    if at < 0 and isinstance(given, str) and len(given) == 1:
        at = ord(given.upper()) - ord("A")
    return _text(choices[at]).strip() if 0 <= at < len(choices) else ""


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
