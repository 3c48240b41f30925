"""All answers judged when the last model is closed, and what is looked at before that."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from datakit.errors import DatakitError, InputError, ProviderError
from datakit.judge import Session
from trainers.evaluate import Items, Task
from trainers.evaluate.evaluation import Evaluation, Interrupted
from trainers.evaluate.judging import Judge, JudgedTask, Judging, Sides
from trainers.evaluate.subject import shown_model, silent

__all__ = ["check_judging", "finished", "halting", "is_judged"]


def is_judged(task: Task) -> bool:
    """Returns whether a judge finishes a task."""
    return isinstance(task, JudgedTask)


def check_judging(tasks: Sequence[Task], judge: Judge | None, against: str | None) -> None:
    """Looks whether judged tasks have what they need; nothing is sent.

    Raises:
        InputError: With all that is wrong.
    """
    judged = [each for each in tasks if isinstance(each, JudgedTask)]
    wrong = []
    for task in judged:
        if judge is None:
            wrong.append(f"--task {task.text}: is judged; name the judge: --judge PROVIDER:MODEL.")
        if against is None and (missing := task.missing()):
            wrong.append(
                f"--task {task.text}: {missing:,} of {len(task):,} items have no output to compare "
                "with. Put it in, or compare with another model: --against MODEL."
            )
    if not judged:
        given = {"--judge": judge is not None, "--against": against is not None}
        wrong += [
            f"{name}: no task is judged; pairwise and mt-bench-lite are."
            for name, there in given.items()
            if there
        ]
    if judged and judge is not None:
        try:
            judge.check()
        except InputError as error:
            wrong += error.problems
    if wrong:
        raise InputError(wrong)


def finished(
    judge: Judge,
    tasks: Sequence[Task],
    found: Sequence[Evaluation],
    *,
    against: str = "",
    others: Mapping[str, Items] | None = None,
    note: Callable[[str], None] = silent,
) -> list[Evaluation]:
    """Has all answers judged; what was found before is kept if that fails.

    Args:
        judge: The judge.
        tasks: All of them, judged or not.
        found: Of each model, with the answers to judged tasks.
        against: The other model, if there is one.
        others: Its answers, by the task's text.
        note: Is told how far it is.

    Returns:
        The evaluations; those that the judge did not finish say so, and why.
    """
    judged = {each.text: each for each in tasks if isinstance(each, JudgedTask)}
    done = list(found)
    other = shown_model(against)
    with (
        halting(tasks, done, judge) as halted,
        Session(judge.teacher, judge.log, budget=judge.budget) as session,
    ):
        judging = Judging(judge, session, note)
        for at, evaluation in enumerate(found):
            for outcome in evaluation.outcomes:
                if task := judged.get(outcome.task):
                    theirs = (others or {}).get(outcome.task)
                    sides = Sides(evaluation.model, outcome.items, other, theirs)
                    said = tuple(task.judge(sides, judging))
                    done[at] = done[at].with_outcome(replace(outcome, judged=said))
    return halted or done


@contextmanager
def halting(
    tasks: Sequence[Task], found: list[Evaluation], judge: Judge | None = None
) -> Iterator[list[Evaluation]]:
    """Keeps what was found where a `with` block fails, or is interrupted.

    Args:
        tasks: All of them.
        found: What was found; it may grow within the block.
        judge: The judge, if it is asked within the block.

    Yields:
        A list that stays empty unless the block fails; then it has the evaluations, which say so.

    Raises:
        Interrupted: If it is interrupted.
    """
    judged = {each.text for each in tasks if isinstance(each, JudgedTask)}
    halted: list[Evaluation] = []
    try:
        yield halted
    except DatakitError as error:
        halted += [_unjudged(each, judged, _saved(error, judge)) for each in found]
    except KeyboardInterrupt:
        *earlier, last = (_unjudged(each, judged, None) for each in found)
        raise Interrupted(last, tuple(earlier)) from None


def _saved(error: DatakitError, judge: Judge | None) -> DatakitError:
    if judge is None or not isinstance(error, ProviderError):
        return error
    text = f"What the judge answered is saved in {judge.log}; the same command goes on from there."
    return ProviderError([*error.problems, text])


def _unjudged(
    evaluation: Evaluation, judged: Container[str], stopped: DatakitError | None
) -> Evaluation:
    left = [
        f"{each.task} is answered, but not judged"
        for each in evaluation.outcomes
        if each.task in judged and not each.judged
    ]
    return evaluation.halted(left, stopped) if left else evaluation
