"""Pairs of answers that people have compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from datakit.errors import RecordError
from datakit.judge.pairwise import Winner
from datakit.judge.texts import question_of
from datakit.record import Record, digest
from datakit.rows import Problems
from datakit.strict import kind_of

__all__ = ["LabelledPair", "labelled", "question_of"]

_LABELS: dict[str, Winner] = {"a": "a", "b": "b", "tie": "tie"}
_NEEDS = "A labelled pair has output_a, output_b and label; a preference has chosen and rejected."


@dataclass(frozen=True)
class LabelledPair:
    """Two answers to a question, and which of them people prefer.

    Args:
        question: What was asked.
        a: An answer.
        b: Another.
        label: `a`, `b` or `tie`.
        models: Who wrote `a` and `b`, where that is known.
    """

    question: str
    a: str
    b: str
    label: Winner
    models: tuple[str, str] = ("", "")

    @property
    def key(self) -> str:
        """What a judge is asked about; the label is no part of it."""
        return digest([self.question, self.a, self.b])


def labelled(records: Iterable[tuple[str, Record]]) -> Iterator[LabelledPair]:
    """Yields the pairs of records: `output_a`, `output_b` and `label`, or a preference.

    Of a preference, the content decides which answer is `a`: if the preferred one always were,
    agreement by chance could not be told.

    Args:
        records: With the place of each, as messages name it.

    Raises:
        RecordError: With all mistakes, each with its place and key.
    """
    problems = Problems()
    for where, record in records:
        if "output_a" in record.extra or "output_b" in record.extra:
            wrong = list(_mistakes(record.extra))
            found = None if wrong else _pair(record)
        else:
            rejected = record.extra.get("rejected")
            wrong = [] if isinstance(rejected, str) else [f"there is no pair in it. {_NEEDS}"]
            found = None if wrong else _preference(record, str(rejected))
        if wrong:
            problems.add(RecordError([f"{where}: {text}" for text in wrong]))
        elif found is not None:
            yield found
    problems.raise_if_any()


def _mistakes(row: Any) -> Iterator[str]:  # noqa: ANN401  any mapping
    for key in ("output_a", "output_b"):
        if key not in row:
            yield f'"{key}" is missing. {_NEEDS}'
        elif not isinstance(row[key], str):
            yield f'"{key}" must be a text, not {kind_of(row[key])}.'
    label = row.get("label")
    if label is None:
        yield '"label" is missing. It says whom people prefer: a, b or tie.'
    elif not isinstance(label, str):
        yield f'"label" must be a, b or tie, not {kind_of(label)}.'
    elif label.strip().casefold() not in _LABELS:
        yield f'"label" must be a, b or tie, not "{label[:40]}".'
    for key in ("model_a", "model_b"):
        if not isinstance(row.get(key), str | None):
            yield f'"{key}" must be a text, not {kind_of(row[key])}.'


def _pair(record: Record) -> LabelledPair:
    row = record.extra
    return LabelledPair(
        question_of(record),
        row["output_a"],
        row["output_b"],
        _LABELS[row["label"].strip().casefold()],
        (row.get("model_a") or "", row.get("model_b") or ""),
    )


def _preference(record: Record, rejected: str) -> LabelledPair:
    question, chosen = question_of(record), record.output
    if int(digest([question, *sorted((chosen, rejected))]), 16) % 2:
        return LabelledPair(question, rejected, chosen, "b")
    return LabelledPair(question, chosen, rejected, "a")
