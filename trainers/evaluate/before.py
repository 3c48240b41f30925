"""What must be right before a model is measured: looked at in the order of what it costs."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datakit.errors import DatakitWarning, InputError, ProviderError
from trainers.evaluate import Task, TaskOptions, misnamed, parse_tasks
from trainers.evaluate.general import general_tasks
from trainers.evaluate.loading import template_of
from trainers.evaluate.subject import check_subject
from trainers.models import RUN_FILE, ModelRef, check_device, read_json, recorded_base, resolve

__all__ = ["Plan", "is_served", "opened", "prepare"]

_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")


@dataclass(frozen=True)
class Plan:
    """What is measured, and on what.

    Args:
        model: The model.
        base: Another model that is loaded for comparison, if any.
        against: What it is compared with: that, or the base under an adapter.
        tasks: Those that were named.
        general: The general set's, if it is measured.
        fallback: The text of a chat template for a base that has none.
    """

    model: ModelRef
    base: ModelRef | None
    against: ModelRef | None
    tasks: tuple[Task, ...]
    general: tuple[Task, ...] = ()
    fallback: str = ""


def is_served(*models: str | None) -> bool:
    """Returns whether any of these models is behind a URL."""
    return any((each or "").lower().startswith(("http://", "https://")) for each in models)


def opened(
    model: str, base: str | None, tasks: Sequence[str], options: TaskOptions, device: str = "auto"
) -> Plan:
    """Finds models and tasks by their names; loads nothing.

    Raises:
        InputError: If any is not there, or a task's file is wrong: as many as can be told at once.
    """
    served = is_served(model, base)
    wrong = [
        f"--{name}: must be a whole number of at least 1, not {value}."
        for name, value in (("limit", options.limit), ("max-new-tokens", options.max_new_tokens))
        if value is not None and value < 1
    ]
    if not _DEVICE.fullmatch(device):
        wrong.append(f'--device: there is no "{device}"; there is auto, cpu, cuda, cuda:1.')
    for text in filter(None, (model, base)):
        try:
            # A .gguf file may have to be unpacked, which takes its time: later.
            if text != "embedded" and not text.endswith(".gguf"):
                resolve(text)
        except InputError as error:
            wrong += error.problems
    if wrong:
        named = misnamed(tasks, served=served).values()
        raise InputError([*wrong, *(text for problems in named for text in problems)])
    found = tuple(parse_tasks(tasks, options, served=served))
    ref = resolve(model)
    other = resolve(base) if base is not None else _trained_from(ref)
    return Plan(ref, other, other if other or not ref.adapter else ref.base, found)


def prepare(
    plan: Plan, *, compare: bool, general: bool, limit: int | None, template: str, device: str
) -> Plan:
    """Makes sure that all models can be opened, as far as their weights are not needed for it.

    Args:
        plan: As `opened` returns it.
        compare: Whether the base is measured by the tasks.
        general: Whether model and base are measured on the general set.
        limit: Most items of it.
        template: A chat template, for models that have none.
        device: `cpu`, `cuda` or `auto`.

    Returns:
        The plan with general set, fallback and only such a base as is needed.

    Raises:
        InputError: If a model cannot be opened, or there is no such device.
        ProviderError: If a server cannot be reached.
    """
    local = plan.model.kind != "served"
    served = "served" in (plan.model.kind, plan.base.kind if plan.base else "")
    more = general_tasks(limit) if general and plan.against and not served else ()
    needed = plan.against if compare or more else None
    base = plan.base if needed else None
    if local:
        check_device(device)
    _reached([each for each in (plan.model, base) if each and each.kind == "served"], template)
    fallback = ""
    if base is not None and base.kind != "served":
        fallback = template_of(plan.model) if local else ""
        check_subject(base.given, template=template, fallback=fallback)
    return Plan(plan.model, base, needed, plan.tasks, more, fallback)


def _reached(servers: Sequence[ModelRef], template: str) -> None:
    unreached: list[str] = []
    for each in servers:
        try:
            check_subject(each.given, template=template)
        except ProviderError as error:
            unreached += error.problems
    if unreached:
        raise ProviderError(dict.fromkeys(unreached))


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
            stacklevel=4,
        )
        return None
