"""The types of a step's fields: paths, and the check of a value against its type hint."""

from __future__ import annotations

import copyreg
import json
import os
import re
import typing
from pathlib import PurePath
from typing import Any, ClassVar

import msgspec

from datakit.errors import did_you_mean

__all__ = ["DataRef", "FilePath", "FileRef", "FilesPath", "convert", "path_type"]


class FilePath(str):
    """A field's type for a file: in a pipeline it is relative to the pipeline's file.

    Whatever its ending, the file counts by its content. An empty text is no file.
    """

    @property
    def is_path(self) -> bool:
        """True unless it is empty."""
        return bool(self)


class FilesPath(FilePath):
    """A field's type for a file, or for a folder and all files in it; else as `FilePath`."""


class FileRef(str):
    """A field's type for a path or a name: as `FilePath`, if it is a path.

    It is a path if it begins like one, has the ending of a data or model file, or is there; else
    it is a name, such as that of a model on a hub, and stays as it is.
    """

    ENDINGS: ClassVar = (
        *(".jsonl", ".json", ".ndjson", ".csv", ".parquet", ".gz", ".zst"),
        *(".gguf", ".bin", ".ftz"),
    )
    STARTS = ("./", "../", "/", "~/")

    @property
    def is_path(self) -> bool:
        """True if this is a path rather than a name."""
        return self.is_path_in("")

    def is_path_in(self, folder: str | os.PathLike[str]) -> bool:
        """Returns whether this is a path where paths are relative to `folder`."""
        if self.startswith(self.STARTS) or self.endswith(self.ENDINGS):
            return True
        return bool(self) and os.path.exists(os.path.join(folder, self))


class DataRef(FileRef):
    """A field's type for a file of records: its path, or the reference of a version (`sql@v3`).

    Before a step runs, a reference becomes the path of the version's records.
    """

    @property
    def shown(self) -> str:
        """What it is called: the reference of a version, or the file's name."""
        path = PurePath(self)
        version = path.parent.name
        if path.name == "data.jsonl" and re.fullmatch(r"v[1-9]\d*", version):
            return f"{path.parent.parent.name}@{version}"
        return path.name


def path_type(hint: object) -> type[FilePath] | type[FileRef] | None:
    """Returns the type of path, of the three, that a type hint holds at any depth, or None."""
    if isinstance(hint, type):
        if issubclass(hint, FilePath):
            return FilesPath if issubclass(hint, FilesPath) else FilePath
        if issubclass(hint, FileRef):
            return FileRef
    for part in typing.get_args(hint):
        if kind := path_type(part):
            return kind
    return None


def _unpickled(limits: dict[str, Any]) -> msgspec.Meta:
    return msgspec.Meta(**limits)


def _pickled(meta: msgspec.Meta) -> tuple[Any, ...]:
    numbers = ["gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length"]
    texts = ["pattern", "tz", "title", "description", "examples", "extra_json_schema", "extra"]
    names = numbers + texts
    return _unpickled, ({k: v for k in names if (v := getattr(meta, k)) is not None},)


# A class of a notebook goes to worker processes by value, its annotations included.
copyreg.pickle(msgspec.Meta, _pickled)


def _decode(kind: type, value: object) -> object:
    if path_type(kind) and isinstance(value, str):
        return kind(value)
    raise ValueError(f"Expected `{kind.__name__}`, got `{type(value).__name__}`")


def convert(value: object, hint: object) -> Any:  # noqa: ANN401  the hint's type
    """Checks a value against a type hint, JSON-like: lists become tuples where the hint says so.

    Raises:
        ValueError: Says in one plain sentence what was expected.
    """
    try:
        return msgspec.convert(value, hint, dec_hook=_decode, strict=True)
    except msgspec.ValidationError as error:
        raise ValueError(_plain(str(error), value, _choices(hint))) from None


def _choices(hint: object) -> list[str]:
    if typing.get_origin(hint) is typing.Literal:
        return [str(each) for each in typing.get_args(hint)]
    return [each for part in typing.get_args(hint) for each in _choices(part)]


_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list [...]",
    "object": "a mapping {key: value}",
    "null": "null",
    "DataRef": "a path or a version",
    "FilePath": "a path",
    "FileRef": "a path",
    "FilesPath": "a path",
}
_SIGNS = {">=": "of at least", "<=": "of at most", ">": "above", "<": "below"}
_EXPECTED = re.compile(r"Expected `(?P<kind>[^`]+)`(?P<rest>.*?)(?:, got `[^`]+`)?")


def _plain(message: str, value: object, choices: list[str]) -> str:
    """Turns msgspec's message into a sentence of the words that a user of YAML has."""
    message, _, path = message.partition(" - at `")
    place = re.match(r"\$\[(\d+)\]`\Z", path)
    if place and isinstance(value, list | tuple):
        value, at = value[int(place[1])], f"item {int(place[1]) + 1} "
    else:
        at = "a key " if path.startswith("key`") else "a value inside " if path else ""
    if choices and (isinstance(value, str) or message.startswith("Invalid enum value")):
        given = str(value) if isinstance(value, str) else message.split("'")[1]
        near = did_you_mean(given, choices)
        return f'{at}must be one of {", ".join(choices)}, not "{given}"{near}'
    match = _EXPECTED.fullmatch(message)
    if match is None:
        return f"{at}{message[:1].lower()}{message[1:]} (it is {_shown(value)})"
    wanted = " or ".join(_KINDS.get(each, each) for each in match["kind"].split(" | ")) + _length(
        match["rest"]
    )
    hint = ""
    if wanted.startswith("a text") and not isinstance(value, str | list | dict | None):
        hint = "; put it in quotes"
    return f"{at}must be {wanted}, not {_shown(value)}{hint}"


def _length(rest: str) -> str:
    """Words the rest of msgspec's sentence: ` of length >= 1`, ` matching regex '...'`."""
    rest = rest.replace("matching regex", "that matches").replace("`", "")
    for sign, words in _SIGNS.items():
        rest = rest.replace(f"of length {sign} ", f"of a length {words} ")
        rest = rest.replace(f" {sign} ", f" {words} ")
    return rest.removesuffix(".0")


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else text[:37] + "..."
