"""Measures a model by tasks, and its base for comparison, item by item."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datakit.errors import DatakitWarning, InputError
from trainers.evaluate import Items, Task, TaskOptions, parse_tasks
from trainers.evaluate.general import Forgetting, forgetting, general_tasks
from trainers.evaluate.loading import template_of
from trainers.evaluate.outcome import Outcome, outcome_of
from trainers.evaluate.subject import Subject, check_subject, open_subject, shown_model, silent
from trainers.models import RUN_FILE, ModelRef, read_json, recorded_base, resolve

__all__ = ["Evaluation", "measure", "run_tasks"]


@dataclass(frozen=True)
class Evaluation:
    """What tasks say of a model.

    Args:
        model: What the user called it; a URL without its query.
        dtype: What it computed in; empty if a server did.
        outcomes: One for each task.
        base: What it was compared with, if anything.
        forgetting: How it does on the general set, against its base.
    """

    model: str
    dtype: str
    outcomes: tuple[Outcome, ...]
    base: str | None = None
    forgetting: Forgetting | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        value: dict[str, Any] = {
            "model": self.model,
            "dtype": self.dtype or None,
            "tasks": [each.to_json() for each in self.outcomes],
        }
        if self.base is not None:
            value["base"] = self.base
        if self.forgetting is not None:
            value["general"] = self.forgetting.to_json()
        return value

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yields a JSON object for each item of each task."""
        for each in self.outcomes:
            yield from each.rows()


def measure(
    model: str,
    tasks: Sequence[str],
    *,
    base: str | None = None,
    compare: bool = True,
    general: bool = True,
    options: TaskOptions | None = None,
    batch: int | None = None,
    dtype: str = "auto",
    template: str = "",
    note: Callable[[str], None] = silent,
) -> Evaluation:
    """Measures a model by tasks; a trained one against its base as well.

    Args:
        model: As `trainers.models.resolve` takes it.
        tasks: Such as `match:held_out.jsonl`.
        base: What to compare it with; None takes what it was trained from, where that is known.
        compare: Whether the tasks are run on the base too.
        general: Whether model and base are run on the general set.
        options: What holds for all tasks.
        batch: Most items that are looked at together.
        dtype: As `trainers.evaluate.subject.open_subject` takes it.
        template: Likewise.
        note: Is told in words how far it is.

    Raises:
        InputError: If a model or a task is not there, or wrong; then nothing was run or sent.
        ProviderError: If a server fails for good.
    """
    served = any(text.startswith(("http://", "https://")) for text in (model, base or ""))
    opened = [*parse_tasks(tasks, options, served=served)]
    ref = resolve(model)
    other = resolve(base) if base is not None else _trained_from(ref)
    known = other if other or not ref.adapter else ref.base
    more = general_tasks() if general and known and not served else ()
    fallback = ""
    if other is not None and (compare or more):
        fallback = _checked_base(ref, other, template)
    dtypes: list[str] = []

    def opener(text: str) -> Subject:
        subject = open_subject(
            text, batch=batch, dtype=dtype, template=template, fallback=fallback, note=note
        )
        dtypes.append(subject.dtype)
        return subject

    found = run_tasks(
        opener,
        model,
        [*opened, *more],
        base=other.given if other else None,
        with_base=[compare] * len(opened) + [True] * len(more),
        note=note,
    )
    return Evaluation(
        shown_model(model),
        dtypes[0],
        tuple(found[: len(opened)]),
        shown_model(known.given) if known and (compare or more) else None,
        forgetting(*found[len(opened) :]) if more else None,
    )


def _checked_base(ref: ModelRef, base: ModelRef, template: str) -> str:
    """Returns the template for a base that has none: what a training may have given the model.

    What keeps the base from being opened is told here, before the first task of the model.
    """
    fallback = ""
    if "served" not in (ref.kind, base.kind):
        fallback = template_of(ref)
    check_subject(base.given, template=template, fallback=fallback)
    return fallback


def _trained_from(ref: ModelRef) -> ModelRef | None:
    """Returns the base that a trained folder's run.json names, if it is still there."""
    path = Path(ref.path) / RUN_FILE
    if ref.kind != "folder" or not path.is_file():
        return None
    model = read_json(path).get("model", {})
    given = model.get("base")
    if not given:
        return None
    try:
        return recorded_base(Path(ref.path), model)
    except InputError:
        warnings.warn(
            f"{path}: its base, {given}, is not there; --base MODEL says where it is now.",
            DatakitWarning,
            stacklevel=3,
        )
        return None


def run_tasks(
    opener: Callable[[str], Subject],
    model: str,
    tasks: Sequence[Task],
    *,
    base: str | None = None,
    with_base: Sequence[bool] = (),
    note: Callable[[str], None],
) -> list[Outcome]:
    """Measures a model by tasks, and its base by some of them.

    Two models are not in memory at once: the base of an adapter is the adapter switched off, and
    another one is loaded when the first is let go.

    Args:
        opener: Opens a model by its name.
        model: The model.
        tasks: What to measure.
        base: Another model to compare with; None takes the adapter's own base, if there is one.
        with_base: For each task whether the base is measured too; without it, all are.
        note: Is told in words how far it is.

    Returns:
        An outcome for each task, in their order.
    """
    wanted = [*with_base] or [True] * len(tasks)
    before: list[Items | None] = [None] * len(tasks)
    with _opened(opener, model) as subject:
        after = [_measured(task, subject, note) for task in tasks]
        if base is None and subject.adapter and any(wanted):
            with subject.without_adapter():
                before = _befores(tasks, wanted, subject, note)
    if base is not None and any(wanted):
        with _opened(opener, base) as other:
            before = _befores(tasks, wanted, other, note)
    return [outcome_of(*each) for each in zip(tasks, after, before, strict=True)]


def _befores(
    tasks: Sequence[Task], wanted: Sequence[bool], subject: Subject, note: Callable[[str], None]
) -> list[Items | None]:
    return [
        _measured(task, subject, lambda text: note(f"base: {text}")) if also else None
        for task, also in zip(tasks, wanted, strict=True)
    ]


def _measured(task: Task, subject: Subject, note: Callable[[str], None]) -> Items:
    def told(text: str) -> None:
        note(text if text.startswith(task.text) else f"{task.text}: {text}")

    subject.note = told
    return task.run(subject, told)


@contextmanager
def _opened(opener: Callable[[str], Subject], model: str) -> Iterator[Subject]:
    subject = opener(model)
    try:
        yield subject
    finally:
        subject.close()
