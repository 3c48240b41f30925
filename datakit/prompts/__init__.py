"""Prompts as files: texts with places, `{name}`, that are filled in; ours, or the user's.

Ours lie beside this file, in a folder for each step. A step names those it has:

    prompts: dict[str, FilePath] | None = None
    TEXTS: ClassVar = Prompts("evol_instruct", deepen={"instruction"}, ...)

and asks for one with `self.TEXTS.text("deepen", self.prompts)`.

A prompt that is the user's alone may name any field of a record, `{topic}` or `{meta.lang}`: then
`any_field` is set, and a doubled `{{topic}}` is the text `{topic}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from datakit.errors import did_you_mean
from datakit.fields import FilePath

__all__ = ["Prompts", "fill", "places", "read_text"]

_PLACE = re.compile(r"\{([a-z][a-z_]*)\}")
_FIELD = r"[^\W\d][\w-]*(?:\.[\w-]+)*"
_ANY_FIELD = re.compile(rf"\{{\{{({_FIELD})\}}\}}|\{{({_FIELD})\}}")


def places(text: str, *, any_field: bool = False) -> set[str]:
    """Returns the names of the places in a prompt; other braces are text, as in JSON.

    Args:
        text: The prompt.
        any_field: Whether a place may name any field, with dots between the keys.
    """
    if any_field:
        return {name for _, name in _ANY_FIELD.findall(text) if name}
    return set(_PLACE.findall(text))


def fill(text: str, values: Mapping[str, str], *, any_field: bool = False) -> str:
    """Fills the places of a prompt in, once: braces in a value stay as they are.

    Args:
        text: The prompt.
        values: For each place its text.
        any_field: As for `places`.

    Raises:
        KeyError: If a place has no value.
    """
    if any_field:
        return _ANY_FIELD.sub(
            lambda found: values[found[2]] if found[2] else f"{{{found[1]}}}", text
        )
    return _PLACE.sub(lambda found: values[found[1]], text)


def read_text(path: str) -> str:
    """Returns the text of a user's file, which is read again only if it has changed.

    Raises:
        ValueError: Names the file.
    """
    return _read(str(path), _stamp(path))


class Prompts:
    """The prompts of a step.

    Args:
        step: The folder that ours lie in.
        **needed: For each prompt the places that a user's own text must have. It may have those of
            ours, and no others.
    """

    def __init__(self, step: str, **needed: set[str]) -> None:
        self.step = step
        self.needed = needed

    def __iter__(self) -> Iterator[str]:
        """Yields their names."""
        return iter(self.needed)

    def ours(self, name: str) -> str:
        """Returns our own text."""
        return _ours(self.step, name)

    def text(self, name: str, own: Mapping[str, FilePath] | None = None) -> str:
        """Returns the user's text of a prompt, or ours.

        Args:
            name: Of the prompt.
            own: The user's files, by name.
        """
        path = (own or {}).get(name)
        return read_text(path) if path else self.ours(name)

    def check(self, own: Mapping[str, FilePath] | None) -> None:
        """Checks the user's files.

        Raises:
            ValueError: Names the prompt, the file and its line.
        """
        for name, path in (own or {}).items():
            if name not in self.needed:
                near = did_you_mean(name, self.needed) or f"; there are {', '.join(self.needed)}"
                raise ValueError(f'there is no prompt "{name}"{near}')
            text, known = self.text(name, own), places(self.ours(name)) | self.needed[name]
            if not text.strip():
                raise ValueError(f"{path}: is empty")
            for at, line in enumerate(text.splitlines(), 1):
                for place in sorted(places(line) - known):
                    near = did_you_mean(place, known) or f"; there are {_listed(known)}"
                    raise ValueError(f"{path}:{at}: there is no place {{{place}}}{near}")
            if missing := self.needed[name] - places(text):
                raise ValueError(f"{path}: has no place {_listed(missing)}; put it in")


def _listed(names: set[str]) -> str:
    return ", ".join(f"{{{each}}}" for each in sorted(names))


def _stamp(path: str) -> tuple[int, int]:
    try:
        stat = Path(path).stat()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    return stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=256)
def _read(path: str, stamp: tuple[int, int]) -> str:
    try:
        return Path(path).read_text("utf-8").removeprefix("\ufeff").rstrip("\n")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8. Save the file as UTF-8") from None


@lru_cache(maxsize=256)
def _ours(step: str, name: str) -> str:
    return (files(__name__) / step / f"{name}.txt").read_text("utf-8").rstrip("\n")
