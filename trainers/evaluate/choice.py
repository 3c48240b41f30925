"""`choice:FILE`: multiple choice, answered by the likelier choice.

Each line of the file has `question`, `choices` (two texts or more) and `answer`, the right one: its
index from 0, its letter or its text; `id` may be left out:

    {"question": "What is frozen water?", "choices": ["ice", "steam"], "answer": "A"}

A choice is scored as the assistant's answer to the question, so a model needs no skill at naming
letters.

- `accuracy`: the right choice has the highest log-likelihood.
- `accuracy_per_byte`: likewise, divided by the choice's bytes, as HellaSwag and ARC are scored.
- `chance`: what guessing would give.

Of equally likely choices each gets its share.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from datakit.errors import RecordError
from datakit.rows import Problems
from datakit.strict import kind_of
from trainers.evaluate import Items, TaskOptions
from trainers.evaluate.reading import take_rows
from trainers.evaluate.subject import Subject
from trainers.examples import Chat

__all__ = ["Choice", "Question", "open_task", "question_of"]


@dataclass(frozen=True)
class Question:
    """One item.

    Args:
        id: The line's `id`, or its number.
        text: The question.
        choices: Two or more, all different.
        answer: Index of the right one, from 0.
    """

    id: str
    text: str
    choices: tuple[str, ...]
    answer: int


@dataclass(frozen=True)
class Choice:
    """The task.

    Args:
        text: What the user wrote.
        questions: Its items.
    """

    text: str
    questions: tuple[Question, ...]

    def __len__(self) -> int:
        return len(self.questions)

    def run(self, subject: Subject, note: Callable[[str], None]) -> Items:
        """Scores every choice of every question."""
        subject.note = note
        scored = iter(
            subject.nll(
                [
                    Chat(each.id, (_turn("user", each.text), _turn("assistant", choice)))
                    for each in self.questions
                    for choice in each.choices
                ]
            )
        )
        raw, per_byte, answers = [], [], []
        for each in self.questions:
            found = [next(scored) for _ in each.choices]
            logps = [-one.nll for one in found]
            raw.append(_hit(logps, each.answer))
            per_byte.append(_hit([-one.nll / max(1, one.bytes) for one in found], each.answer))
            answers.append(each.choices[logps.index(max(logps))])
        return Items(
            ids=tuple(each.id for each in self.questions),
            scores={
                "accuracy": tuple(raw),
                "accuracy_per_byte": tuple(per_byte),
                "chance": tuple(1 / len(each.choices) for each in self.questions),
            },
            answers=tuple(answers),
            fixed=frozenset({"chance"}),
        )


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _hit(values: Sequence[float], right: int) -> float:
    best = [at for at, value in enumerate(values) if value == max(values)]
    return float(right in best) / len(best)


def question_of(row: dict[str, Any], where: str) -> Question:
    """Reads one line.

    Args:
        row: The line.
        where: Its file and line.

    Raises:
        RecordError: With what is wrong in it.
    """
    text, choices = row.get("question"), row.get("choices")
    wrong = []
    if not isinstance(text, str) or not text.strip():
        wrong.append(f'{where}: "question" must be a text that is not empty, not {_kind(text)}.')
    if not isinstance(choices, list) or len(choices) < 2:
        wrong.append(f'{where}: "choices" must be a list of two texts or more.')
        choices = []
    elif not all(isinstance(each, str) and each.strip() for each in choices):
        wrong.append(f'{where}: "choices": each must be a text that is not empty.')
    elif len(set(choices)) < len(choices):
        wrong.append(f'{where}: "choices": two of them are the same.')
    at = _index(row.get("answer"), choices)
    if at is None and choices:
        wrong.append(
            f'{where}: "answer" must be the right choice: its index (0 to {len(choices) - 1}), its '
            f"letter (A to {string.ascii_uppercase[min(len(choices), 26) - 1]}), or its text."
        )
    if wrong or at is None:
        raise RecordError(wrong)
    own = row.get("id")
    name = where.rpartition(":")[2].strip("[]") if own in (None, "") else str(own)
    return Question(name, str(text), tuple(choices), at)


def _kind(value: object) -> str:
    return "an empty one" if isinstance(value, str) else kind_of(value)


def _index(answer: object, choices: Sequence[str]) -> int | None:
    if isinstance(answer, int) and not isinstance(answer, bool):
        return answer if 0 <= answer < len(choices) else None
    if not isinstance(answer, str):
        return None
    if answer in choices:
        return list(choices).index(answer)
    at = string.ascii_uppercase.find(answer.strip().upper()) if len(answer.strip()) == 1 else -1
    return at if 0 <= at < len(choices) else None


def open_task(argument: str, options: TaskOptions) -> Choice:
    """Reads questions.

    Args:
        argument: A file of rows.
        options: What holds for all tasks.

    Raises:
        InputError: If the file cannot be read.
        RecordError: With all lines that are no question.
    """
    problems = Problems()
    questions = []
    for where, row in take_rows(argument, options):
        try:
            questions.append(question_of(row, where))
        except RecordError as error:
            problems.add(error)
    problems.raise_if_any()
    return Choice(f"choice:{argument}", tuple(questions))
