r"""hh-rlhf: two transcripts, `\n\nHuman: ...\n\nAssistant: ...`, which differ in their last answer.

A few rows differ before it, or have two answers in a row; they are refused: which answer is the
worse reply to which question is not clear there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from datakit.rows import Row
from trainers.data.build import Built, pair, turn
from trainers.examples import Message, Refused

__all__ = ["pairs", "transcript"]

_TURN = re.compile(r"(?:\A|\n\n)(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def pairs(rows: Iterable[Row]) -> Iterator[Built]:
    """Yields a pair for each row; turns are stripped of outer white space."""
    for where, row in rows:
        yield _pair(where, transcript(row["chosen"]), transcript(row["rejected"]))


def _pair(where: str, chosen: list[Message], rejected: list[Message]) -> Built:
    for side, said in (("chosen", chosen), ("rejected", rejected)):
        roles = [each["role"] for each in said]
        if not said or roles != ["user", "assistant"] * (len(said) // 2):
            text = f'"{side}" is no transcript of Human, Assistant, Human and so on, to an answer.'
            return where, Refused(where, "turns_do_not_alternate", text)
    if chosen[:-1] != rejected[:-1]:
        text = "the transcripts differ before their last answers."
        return where, Refused(where, "prompts_differ", text)
    return pair(where, chosen[:-1], (chosen[-1]["content"], rejected[-1]["content"]))


def transcript(text: str) -> list[Message]:
    """Returns the turns of a transcript; none if it does not begin with one."""
    head, *rest = _TURN.split(text)
    if head.strip():
        return []
    return [
        turn(_ROLES[name], said.strip()) for name, said in zip(rest[::2], rest[1::2], strict=True)
    ]
