"""What a trainer trains on: records as chats, preference pairs and labelled answers.

A record is system (if any), its prompt as the user's turn, and its output as the assistant's. With
`messages` it is that chat; its output, where it has one, is the answer to the last question, since
a step or a rater may have changed it after the chat was read. What cannot be used is never lost
silently: it is counted by reason, or it is an error.

    empty_prompt  empty_output  empty_turn         nothing to learn from
    no_output                                      its line has no such key at all
    messages_malformed  unknown_role               no chat of system, user and assistant
    turns_do_not_alternate  messages_differ        which text is meant is not clear
    no_rejected  empty_rejected  rejected_is_chosen    no pair
    no_label  label_unclear                        no label, or neither true nor false
    label_is_false  not_text                       a bad answer; a value of another type
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from datakit.errors import InputError, did_you_mean
from datakit.exchange import Message, UnfitError, exchange, has
from datakit.record import Record
from datakit.strict import kind_of
from datakit.text import clip, collapse

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

_Example = TypeVar("_Example")

_SHOWN = 5
_QUOTED = 60


@dataclass(frozen=True)
class Chat:
    """A chat to imitate.

    Args:
        id: The record's id.
        messages: Turns; the last is the assistant's, and every assistant turn is trained.
        rejected: Whether the record also has a rejected answer, which is not in the chat.
    """

    id: str
    messages: tuple[Message, ...]
    rejected: bool = False


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
        rejected: Whether the record also has a rejected answer, which its label leaves out.
    """

    id: str
    prompt: tuple[Message, ...]
    answer: str
    good: bool
    rejected: bool = False


@dataclass(frozen=True)
class Refused:
    """A record, or a row of a public set, that cannot be used.

    Args:
        id: Its id, or its file and line.
        reason: A stable snake_case word.
        detail: What is wrong, for a reader.
        text: How its question begins, by which it is found where lines have no ids.
    """

    id: str
    reason: str
    detail: str
    text: str = ""

    def __str__(self) -> str:
        text = f' ("{self.text}")' if self.text else ""
        return f"{self.reason}: record {self.id}{text}: {self.detail}"


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

    A label is true or false, or one of these words as a text, in any letter case, as CSV files and
    pandas have it. Numbers and other words are refused: which is the good one is not certain.
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
        except UnfitError as error:
            text = clip(collapse(record.prompt), _QUOTED)
            found.append(Refused(record.id, error.reason, error.detail, text))
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
    if _label(record) is False:
        raise UnfitError("label_is_false", '"label" says that the answer is bad.')
    prompt, answer = exchange(record)
    messages = (*prompt, {"role": "assistant", "content": answer})
    return [Chat(record.id, messages, rejected=has(record, "rejected"))]


def _pair(record: Record) -> list[Pair]:
    prompt, chosen = exchange(record)
    rejected = record.extra.get("rejected")
    if rejected is None:
        raise UnfitError("no_rejected", _missing(record, "rejected", "a pair is two answers"))
    if not isinstance(rejected, str):
        raise UnfitError("not_text", f'"rejected" must be a text, not {kind_of(rejected)}.')
    if not rejected.strip():
        raise UnfitError("empty_rejected", '"rejected" is empty.')
    if rejected.strip() == chosen.strip():
        raise UnfitError("rejected_is_chosen", "both answers are the same text.")
    return [Pair(record.id, prompt, chosen, rejected)]


def _labelled(record: Record) -> list[Labelled]:
    label = _label(record)
    if label is not None:
        rejected = has(record, "rejected")
        return [Labelled(record.id, *exchange(record), good=label, rejected=rejected)]
    if not has(record, "rejected"):
        if has(record, "label"):
            given = clip(
                json.dumps(record.extra["label"], ensure_ascii=False, default=str), _QUOTED
            )
            text = 'it must be true or false, also as a text: "true" or "false"'
            raise UnfitError("label_unclear", f'"label" is {given}; {text}.')
        more = 'it says true or false of the answer, or "rejected" gives a worse one'
        raise UnfitError("no_label", _missing(record, "label", more))
    (pair,) = _pair(record)
    return [
        Labelled(f"{pair.id}/chosen", pair.prompt, pair.chosen, True),
        Labelled(f"{pair.id}/rejected", pair.prompt, pair.rejected, False),
    ]


def _label(record: Record) -> bool | None:
    """Returns whether a record's answer is good, or None if it does not say so."""
    label = record.extra.get("label")
    if isinstance(label, str):
        # A CSV file has nothing but texts; pandas writes `True`.
        return {"true": True, "false": False}.get(label.strip().casefold())
    return label if isinstance(label, bool) else None


def _missing(record: Record, key: str, why: str) -> str:
    near = did_you_mean(key, record.extra)
    return f'"{key}" is missing{near}' + (f" {why[:1].upper()}{why[1:]}." if near else f": {why}.")
