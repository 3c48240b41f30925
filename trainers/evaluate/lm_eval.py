"""lm-eval: tasks of EleutherAI's lm-evaluation-harness, with its own data, prompts and metrics.

There is no file of yours: `lm-eval:NAME[,NAME]` names tasks or groups of the harness, such as

    lm-eval:arc_easy

`lm-eval:NAME@FOLDER` takes those whose
YAML files are in a folder, too. Such a file may name code beside it, which is run: take folders
only from those you trust. What the harness computes for each item becomes our scores, so that two
models can be compared item by item, which the harness itself does not.

Sources: github.com/EleutherAI/lm-evaluation-harness, version 0.4.13: `TaskManager`, `evaluate`,
`HFLM`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datakit.errors import DatakitError, InputError, MissingExtraError, did_you_mean
from trainers.evaluate import Items, TaskOptions
from trainers.evaluate.harness import harness_items, harness_model, refuse_likelihoods

if TYPE_CHECKING:
    from trainers.evaluate.subject import Subject

__all__ = ["LmEval", "open_task"]

# What the harness takes where nothing is said: it draws the examples of few-shot prompts.
_SHOT_SEED = 1234


@dataclass(frozen=True)
class LmEval:
    """Tasks of the harness, loaded.

    Attributes:
        text: What the user wrote.
        loaded: What `TaskManager.load` gives: the tasks by name, and their groups.
        limit: Most items of each task; None is all.
    """

    text: str
    loaded: Mapping[str, Any]
    limit: int | None = None

    def __len__(self) -> int:
        return sum(_size(task, self.limit) for task in self.loaded["tasks"].values())

    def run(self, subject: Subject, note: Callable[[str], None]) -> Items:
        """Runs the harness on a model: chats by its template, if it has one.

        Raises:
            InputError: If a server is asked for likelihoods, or the harness fails.
        """
        tasks = self.loaded["tasks"]
        note(f"{self.text}: {len(self):,} items of {', '.join(tasks)}")
        with _failing_plainly(self.text), _quiet():
            from lm_eval.evaluator import evaluate

            model, templated = harness_model(subject, tasks)
            found = evaluate(
                lm=model,
                task_dict=dict(self.loaded),
                limit=self.limit,
                bootstrap_iters=0,
                log_samples=True,
                apply_chat_template=templated,
                fewshot_as_multiturn=templated,
            )
        return harness_items(self.text, found, templated=templated)


def open_task(argument: str, options: TaskOptions) -> LmEval:
    """Finds tasks of the harness and loads their data.

    Args:
        argument: Names, parted by commas, and after an `@` a folder of task files.
        options: `limit` holds for each task; `max_new_tokens` for those that generate.

    Raises:
        MissingExtraError: If lm-eval is not installed.
        InputError: If there is no such task or folder, if a task's data cannot be loaded, or if it
            needs likelihoods and the model is served.
    """
    if importlib.util.find_spec("lm_eval") is None:
        raise MissingExtraError.of("lm_eval", "lm-eval", "A task of the lm-evaluation-harness")
    text = f"lm-eval:{argument}"
    listed, at, folder = argument.partition("@")
    names = [name.strip() for name in listed.split(",")]
    if not all(names) or (at and not folder):
        raise InputError(f"--task {text}: write lm-eval:NAME, lm-eval:NAME,NAME or NAME@FOLDER.")
    if folder and not Path(folder).is_dir():
        raise InputError(f"--task {text}: {folder} is not a folder.")
    with _failing_plainly(text), _quiet():
        manager = _manager(names, folder)
    known = manager.all_tasks
    if unknown := [name for name in names if name not in known]:
        near = did_you_mean(unknown[0], known) or "."
        raise InputError(f'--task {text}: the harness has no task "{unknown[0]}"{near}')
    with _failing_plainly(text, "its data cannot be loaded (most comes from the hub)"), _quiet():
        loaded = manager.load(names)
        for task in loaded["tasks"].values():
            _prepare(task, options)
    _refuse(text, loaded["tasks"])
    if options.served:
        refuse_likelihoods(loaded["tasks"])
    return LmEval(text, loaded, options.limit)


def _manager(names: Sequence[str], folder: str) -> Any:  # noqa: ANN401  lm-eval is optional
    from lm_eval.tasks import TaskManager

    if folder:
        # Its own index takes seconds to build: only where the folder does not have all names.
        own = TaskManager(include_path=folder, include_defaults=False)
        if set(names) <= set(own.all_tasks):
            return own
    return TaskManager(include_path=folder or None)


def _prepare(task: Any, options: TaskOptions) -> None:  # noqa: ANN401  lm-eval is optional
    """Sets what the harness' own command sets before a run."""
    if task.get_config("num_fewshot") is None:
        task.set_config(key="num_fewshot", value=0)
    task.set_fewshot_seed(seed=_SHOT_SEED)
    if options.max_new_tokens and task.OUTPUT_TYPE == "generate_until":
        most = {"max_gen_toks": options.max_new_tokens}
        task.set_config(key="generation_kwargs", value=most, update=True)


def _refuse(text: str, tasks: Mapping[str, Any]) -> None:
    for name, task in tasks.items():
        if getattr(task, "UNSAFE_CODE", False):
            raise InputError(f"--task {text}: {name} runs code of the model's, which is not done.")
        if getattr(task, "MULTIMODAL", False):
            raise InputError(f"--task {text}: {name} shows pictures; only text is measured.")


def _size(task: Any, limit: int | None) -> int:  # noqa: ANN401  lm-eval is optional
    items = len(task.eval_docs)
    return items if limit is None else min(limit, items)


@contextlib.contextmanager
def _failing_plainly(text: str, what: str = "the harness failed") -> Iterator[None]:
    try:
        yield
    except DatakitError:
        raise
    except Exception as error:  # tasks are others' code, and raise whatever they like
        why = " ".join(str(error).split())[:300].rstrip(".")
        raise InputError(f"--task {text}: {what}: {type(error).__name__}: {why}.") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps off the terminal what the harness and its libraries say, bars included."""
    loggers = [logging.getLogger(name) for name in ("lm_eval", "datasets", "huggingface_hub")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    sink = io.StringIO()
    try:
        with (
            contextlib.redirect_stderr(sink),
            contextlib.redirect_stdout(sink),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
