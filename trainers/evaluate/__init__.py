"""Tasks: what a model is measured by, given as `name` or `name:argument`.

A task has items in a fixed order, so that two models, or a model and its base, can be compared
item by item. Each task is a module of this folder with `open_task(argument, options)`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from datakit.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from trainers.evaluate.subject import Subject

__all__ = ["TASKS", "Items", "Kind", "Task", "TaskOptions", "parse_task", "parse_tasks"]


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


@dataclass(frozen=True)
class Items:
    """What a task found, item by item.

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


@dataclass(frozen=True)
class Kind:
    """A task that can be named.

    Args:
        module: Where its `open_task` is.
        argument: What stands after the colon; in brackets if it may be left out.
        scores_text: Whether it needs likelihoods, which a server does not give.
        summary: One line of help.
    """

    module: str
    argument: str
    scores_text: bool
    summary: str


TASKS: Mapping[str, Kind] = {
    "perplexity": Kind("perplexity", "FILE", True, "how likely the answers of a file are"),
    "match": Kind("match", "FILE", False, "exact and numeric answers"),
    "sql": Kind("sql", "FILE", False, "queries that give the gold query's result"),
    "choice": Kind("choice", "FILE", True, "multiple choice, by likelihood"),
    "preference": Kind("preference", "FILE", True, "pairs whose chosen answer is likelier"),
    "ifeval": Kind("ifeval", "[FILE]", False, "instructions that can be checked by a program"),
    "lm-eval": Kind("lm_eval", "NAME", False, "a task of the lm-evaluation-harness"),
}


def parse_task(text: str, options: TaskOptions | None = None, *, served: bool = False) -> Task:
    """Opens the task that a text such as `match:held_out.jsonl` names, and reads its items.

    Args:
        text: Name, and after a colon what it is about.
        options: What holds for all tasks.
        served: Whether it is for a model behind a URL, which only answers.

    Raises:
        InputError: If there is no such task, or its file is wrong, or a server cannot do it.
    """
    name, colon, argument = text.partition(":")
    kind = TASKS.get(name)
    if kind is None:
        near = did_you_mean(name, TASKS) or f"; there are {', '.join(TASKS)}."
        raise InputError(f'--task {text}: there is no task "{name}"{near}')
    if served and kind.scores_text:
        able = ", ".join(each for each, kind in TASKS.items() if not kind.scores_text)
        raise InputError(
            f"--task {text}: needs the likelihood of given texts, which a server does not tell. "
            f"With a URL these tasks work: {able}. Name a folder or a hub id for the others."
        )
    if not argument and not kind.argument.startswith("["):
        raise InputError(f"--task {text}: write {name}:{kind.argument}.")
    if colon and not argument:
        raise InputError(f"--task {text}: nothing stands after the colon.")
    module = importlib.import_module(f"trainers.evaluate.{kind.module}")
    given = options or TaskOptions()
    task: Task = module.open_task(argument, replace(given, served=served or given.served))
    return task


def parse_tasks(
    texts: Iterable[str], options: TaskOptions | None = None, *, served: bool = False
) -> Sequence[Task]:
    """Opens several tasks; all mistakes are told at once.

    Raises:
        InputError: As `parse_task`; also if a task is given twice.
    """
    tasks: list[Task] = []
    wrong: list[str] = []
    seen: set[str] = set()
    for text in texts:
        if text in seen:
            wrong.append(f"--task {text}: is given twice.")
            continue
        seen.add(text)
        try:
            tasks.append(parse_task(text, options, served=served))
        except InputError as error:
            wrong += error.problems
    if wrong:
        raise InputError(wrong)
    return tasks
