"""The two sides of a record: the turns up to its last question, and its answer."""

from __future__ import annotations

from collections.abc import Iterator

from datakit.errors import did_you_mean
from datakit.reading import Absent
from datakit.record import Record
from datakit.shapes import ShapeError, likely, turns
from datakit.strict import kind_of
from datakit.text import clip, collapse, fold

__all__ = ["Message", "UnfitError", "exchange", "has"]

Message = dict[str, str]

_ROLES = ("system", "user", "assistant")
_QUOTED = 60


class UnfitError(Exception):
    """A record that is no example.

    Args:
        reason: A stable snake_case word.
        detail: What is wrong, for a reader.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def has(record: Record, key: str) -> bool:
    """Returns whether a record has a key of its own that is not null."""
    return record.extra.get(key) is not None


def exchange(record: Record) -> tuple[tuple[Message, ...], str]:
    """Returns the turns up to the last question, and the answer.

    Raises:
        UnfitError: If one of them is missing, or if it is not clear which text is meant.
    """
    answer = record.output
    if record.extra.get("messages") is not None:
        said = _said(record.extra["messages"])
        if said and said[-1]["role"] == "assistant":
            last = said.pop()["content"]
            answer = answer if answer.strip() else last
        _check(said)
        if record.prompt.strip() and _same(record.prompt) != _same(said[-1]["content"]):
            text = "the instruction is not the last question of the messages; leave one of them out"
            raise UnfitError("messages_differ", f'{text}: "{clip(said[-1]["content"], _QUOTED)}".')
    else:
        if not record.prompt.strip():
            raise UnfitError("empty_prompt", '"instruction" is empty.')
        said = [{"role": "user", "content": record.prompt}]
    if not answer.strip():
        raise _without_answer(record)
    return (*_system(record, said), *said), answer


def _without_answer(record: Record) -> UnfitError:
    """Tells a line that has no output from one whose output is empty."""
    if not isinstance(record.output, Absent):
        return UnfitError("empty_output", '"output" is empty: there is no answer.')
    text = '"output" is missing: there is no answer'
    if has(record, "messages"):
        return UnfitError("no_output", f'{text}, and "messages" ends with a question.')
    theirs = likely(record.extra, ["output"]).get("output")
    if theirs is None:
        return UnfitError("no_output", f"{text}{did_you_mean('output', record.extra) or '.'}")
    key = clip(theirs, _QUOTED)
    return UnfitError("no_output", f'{text}. If it is "{key}", say so in --fields: output={key}.')


def _system(record: Record, said: list[Message]) -> Iterator[Message]:
    system = record.extra.get("system")
    if not isinstance(system, str | None):
        raise UnfitError("not_text", f'"system" must be a text, not {kind_of(system)}.')
    if system and system.strip() and said[0]["role"] != "system":
        yield {"role": "system", "content": system}


def _said(messages: object) -> list[Message]:
    try:
        said = turns(messages, "messages")
    except ShapeError as error:
        raise UnfitError("messages_malformed", str(error)) from None
    for at, each in enumerate(said):
        if each["role"] not in _ROLES:
            text = f'"messages[{at}]" is of "{clip(each["role"], 40)}"'
            raise UnfitError("unknown_role", f"{text}, not of {', '.join(_ROLES)}.")
        if not (each["content"] or "").strip():
            raise UnfitError("empty_turn", f'"messages[{at}]" has no text.')
    return said


def _check(said: list[Message]) -> None:
    """Refuses turns that are not system (or not), user, assistant, user, and so on."""
    if not said:
        raise UnfitError("empty_prompt", '"messages" has no turn of a user.')
    start = 1 if said[0]["role"] == "system" else 0
    for at, each in enumerate(said[start:]):
        if each["role"] != ("user", "assistant")[at % 2]:
            text = f'"messages[{at + start}]" is of "{each["role"]}", where another one speaks.'
            raise UnfitError("turns_do_not_alternate", text)
    if said[-1]["role"] == "system":
        raise UnfitError("empty_prompt", '"messages" has no turn of a user.')
    if said[-1]["role"] == "assistant":
        raise UnfitError("turns_do_not_alternate", "it ends with two answers in a row.")


def _same(text: str) -> str:
    # Steps that clean a record's own fields do not change its messages.
    return collapse(fold(text))
