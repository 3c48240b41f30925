"""Tasks that a judge finishes: models answer first, one after the other, and then all is judged.

While models run, a judged task only makes them answer. When the last model is closed, one session
with one log and one budget asks the judge: what is in the log is not asked, nor paid, again.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from datakit.errors import InputError
from datakit.judge import (
    Asking,
    Calibration,
    Comparison,
    Grade,
    Question,
    Session,
    Standing,
    check_judge,
    read_calibration,
    standing,
)
from datakit.judge.asking import Form
from datakit.llm.llm import LLM
from datakit.llm.teacher import Teacher
from datakit.outcome import Drop
from trainers.evaluate import Items, Task
from trainers.evaluate.judged import Cost, Judged
from trainers.evaluate.progress import Count
from trainers.evaluate.subject import silent

__all__ = ["LOG", "Judge", "JudgedTask", "Judging", "Sides"]

LOG = "eval.responses.jsonl"

_R = TypeVar("_R", Comparison, Grade)


@dataclass(frozen=True)
class Sides:
    """Whose answers are judged.

    Args:
        model: What the model is called.
        answers: Its answers.
        other: What it is compared with is called; empty if there is no other model.
        others: The other model's answers.
    """

    model: str
    answers: Items
    other: str = ""
    others: Items | None = None


@runtime_checkable
class JudgedTask(Task, Protocol):
    """A task whose `run` only makes a model answer: items without scores."""

    def missing(self) -> int:
        """Returns how many items have nothing to be compared with, if there is no other model."""
        ...

    def judge(self, sides: Sides, judging: Judging) -> Sequence[Judged]:
        """Has the answers judged, when all models are closed.

        Args:
            sides: Whose answers.
            judging: The judge.

        Raises:
            BudgetError: If the budget ends before all is judged.
            ProviderError: If the judge fails for good.
        """
        ...


@dataclass(frozen=True)
class Judge:
    """Who judges, how, for how much, and what people think of it.

    Args:
        teacher: Who judges.
        calibrations: Files that `datakit judge check` wrote.
        budget: US dollars, a hard cap over all tasks and models; answers of the log count.
        log: Where its answers are kept.
        pair: How it is asked to compare.
        grade: How it is asked to grade.
    """

    teacher: Teacher
    calibrations: Sequence[str | Path] = ()
    budget: Decimal | None = None
    log: str | Path = LOG
    pair: Asking = field(default_factory=Asking)
    grade: Asking = field(default_factory=lambda: Asking("grade"))

    def read(self) -> dict[str, Calibration]:
        """Returns the calibrations by their files.

        Raises:
            InputError: If one cannot be read, or is too old to tell how the judge was asked.
        """
        return {str(each): read_calibration(each) for each in self.calibrations}

    def check(self) -> None:
        """Finds out what would keep it from judging; nothing is sent.

        Raises:
            InputError: With all that is wrong.
        """
        wrong: list[str] = []
        path = Path(self.log)
        if path.is_dir():
            wrong.append(f"--judge-log {path}: is a folder; name a file in it.")
        elif not path.parent.is_dir():
            wrong.append(f"--judge-log {path}: there is no folder {path.parent}. Make it first.")
        for look in (
            lambda: check_judge(self.teacher, self.budget),
            self.read,
            self.pair.check,
            self.grade.check,
        ):
            try:
                look()
            except InputError as error:
                wrong += error.problems
        if wrong:
            raise InputError(wrong)


class Judging:
    """A judge that is asked.

    Args:
        judge: Who.
        session: Open.
        note: Is told how far it is.
    """

    def __init__(
        self, judge: Judge, session: Session, note: Callable[[str], None] = silent
    ) -> None:
        self._judge = judge
        self._session = session
        self._note = note
        self._calibrations = judge.read()
        self._before = Cost()

    def who(self, form: Form) -> dict[str, object]:
        """Returns who judges and how, as its calibration names it."""
        return self._asking(form).describe(self._judge.teacher)

    def standing(self, form: Form) -> Standing:
        """Returns what people were found to think of this very judge."""
        return standing(self._calibrations, self.who(form))

    def compare(self, questions: Sequence[Question], what: str) -> list[Comparison | Drop | None]:
        """Asks which of two answers is better; None of two that are the same text."""
        asked = [each for each in questions if each.answers[0] != each.answers[1]]
        said = iter(self._said(asked, self._judge.pair.compare, "pair", what))
        return [next(said) if each.answers[0] != each.answers[1] else None for each in questions]

    def grade(self, questions: Sequence[Question], what: str) -> list[Grade | Drop]:
        """Asks for grades."""
        return self._said(questions, self._judge.grade.grade, "grade", what)

    def cost(self) -> Cost:
        """Returns what was asked since this was last called."""
        totals = self._session.totals
        usd = float(totals.cost) if self._judge.teacher.has_price else None
        now = Cost(totals.requests, totals.cached, usd)
        before, self._before = self._before, now
        return Cost(
            now.requests - before.requests,
            now.cached - before.cached,
            None if usd is None else usd - (before.usd or 0.0),
        )

    def _asking(self, form: Form) -> Asking:
        return self._judge.grade if form == "grade" else self._judge.pair

    def _said(
        self,
        questions: Sequence[Question],
        ask: Callable[[LLM, Question], Coroutine[Any, Any, _R | Drop]],
        label: str,
        what: str,
    ) -> list[_R | Drop]:
        def call(question: Question, llm: LLM) -> Coroutine[Any, Any, _R | Drop]:
            return ask(llm, question)

        def tell(done: int) -> None:
            self._note(Count.of(done, len(questions), f"judged   {what}"))

        found = self._session.map(
            questions, call, lambda each: each.key, label=f"eval/{label}", tell=tell
        )
        if self._session.stopped:
            raise self._session.stopped
        return found
