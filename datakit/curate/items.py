"""What is rated: pairs of outputs, their order and sides drawn once, and kept in one file.

The file's first line is a header: the names of both sides' makers, and the key of what the outputs
were made from. Each further line is a pair: `outputs` in the order of the names, and `left`, the
place in it of the output that stands left. Nothing of the header ever goes to the page before all
is rated, nor does `left`.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datakit.errors import InputError, RecordError
from datakit.record import digest
from datakit.strict import parse_object

__all__ = ["Message", "Pair", "Pairs", "dump", "make_pairs", "read_pairs", "write_pairs"]

Message = Mapping[str, str]

_FORMAT = "datakit.pairs"
_SCHEMA = 1


@dataclass(frozen=True)
class Pair:
    """Two outputs to one prompt.

    Args:
        id: Hash of prompt and outputs, so that an answer cannot be taken for that to other texts.
        prompt: The messages that both outputs answer.
        outputs: The texts, in the order of the names.
        left: Place in `outputs` of the one that stands left, 0 or 1.
    """

    id: str
    prompt: tuple[Message, ...]
    outputs: tuple[str, str]
    left: int

    @property
    def same(self) -> bool:
        """Whether there is nothing to choose between."""
        return self.outputs[0] == self.outputs[1]

    def winner(self, choice: str) -> int | None:
        """Returns the place in `outputs` that `left` or `right` chose; None for other choices."""
        if choice == "left":
            return self.left
        return 1 - self.left if choice == "right" else None


@dataclass(frozen=True)
class Pairs:
    """Pairs in the order in which they are shown.

    Args:
        names: What made the outputs.
        items: The pairs.
        key: What the outputs were made from, as a JSON value.
    """

    names: tuple[str, str]
    items: tuple[Pair, ...]
    key: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> tuple[Pair, ...]:
        """The pairs that need a person: their outputs differ."""
        return tuple(pair for pair in self.items if not pair.same)


def make_pairs(
    prompts: Sequence[Sequence[Message]],
    first: Sequence[str],
    second: Sequence[str],
    *,
    names: tuple[str, str],
    seed: int,
    key: Mapping[str, Any] | None = None,
) -> Pairs:
    """Shuffles order and sides.

    Sides are balanced over the pairs that are shown: the first maker stands left in half of them
    (one more or less if their number is odd), so that a habit of choosing one side favours nobody.

    Args:
        prompts: What was asked, as messages.
        first: The first maker's outputs, one for each prompt.
        second: The second maker's outputs.
        names: The makers.
        seed: Decides order and sides, alone: the same seed gives the same pairs.
        key: What the outputs were made from.
    """
    chance = random.Random(f"datakit.pairs/{seed}")
    counts: dict[str, int] = {}
    drafts: list[Pair] = []
    for prompt, *outputs in zip(prompts, first, second, strict=True):
        messages = tuple({"role": each["role"], "content": each["content"]} for each in prompt)
        content = digest(["pair", messages, outputs])
        counts[content] = counts.get(content, 0) + 1
        name = digest(["pair", content, counts[content]])
        drafts.append(Pair(name, messages, (outputs[0], outputs[1]), 0))
    chance.shuffle(drafts)
    differ = sum(not pair.same for pair in drafts)
    start = chance.randrange(2)
    sides = [(start + at) % 2 for at in range(differ)]
    chance.shuffle(sides)
    items = [
        pair if pair.same else Pair(pair.id, pair.prompt, pair.outputs, sides.pop())
        for pair in drafts
    ]
    return Pairs(names, tuple(items), key or {})


def dump(row: Mapping[str, Any]) -> bytes:
    """Returns a JSON line in UTF-8; half characters, which have no UTF-8 form, as escapes."""
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(row, allow_nan=False).encode() + b"\n"


def write_pairs(path: Path, pairs: Pairs) -> None:
    """Writes the pairs, whole or not at all.

    Raises:
        InputError: If the file cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    head = {"format": _FORMAT, "schema": _SCHEMA, "names": list(pairs.names), "key": pairs.key}
    try:
        with open(draft, "wb") as file:
            file.write(dump(head))
            for pair in pairs.items:
                file.write(
                    dump(
                        {
                            "id": pair.id,
                            "prompt": list(pair.prompt),
                            "outputs": list(pair.outputs),
                            "left": pair.left,
                        }
                    )
                )
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}.") from None
    finally:
        draft.unlink(missing_ok=True)


def read_pairs(path: Path) -> Pairs:
    """Reads what `write_pairs` wrote.

    Raises:
        InputError: If the file cannot be read.
        RecordError: If a line is not as `write_pairs` writes it; names file and line.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from None
    head = parse_object(lines[0], f"{path}:1") if lines else {}
    if head.get("format") != _FORMAT or head.get("schema") != _SCHEMA:
        raise RecordError(f'{path}:1: is not a file of pairs: no "format": "{_FORMAT}".')
    items = tuple(_read(lines[1:], path))
    if not _is_texts(head.get("names")) or not isinstance(head.get("key"), dict):
        raise RecordError(f'{path}:1: "names" must be two texts and "key" an object.')
    first, second = head["names"]
    return Pairs((first, second), items, head["key"])


def _read(lines: Sequence[bytes], path: Path) -> Iterator[Pair]:
    for number, line in enumerate(lines, 2):
        where = f"{path}:{number}"
        row = parse_object(line, where)
        prompt, left = row.get("prompt"), row.get("left")
        messages = isinstance(prompt, list) and all(map(_is_message, prompt))
        named = isinstance(row.get("id"), str) and type(left) is int and left in (0, 1)
        if not (messages and named and _is_texts(row.get("outputs"))):
            raise RecordError(f"{where}: is not a pair with id, prompt, outputs and left.")
        first, second = row["outputs"]
        yield Pair(row["id"], tuple(row["prompt"]), (first, second), row["left"])


def _is_message(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    return isinstance(value.get("role"), str) and isinstance(value.get("content"), str)


def _is_texts(value: object) -> bool:
    texts = isinstance(value, list) and len(value) == 2
    return texts and all(isinstance(each, str) for each in value)  # type: ignore[attr-defined]
