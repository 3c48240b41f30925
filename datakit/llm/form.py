"""The form of an answer that a user has given by a JSON Schema, and how records come out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from datakit.conform import check_schema, held, mismatch
from datakit.llm.answers import read_json
from datakit.strict import kind_of, parse

__all__ = ["Form", "Item", "form_of", "strict_object"]

# Keys of a record's line that no key of an answer may take the place of.
_RESERVED = ("instruction", "input", "output", "id", "meta", "dropped")


def strict_object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the schema of an object that has all these keys and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


@dataclass(frozen=True)
class Item:
    """One object of an answer.

    Args:
        value: As it came.
        texts: Our fields that it has.
        more: Its other keys.
        wrong: Why it cannot be used; None if it can.
    """

    value: Any
    texts: Mapping[str, str]
    more: Mapping[str, Any]
    wrong: str | None = None


@dataclass(frozen=True)
class Form:
    """What the objects of an answer look like.

    Args:
        item: The schema of one.
        keys: For each of our fields its key there.
        many: Whether the answer is `{"items": [...]}` with any number of them.
    """

    item: Mapping[str, Any]
    keys: Mapping[str, str]
    many: bool = False

    def problem(self) -> str | None:
        """Returns what about the schema does not suit records."""
        properties = self.item.get("properties")
        if self.item.get("type") != "object" or not properties:
            return "must be of an object with properties; for a list of them, set many: true"
        for name, inner in properties.items():
            if name in self.keys.values() and inner.get("type", "string") != "string":
                return f"properties.{name}.type: must be string, as the field is a text"
            if name in _RESERVED and name not in self.keys.values():
                return f'properties.{name}: "{name}" is a key of every record; call it otherwise'
        return None

    def sent(self) -> dict[str, Any]:
        """Returns the schema that a teacher is held to.

        Raises:
            ValueError: If it is not strict.
        """
        item = held(self.item)
        return strict_object({"items": {"type": "array", "items": item}}) if self.many else item

    def read(self, text: str) -> list[Item]:
        """Reads an answer.

        Raises:
            ValueError: If nothing in it can be used.
        """
        value = read_json(text)
        if not self.many:
            found = [self._item(value)]
        elif wrong := mismatch(value, strict_object({"items": {"type": "array"}})):
            raise ValueError(wrong)
        else:
            found = [self._item(each, f"items.{at}") for at, each in enumerate(value["items"])]
        if found and all(each.wrong for each in found):
            raise ValueError(found[0].wrong)
        return found

    def _item(self, value: Any, at: str = "") -> Item:  # noqa: ANN401
        if wrong := mismatch(value, self.item, at):
            return Item(value, {}, {}, wrong)
        texts = {ours: value[key] for ours, key in self.keys.items() if key in value}
        more = {key: each for key, each in value.items() if key not in self.keys.values()}
        for ours, text in texts.items():
            if not isinstance(text, str):
                return Item(value, {}, {}, f"{self.keys[ours]} is {kind_of(text)}, not a text")
        for key in more:
            if key in _RESERVED:
                return Item(value, {}, {}, f'"{key}" is a key of every record')
        return Item(value, {ours: text.strip() for ours, text in texts.items()}, more)


@lru_cache(maxsize=64)
def form_of(schema: str | None, where: str, names: tuple[tuple[str, str], ...], many: bool) -> Form:
    """Builds a form.

    Args:
        schema: The JSON of one object's schema; None: our fields, all of them texts.
        where: What messages begin with: the schema's file.
        names: The key of the answer for each of our fields.
        many: As for `Form`.

    Raises:
        ValueError: Says what is wrong with the schema.
    """
    keys = dict(names)
    if schema is None:
        return Form(strict_object({key: {"type": "string"} for key in keys.values()}), keys, many)
    item = parse(schema, where, one_line=False)
    try:
        check_schema(item)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    form = Form(item, keys, many)
    if wrong := form.problem():
        raise ValueError(f"{where}: {wrong}")
    return form
