"""Records as columns of plain values, as Arrow holds them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from datakit.record import Record

__all__ = ["columns"]


def columns(records: Sequence[Record], *, meta: bool = True) -> dict[str, list[Any]]:
    """Returns the values of the records by field.

    `meta` is one JSON text, as are other values that are no plain text: Arrow would give all
    records the keys of any.

    Args:
        records: Records.
        meta: Whether `id` and `meta` are among them.
    """
    made: dict[str, list[Any]] = {
        name: [_text(getattr(record, name)) for record in records]
        for name in ("instruction", "input", "output")
    }
    for name in dict.fromkeys(key for record in records for key in record.extra):
        made.setdefault(name, _column([record.extra.get(name) for record in records]))
    if meta:
        made["id"] = [record.id for record in records]
        made["meta"] = [json.dumps(dict(record.meta)) for record in records]
    return made


def _column(values: list[Any]) -> list[Any]:
    for plain in (str, bool):
        if all(value is None or isinstance(value, plain) for value in values):
            return [_text(value) if isinstance(value, str) else value for value in values]
    return [None if value is None else json.dumps(value) for value in values]


def _text(text: str) -> str:
    # Arrow holds UTF-8, which has no form for a lone surrogate.
    return text.encode("utf-8", "replace").decode()
