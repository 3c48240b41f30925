"""Numbered lists and examples in a row: how they are written for a model, and read again."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from datakit.record import Record

__all__ = [
    "FIELDS",
    "examples_of",
    "list_shared",
    "list_whole",
    "numbered",
    "read_numbered",
    "read_shared",
    "read_whole",
]

FIELDS = ("instruction", "input", "output")

_ITEM = re.compile(r"(?:^|\n)\s*(?:Task\s+)?(\d+)\s*[.):]\s+")


def numbered(texts: Sequence[str]) -> str:
    """Returns instructions as a list from 1, each in one line without a colon at its end."""
    lines = (re.sub(r"\s+", " ", text).strip().rstrip(":") for text in texts)
    return "\n".join(f"{at}. {line}" for at, line in enumerate(lines, 1))


def read_numbered(text: str, first: int, *, cut: bool = False) -> list[str]:
    """Reads the items of a numbered list.

    Args:
        text: What a model wrote after a list that ended before `first`.
        first: Number of the first new item, which may stand before it or not.
        cut: Whether the text was cut off: its last item is not whole then, and is left out.
    """
    marks = list(_ITEM.finditer(text))
    starts = [mark for mark in marks if int(mark[1]) >= first] or marks
    parts: list[str] = []
    if not starts or (starts[0].start() > 0 and int(starts[0][1]) > first):
        # A base model goes on right after the number.
        parts.append(text[: starts[0].start()] if starts else text)
    for at, mark in enumerate(starts):
        end = starts[at + 1].start() if at + 1 < len(starts) else len(text)
        parts.append(text[mark.end() : end])
    found = [re.sub(r"\s+", " ", part).strip() for part in parts]
    return [each for each in (found[:-1] if cut else found) if each]


def examples_of(text: str) -> list[Any]:
    """Reads the items of `{"examples": [...]}`, those before the cut if it was cut short."""
    found = re.search(r'"examples"\s*:\s*\[', text) or re.search(r"\[", text)
    decoder, items = json.JSONDecoder(), []
    at = found.end() if found else 0
    while found and (start := text.find("{", at)) >= 0:
        try:
            item, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            break
        items.append(item)
    return items


def list_shared(shown: Sequence[Record]) -> str:
    """Returns questions and answers about one input, for a base model to go on with."""
    # What changes least comes first, so that servers find the beginning in their prompt cache.
    parts = [shown[0].input, ""]
    for number, record in enumerate(shown, 1):
        parts += [f"Question {number}: {record.instruction}", f"Answer {number}: {record.output}"]
        parts.append("")
    return "\n".join([*parts, f"Question {len(shown) + 1}:"])


def list_whole(shown: Sequence[Record]) -> str:
    """Returns whole examples, for a base model to go on with."""
    parts = []
    for number, record in enumerate(shown, 1):
        given = [f"Input: {record.input}"] if record.input else []
        parts += [f"Example {number}", f"Instruction: {record.instruction}", *given]
        parts += [f"Output: {record.output}", ""]
    return "\n".join([*parts, f"Example {len(shown) + 1}", "Instruction:"])


def read_shared(text: str, number: int) -> dict[str, str] | None:
    """Reads what a base model wrote after `list_shared`; None if there is no answer."""
    question, mark, answer = text.partition(f"\nAnswer {number}:")
    return {"instruction": question.strip(), "output": answer.strip()} if mark else None


def read_whole(text: str) -> dict[str, str] | None:
    """Reads what a base model wrote after `list_whole`; None if there is no output."""
    question, mark, answer = text.partition("\nOutput:")
    instruction, _, given = question.partition("\nInput:")
    fields = {"instruction": instruction, "input": given, "output": answer}
    return {key: value.strip() for key, value in fields.items()} if mark else None
