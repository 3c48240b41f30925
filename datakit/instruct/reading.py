"""Answers of a teacher as records, or as the reason why there is none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from datakit.instruct.lists import FIELDS
from datakit.llm.answers import read_json
from datakit.llm.request import Sample
from datakit.outcome import Drop, Rejected
from datakit.record import Record

__all__ = ["instances_of", "record_of", "texts_of"]


def instances_of(text: str) -> list[tuple[str, str]]:
    """Reads instances, as (input, output).

    Raises:
        ValueError: If that is not what the text holds.
    """
    value = read_json(text)
    listed = value.get("instances") if isinstance(value, dict) else value
    if not isinstance(listed, list) or not listed:
        raise ValueError('there is no list "instances"')
    found = [texts_of({"instruction": "", **item}) for item in listed if isinstance(item, dict)]
    whole = [(each["input"], each["output"]) for each in found if each]
    if len(whole) < len(listed):
        raise ValueError("an instance is no input and output")
    return whole


def texts_of(item: Any) -> dict[str, str] | None:  # noqa: ANN401
    """Returns instruction, input and output of an object; None if one of them is no text."""
    fields = {key: item.get(key, "") for key in FIELDS}
    if not all(isinstance(value, str) for value in fields.values()):
        return None
    return {key: value.strip() for key, value in fields.items()}


def record_of(
    shown: Sequence[Record], sample: Sample, fields: dict[str, str] | None, item: object = None
) -> Record | Rejected:
    """Returns what a teacher made, or why it is none.

    Args:
        shown: The records that led to it.
        sample: The answer.
        fields: Instruction, input and output; None if they cannot be read.
        item: The part of the answer that they were read from; None is all of it.
    """
    raw = Record.from_parents(
        shown, instruction="", output=sample.text if item is None else json.dumps(item)
    )
    if sample.finish == "refused":
        return Rejected(raw, Drop("refused"))
    if sample.finish == "length":
        return Rejected(raw, Drop("cut_short", chars=len(sample.text)))
    if fields is None:
        return Rejected(raw, Drop("unparsable"))
    record = Record.from_parents(shown, **fields)
    if not record.instruction or not record.output:
        missing = "output" if record.instruction else "instruction"
        return Rejected(record, Drop("incomplete", missing=missing))
    return record
