"""Shapes of lines that other tools write: chats and preferences, read as records.

A line that has our own fields is not looked at. For another, the first row of the table `SHAPES`
whose keys it has says how its instruction, output, system and rejected are found. What the line
has stays in it, so that it survives the round trip; only where one of our fields has another type
there (a `rejected` that is a message), or another text than the answer that the shape names (an
`output` beside `chosen`), that value moves to `NAME_before`.

    {"messages": [...]}, {"conversations": [{"from", "value"}]}      chats, ShareGPT
    {"prompt", "chosen", "rejected"}, {"chosen": [...], ...}         TRL, as texts or messages
    {"conversations", "chosen": {...}, "rejected": {...}}            LLaMA-Factory
    {"question", "chosen", "rejected", "system"}                     orca_dpo_pairs
    {"input": {"messages"}, "preferred_output", ...}                 OpenAI
    {"prompt", "completion", "label"}                                TRL (also KTO, with a label)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datakit.strict import kind_of

__all__ = ["ROLES", "SHAPES", "Shape", "ShapeError", "dialogue", "likely", "shaped", "turns"]

Row = Mapping[str, Any]
Turn = dict[str, Any]
Fields = dict[str, Any]
Reader = Callable[[Row], Fields]

# How other tools call the roles; any other name (tool, function_call) stays as it is.
ROLES = {"human": "user", "prompter": "user", "gpt": "assistant", "chatgpt": "assistant"}
_OURS = ("instruction", "input", "output", "system", "rejected")
# Names that others give to our fields, the surest first. They are only proposed: what they hold is
# not certain enough to take it for a question or an answer.
_LIKELY = {
    "instruction": ("question", "prompt", "query", "problem", "task", "user", "input"),
    "output": ("answer", "response", "completion", "solution", "reply", "target", "assistant"),
}


class ShapeError(ValueError):
    """A line has the keys of a shape, but not its values; the text names the key."""


@dataclass(frozen=True)
class Shape:
    """A row of the table.

    Args:
        keys: Keys that a line of this shape has; null does not count.
        read: Line -> our fields.
        lacks: The field of ours whose absence makes the line need a shape.
        own: Whether a text of ours beside it comes before what the shape finds. Where keys name
            the answers, it does not: the line says itself what is preferred.
    """

    keys: tuple[str, ...]
    read: Reader
    lacks: str = "instruction"
    own: bool = False

    def fits(self, row: Row) -> bool:
        """Returns whether a line has this shape's keys, and needs it."""
        return row.get(self.lacks) is None and all(row.get(key) is not None for key in self.keys)


def shaped(row: dict[str, Any], named: Collection[str] = ()) -> dict[str, Any]:
    """Returns a line with our fields, if it has one of the shapes; else the line itself.

    Args:
        row: A line.
        named: Fields of ours that the user named a key for; they come first in any shape.

    Raises:
        ShapeError: If a value is not what its shape has.
    """
    shape = next((each for each in SHAPES if each.fits(row)), None)
    if shape is None:
        return row
    found = shape.read(row)
    if not found:
        return row
    own = {
        key: row[key]
        for key in _OURS
        if isinstance(row.get(key), str) and row[key].strip()
        if shape.own or key in named or key not in found
    }
    # A list of messages under that name is the user's; what we made of a prompt is not.
    if row.get("messages") is not None:
        found.pop("messages", None)
    taken = {**found, **own}
    moved = {
        f"{key}_before" if _gives_way(key, value, taken) else key: value
        for key, value in row.items()
    }
    return {**moved, **taken}


def _gives_way(key: str, value: object, taken: Fields) -> bool:
    """Returns whether a value stands where one of our fields has another."""
    if key not in _OURS or value is None:
        return False
    return not isinstance(value, str) or (value != "" and taken.get(key, value) != value)


def likely(row: Row, lacking: Collection[str] = tuple(_LIKELY)) -> dict[str, str]:
    """Returns our fields to the keys of a line that probably hold them, as `--fields` takes them.

    Args:
        row: A line.
        lacking: The fields that it does not have: `instruction`, `output`.
    """
    texts = (key for key, value in row.items() if isinstance(value, str) and value.strip())
    names = {key.casefold(): key for key in texts}
    found = {
        ours: next((names[each] for each in _LIKELY[ours] if each in names), "") for ours in lacking
    }
    return {ours: theirs for ours, theirs in found.items() if theirs}


def turns(value: object, key: str) -> list[Turn]:
    """Returns messages as `{"role", "content"}`, whichever names they use.

    Args:
        value: A list of `{"role", "content"}` or of `{"from", "value"}`; content may be null.
        key: The name of the list, for mistakes.

    Raises:
        ShapeError: Names the message and its key.
    """
    if not isinstance(value, list):
        raise ShapeError(f'"{key}" must be a list of messages, not {kind_of(value)}.')
    return [_turn(each, f"{key}[{at}]") for at, each in enumerate(value)]


def _turn(value: object, key: str) -> Turn:
    if not isinstance(value, dict):
        raise ShapeError(f'"{key}" must be an object, not {kind_of(value)}.')
    names = ("from", "value") if "from" in value else ("role", "content")
    role, content = (value.get(name) for name in names)
    if not isinstance(role, str):
        raise ShapeError(f'"{key}.{names[0]}" must be a text, not {kind_of(role)}.')
    # A turn that only calls a tool has no content.
    if not isinstance(content, str | None):
        raise ShapeError(f'"{key}.{names[1]}" must be a text, not {kind_of(content)}.')
    return {"role": ROLES.get(role, role), "content": content}


def dialogue(said: Sequence[Turn], key: str) -> Fields:
    """Returns the fields of a chat: its last question, its system text, and how it ends.

    The output is the answer that ends the chat; a chat that ends in a question has none.
    `messages` are there only if instruction, output and system do not tell the whole chat.

    Raises:
        ShapeError: If nobody asks anything in it.
    """
    asked = [at for at, each in enumerate(said) if each["role"] == "user" and each["content"]]
    if not asked:
        raise ShapeError(f'"{key}" has no turn of a user with a text.')
    found: Fields = {"instruction": said[asked[-1]]["content"]}
    if said[-1]["role"] == "assistant" and said[-1]["content"]:
        found["output"] = said[-1]["content"]
    if said[0]["role"] == "system" and said[0]["content"]:
        found["system"] = said[0]["content"]
    if len(said) != len(found):
        found["messages"] = list(said)
    return found


def _chat(key: str) -> Reader:
    return lambda row: dialogue(turns(row[key], key), key)


def _answer(value: object, key: str) -> str:
    """Returns a text, or that of the one answer in a message or a list of messages."""
    if isinstance(value, str):
        return value
    said = turns(value, key) if isinstance(value, list) else [_turn(value, key)]
    if not said or said[-1]["role"] != "assistant" or not isinstance(said[-1]["content"], str):
        raise ShapeError(f'"{key}" must be a text, or end with an answer of the assistant.')
    return str(said[-1]["content"])


def _preference(ask: str, good: str = "chosen", bad: str = "rejected") -> Reader:
    """Builds the reader of a prompt under one key and two answers under two others."""

    def read(row: Row) -> Fields:
        before = _before(row, good, bad)
        return _pair(row, before or _asked(row[ask], ask), good, bad)

    return read


def _implicit(row: Row) -> Fields:
    before = _before(row, "chosen", "rejected")
    if not before:
        text = '"prompt" is missing, and "chosen" is no list of messages that begins with it.'
        raise ShapeError(text)
    return _pair(row, before, "chosen", "rejected")


def _pair(row: Row, asked: list[Turn], good: str, bad: str) -> Fields:
    output = _answer(row[good], good)
    found = dialogue([*asked, {"role": "assistant", "content": output}], good)
    return {**found, "output": output, "rejected": _answer(row[bad], bad)}


def _before(row: Row, good: str, bad: str) -> list[Turn]:
    """Returns the turns before the answers, if whole chats stand where answers are expected."""
    before = [turns(row[key], key)[:-1] for key in (good, bad) if isinstance(row[key], list)]
    if len(before) == 2 and before[0] != before[1]:
        raise ShapeError(f'"{good}" and "{bad}" differ before their last answers.')
    return before[0] if before else []


def _asked(prompt: object, key: str) -> list[Turn]:
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    if isinstance(prompt, list):
        return turns(prompt, key)
    raise ShapeError(f'"{key}" must be a text or a list of messages, not {kind_of(prompt)}.')


def _completion(row: Row) -> Fields:
    answer = row["completion"]
    said = turns(answer, "completion") if isinstance(answer, list) else []
    output = _answer(answer, "completion")
    said = said or [{"role": "assistant", "content": output}]
    return {**dialogue([*_asked(row["prompt"], "prompt"), *said], "prompt"), "output": output}


def _answers(row: Row) -> Fields:
    # Numbers under these names, with an instruction beside them, may be anything: votes.
    if any(not isinstance(row[key], str | dict | list) for key in ("chosen", "rejected")):
        return {}
    return {
        "output": _answer(row["chosen"], "chosen"),
        "rejected": _answer(row["rejected"], "rejected"),
    }


def _openai(row: Row) -> Fields:
    inner = row["input"]
    if not isinstance(inner, dict) or inner.get("messages") is None:
        raise ShapeError('"input.messages" is missing.')
    flat = {**row, "input.messages": inner["messages"]}
    return _preference("input.messages", "preferred_output", "non_preferred_output")(flat)


# The first that fits is taken, so those with more keys come first.
SHAPES = (
    Shape(("input", "preferred_output", "non_preferred_output"), _openai),
    Shape(("conversations", "chosen", "rejected"), _preference("conversations")),
    Shape(("prompt", "chosen", "rejected"), _preference("prompt")),
    Shape(("question", "chosen", "rejected"), _preference("question")),
    Shape(("messages", "chosen", "rejected"), _preference("messages")),
    Shape(("instruction", "chosen", "rejected"), _answers, lacks="output"),
    Shape(("prompt", "completion"), _completion),
    Shape(("messages",), _chat("messages"), own=True),
    Shape(("conversations",), _chat("conversations"), own=True),
    Shape(("chosen", "rejected"), _implicit),
)
