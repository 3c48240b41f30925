"""Identity: what makes two runs, steps or records the same.

The table below is the whole rule of what does *not* count. Whatever is not in it does.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from datakit.record import Record, canonical, digest
from datakit.step import FilePath, FileRef

__all__ = [
    "EXCLUDED",
    "HASH_VERSION",
    "Ids",
    "content_sha256",
    "file_sha256",
    "identity",
    "made_id",
    "source_id",
]

# Raise it when the same recipe would give other data than before: ids and recipe hashes all change.
HASH_VERSION = 2

# Fields of a teacher that never change the data. All fields of a step count: what a step means by
# `timeout` is not ours to guess.
EXCLUDED = {
    "api_key_env": "names a secret, is not a part of the data",
    "base_url": "the same model may be served elsewhere",
    "concurrency": "how fast, not what",
    "threads": "how fast, not what",
    "timeout": "how long to wait, not what for",
    "limits": "how fast to ask, not what for",
    "retries": "how long to wait, not what for",
    "workers": "how fast, not what",
    "mode": "when the answers come, not what they are",
    "poll": "how often to ask for them, not what for",
}


@lru_cache(maxsize=1 << 16)
def _sha256(path: str, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_sha256(path: str | Path) -> str:
    """Returns the SHA-256 of a file's bytes, read once as long as size and time stay."""
    stat = Path(path).stat()
    return _sha256(str(path), stat.st_size, stat.st_mtime_ns)


def content_sha256(path: str | Path) -> str:
    """Returns the SHA-256 of a file, or of a folder: of its files' names in it and SHA-256s."""
    root = Path(path)
    if not root.is_dir():
        return file_sha256(root)
    found = (each for each in root.rglob("*") if each.is_file())
    named = sorted((each.relative_to(root).as_posix(), file_sha256(each)) for each in found)
    return hashlib.sha256(canonical(named)).hexdigest()


def identity(thing: object) -> Any:  # noqa: ANN401  any JSON value
    """Returns the JSON value that identifies a step, a teacher or a plain value.

    A step counts by its name, its fields and, if it is not one of ours, its code; a teacher by its
    fields, less those in `EXCLUDED`. A path counts by the bytes of the file or of the folder's
    files, so that a moved project keeps its identity.
    """
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return _dataclass(thing)
    if isinstance(thing, Mapping):
        return {str(key): identity(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [identity(value) for value in thing]
    if isinstance(thing, set | frozenset):
        return sorted((identity(value) for value in thing), key=canonical)
    if isinstance(thing, Enum):
        return identity(thing.value)
    if isinstance(thing, Decimal | PurePath | date | time):
        return str(thing)
    if isinstance(thing, FilePath | FileRef):
        there = thing.is_path and Path(thing).exists()
        return {"sha256": content_sha256(thing)} if there else str(thing)
    return thing


def _dataclass(thing: Any) -> dict[str, Any]:  # noqa: ANN401  any instance of a dataclass
    cls: type = type(thing)
    step_name = getattr(cls, "step_name", None)
    names = [spec.name for spec in dataclasses.fields(thing)]
    if step_name is None:
        counted = [name for name in names if name not in EXCLUDED]
        return {"name": cls.__name__, "fields": {n: identity(getattr(thing, n)) for n in counted}}
    whole = {"name": step_name, "fields": {n: identity(getattr(thing, n)) for n in names}}
    # Our own steps change with the package's version, which the recipe has.
    return whole if cls.__module__.startswith("datakit.") else {**whole, "code": _code(cls)}


@lru_cache(maxsize=1024)
def _code(cls: type) -> str:
    """Returns the hash of a class's source, so that an edited cell of a notebook runs again."""
    try:
        source = inspect.getsource(cls).encode()
    except (OSError, TypeError):
        verb = inspect.unwrap(getattr(cls, getattr(cls, "step_verb", "__init__")))
        code = getattr(verb, "__code__", None)
        plain = [each for each in getattr(code, "co_consts", ()) if not inspect.iscode(each)]
        source = getattr(code, "co_code", b"") + repr(plain).encode()
    return hashlib.blake2b(source, digest_size=8).hexdigest()


def source_id(record: Record, occurrence: int) -> str:
    """Returns the id of a record that was read: inserting another renumbers nothing."""
    return digest(["source", HASH_VERSION, record.content_hash, occurrence])


def made_id(step: object, parents: tuple[str, ...], requests: tuple[str, ...], sample: int) -> str:
    """Returns the id of a record that a step made from `parents` with those request keys."""
    return Ids().made(step, parents, requests, sample)


class Ids:
    """Ids of what steps make in one run.

    The identity of a step reads the files that it names; here it is found once.
    """

    def __init__(self) -> None:
        # An id of an object is its own only while the object is there.
        self._known: dict[int, tuple[object, Any]] = {}

    def made(
        self, step: object, parents: tuple[str, ...], requests: tuple[str, ...], sample: int
    ) -> str:
        """Returns the id of a record; see `made_id`."""
        if id(step) not in self._known:
            self._known[id(step)] = (step, identity(step))
        known = self._known[id(step)][1]
        return digest(["made", HASH_VERSION, known, list(parents), list(requests), sample])
