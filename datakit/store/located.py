"""References of versions in the fields of steps, turned into the paths of their records."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from datakit.errors import InputError
from datakit.step import DataRef
from datakit.store.store import Store, is_reference

__all__ = ["located"]


def located(steps: Iterable[Any], store: Store) -> tuple[Any, ...]:
    """Returns the steps, each reference among their fields as the path of that version's records.

    Args:
        steps: Step objects.
        store: Where versions are.

    Raises:
        InputError: With every reference that names no version.
    """
    wrong: list[str] = []
    made = []
    for step in steps:
        changes: dict[str, Any] = {}
        for spec in dataclasses.fields(step):
            value = getattr(step, spec.name)
            try:
                if (new := _located(value, store)) != value:
                    changes[spec.name] = new
            except InputError as error:
                wrong += [f"{step.step_name}.{spec.name}: {each}" for each in error.problems]
        made.append(dataclasses.replace(step, **changes) if changes else step)
    if wrong:
        raise InputError(wrong)
    return tuple(made)


def _located(value: object, store: Store) -> object:
    if isinstance(value, tuple):
        return tuple(_located(each, store) for each in value)
    if isinstance(value, DataRef) and is_reference(value) and not value.is_path:
        return DataRef(store.load(value).data_path.resolve())
    return value
