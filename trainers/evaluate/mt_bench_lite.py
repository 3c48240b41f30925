"""`mt-bench-lite:FILE`: questions of two turns, each answer graded from 1 to 10 by a judge.

The questions' format and the way they are judged are MT-Bench's (Zheng et al. 2023, "Judging
LLM-as-a-Judge with MT-Bench and Chatbot Arena", arXiv 2306.05685); the judge's texts are ours, and
any 20 questions or more will do, so its grades are not comparable with published ones. Questions of
math, reasoning and coding are judged beside the reference answer, where the file has one.

- `grade`: the mean of both turns, over the questions; `grade_turn_1`, `grade_turn_2`: of each.
- With `--against MODEL`: `other_grade` and `gain`, over the same questions; and the answers of both
  models compared turn by turn, as `pairwise` does: `win_rate`, `length_controlled`.

Each line of the file is a question; `reference` may be left out:

    {"question_id": 111, "category": "math", "turns": ["What is 3 * 4?", "And half of that?"],
    "reference": ["12", "6"]}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from datakit.errors import InputError, RecordError
from datakit.files import shown_path
from datakit.judge import Question
from datakit.rows import Problems
from datakit.strict import kind_of
from trainers.evaluate import Items, TaskOptions
from trainers.evaluate.judged import Judged, Said
from trainers.evaluate.judging import Judging, Sides
from trainers.evaluate.reading import take_rows
from trainers.evaluate.subject import Subject
from trainers.evaluate.verdicts import graded, won

__all__ = ["GUIDED", "LEAST", "MTBenchLite", "TwoTurns", "open_task"]

LEAST = 20
"""Fewest questions."""
GUIDED = ("math", "reasoning", "coding")
"""Categories that are judged beside a reference answer."""
_NEW_TOKENS = 512


@dataclass(frozen=True)
class TwoTurns:
    """One item.

    Args:
        id: Its `question_id`.
        category: The kind of question.
        turns: What is asked first, and then.
        reference: Answers that are known to be right; empty texts where there is none.
    """

    id: str
    category: str
    turns: tuple[str, str]
    reference: tuple[str, str] = ("", "")

    @property
    def guide(self) -> tuple[str, str]:
        """What the judge is shown beside the answer to each turn; empty if nothing."""
        first, second = self.reference if self.category in GUIDED else ("", "")
        return first, _both(first, second) if second.strip() else ""


@dataclass(frozen=True)
class MTBenchLite:
    """The task.

    Args:
        text: What the user wrote.
        questions: Its items.
        max_new_tokens: Most tokens of an answer.
    """

    text: str
    questions: tuple[TwoTurns, ...]
    max_new_tokens: int = _NEW_TOKENS

    def __len__(self) -> int:
        return len(self.questions)

    def missing(self) -> int:
        """Returns 0: grades need nothing to be compared with."""
        return 0

    def run(self, subject: Subject, note: Callable[[str], None]) -> Items:
        """Has both turns answered, the second in the light of the first answer."""
        subject.note = note
        first = [[_user(each.turns[0])] for each in self.questions]
        one = subject.generate(first, max_new_tokens=self.max_new_tokens)
        second = [
            [*asked, {"role": "assistant", "content": answer}, _user(each.turns[1])]
            for asked, answer, each in zip(first, one, self.questions, strict=True)
        ]
        two = subject.generate(second, max_new_tokens=self.max_new_tokens)
        ids = tuple(f"{each.id}/{turn}" for each in self.questions for turn in (1, 2))
        answers = tuple(text for both in zip(one, two, strict=True) for text in both)
        return Items(ids, {}, answers, self._notes())

    def _notes(self) -> tuple[str, ...]:
        guided = [each for each in self.questions if each.category in GUIDED]
        bare = sum(not all(each.guide) for each in guided)
        if not bare:
            return ()
        return (
            f"{bare:,} of {len(guided):,} questions of {', '.join(GUIDED)} lack a reference for a "
            "turn, which is judged without one.",
        )

    def judge(self, sides: Sides, judging: Judging) -> Sequence[Judged]:
        """Has each turn graded; with another model, its turns too, and both compared."""
        mine = self._graded(sides.answers, judging, f"{self.text} of {sides.model}")
        theirs: list[Said] = []
        if sides.others is not None:
            theirs = self._graded(sides.others, judging, f"{self.text} of {sides.other}")
        found = [
            graded(
                mine,
                theirs,
                model=sides.model,
                opponent=sides.other,
                judge=judging.who("grade"),
                standing=judging.standing("grade"),
                cost=judging.cost(),
            )
        ]
        if sides.others is not None:
            rows = self._compared(sides.answers, sides.others, judging)
            found.append(
                won(
                    rows,
                    model=sides.model,
                    opponent=sides.other,
                    judge=judging.who("pair"),
                    standing=judging.standing("pair"),
                    cost=judging.cost(),
                )
            )
        return found

    def _graded(self, items: Items, judging: Judging, what: str) -> list[Said]:
        questions = []
        for each, (one, two) in zip(self.questions, _turns(items), strict=True):
            first, second = each.guide
            chat = f"User: {each.turns[0]}\n\nAssistant: {one}\n\nUser: {each.turns[1]}"
            questions += [Question(each.turns[0], (one,), first), Question(chat, (two,), second)]
        said = judging.grade(questions, what)
        return [
            Said(name.rpartition("/")[0], name, outcome, (len(asked.answers[0]),), category)
            for name, outcome, asked, category in zip(
                items.ids, said, questions, self._categories(), strict=True
            )
        ]

    def _compared(self, mine: Items, others: Items, judging: Judging) -> list[Said]:
        questions, lengths, texts = [], [], list[str]()
        for each, ours, theirs in zip(self.questions, _turns(mine), _turns(others), strict=True):
            first, second = each.guide
            questions += [
                Question(each.turns[0], (ours[0], theirs[0]), first),
                Question(
                    _both(*each.turns),
                    (_both(*ours), _both(*theirs)),
                    second,
                    second_turn=True,
                ),
            ]
            lengths += [(len(one), len(other)) for one, other in zip(ours, theirs, strict=True)]
            texts += theirs
        said = judging.compare(questions, self.text)
        return [
            Said(name.rpartition("/")[0], name, outcome, both, category, text)
            for name, outcome, both, category, text in zip(
                mine.ids, said, lengths, self._categories(), texts, strict=True
            )
        ]

    def _categories(self) -> list[str]:
        return [each.category for each in self.questions for _ in (1, 2)]


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def _turns(items: Items) -> list[tuple[str, str]]:
    texts = items.answers or ()
    return list(zip(texts[::2], texts[1::2], strict=True))


def _both(first: str, second: str) -> str:
    return f"First turn:\n{first}\n\nSecond turn:\n{second}"


def open_task(argument: str, options: TaskOptions) -> MTBenchLite:
    """Reads questions.

    Args:
        argument: A file of questions in MT-Bench's format.
        options: What holds for all tasks.

    Raises:
        InputError: If the file cannot be read, or has fewer than 20 questions.
        RecordError: With all lines that are no question.
    """
    problems = Problems()
    questions: dict[str, TwoTurns] = {}
    for where, row in take_rows(argument, options):
        try:
            found = question_of(row, where)
            if found.id in questions:
                raise RecordError(f'{where}: "question_id" {found.id} is there twice.')
            questions[found.id] = found
        except RecordError as error:
            problems.add(error)
    problems.raise_if_any()
    if len(questions) < LEAST:
        cut = f" with --limit {options.limit}" if options.limit is not None else ""
        raise InputError(
            f"{shown_path(argument)}: has {len(questions):,} questions{cut}; mt-bench-lite needs "
            f"{LEAST} or more, for fewer tell hardly anything."
        )
    return MTBenchLite(
        f"mt-bench-lite:{argument}",
        tuple(questions.values()),
        options.max_new_tokens or _NEW_TOKENS,
    )


def question_of(row: dict[str, Any], where: str) -> TwoTurns:
    """Reads one line.

    Args:
        row: The line.
        where: Its file and line.

    Raises:
        RecordError: With what is wrong in it.
    """
    name, category = row.get("question_id"), row.get("category")
    turns: Any = row.get("turns")
    wrong = []
    if isinstance(name, bool) or not isinstance(name, int | str) or not str(name).strip():
        wrong.append(f'{where}: "question_id" must be a number or a text, not {kind_of(name)}.')
    if not isinstance(category, str) or not category.strip():
        wrong.append(f'{where}: "category" must be a text, such as "writing" or "math".')
    if not _texts(turns) or len(turns) != 2 or not all(each.strip() for each in turns):
        wrong.append(f'{where}: "turns" must be a list of two texts that are not empty.')
    reference = row.get("reference") or []
    if not _texts(reference) or len(reference) > 2:
        wrong.append(f'{where}: "reference" must be a list of two texts, one for each turn.')
    if wrong:
        raise RecordError(wrong)
    first, second = [*reference, "", ""][:2]
    return TwoTurns(str(name), str(category).strip().lower(), (turns[0], turns[1]), (first, second))


def _texts(value: Any) -> bool:  # noqa: ANN401  any JSON value
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
