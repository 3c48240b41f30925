"""Settings as options of a command, and as a YAML file: one field, one flag, one key."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import typing
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

from datakit.errors import InputError, did_you_mean
from datakit.step import StepError, args_section, hints_of

__all__ = ["add_flags", "settings_from"]

_Made = TypeVar("_Made")


def add_flags(parser: argparse.ArgumentParser, cls: type, *, without: Collection[str] = ()) -> None:
    """Adds an option for each field of a settings class, with its docstring as help.

    An option that is not given stays away from the result, so that a file's value holds.

    Args:
        parser: Is added to.
        cls: The settings class.
        without: Fields that have no option.
    """
    group = parser.add_argument_group("settings")
    texts = _texts(cls)
    hints = hints_of(cls)
    for spec in dataclasses.fields(cls):
        if spec.name in without:
            continue
        group.add_argument(
            f"--{spec.name.replace('_', '-')}",
            default=argparse.SUPPRESS,
            help=_help(texts.get(spec.name, ""), spec.default),
            **_kind(hints[spec.name]),
        )


def _texts(cls: type) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        found |= args_section(inspect.getdoc(each) or "")
    return found


def _help(text: str, default: object) -> str:
    shown = default if default not in ("", ()) else "none"
    if isinstance(default, bool):
        shown = "on" if default else "off"
    return f"{text.rstrip('.')} ({shown})".replace("`", "").replace("%", "%%")


def _kind(hint: Any) -> dict[str, Any]:  # noqa: ANN401  a type hint
    """Returns how argparse reads values of a type."""
    if typing.get_origin(hint) is typing.Annotated:
        return _kind(typing.get_args(hint)[0])
    if typing.get_origin(hint) is typing.Literal:
        return {"choices": list(typing.get_args(hint))}
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    if typing.get_origin(hint) is tuple:
        return {"type": _names, "metavar": "A,B"}
    reader: dict[Any, Callable[[str], Any]] = {int: int, float: float}
    return {"type": reader.get(hint, str), "metavar": {int: "N", float: "X"}.get(hint, "TEXT")}


def _names(text: str) -> tuple[str, ...]:
    return tuple(each for each in text.split(",") if each)


def settings_from(
    cls: type[_Made],
    args: argparse.Namespace,
    file: str | None = None,
    *,
    without: Collection[str] = (),
) -> _Made:
    """Builds settings from a YAML file and from options, which win.

    Args:
        cls: A settings class.
        args: Parsed options of `add_flags`.
        file: A YAML file of `key: value`.
        without: Fields that the command decides itself.

    Raises:
        InputError: For every value that is wrong, by its option or by file and key.
    """
    listed = dataclasses.fields(cls)  # type: ignore[arg-type]
    names = [spec.name for spec in listed if spec.name not in without]
    given = {name: getattr(args, name) for name in names if hasattr(args, name)}
    kept = _file(file, names) if file else {}
    try:
        return cls(**{**kept, **given})
    except StepError as error:
        raise InputError(
            f"{'--' + key.replace('_', '-') if key in given else f'{file}: {key}'}: {text}"
            if key
            else text
            for key, text in error.fields.items()
        ) from None


def _file(path: str, names: list[str]) -> dict[str, Any]:
    import yaml

    try:
        text = Path(path).read_text("utf-8")
        _unique(path, yaml.compose(text))
        value = yaml.safe_load(text)
    except OSError as error:
        text = error.strerror or str(error)
        raise InputError(f"--settings {path}: cannot be read: {text}.") from None
    except UnicodeDecodeError:
        raise InputError(f"--settings {path}: is not UTF-8. Save the file as UTF-8.") from None
    except yaml.YAMLError as error:
        raise InputError(f"--settings {path}: is no YAML: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"--settings {path}: must hold keys and values, such as `steps: 96`.")
    unknown = [str(key) for key in value if key not in names]
    if unknown:
        raise InputError(
            f'{path}: unknown key "{key}"{_elsewhere(key) or did_you_mean(key, names) or "."}'
            for key in unknown
        )
    # YAML reads `2e-4` as a text; a number is meant.
    return {key: _number(each) for key, each in value.items()}


def _elsewhere(key: str) -> str:
    """Returns which methods have a setting, as the end of a sentence; empty if none has."""
    from trainers import DPO, KTO, SFT, Reward

    kinds: dict[str, Any] = {"sft": SFT, "dpo": DPO, "ipo": DPO, "kto": KTO, "reward": Reward}
    having = [name for name, cls in kinds.items() if key in cls.__dataclass_fields__]
    return f"; it is a setting of {', '.join(having)}." if having else ""


def _unique(path: str, node: Any) -> None:  # noqa: ANN401  yaml.Node or None
    """Stops where a key stands twice: YAML would take the last one, unsaid."""
    seen: dict[str, int] = {}
    for key, _ in node.value if getattr(node, "id", "") == "mapping" else ():
        line = key.start_mark.line + 1
        if key.value in seen:
            raise InputError(
                f"{path}:{line}: {key.value} stands in line {seen[key.value]} already; leave one."
            )
        seen[key.value] = line


def _number(value: object) -> object:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return tuple(value) if isinstance(value, list) else value
