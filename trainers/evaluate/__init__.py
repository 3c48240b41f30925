"""Tasks: what a model is measured by, given as `name` or `name:argument`.

A task has items in a fixed order, so that two models, or a model and its base, can be compared
item by item. Each task is a module of this folder with `open_task(argument, options)`.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from datakit.errors import InputError, did_you_mean
from trainers.evaluate.kinds import TASKS, Kind

if TYPE_CHECKING:
    from trainers.evaluate.subject import Subject

__all__ = [
    "TASKS",
    "Items",
    "Kind",
    "Task",
    "TaskOptions",
    "misnamed",
    "parse_task",
    "parse_tasks",
]


@dataclass(frozen=True)
class TaskOptions:
    """What the user asked of all tasks.

    Args:
        limit: Most items of a task, the first ones; None is all.
        max_new_tokens: Most tokens of an answer; None leaves it to the task.
        store: The folder of versions, where a task's data may be one.
        served: Whether the model is behind a URL, and only answers; `parse_task` sets it.
    """

    limit: int | None = None
    max_new_tokens: int | None = None
    store: str | None = None
    served: bool = False


@dataclass(frozen=True, repr=False)
class Items:
    """What a task found, item by item; two models' are of the same items, in the same order.

    Args:
        ids: Of the items.
        scores: For each metric a value per item.
        answers: What was generated, if anything was.
        notes: Plain sentences for the reader.
        weights: For some metrics a weight per item: the metric's value is then the weighted mean,
            as nats per token are those of all tokens.
        exps: For some more metrics that of which they are the exponential: perplexity is `nll`'s.
        fixed: Metrics that say something of the items, whatever the model is.
    """

    ids: tuple[str, ...]
    scores: Mapping[str, tuple[float, ...]]
    answers: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    weights: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    exps: Mapping[str, str] = field(default_factory=dict)
    fixed: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        """Returns how many items there are, and what is known of them."""
        return f"Items(n={len(self.ids):,}, scores={', '.join(self.scores)})"

    def by_id(self, metric: str) -> dict[str, float]:
        """Returns one metric's value of each item, by the item's id.

        Raises:
            KeyError: If there is no such metric.
            ValueError: If two items have the same id.
        """
        found = dict(zip(self.ids, self.scores[metric], strict=True))
        if len(found) < len(self.ids):
            raise ValueError("two items have the same id; take `scores` by their order")
        return found


class Task(Protocol):
    """One task, its items read.

    It may also have `against(items, base)`, which returns scores of a model relative to its base.
    """

    @property
    def text(self) -> str:
        """What the user wrote, such as `match:held_out.jsonl`."""
        ...

    def __len__(self) -> int:
        """The number of items."""
        ...

    def run(self, subject: Subject, note: Callable[[str], None]) -> Items:
        """Measures a model.

        Args:
            subject: The model.
            note: Is told in words how far it is.
        """
        ...


def parse_task(text: str, options: TaskOptions | None = None, *, served: bool = False) -> Task:
    """Opens the task that a text such as `match:held_out.jsonl` names, and reads its items.

    Args:
        text: Name, and after a colon what it is about.
        options: What holds for all tasks.
        served: Whether it is for a model behind a URL, which only answers.

    Raises:
        InputError: If there is no such task, or its file is wrong, or a server cannot do it.
    """
    name, _, argument = text.partition(":")
    if wrong := _misnamed(text, served=served):
        raise InputError(wrong)
    module = importlib.import_module(f"trainers.evaluate.{TASKS[name].module}")
    given = options or TaskOptions()
    task: Task = module.open_task(argument, replace(given, served=served or given.served))
    return task


def _misnamed(text: str, *, served: bool) -> str:
    """Returns what is wrong in the words that name a task; empty if nothing is."""
    name, colon, argument = text.partition(":")
    kind = TASKS.get(name)
    if kind is None:
        near = did_you_mean(name, TASKS) or f"; there are {', '.join(TASKS)}."
        return f'--task {text}: there is no task "{name}"{near}'
    if served and kind.scores_text:
        able = ", ".join(each for each, kind in TASKS.items() if not kind.scores_text)
        return (
            f"--task {text}: needs the likelihood of given texts, which a server does not tell. "
            f"With a URL these tasks work: {able}. Name a folder or a hub id for the others."
        )
    if not argument and not kind.argument.startswith("["):
        return f"--task {text}: write {name}:{kind.argument}."
    return f"--task {text}: nothing stands after the colon." if colon and not argument else ""


def misnamed(texts: Sequence[str], *, served: bool = False) -> dict[int, tuple[str, ...]]:
    """Returns what is wrong in the words that name tasks, by the place of each; opens nothing."""
    wrong: dict[int, tuple[str, ...]] = {}
    for at, text in enumerate(texts):
        if text in texts[:at]:
            wrong[at] = (f"--task {text}: is given twice.",)
        elif problem := _misnamed(text, served=served):
            wrong[at] = (problem,)
    return wrong


def parse_tasks(
    texts: Iterable[str], options: TaskOptions | None = None, *, served: bool = False
) -> Sequence[Task]:
    """Opens several tasks, those that are quick to open first; all mistakes are told at once.

    What takes long to open is not opened any more where something else is wrong.

    Raises:
        InputError: As `parse_task`; also if a task is given twice.
    """
    given = list(texts)
    wrong = misnamed(given, served=served)
    tasks: dict[int, Task] = {}

    def cost(at: int) -> int:
        return TASKS[given[at].partition(":")[0]].cost

    opening = sorted((at for at in range(len(given)) if at not in wrong), key=cost)
    for rank, places in itertools.groupby(opening, key=cost):
        if wrong and rank:
            break
        for at in places:
            try:
                tasks[at] = parse_task(given[at], options, served=served)
            except InputError as error:
                wrong[at] = error.problems
    if wrong:
        raise InputError(text for _, problems in sorted(wrong.items()) for text in problems)
    return [tasks[at] for at in range(len(given))]
