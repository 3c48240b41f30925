"""What a trainer trains on: records as chats, preference pairs and labelled answers.

A record is system (if any), its prompt as the user's turn, and its output as the assistant's. With
`messages` it is that chat; its output, where it has one, is the answer to the last question, since
a step or a rater may have changed it after the chat was read. What cannot be used is never lost
silently: it is counted by reason, or it is an error.

    empty_prompt  empty_output  empty_turn         nothing to learn from
    messages_malformed  unknown_role               no chat of system, user and assistant
    turns_do_not_alternate  messages_differ        which text is meant is not clear
    no_rejected  empty_rejected  rejected_is_chosen    no pair
    no_label  label_is_false  not_text             no label; a bad answer; a value of another type
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from datakit.errors import InputError
from datakit.record import Record
from datakit.shapes import ShapeError, turns
from datakit.strict import kind_of
from datakit.text import clip, collapse, fold

__all__ = [
    "Chat",
    "Labelled",
    "Message",
    "Pair",
    "Refused",
    "chats",
    "labelled",
    "pairs",
    "reasons",
]

Message = dict[str, str]
_Example = TypeVar("_Example")

_ROLES = ("system", "user", "assistant")
_SHOWN = 5


@dataclass(frozen=True)
class Chat:
    """A chat to imitate.

    Args:
        id: The record's id.
        messages: Turns; the last is the assistant's, and every assistant turn is trained.
    """

    id: str
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Pair:
    """Two answers, the first of which is preferred.

    Args:
        id: The record's id.
        prompt: Turns; the last is the user's.
        chosen: The better answer.
        rejected: The worse answer.
    """

    id: str
    prompt: tuple[Message, ...]
    chosen: str
    rejected: str


@dataclass(frozen=True)
class Labelled:
    """An answer that is good or bad.

    Args:
        id: The record's id; with `/chosen` or `/rejected` if it is of a pair.
        prompt: Turns; the last is the user's.
        answer: The answer.
        good: Whether it is one to imitate.
    """

    id: str
    prompt: tuple[Message, ...]
    answer: str
    good: bool


@dataclass(frozen=True)
class Refused:
    """A record, or a row of a public set, that cannot be used.

    Args:
        id: Its id, or its file and line.
        reason: A stable snake_case word.
        detail: What is wrong, for a reader.
    """

    id: str
    reason: str
    detail: str


class _UnfitError(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def chats(records: Iterable[Record], refused: list[Refused] | None = None) -> Iterator[Chat]:
    """Yields a chat for each record; one with `label: false` is refused, for it is a bad answer.

    Args:
        records: Records.
        refused: Takes those that cannot be used. Without it they are an error, at the end.

    Raises:
        InputError: With the first records that cannot be used, and how many there are.
    """
    return _built(records, _chat, refused, "chats")


def pairs(records: Iterable[Record], refused: list[Refused] | None = None) -> Iterator[Pair]:
    """Yields a pair for each record with `rejected`; arguments and errors as for `chats`."""
    return _built(records, _pair, refused, "preference pairs")


def labelled(records: Iterable[Record], refused: list[Refused] | None = None) -> Iterator[Labelled]:
    """Yields an answer for each record with `label`, and two for each preference pair.

    Of a pair the chosen answer is good and the rejected one bad; a pair that also has a label is
    taken by its label. Arguments and errors as for `chats`.
    """
    return _built(records, _labelled, refused, "labelled answers")


def reasons(refused: Iterable[Refused]) -> dict[str, int]:
    """Returns how many were refused for each reason, the most frequent first."""
    counts = Counter(each.reason for each in refused)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _built(
    records: Iterable[Record],
    build: Callable[[Record], list[_Example]],
    refused: list[Refused] | None,
    what: str,
) -> Iterator[_Example]:
    found: list[Refused] = [] if refused is None else refused
    for record in records:
        try:
            made = build(record)
        except _UnfitError as error:
            found.append(Refused(record.id, error.reason, error.detail))
        else:
            yield from made
    if refused is None and found:
        _stop(found, what)


def _stop(found: list[Refused], what: str) -> NoReturn:
    lines = [f"record {each.id}: {each.reason}: {each.detail}" for each in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(f"and {len(found) - _SHOWN:,} more.")
    counts = ", ".join(f"{reason} {count:,}" for reason, count in reasons(found).items())
    raise InputError([*lines, f"{len(found):,} records cannot be used as {what}: {counts}."])


def _chat(record: Record) -> list[Chat]:
    if record.extra.get("label") is False:
        raise _UnfitError("label_is_false", '"label" says that the answer is bad.')
    prompt, answer = _exchange(record)
    return [Chat(record.id, (*prompt, {"role": "assistant", "content": answer}))]


def _pair(record: Record) -> list[Pair]:
    prompt, chosen = _exchange(record)
    rejected = record.extra.get("rejected")
    if rejected is None:
        raise _UnfitError("no_rejected", '"rejected" is missing.')
    if not isinstance(rejected, str):
        raise _UnfitError("not_text", f'"rejected" must be a text, not {kind_of(rejected)}.')
    if not rejected.strip():
        raise _UnfitError("empty_rejected", '"rejected" is empty.')
    if rejected.strip() == chosen.strip():
        raise _UnfitError("rejected_is_chosen", "both answers are the same text.")
    return [Pair(record.id, prompt, chosen, rejected)]


def _labelled(record: Record) -> list[Labelled]:
    label = record.extra.get("label")
    if isinstance(label, bool):
        return [Labelled(record.id, *_exchange(record), good=label)]
    if record.extra.get("rejected") is None:
        raise _UnfitError("no_label", '"label" must be true or false, or "rejected" be there.')
    (pair,) = _pair(record)
    return [
        Labelled(f"{pair.id}/chosen", pair.prompt, pair.chosen, True),
        Labelled(f"{pair.id}/rejected", pair.prompt, pair.rejected, False),
    ]


def _exchange(record: Record) -> tuple[tuple[Message, ...], str]:
    """Returns the turns up to the last question, and the answer."""
    answer = record.output
    if record.extra.get("messages") is not None:
        said = _said(record.extra["messages"])
        if said and said[-1]["role"] == "assistant":
            last = said.pop()["content"]
            answer = answer if answer.strip() else last
        _check(said)
        if record.prompt.strip() and _same(record.prompt) != _same(said[-1]["content"]):
            text = "the instruction is not the last question of the messages; leave one of them out"
            raise _UnfitError("messages_differ", f'{text}: "{clip(said[-1]["content"], 60)}".')
    else:
        if not record.prompt.strip():
            raise _UnfitError("empty_prompt", "there is no instruction.")
        said = [{"role": "user", "content": record.prompt}]
    if not answer.strip():
        raise _UnfitError("empty_output", "there is no answer.")
    return (*_system(record, said), *said), answer


def _system(record: Record, said: list[Message]) -> Iterator[Message]:
    system = record.extra.get("system")
    if not isinstance(system, str | None):
        raise _UnfitError("not_text", f'"system" must be a text, not {kind_of(system)}.')
    if system and system.strip() and said[0]["role"] != "system":
        yield {"role": "system", "content": system}


def _said(messages: object) -> list[Message]:
    try:
        said = turns(messages, "messages")
    except ShapeError as error:
        raise _UnfitError("messages_malformed", str(error)) from None
    for at, each in enumerate(said):
        if each["role"] not in _ROLES:
            text = f'"messages[{at}]" is of "{clip(each["role"], 40)}"'
            raise _UnfitError("unknown_role", f"{text}, not of {', '.join(_ROLES)}.")
        if not (each["content"] or "").strip():
            raise _UnfitError("empty_turn", f'"messages[{at}]" has no text.')
    return said


def _check(said: list[Message]) -> None:
    """Refuses turns that are not system (or not), user, assistant, user, and so on."""
    if not said:
        raise _UnfitError("empty_prompt", '"messages" has no turn of a user.')
    start = 1 if said[0]["role"] == "system" else 0
    for at, each in enumerate(said[start:]):
        if each["role"] != ("user", "assistant")[at % 2]:
            text = f'"messages[{at + start}]" is of "{each["role"]}", where another one speaks.'
            raise _UnfitError("turns_do_not_alternate", text)
    if said[-1]["role"] == "system":
        raise _UnfitError("empty_prompt", '"messages" has no turn of a user.')
    if said[-1]["role"] == "assistant":
        raise _UnfitError("turns_do_not_alternate", "it ends with two answers in a row.")


def _same(text: str) -> str:
    # Steps that clean a record's own fields do not change its messages.
    return collapse(fold(text))
