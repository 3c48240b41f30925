"""The gate before every training: what would be lost is counted, shown, and never lost unsaid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from datakit.errors import InputError
from trainers.examples import Chat, Refused, reasons
from trainers.tokens import IGNORED, Encoded, encode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Gate", "Lengths", "check_chats", "ends", "marked"]


@dataclass(frozen=True)
class Lengths:
    """How long something is over the rows, in tokens.

    Args:
        least: The shortest.
        median: The middle one.
        p95: What 95 % do not exceed.
        most: The longest.
        total: All together.
    """

    least: int
    median: int
    p95: int
    most: int
    total: int

    @classmethod
    def of(cls, values: Sequence[int]) -> Lengths:
        """Summarises lengths; nothing at all is all zeros."""
        if not values:
            return cls(0, 0, 0, 0, 0)
        ranked = sorted(values)
        last = len(ranked) - 1
        return cls(ranked[0], ranked[last // 2], ranked[int(0.95 * last)], ranked[-1], sum(ranked))


@dataclass(frozen=True)
class Gate:
    """What training would do with the rows.

    Args:
        rows: Rows that came in.
        used: Rows that are trained on.
        refused: Records that are no examples, by reason.
        too_long: Rows of more than `max_length` tokens.
        masked: Rows that have no token left to learn once they are cut.
        stopped: Rows whose last learnt token, or the one before it, ends an answer: they teach when
            to stop.
        max_length: Most tokens of a row.
        lengths: Tokens of a row, before any cut.
        answers: Tokens that are learnt in a row; for pairs, of the chosen answer.
        rejected: Tokens of the rejected answer of a pair; None where there are no pairs.
        dropped: Rows that are left out: id and reason.
        example: The first row's tokens as texts, each with whether it is learnt.
    """

    rows: int
    used: int
    refused: dict[str, int]
    too_long: int
    masked: int
    stopped: int
    max_length: int
    lengths: Lengths
    answers: Lengths
    rejected: Lengths | None = None
    dropped: tuple[tuple[str, str], ...] = ()
    example: tuple[tuple[str, bool], ...] = field(default=(), repr=False)

    def to_json(self) -> dict[str, Any]:
        """Returns it for run.json; dropped rows have a file of their own."""
        return {k: v for k, v in asdict(self).items() if k not in ("dropped", "example")}

    def table(self) -> list[tuple[str, str]]:
        """Returns names and figures for a reader."""
        ends = (
            "rows whose end is learnt (EOS)" if self.rejected is None else "answers that end (EOS)"
        )
        out = [("rows", f"{self.rows:,}"), ("trained on", f"{self.used:,}")]
        out += [(f"unusable: {reason}", f"{n:,}") for reason, n in sorted(self.refused.items())]
        out += [
            (f"longer than {self.max_length:,} tokens", f"{self.too_long:,}"),
            ("nothing left to learn", f"{self.masked:,}"),
            (ends, f"{self.stopped:,}"),
            ("tokens of a row", _range(self.lengths)),
            ("tokens learnt in a row" if self.rejected is None else "chosen", _range(self.answers)),
        ]
        if self.rejected is not None:
            out.append(("rejected", _range(self.rejected)))
        return out

    def check(self, *, long: str, unusable: str) -> None:
        """Stops where something would be lost that nobody agreed to.

        Args:
            long: What was said of rows that are too long: `stop`, `drop` or `cut`.
            unusable: What was said of records that are no examples: `stop` or `drop`.

        Raises:
            InputError: With the table, and with what can be done.
        """
        wrong = []
        refused = sum(self.refused.values())
        if refused and unusable == "stop":
            reasons = ", ".join(f"{reason} {n:,}" for reason, n in sorted(self.refused.items()))
            wrong.append(
                f"{refused:,} of {self.rows:,} records are no examples ({reasons}). "
                "Mend them, or say --unusable drop."
            )
        if self.too_long and long == "stop":
            share = 100 * self.too_long / max(self.rows, 1)
            wrong.append(
                f"{self.too_long:,} of {self.rows:,} rows ({share:.1f} %) have more than "
                f"--max-length {self.max_length:,} tokens, the longest {self.lengths.most:,}: the "
                "end of their "
                f"answers would not be learnt. --max-length {self.lengths.most} keeps all; "
                "--long drop leaves them out; --long cut cuts them."
            )
        if not self.used and not wrong:
            wrong.append(
                "no row is left to train on: after --max-length "
                f"{self.max_length:,} no answer has a token left."
                if self.masked
                else "no row is left to train on."
            )
        if self.used and not self.stopped and not self.too_long:
            wrong.append(
                "no answer ends with a token that stops the model, so it would never learn to "
                "stop. Use a chat template that ends an answer: --template chatml, or your own "
                ".jinja file."
            )
        if wrong:
            width = max(len(name) for name, _ in self.table())
            rows = "\n".join(f"  {name:<{width}}  {value}" for name, value in self.table())
            raise InputError([*wrong, rows])


def _range(lengths: Lengths) -> str:
    return (
        f"{lengths.least:,} to {lengths.most:,}, median {lengths.median:,}, "
        f"95 % up to {lengths.p95:,}; {lengths.total:,} in all"
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
        if not tally.takes(chat.id, len(row.input_ids)):
            continue
        whole, row = row, row.cut(max_length)
        # The first token has nothing before it that could foretell it.
        if not any(label != IGNORED for label in row.labels[1:]):
            tally.mask(chat.id)
            continue
        tally.add(whole.answer_tokens, stops=ends(row, stops))
        example = example or marked(tokenizer, row)
        kept.append(row)
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
        self._too_long = self._masked = self._stopped = 0

    def takes(self, name: str, length: int) -> bool:
        """Counts a row of so many tokens; returns whether it stays, perhaps to be cut."""
        self._lengths.append(length)
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

    def add(self, answer: int, rejected: int | None = None, *, stops: bool) -> None:
        """Counts a row that is trained on, by the tokens of its answers."""
        self._answers.append(answer)
        if rejected is not None:
            self._rejected.append(rejected)
        self._stopped += stops

    def gate(self, refused: Sequence[Refused], example: tuple[tuple[str, bool], ...]) -> Gate:
        """Returns the counts."""
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
            dropped=(*((each.id, each.reason) for each in refused), *self._dropped),
            example=example,
        )
