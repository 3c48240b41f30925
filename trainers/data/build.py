"""Records as adapters build them: from turns, with what is wrong with their texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datakit.record import Record
from datakit.shapes import dialogue
from trainers.examples import Message, Refused

__all__ = ["Built", "chat", "pair", "turn"]

Built = tuple[str, Record | Refused]


def turn(role: str, text: str) -> Message:
    """Returns a message."""
    return {"role": role, "content": text}


def chat(
    where: str,
    prompt: Sequence[Message],
    answer: str,
    id: str = "",
    **more: Any,  # noqa: ANN401  any JSON value
) -> Built:
    """Returns a record of a chat, or why it is none.

    Args:
        where: The row's file and line.
        prompt: Turns; the last is the user's.
        answer: The assistant's answer.
        id: The record's id, if the set has one.
        **more: `meta`, and keys of the record.
    """
    if not all(each["content"].strip() for each in prompt):
        return where, Refused(id or where, "empty_prompt", "a turn before the answer is empty.")
    if not answer.strip():
        return where, Refused(id or where, "empty_output", "there is no answer.")
    meta = more.pop("meta", {})
    found = dialogue([*prompt, turn("assistant", answer)], where)
    return where, Record.from_json({**found, **more, "id": id, "meta": meta})


def pair(
    where: str,
    prompt: Sequence[Message],
    answers: tuple[str, str],
    id: str = "",
    **more: Any,  # noqa: ANN401  any JSON value
) -> Built:
    """Returns a record of a preference pair, or why it is none; arguments as for `chat`.

    Args:
        where: The row's file and line.
        prompt: Turns; the last is the user's.
        answers: The better answer and the worse one.
        id: The record's id, if the set has one.
        **more: `meta`, and keys of the record.
    """
    chosen, rejected = answers
    if not rejected.strip():
        return where, Refused(id or where, "empty_rejected", "the rejected answer is empty.")
    if chosen.strip() == rejected.strip():
        return where, Refused(id or where, "rejected_is_chosen", "both answers are the same text.")
    return chat(where, prompt, chosen, id, **more, rejected=rejected)
