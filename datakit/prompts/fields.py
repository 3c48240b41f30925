"""A record's values as the texts that fill the places of a prompt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from datakit.record import Record

__all__ = ["TEXTS", "as_lines", "value_of"]

TEXTS = ("instruction", "input", "output")


def value_of(record: Record, name: str) -> str | None:
    """Returns what a record has for a place, as text; None if it has nothing, or null.

    Args:
        record: The record.
        name: `instruction`, `input`, `output`, a key of the user's, or `meta.KEY` and
            `scores.KEY`; dots go further in.
    """
    if name in TEXTS:
        text: str = getattr(record, name)
        return text
    value: Any = {**record.extra, "meta": record.meta, "scores": record.scores}
    for key in [name] if name in value else name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def as_lines(records: Iterable[Record]) -> str:
    """Returns instruction, input and output of records, a JSON line each."""
    rows = ({name: getattr(each, name) for name in TEXTS} for each in records)
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
