"""A record's question as it is sent to a teacher, and the record with another answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from datakit.outcome import Drop
from datakit.prompts import fill
from datakit.record import Record
from datakit.shapes import ShapeError, turns
from datakit.text import collapse, fold

__all__ = ["Question", "answered", "question_of", "read_text"]

_ROLES = ("system", "user", "assistant")
# What was measured of the old answer, and who gave it.
_OF_ANSWER = ("step", "model", "prompt_hash", "cost", "scores", "lang")
# Other tools' names for an answer, or for what was said of one.
_OLD = (
    *("label", "chosen", "completion", "preferred_output", "non_preferred_output"),
    "conversations",
)


@dataclass(frozen=True)
class Question:
    """What a record asks.

    Args:
        turns: The chat up to its last question.
        system: The system prompt, unless it is the first turn.
    """

    turns: tuple[dict[str, str], ...]
    system: str | None = None

    def sent(self, text: str) -> list[dict[str, str]]:
        """Returns the turns with the last question put into a prompt.

        Args:
            text: A prompt with the place `{prompt}`.
        """
        *before, last = self.turns
        content = fill(text.removesuffix("\n"), {"prompt": last["content"]})
        return [*before, {"role": "user", "content": content}]

    def shown(self) -> str:
        """Returns all of it as one text, for a judge."""
        if len(self.turns) == 1 and not self.system:
            return self.turns[0]["content"]
        head = [f"system: {self.system}"] if self.system else []
        return "\n\n".join([*head, *(f"{each['role']}: {each['content']}" for each in self.turns)])


def question_of(record: Record, system: str | None = None) -> Question | Drop:
    """Returns what a record asks: its messages up to the last answer, or instruction and input.

    Args:
        record: The record.
        system: The system prompt, if the record has none of its own.

    Returns:
        The question, or the reason why there is none.
    """
    if not record.prompt.strip():
        return Drop("empty_prompt")
    own = record.extra.get("system")
    system = own if isinstance(own, str) and own.strip() else system
    said = _said(record)
    if isinstance(said, Drop):
        return said
    if not said:
        return Question(({"role": "user", "content": record.prompt},), system)
    if said[-1]["role"] != "user" or _same(said[-1]["content"]) != _same(record.prompt):
        return Drop("messages_differ", message="their last question is not the instruction")
    return Question(tuple(said), None if said[0]["role"] == "system" else system)


def _said(record: Record) -> list[dict[str, str]] | Drop:
    """Returns the messages without the answer that ends them; none if there are none."""
    if record.extra.get("messages") is None:
        return []
    try:
        said = turns(record.extra["messages"], "messages")
    except ShapeError as error:
        return Drop("messages_malformed", message=str(error))
    for at, each in enumerate(said):
        if each["role"] not in _ROLES:
            return Drop("unknown_role", message=f'messages[{at}] is of "{each["role"][:40]}"')
        if not (each["content"] or "").strip():
            return Drop("empty_turn", message=f"messages[{at}] has no text")
    return said[:-1] if said and said[-1]["role"] == "assistant" else said


def _same(text: str) -> str:
    return collapse(fold(text))


def answered(record: Record, output: str, **extra: Any) -> Record:  # noqa: ANN401
    """Returns a record's child with another answer.

    What else is known of the question stays (topic, operator, source); what was measured of the old
    answer, or names it (`label`, `chosen`), does not. Messages end with the new one.

    Args:
        record: One that `question_of` has a question of.
        output: The answer.
        **extra: Further keys of the line.
    """
    kept = {key: value for key, value in record.extra.items() if key not in _OLD}
    said = _said(record)
    if said and not isinstance(said, Drop):
        kept["messages"] = [*said, {"role": "assistant", "content": output}]
    meta = {key: value for key, value in record.meta.items() if key not in _OF_ANSWER}
    return record.child(
        output=output, extra={**kept, **extra}, meta={**meta, "parents": [record.id]}
    )


def read_text(text: str) -> str:
    """Reads an answer that may be any text.

    Raises:
        ValueError: If it is empty.
    """
    if not text.strip():
        raise ValueError("the answer is empty")
    return text.strip()
