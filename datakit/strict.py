"""Strict JSON: unique keys, finite numbers, UTF-8; every mistake names its place."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from datakit.errors import RecordError

__all__ = ["decode", "kind_of", "parse", "parse_object"]


def decode(raw: bytes, where: str) -> str:
    """Returns UTF-8 as text.

    Raises:
        RecordError: Begins with `where`.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise RecordError(
            f"{where}: not UTF-8 (byte 0x{raw[error.start]:02x} at byte {error.start + 1}). "
            "Save the file as UTF-8."
        ) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {json.dumps(key)} is there twice")
            seen.add(key)
    return row


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"a number has {len(text)} digits; that is too many") from None


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:20]} is too large")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_constant=_constant,
    parse_float=_number,
    parse_int=_integer,
)
# What `json` says, and what it means to the one who has to mend the line.
_HINTS = {
    "Extra data": "more follows after the record. Is a newline missing?",
    "Expecting property name enclosed in double quotes": "a key in double quotes is expected here",
    "Invalid control character at": "a line break or tab in a text must be written as \\n or \\t",
}


def parse(text: str, where: str, *, one_line: bool = True) -> Any:  # noqa: ANN401  any JSON value
    """Parses any JSON value; keys must be unique and numbers finite.

    Args:
        text: The JSON.
        where: What messages begin with.
        one_line: Whether `where` names the line already.

    Raises:
        RecordError: Begins with `where`.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        at = f"{where}:{error.colno}" if one_line else f"{where}:{error.lineno}:{error.colno}"
        why = _HINTS.get(error.msg, error.msg[:1].lower() + error.msg[1:])
        raise RecordError(f"{at}: not JSON: {why.rstrip('.')}.") from None
    except ValueError as error:
        raise RecordError(f"{where}: {error}.") from None
    except RecursionError:
        raise RecordError(f"{where}: nested too deeply.") from None


def parse_object(raw: bytes | str, where: str) -> dict[str, Any]:
    """Parses one JSON object; its keys must be unique and its numbers finite.

    Raises:
        RecordError: Begins with `where`.
    """
    value = parse(decode(raw, where) if isinstance(raw, bytes) else raw, where)
    if not isinstance(value, dict):
        raise RecordError(f"{where}: a record is an object {{...}}, not {kind_of(value)}.")
    return value


def kind_of(value: object) -> str:
    """Names what a JSON value is, for messages."""
    names = {str: "a text", bool: "true or false", int: "a number", float: "a number"}
    names |= {list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), type(value).__name__)
