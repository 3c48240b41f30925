"""What the gate counted, for a reader; and what of it stops a training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from datakit.errors import InputError

__all__ = ["Gate", "Lengths"]

_SHOWN = 3


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

    def __str__(self) -> str:
        return (
            f"{self.least:,} to {self.most:,}, median {self.median:,}, "
            f"95 % up to {self.p95:,}; {self.total:,} in all"
        )


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
        cut: Rows of `used` that lose their end.
        good: Rows of `used` with an answer to imitate; None where answers have no labels.
        bad: Rows of `used` with an answer to avoid; likewise.
        notes: What of the records is not used, in sentences.
        first: For each reason of `refused` its first record and what is wrong with it.
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
    cut: int = 0
    good: int | None = None
    bad: int | None = None
    notes: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    example: tuple[tuple[str, bool], ...] = field(default=(), repr=False)

    def to_json(self) -> dict[str, Any]:
        """Returns it for run.json; dropped rows have a file of their own."""
        aside = ("dropped", "example", "first")
        return {key: value for key, value in asdict(self).items() if key not in aside}

    def table(self) -> list[tuple[str, str]]:
        """Returns names and figures for a reader, and the notes."""
        ends = (
            "rows whose end is learnt (EOS)" if self.rejected is None else "answers that end (EOS)"
        )
        out = [("rows", f"{self.rows:,}"), ("trained on", f"{self.used:,}")]
        if self.good is not None:
            out += [("good answers", f"{self.good:,}"), ("bad answers", f"{self.bad or 0:,}")]
        out += [(f"unusable: {reason}", f"{n:,}") for reason, n in sorted(self.refused.items())]
        out += [
            (f"longer than {self.max_length:,} tokens", f"{self.too_long:,}"),
            ("nothing left to learn", f"{self.masked:,}"),
            (ends, f"{self.stopped:,}"),
            ("tokens of a row", str(self.lengths)),
            ("tokens learnt in a row" if self.rejected is None else "chosen", str(self.answers)),
        ]
        if self.rejected is not None:
            out.append(("rejected", str(self.rejected)))
        if self.notes:
            out.append(("note", " ".join(self.notes)))
        return out

    def check(self, *, long: str, unusable: str, held_out: bool = False) -> None:
        """Stops where something would be lost that nobody agreed to, or nothing be learnt.

        The table is not in the error: whoever trains has been shown it.

        Args:
            long: What was said of rows that are too long: `stop`, `drop` or `cut`.
            unusable: What was said of records that are no examples: `stop` or `drop`.
            held_out: Whether the rows are only evaluated on.

        Raises:
            InputError: With what can be done.
        """
        wrong = [*self._unusable(unusable), *self._long(long)]
        if not self.used and not wrong:
            wrong.append(self._nothing())
        if self.used and not self.stopped and not self.too_long:
            wrong.append(
                "no answer ends with a token that stops the model, so it would never learn to "
                "stop. Use a chat template that ends an answer: --template chatml, or your own "
                ".jinja file."
            )
        if not held_out:
            wrong += self._one_label()
        if wrong:
            wrong[0] = f"held-out data: {wrong[0]}" if held_out else wrong[0]
            raise InputError(wrong)

    def _unusable(self, said: str) -> Iterator[str]:
        refused = sum(self.refused.values())
        if not refused or (said != "stop" and refused < self.rows):
            return
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in sorted(self.refused.items()))
        if refused == self.rows:
            yield f"none of the {self.rows:,} records can be used ({reasons})."
        else:
            # Where nothing would be left, it is no way out.
            way = "Mend them, or say --unusable drop." if self.used else "Mend them."
            yield f"{refused:,} of {self.rows:,} records are no examples ({reasons}). {way}"
        if self.first:
            yield "The first:" if len(self.first) == 1 else "The first of each kind:"
        yield from (f"  {each}" for each in self.first[:_SHOWN])

    def _long(self, said: str) -> Iterator[str]:
        if not self.too_long or (said != "stop" and self.used) or said == "cut":
            return
        share = 100 * self.too_long / max(self.rows, 1)
        found = (
            f"{self.too_long:,} of {self.rows:,} rows ({share:.1f} %) have more than "
            f"--max-length {self.max_length:,} tokens, the longest {self.lengths.most:,}"
        )
        all_fit = f"--max-length {self.lengths.most} keeps all"
        if said == "drop":
            yield f"no row is left: {found}. {all_fit}."
            return
        ways = [all_fit]
        if self.used > self.cut:
            ways.append("--long drop leaves them out")
        if self.used:
            ways.append("--long cut cuts them")
        yield f"{found}: the end of their answers would not be learnt. {'; '.join(ways)}."

    def _nothing(self) -> str:
        if self.masked:
            text = f"no row is left: after --max-length {self.max_length:,} no answer"
            return f"{text} has a token left. --max-length {self.lengths.most} keeps all."
        return "no row is left." if self.rows else "there is no record."

    def _one_label(self) -> Iterator[str]:
        if self.good is None or not self.used or (self.good and self.bad):
            return
        if self.good:
            one, way = "good", 'Add bad answers ("label": false) or pairs (with "rejected")'
            way += "; on good answers alone `datakit train sft` trains."
        else:
            one, way = "bad", 'Add good answers ("label": true) or pairs (with "rejected").'
        counts = f"{self.good:,} good, {self.bad or 0:,} bad"
        yield f"all answers are {one} ({counts}), but KTO learns from the difference. {way}"
