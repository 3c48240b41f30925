"""The gate before every training: what would be lost is counted, shown, and never lost unsaid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from trainers.examples import Chat, Refused, reasons
from trainers.gate_counts import Gate, Lengths
from trainers.tokens import IGNORED, Encoded, encode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Gate", "Lengths", "Tally", "check_chats", "ends", "marked"]

_CHOSEN_ONLY = (
    "`rejected`: sft and qlora train the chosen answers only; `datakit train dpo` uses both."
)


def marked(tokenizer: PreTrainedTokenizerBase, row: Encoded) -> tuple[tuple[str, bool], ...]:
    """Returns the texts of a row in runs of equal marking."""
    runs: list[tuple[list[int], bool]] = []
    for number, label in zip(row.input_ids, row.labels, strict=True):
        learnt = label != IGNORED
        if not runs or runs[-1][1] != learnt:
            runs.append(([], learnt))
        runs[-1][0].append(number)
    return tuple((tokenizer.decode(ids), learnt) for ids, learnt in runs)


def ends(row: Encoded, stops: frozenset[int]) -> bool:
    """Returns whether the end of the last answer is learnt."""
    learnt = [label for label in row.labels if label != IGNORED]
    # A template may put a line break after the token that ends the turn.
    return any(label in stops for label in learnt[-2:])


def check_chats(
    chats: Iterable[Chat],
    refused: Sequence[Refused],
    tokenizer: PreTrainedTokenizerBase,
    stops: frozenset[int],
    *,
    max_length: int,
    long: str,
) -> tuple[Gate, list[Encoded]]:
    """Encodes chats, and counts.

    Args:
        chats: The examples.
        refused: Records that are none; filled once `chats` is read to its end.
        tokenizer: With its template.
        stops: Tokens that end an answer.
        max_length: Most tokens of a row.
        long: `drop` leaves longer rows out, `cut` cuts them; `stop` is for `Gate.check`.

    Returns:
        The counts, and the rows to train on.
    """
    tally = Tally(max_length, long)
    kept: list[Encoded] = []
    example: tuple[tuple[str, bool], ...] = ()
    for chat in chats:
        row = encode(tokenizer, chat.messages)
        if not tally.takes(chat.id, len(row.input_ids), leaves_out=chat.rejected):
            continue
        whole, row = row, row.cut(max_length)
        # The first token has nothing before it that could foretell it.
        if not any(label != IGNORED for label in row.labels[1:]):
            tally.mask(chat.id)
            continue
        tally.add(whole.answer_tokens, stops=ends(row, stops))
        example = example or marked(tokenizer, row)
        kept.append(row)
    tally.note(_CHOSEN_ONLY)
    return tally.gate(refused, example), kept


class Tally:
    """Counts rows on their way through the gate.

    Args:
        max_length: Most tokens of a row.
        long: What becomes of longer ones.
    """

    def __init__(self, max_length: int, long: str) -> None:
        self._max_length, self._long = max_length, long
        self._lengths: list[int] = []
        self._answers: list[int] = []
        self._rejected: list[int] = []
        self._dropped: list[tuple[str, str]] = []
        self._labels: list[bool] = []
        self._notes: list[str] = []
        self._too_long = self._masked = self._stopped = self._cut = self._left_out = 0

    def takes(self, name: str, length: int, *, leaves_out: bool = False) -> bool:
        """Counts a row; returns whether it stays, perhaps to be cut.

        Args:
            name: The record's id.
            length: Its tokens.
            leaves_out: Whether the record has an answer that is not in the row.
        """
        self._lengths.append(length)
        self._left_out += leaves_out
        if length <= self._max_length:
            return True
        self._too_long += 1
        if self._long == "drop":
            self._dropped.append((name, "too_long"))
        return self._long != "drop"

    def mask(self, name: str) -> None:
        """Counts a row that has nothing to learn left."""
        self._masked += 1
        self._dropped.append((name, "nothing_to_learn"))

    def add(
        self,
        answer: int,
        rejected: int | None = None,
        *,
        stops: bool,
        good: bool | None = None,
    ) -> None:
        """Counts a row that is trained on: the last that `takes` has let through.

        Args:
            answer: Tokens of its answer; of a pair, of the chosen one.
            rejected: Tokens of the rejected one.
            stops: Whether the end of its answers is learnt.
            good: Its label, if it has one.
        """
        self._answers.append(answer)
        if rejected is not None:
            self._rejected.append(rejected)
        if good is not None:
            self._labels.append(good)
        self._stopped += stops
        self._cut += self._lengths[-1] > self._max_length

    def note(self, text: str) -> None:
        """Notes what the records have of which an answer is left out, and what that means."""
        count = self._left_out
        if count:
            have = "1 record has" if count == 1 else f"{count:,} records have"
            self._notes.append(f"{have} {text}")

    def gate(self, refused: Sequence[Refused], example: tuple[tuple[str, bool], ...]) -> Gate:
        """Returns the counts."""
        labels = self._labels
        return Gate(
            rows=len(self._lengths) + len(refused),
            used=len(self._answers),
            refused=reasons(refused),
            too_long=self._too_long,
            masked=self._masked,
            stopped=self._stopped,
            max_length=self._max_length,
            lengths=Lengths.of(self._lengths),
            answers=Lengths.of(self._answers),
            rejected=Lengths.of(self._rejected) if self._rejected else None,
            cut=self._cut,
            good=sum(labels) if labels else None,
            bad=len(labels) - sum(labels) if labels else None,
            notes=tuple(self._notes),
            first=_first(refused),
            dropped=(*((each.id, each.reason) for each in refused), *self._dropped),
            example=example,
        )


def _first(refused: Sequence[Refused]) -> tuple[str, ...]:
    """Returns for each reason, the most frequent first, its first record and what is wrong."""
    first: dict[str, Refused] = {}
    for each in refused:
        first.setdefault(each.reason, each)
    return tuple(f"{first[reason]}" for reason in reasons(refused))
