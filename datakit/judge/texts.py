"""The prompts of a judge, and what of a record is put in them."""

from __future__ import annotations

from collections.abc import Mapping

from datakit.prompts import Prompts
from datakit.record import Record

__all__ = ["TEXTS", "question_of"]

TEXTS = Prompts(
    "judge",
    alpagasus={"question", "output"},
    deita_quality={"question", "output"},
    deita_complexity={"question"},
    helpfulness={"question", "output"},
    rubric=set(),
    score_form={"form", "low", "high"},
    pair={"question", "first", "second"},
    pair_form=set(),
    reference={"reference"},
    second_turn=set(),
)


def question_of(record: Record) -> str:
    """Returns all that an answer answers: instruction and input, or a whole chat up to it."""
    messages = record.extra.get("messages")
    turns = [each for each in messages or () if isinstance(each, Mapping)]
    if turns and turns[-1].get("role") == "assistant":
        turns.pop()
    if not turns:
        system = record.extra.get("system")
        head = f"System: {system}\n\n" if isinstance(system, str) and system else ""
        return f"{head}{record.prompt}"
    return "\n\n".join(
        f"{str(each.get('role') or 'user').capitalize()}: {each.get('content') or ''}"
        for each in turns
    )
