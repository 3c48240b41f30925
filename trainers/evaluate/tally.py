"""Tasks run on a model, and on its base for comparison: two models are never open at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from trainers.evaluate import Items, Task
from trainers.evaluate.outcome import Outcome, outcome_of
from trainers.evaluate.progress import Progress, Turn
from trainers.evaluate.subject import Subject, silent

__all__ = ["Tally", "run_tasks"]


@dataclass
class Tally:
    """What is measured so far.

    Args:
        tasks: What is to be measured.
        with_base: For each task whether the base is measured too.
        dtype: What the model computes in, once it is open.
        after: The model's items of each task that was run.
        before: The base's.
    """

    tasks: Sequence[Task]
    with_base: Sequence[bool]
    dtype: str = ""
    after: dict[int, Items] = field(default_factory=dict)
    before: dict[int, Items] = field(default_factory=dict)

    def outcome(self, at: int) -> Outcome:
        """Returns what is known of a task that was run on the model."""
        return outcome_of(self.tasks[at], self.after[at], self.before.get(at))

    def lacks(self, at: int) -> bool:
        """Returns whether a task still has to be run on the base."""
        return self.with_base[at] and at not in self.before


def run_tasks(
    opener: Callable[[str], Subject],
    model: str,
    tally: Tally,
    *,
    base: str | None = None,
    words: Mapping[str, str] | None = None,
    note: Callable[[str], None] = silent,
) -> list[Outcome]:
    """Measures a model by tasks, and its base by some of them.

    The base of an adapter is the adapter switched off; another one is loaded when the first is let
    go, so that two are never in memory at once.

    Args:
        opener: Opens a model by its name.
        model: The model.
        tally: The tasks; takes what is found as soon as it is there.
        base: Another model to compare with; None takes the adapter's own base, if there is one.
        words: What is said before some tasks, by their text.
        note: Is told in words how far it is.

    Returns:
        An outcome for each task, in their order.
    """
    also = [at for at in range(len(tally.tasks)) if tally.with_base[at]]
    later = also if base is not None else []
    with _opened(opener, model) as subject:
        tally.dtype = subject.dtype
        own = also if base is None and subject.adapter else []
        progress = Progress(_turns(tally, own, later, words or {}), note)
        for at, task in enumerate(tally.tasks):
            tally.after[at] = _measured(task, subject, progress)
            if at in own:
                with subject.without_adapter():
                    tally.before[at] = _measured(task, subject, progress)
    if base is not None and later:
        with _opened(opener, base) as other:
            for at in later:
                tally.before[at] = _measured(tally.tasks[at], other, progress)
    return [tally.outcome(at) for at in range(len(tally.tasks))]


def _turns(
    tally: Tally, own: Sequence[int], later: Sequence[int], words: Mapping[str, str]
) -> list[Turn]:
    turns = []
    for at, task in enumerate(tally.tasks):
        turns.append(Turn(task, words=words.get(task.text, "")))
        if at in own:
            turns.append(Turn(task, base=True))
    return turns + [Turn(tally.tasks[at], base=True) for at in later]


def _measured(task: Task, subject: Subject, progress: Progress) -> Items:
    with progress.turn() as told:
        subject.note = told
        return task.run(subject, told)


@contextmanager
def _opened(opener: Callable[[str], Subject], model: str) -> Iterator[Subject]:
    subject = opener(model)
    try:
        yield subject
    finally:
        subject.close()
