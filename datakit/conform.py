"""Whether a JSON value fits a JSON Schema, for the usual part of that language.

It is the part that says what an answer looks like: types, keys, choices, items, lengths and
bounds. A schema with any other keyword is refused: it would promise what nobody checks.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from typing import Any

from datakit.errors import did_you_mean
from datakit.strict import kind_of

__all__ = ["check_schema", "held", "mismatch"]

Schema = Mapping[str, Any]

_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "string": ("a text", lambda value: isinstance(value, str)),
    "integer": ("a whole number", lambda value: _is_number(value) and value == int(value)),
    "number": ("a number", lambda value: _is_number(value)),
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "object": ("an object", lambda value: isinstance(value, dict)),
    "array": ("a list", lambda value: isinstance(value, list)),
    "null": ("null", lambda value: value is None),
}
_LENGTHS = ("minLength", "maxLength", "minItems", "maxItems")
_BOUNDS = {
    "minimum": (operator.ge, "at least"),
    "maximum": (operator.le, "at most"),
    "exclusiveMinimum": (operator.gt, "above"),
    "exclusiveMaximum": (operator.lt, "below"),
}
_WORDS = ("$schema", "$id", "$comment", "title", "description", "default", "examples")
_FORM = ("type", "enum", "properties", "required", "additionalProperties", "items")
# What a teacher is held to; the rest not every provider knows, and is checked in the answer.
_HELD = (*_FORM, "description")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_schema(schema: object, at: str = "") -> None:
    """Checks that a value is a schema that `mismatch` understands.

    Args:
        schema: The value.
        at: Where it stands, for messages.

    Raises:
        ValueError: Says where and what is wrong.
    """
    if not isinstance(schema, dict):
        raise ValueError(f"{at or 'the schema'} is {kind_of(schema)}, not an object")
    known = (*_FORM, *_LENGTHS, *_BOUNDS)
    for key, value in schema.items():
        if key not in known and key not in _WORDS:
            near = did_you_mean(key, known) or f"; there are {', '.join(known)}"
            raise ValueError(f"{_joined(at, key)}: this keyword is not supported{near}")
        if text := _wrong(key, value):
            raise ValueError(f"{_joined(at, key)}: {text}")
    properties = schema.get("properties", {})
    for name, inner in properties.items():
        check_schema(inner, _joined(at, f"properties.{name}"))
    if "items" in schema:
        check_schema(schema["items"], _joined(at, "items"))
    lost = [each for each in schema.get("required", ()) if each not in properties]
    if lost and schema.get("additionalProperties") is False:
        near = did_you_mean(lost[0], properties)
        raise ValueError(f'{_joined(at, "required")}: "{lost[0]}" is not in properties{near}')


def _wrong(key: str, value: Any) -> str | None:  # noqa: ANN401
    """Returns what is wrong with the value of a keyword."""
    if key == "type":
        names = value if isinstance(value, list) else [value]
        wrong = [each for each in names if not (isinstance(each, str) and each in _TYPES)]
        if wrong or not names:
            return f"must be of {', '.join(_TYPES)}"
    elif key == "enum" and not (isinstance(value, list) and value):
        return "must be a list of values"
    elif key == "required":
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            return "must be a list of keys"
    elif key == "properties" and not isinstance(value, dict):
        return "must be an object with a schema for each key"
    elif key == "additionalProperties" and not isinstance(value, bool):
        return "must be true or false"
    elif key in _LENGTHS and not (_TYPES["integer"][1](value) and value >= 0):
        return "must be a whole number of at least 0"
    elif key in _BOUNDS and not _is_number(value):
        return "must be a number"
    return None


def held(schema: Schema, at: str = "") -> dict[str, Any]:
    """Returns the form of a schema that a teacher can be held to: strict, and without bounds.

    Args:
        schema: A schema that `check_schema` has passed.
        at: Where it stands, for messages.

    Raises:
        ValueError: If an object may have other keys, or may lack some of its own.
    """
    found = {key: value for key, value in schema.items() if key in _HELD}
    kinds = found.get("type", [])
    if "properties" in found or kinds == "object" or "object" in kinds:
        properties = found.get("properties", {})
        if found.get("additionalProperties") is not False:
            raise ValueError(f"{_joined(at, 'additionalProperties')}: must be false")
        lacking = [name for name in properties if name not in found.get("required", ())]
        if lacking:
            raise ValueError(f'{_joined(at, "required")}: must have "{lacking[0]}" too')
        found["properties"] = {
            name: held(inner, _joined(at, f"properties.{name}"))
            for name, inner in properties.items()
        }
    if "items" in found:
        found["items"] = held(found["items"], _joined(at, "items"))
    return found


def mismatch(value: object, schema: Schema, at: str = "") -> str | None:
    """Returns in a few words why a value does not fit a schema, or None if it does.

    Args:
        value: Any JSON value.
        schema: A schema that `check_schema` has passed.
        at: Where the value stands, for the words.
    """
    where = at or "the answer"
    names = schema.get("type", [])
    names = names if isinstance(names, list) else [names]
    if names and not any(_TYPES[name][1](value) for name in names):
        return f"{where} is {_shown(value)}, not {' or '.join(_TYPES[name][0] for name in names)}"
    if "enum" in schema and not any(_same(value, each) for each in schema["enum"]):
        listed = ", ".join(json.dumps(each, ensure_ascii=False) for each in schema["enum"])
        return f"{where} is not one of {listed}"
    if isinstance(value, str):
        return _of_length(where, len(value), schema, "Length", "character")
    if isinstance(value, list):
        wrong = _of_length(where, len(value), schema, "Items", "item")
        inner = schema.get("items", {})
        each = (mismatch(item, inner, _joined(at, str(n))) for n, item in enumerate(value))
        return wrong or next(filter(None, each), None)
    if isinstance(value, dict):
        return _keys(where, value, schema, at)
    return _within(where, value, schema) if _is_number(value) else None


def _keys(where: str, value: dict[str, Any], schema: Schema, at: str) -> str | None:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            return f'{where} has no "{name}"{did_you_mean(name, value)}'
    for name, item in value.items():
        if name not in properties and schema.get("additionalProperties") is False:
            return f'{where} has a key "{name}" that it must not have'
        if wrong := mismatch(item, properties.get(name, {}), _joined(at, name)):
            return wrong
    return None


def _of_length(where: str, count: int, schema: Schema, of: str, unit: str) -> str | None:
    least, most = schema.get(f"min{of}", 0), schema.get(f"max{of}", count)
    if least <= count <= most:
        return None
    wanted = f"at least {least}" if count < least else f"at most {most}"
    return f"{where} has {count:,} {unit}{'' if count == 1 else 's'}, and must have {wanted}"


def _within(where: str, value: Any, schema: Schema) -> str | None:  # noqa: ANN401
    for key, (fits, words) in _BOUNDS.items():
        if key in schema and not fits(value, schema[key]):
            return f"{where} is {value}, and must be {words} {schema[key]}"
    return None


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401
    """Returns whether two JSON values are equal; true is not 1, but 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _shown(value: object) -> str:
    # A bool is told apart from a number, and 1.5 from a whole one.
    return f"{value}" if isinstance(value, float) else kind_of(value)


def _joined(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key
