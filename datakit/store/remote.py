"""Versions on other file systems, by fsspec: a folder, S3 and its like, or memory.

    <place>/<name>/<vN>/data.jsonl, dropped.jsonl, report.html, README.md, manifest.json

The manifest is written last and read first, so that a version is there whole or not at all. An
upload that was cut off goes on with the files that it has not sent yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datakit.errors import DatakitError, MissingExtraError, StoreError
from datakit.store.store import Store
from datakit.store.version import Version

__all__ = ["pull", "push"]

_LAST = "manifest.json"
_FILES = ("data.jsonl", "dropped.jsonl", "report.html", "README.md", _LAST)
_CHUNK = 8 * 2**20
_SOURCE = re.compile(
    r"(?P<place>.+)/(?P<name>[a-z0-9][a-z0-9_.-]*)@(?P<version>latest|v[1-9][0-9]*)\Z"
)
# Whose upload lies there, by the hash of its manifest, until it is whole.
_MARK = "uploading"


def push(version: Version, place: str) -> tuple[str, int]:
    """Copies a version to another file system.

    Args:
        version: The version; it must be as it was written.
        place: A folder there, such as `s3://bucket/datasets` or `/mnt/share/datasets`.

    Returns:
        Where it is now, and how many bytes were sent; 0 if it was there already.

    Raises:
        StoreError: If it is damaged, if another version of that name and number is there, or if
            the file system fails.
    """
    if wrong := version.verify():
        raise StoreError(wrong)
    system, root = _opened(place)
    folder = f"{root}/{version.name}/{version.path.name}"
    try:
        if system.exists(f"{folder}/{_LAST}"):
            _same(version, system, folder, place)
            return f"{place.rstrip('/')}/{version.ref}", 0
        return f"{place.rstrip('/')}/{version.ref}", _upload(version, system, folder)
    except DatakitError:
        raise
    except (OSError, ValueError) as error:
        raise StoreError(f"{place}: {_why(error)}; the same command goes on.") from None


def _upload(version: Version, system: Any, folder: str) -> int:  # noqa: ANN401
    system.makedirs(folder, exist_ok=True)
    own = version.manifest["manifest_sha256"].encode()
    mark = f"{folder}/{_MARK}"
    goes_on = system.exists(mark) and system.cat_file(mark) == own
    system.pipe_file(mark, own)
    sent = 0
    for path in (version.path / name for name in _FILES):
        if path.is_file():
            sent += _send(system, path, f"{folder}/{path.name}", goes_on=goes_on)
    system.rm_file(mark)
    return sent


def _same(version: Version, system: Any, folder: str, place: str) -> None:  # noqa: ANN401
    if system.cat_file(f"{folder}/{_LAST}") != (version.path / _LAST).read_bytes():
        raise StoreError(
            f"{place}: has another {version.ref}; it is never overwritten. Push to another folder."
        )


def _send(system: Any, path: Path, target: str, *, goes_on: bool) -> int:  # noqa: ANN401
    size = path.stat().st_size
    if goes_on and system.exists(target) and system.size(target) == size:
        return 0
    with open(path, "rb") as source, system.open(target, "wb") as sink:
        while chunk := source.read(_CHUNK):
            sink.write(chunk)
    return size


def pull(source: str, store: Store) -> Version:
    """Copies a version from another file system into a store, under its own name and number.

    Args:
        source: The folder that `push` wrote to, with the version: `s3://bucket/datasets/sql@v3`,
            or `@latest`.
        store: The store.

    Returns:
        The version, verified; the one that is there already, if it is the same.

    Raises:
        StoreError: If there is none, if it is damaged, or if the store has another of that name.
    """
    match = _SOURCE.match(source)
    if match is None:
        raise StoreError(
            f'"{source}" names no version: write FOLDER/name@v3 or FOLDER/name@latest, as in '
            "s3://bucket/datasets/sql@v3."
        )
    system, root = _opened(match["place"])
    name = match["name"]
    try:
        number = _number(system, f"{root}/{name}", match["version"], source)
        folder = f"{root}/{name}/{number}"
        if (store.root / name / number / _LAST).is_file():
            there = Version(store.root / name / number)
            if system.cat_file(f"{folder}/{_LAST}") == (there.path / _LAST).read_bytes():
                return there
            raise StoreError(
                f"{store.root}: has another {name}@{number}; pull with another --store."
            )
        return _received(system, folder, store, name, number)
    except DatakitError:
        raise
    except (OSError, ValueError) as error:
        raise StoreError(f"{source}: {_why(error)}.") from None


def _received(system: Any, folder: str, store: Store, name: str, number: str) -> Version:  # noqa: ANN401
    with store.writing(name):
        draft = store.draft(name, int(number[1:]))
        try:
            for each in _FILES:
                if system.exists(f"{folder}/{each}"):
                    _fetch(system, f"{folder}/{each}", draft.path / each)
            got = Version(draft.path)
            if wrong := got.verify():
                raise StoreError(wrong)
            if got.ref != f"{name}@{number}":
                raise StoreError(f"{folder}: holds {got.ref}, not {name}@{number}.")
            return draft.publish()
        finally:
            draft.discard()


def _fetch(system: Any, source: str, target: Path) -> None:  # noqa: ANN401
    with system.open(source, "rb") as reader, open(target, "wb") as writer:
        while chunk := reader.read(_CHUNK):
            writer.write(chunk)


def _number(system: Any, folder: str, version: str, source: str) -> str:  # noqa: ANN401
    found = sorted(_numbers(system, folder), key=lambda each: int(each[1:]))
    if not found or (version != "latest" and version not in found):
        have = f"; there are {', '.join(found)}." if found else "."
        raise StoreError(f"{source}: there is no such version{have}")
    return found[-1] if version == "latest" else version


def _numbers(system: Any, folder: str) -> Iterator[str]:  # noqa: ANN401
    if not system.isdir(folder):
        return
    for path in system.ls(folder, detail=False):
        name = str(path).rstrip("/").rpartition("/")[2]
        if re.fullmatch(r"v[1-9][0-9]*", name) and system.exists(f"{folder}/{name}/{_LAST}"):
            yield name


def _opened(place: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError:
        raise MissingExtraError.of("fsspec", "remote", "push and pull") from None
    try:
        system, root = fsspec.core.url_to_fs(place)
    except ImportError as error:
        raise StoreError(f"{place}: a package is missing: {error}.") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{place}: {_why(error)}.") from None
    return system, str(root).rstrip("/")


def _why(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join((text or type(error).__name__).split())
