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

__all__ = ["GradedAnswer", "LabelledPair", "graded", "labelled", "question_of"]

_LABELS: dict[str, Winner] = {"a": "a", "b": "b", "tie": "tie"}
LOWEST, HIGHEST = 1, 10
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
        reference: An answer that is known to be right, where there is one.
    """

    question: str
    a: str
    b: str
    label: Winner
    models: tuple[str, str] = ("", "")
    reference: str = ""

    @property
    def key(self) -> str:
        """What a judge is asked about; the label is no part of it."""
        return digest([self.question, self.a, self.b, *filter(None, [self.reference])])


@dataclass(frozen=True)
class GradedAnswer:
    """An answer to a question, and the grade that people give it.

    Args:
        question: What was asked.
        answer: The answer.
        grade: From 1 to 10.
        reference: An answer that is known to be right, where there is one.
    """

    question: str
    answer: str
    grade: float
    reference: str = ""

    @property
    def key(self) -> str:
        """What a judge is asked about; the grade is no part of it."""
        return digest([self.question, self.answer, *filter(None, [self.reference])])


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


def graded(records: Iterable[tuple[str, Record]]) -> Iterator[GradedAnswer]:
    """Yields the answers of records that people have graded: `output`, and `label` from 1 to 10.

    Args:
        records: With the place of each, as messages name it.

    Raises:
        RecordError: With all mistakes, each with its place and key.
    """
    problems = Problems()
    for where, record in records:
        grade = _number(record.extra.get("label"))
        wrong = [f'{where}: "{key}" must be a text.' for key in _not_text(record.extra)]
        if not record.output.strip():
            wrong.append(f'{where}: "output" is missing. It is the answer that people graded.')
        if grade is None:
            said = "is missing" if record.extra.get("label") is None else "is none"
            text = f"people's grade of the answer, a number from {LOWEST} to {HIGHEST}"
            wrong.append(f'{where}: "label" {said}: it is {text}.')
        if wrong:
            problems.add(RecordError(wrong))
        elif grade is not None:
            yield GradedAnswer(question_of(record), record.output, grade, _reference(record))
    problems.raise_if_any()


def _number(value: object) -> float | None:
    """Returns a grade; files of tables have texts only."""
    try:
        grade = float(value) if isinstance(value, str) else value
    except ValueError:
        return None
    if isinstance(grade, bool) or not isinstance(grade, int | float):
        return None
    return float(grade) if LOWEST <= grade <= HIGHEST else None


def _not_text(row: Any) -> list[str]:  # noqa: ANN401  any mapping
    return [] if isinstance(row.get("reference"), str | None) else ["reference"]


def _reference(record: Record) -> str:
    found = record.extra.get("reference")
    return found if isinstance(found, str) else ""


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
    for key in ("model_a", "model_b", "reference"):
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
        _reference(record),
    )


def _preference(record: Record, rejected: str) -> LabelledPair:
    question, chosen = question_of(record), record.output
    if int(digest([question, *sorted((chosen, rejected))]), 16) % 2:
        return LabelledPair(question, rejected, chosen, "b")
    return LabelledPair(question, chosen, rejected, "a")
