"""The record: one sample of a dataset, and one JSON line on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

__all__ = ["Record", "canonical", "digest"]

_CORE = ("instruction", "input", "output", "id", "meta")
_CONTENT_EXTRAS = ("system", "rejected", "label", "messages", "tools")


def canonical(value: object) -> bytes:
    """Returns the one JSON text of a value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode()


def digest(value: object, size: int = 8) -> str:
    """Returns the BLAKE2b hash of a JSON value as `2 * size` hex digits."""
    return hashlib.blake2b(canonical(value), digest_size=size).hexdigest()


@dataclass(frozen=True, slots=True)
class Record:
    """One sample. Steps never change a record; they return a new one.

    Args:
        instruction: What is asked.
        input: What the question is about; may be empty.
        output: The answer.
        id: Given by the engine; 16 hex digits for records that datakit made.
        meta: Where it comes from: `step`, `parents`, `model`, `prompt_hash`, `cost`, `scores`,
            `lang`, `source`, `license`, and any keys of the user's.
        extra: All other keys of the JSON line, in their order: `system`, `rejected`, `label`,
            `messages`, `tools`, and any keys of the user's.
    """

    instruction: str
    input: str = ""
    output: str = ""
    id: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """Instruction and input as one text: the side that a model is given."""
        return f"{self.instruction}\n{self.input}" if self.input else self.instruction

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of the records that this one was made from."""
        return tuple(self.meta.get("parents", ()))

    @property
    def scores(self) -> Mapping[str, Any]:
        """Values that `score` steps measured."""
        scores: Mapping[str, Any] = self.meta.get("scores", {})
        return scores

    @property
    def content_hash(self) -> str:
        """Hash of what a model would learn from; exact duplicates share it."""
        content: dict[str, Any] = {"i": self.instruction, "n": self.input, "o": self.output}
        content.update({k: self.extra[k] for k in _CONTENT_EXTRAS if k in self.extra})
        return digest(content)

    def replace(self, **changes: Any) -> Self:  # noqa: ANN401  any field
        """Returns a copy with some fields changed."""
        return replace(self, **changes)

    def with_meta(self, **changes: Any) -> Self:  # noqa: ANN401  any JSON value
        """Returns a copy with some keys of `meta` set."""
        return replace(self, meta={**self.meta, **changes})

    def annotated(self, values: Mapping[str, Any]) -> Self:
        """Returns a copy with measured values added to `meta.scores`.

        `lang` is a key of `meta` itself, as the contract of the files has it.
        """
        scores = {**self.scores, **{k: v for k, v in values.items() if k != "lang"}}
        changes: dict[str, Any] = {"scores": scores} if scores else {}
        if "lang" in values:
            changes["lang"] = values["lang"]
        return self.with_meta(**changes)

    def child(self, **changes: Any) -> Self:  # noqa: ANN401  any field
        """Returns a new record, still without an id, whose only parent is this one."""
        meta: dict[str, Any] = {"parents": [self.id]}
        meta.update({k: self.meta[k] for k in ("license",) if k in self.meta})
        return replace(self, **{"id": "", "meta": meta, **changes})

    @classmethod
    def from_parents(cls, parents: Iterable[Record], **fields: Any) -> Self:  # noqa: ANN401
        """Returns a new record, still without an id, that several others led to."""
        return cls(**fields, meta={"parents": [parent.id for parent in parents]})

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Builds a record from a parsed line whose core fields have the right types."""
        extra = {key: value for key, value in row.items() if key not in _CORE}
        return cls(
            instruction=row["instruction"],
            input=row.get("input", ""),
            output=row.get("output", ""),
            id=row.get("id", ""),
            meta=row.get("meta", {}),
            extra=extra,
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the line as a dictionary: content first, then the user's keys, `id`, `meta`."""
        return {
            "instruction": self.instruction,
            "input": self.input,
            "output": self.output,
            **self.extra,
            "id": self.id,
            "meta": dict(self.meta),
        }

    def to_line(self, **more: Any) -> bytes:  # noqa: ANN401  any JSON value
        """Returns the JSON line in UTF-8 with its newline; `more` adds keys at its end."""
        row = {**self.to_json(), **more}
        text = json.dumps(row, ensure_ascii=False, separators=(", ", ": "), allow_nan=False)
        try:
            return text.encode() + b"\n"
        except UnicodeEncodeError:
            # A lone surrogate has no UTF-8 form, but JSON can carry it as an escape.
            return json.dumps(row, separators=(", ", ": "), allow_nan=False).encode() + b"\n"
