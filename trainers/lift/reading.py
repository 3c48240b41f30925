"""Variants as rows to train on, through the gate; and what they are tested on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from datakit.errors import InputError
from datakit.record import Record
from trainers.evaluate import TASKS, TaskOptions
from trainers.examples import Chat, Refused, chats
from trainers.gate import check_chats
from trainers.gate_counts import Gate
from trainers.lift.variants import Variant
from trainers.settings import Settings
from trainers.tokens import Encoded

__all__ = ["Rows", "items_of", "rows_of"]


@dataclass(frozen=True)
class Rows:
    """The rows of a variant.

    Args:
        variant: The variant, with the records that rows were made of only.
        encoded: A row for each of its records.
        gate: What the gate counted.
    """

    variant: Variant
    encoded: tuple[Encoded, ...]
    gate: Gate

    @property
    def lengths(self) -> tuple[tuple[int, int], ...]:
        """For each row its tokens, and those that are learnt."""
        return tuple((len(each.input_ids), each.answer_tokens) for each in self.encoded)


def rows_of(
    variant: Variant,
    tokenizer: Any,  # noqa: ANN401  PreTrainedTokenizerBase
    stops: frozenset[int],
    settings: Settings,
) -> Rows:
    """Encodes a variant.

    Args:
        variant: The variant.
        tokenizer: With its template.
        stops: Tokens that end an answer.
        settings: What becomes of long rows and of records that are no examples.

    Raises:
        InputError: If something would be lost that the settings do not allow to be lost.
    """
    refused: list[Refused] = []
    owners: list[Record] = []
    made: list[Chat] = []
    for record, name in zip(variant.records, _names(variant.records), strict=True):
        for chat in chats([record], refused):
            owners.append(record)
            made.append(replace(chat, id=name))
    gate, encoded = check_chats(
        made, refused, tokenizer, stops, max_length=settings.max_length, long=settings.long
    )
    try:
        gate.check(long=settings.long, unusable=settings.unusable)
    except InputError as error:
        raise InputError([f"{variant.name}: {each}" for each in error.problems]) from None
    gone = {name for name, _ in gate.dropped}
    kept = tuple(o for o, chat in zip(owners, made, strict=True) if chat.id not in gone)
    return Rows(replace(variant, records=kept), tuple(encoded), gate)


def _names(records: Sequence[Record]) -> list[str]:
    """Returns a name for each record that no other one has."""
    names = [record.id or f"record {at}" for at, record in enumerate(records, 1)]
    many = {name for name, count in Counter(names).items() if count > 1}
    return [f"{n} ({at})" if n in many else n for at, n in enumerate(names, 1)]


def items_of(task: str, options: TaskOptions | None) -> list[Record] | None:
    """Returns a task's items as records, if it has a file of such."""
    from trainers.evaluate.reading import task_records

    name, _, argument = task.partition(":")
    kind = TASKS.get(name)
    if kind is None or "FILE" not in kind.argument or not argument:
        return None
    try:
        return list(task_records(argument, options or TaskOptions(), "chat"))
    except InputError:
        # What has another shape, as multiple choice, is read by its task alone.
        return None
