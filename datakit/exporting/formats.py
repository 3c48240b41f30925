"""The forms of a record that trainers read.

Field names are those of TRL's dataset formats (https://huggingface.co/docs/trl/dataset_formats),
of LLaMA-Factory's data/README.md and of Axolotl's dataset formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from datakit.exchange import Message, UnfitError, exchange
from datakit.record import Record

__all__ = ["FORMATS", "Format", "Row"]

Row = dict[str, Any]
_SPEAKERS = {"user": "human", "assistant": "gpt"}


@dataclass(frozen=True)
class Format:
    """A form of a dataset.

    Args:
        summary: What it is, in a few words.
        rows: Gives the rows of a record; raises `UnfitError` if it has none.
        kind: How a file of it is written: `json`, `jsonl` or `parquet`.
        folder: Whether it is a folder with files beside the data.
    """

    summary: str
    rows: Callable[[Record], Iterator[Row]]
    kind: Literal["json", "jsonl", "parquet"] = "jsonl"
    folder: bool = False


def _whole(record: Record) -> Iterator[Row]:
    yield record.to_json()


def _alpaca(record: Record) -> Iterator[Row]:
    said, answer = exchange(record)
    system, turns = _apart(said)
    row: Row = {"instruction": record.instruction, "input": record.input, "output": answer}
    if record.extra.get("messages") is not None or not record.instruction:
        row |= {"instruction": turns[-1]["content"], "input": ""}
    if system:
        row["system"] = system
    if len(turns) > 1:
        asked, answered = turns[:-1:2], turns[1::2]
        row["history"] = [
            [one["content"], other["content"]] for one, other in zip(asked, answered, strict=True)
        ]
    yield row


def _messages(record: Record) -> Iterator[Row]:
    said, answer = exchange(record)
    yield {"messages": [*said, _assistant(answer)], **_tools(record)}


def _sharegpt(record: Record) -> Iterator[Row]:
    said, answer = exchange(record)
    system, turns = _apart(said)
    spoken = [*turns, _assistant(answer)]
    row: Row = {
        "conversations": [
            {"from": _SPEAKERS[each["role"]], "value": each["content"]} for each in spoken
        ]
    }
    yield row | ({"system": system} if system else {})


def _prompt_completion(record: Record) -> Iterator[Row]:
    said, answer = exchange(record)
    yield {"prompt": list(said), "completion": [_assistant(answer)]}


def _preference(record: Record) -> Iterator[Row]:
    said, answer = exchange(record)
    rejected = _rejected(record)
    if rejected is None:
        raise UnfitError("no_rejected", "it has no rejected answer.")
    yield {
        "prompt": list(said),
        "chosen": [_assistant(answer)],
        "rejected": [_assistant(rejected)],
    }


def _kto(record: Record) -> Iterator[Row]:
    said, answer = exchange(record)
    rejected, label = _rejected(record), record.extra.get("label")
    if rejected is None and not isinstance(label, bool):
        raise UnfitError(
            "no_label", "it has neither a label, true or false, nor a rejected answer."
        )
    good = label if isinstance(label, bool) else True
    yield {"prompt": list(said), "completion": [_assistant(answer)], "label": good}
    if rejected is not None:
        yield {"prompt": list(said), "completion": [_assistant(rejected)], "label": False}


def _apart(said: tuple[Message, ...]) -> tuple[str, tuple[Message, ...]]:
    """Returns the system prompt, empty if there is none, and the turns."""
    if said[0]["role"] == "system":
        return said[0]["content"], said[1:]
    return "", said


def _assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _rejected(record: Record) -> str | None:
    text = record.extra.get("rejected")
    return text if isinstance(text, str) and text.strip() else None


def _tools(record: Record) -> Row:
    tools = record.extra.get("tools")
    return {"tools": tools} if tools is not None else {}


FORMATS: Mapping[str, Format] = {
    "alpaca": Format("{instruction, input, output}, a JSON list", _alpaca, "json"),
    "messages": Format("{messages: [{role, content}]}: TRL, OpenAI, most others", _messages),
    "sharegpt": Format("{conversations: [{from, value}]}", _sharegpt),
    "prompt-completion": Format("{prompt, completion}: TRL, conversational", _prompt_completion),
    "preference": Format("{prompt, chosen, rejected}: DPO in TRL", _preference),
    "kto": Format("{prompt, completion, label}: KTO in TRL", _kto),
    "parquet": Format("records with all their fields", _whole, "parquet"),
    "hf": Format("a folder for datasets.load_dataset, with its card", _whole, "parquet", True),
    "llama-factory": Format("a folder with dataset_info.json", _alpaca, "json", True),
    "axolotl": Format("a folder with the lines for its YAML", _messages, "jsonl", True),
}
"""All forms by name."""
