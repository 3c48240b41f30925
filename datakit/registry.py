"""The registry: every step by its name, ours and those of installed packages.

A package registers its steps through the entry point group `datakit.steps`; an entry point names a
module, and importing that module registers what is in it.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points

from datakit.errors import InputError, did_you_mean

__all__ = ["add", "find", "load_all", "names", "plugin_problems"]

GROUP = "datakit.steps"

_steps: dict[str, type] = {}
_problems: list[str] = []
_loaded = False


def add(name: str, cls: type) -> None:
    """Registers a step class.

    Raises:
        InputError: If another class has that name.
    """
    taken = _steps.get(name)
    if taken is not None and _where(taken) != _where(cls):
        raise InputError(f"the step {name!r} is registered twice: {_where(taken)}, {_where(cls)}")
    _steps[name] = cls


def _where(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def load_all() -> None:
    """Imports the built-in steps and those of installed packages, once.

    A package that fails to import costs its own steps only; see `plugin_problems`.
    """
    global _loaded
    if _loaded:
        return
    _loaded = True
    package = importlib.import_module("datakit.steps")
    for module in pkgutil.walk_packages(package.__path__, "datakit.steps."):
        importlib.import_module(module.name)
    for point in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        _load(point)


def _load(point: EntryPoint) -> None:
    try:
        point.load()
    except (Exception, SystemExit) as error:  # a foreign package may fail in any way
        package = point.dist.name if point.dist else point.name
        text = " ".join(str(error).split())
        _problems.append(f"{package} ({point.value}): {type(error).__name__}: {text}")


def plugin_problems() -> list[str]:
    """Returns one line for each installed package whose steps could not be loaded."""
    load_all()
    return list(_problems)


def names() -> list[str]:
    """Returns the names of all registered steps, sorted."""
    load_all()
    return sorted(_steps)


def find(name: str) -> type:
    """Returns the step class of that name.

    Raises:
        InputError: If there is none; it names the nearest.
    """
    load_all()
    if name not in _steps:
        hint = did_you_mean(name, _steps) or "; see: datakit steps"
        if _problems:
            hint += f" (not loaded: {'; '.join(_problems)})"
        raise InputError(f'unknown step "{name}"{hint}')
    return _steps[name]
