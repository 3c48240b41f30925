"""Versions that nobody needs: neither new, nor tagged, nor a parent of one that is kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from datakit.errors import StoreError
from datakit.store.store import Store
from datakit.store.version import Version

__all__ = ["GONE", "garbage", "remove", "size"]

# What a version is called while it is removed: no number, so no reader takes it for one.
GONE = ".gone-"


def garbage(store: Store, name: str | None = None, keep: int = 1) -> list[Version]:
    """Returns the versions that nothing refers to, oldest first.

    Args:
        store: The store.
        name: Of one dataset alone; parents and tags of all others count nevertheless.
        keep: How many of the newest versions of each dataset are kept, at least 1.

    Raises:
        StoreError: If a version cannot be read: what it refers to is not known then.
    """
    versions = {each: store.versions(each) for each in store.names()}
    if name is not None and name not in versions:
        store.load(f"{name}@latest")
    needed: set[str] = set()
    waiting = [
        version.ref
        for dataset, listed in versions.items()
        for version in (*listed[-max(1, keep) :], *_tagged(store, dataset, listed))
    ]
    known = {version.ref: version for listed in versions.values() for version in listed}
    while waiting:
        ref = waiting.pop()
        if ref not in needed and ref in known:
            needed.add(ref)
            waiting += _parents(known[ref])
    chosen = versions if name is None else {name: versions[name]}
    return [each for listed in chosen.values() for each in listed if each.ref not in needed]


def _tagged(store: Store, name: str, listed: Sequence[Version]) -> list[Version]:
    tagged = set(store.tags(name).all().values())
    return [version for version in listed if version.path.name in tagged]


def _parents(version: Version) -> Iterator[str]:
    given: Any = version.manifest.get("parents") or ()
    for each in given:
        yield str(each.get("ref") if isinstance(each, dict) else each)


def size(versions: Iterable[Version]) -> int:
    """Returns how many bytes the files of versions take."""
    return sum(
        path.stat().st_size
        for version in versions
        for path in version.path.rglob("*")
        if path.is_file()
    )


def remove(store: Store, versions: Sequence[Version], keep: int = 1) -> list[str]:
    """Removes versions, each whole or not at all.

    Args:
        store: The store.
        versions: What `garbage` gave.
        keep: As for `garbage`, which is asked again once nobody else can write.

    Returns:
        References of those that are gone. One that has been tagged since is not.

    Raises:
        StoreError: If a dataset is being written, or cannot be.
    """
    gone = []
    for name, group in groupby(versions, key=lambda version: version.path.parent.name):
        wanted = {version.ref for version in group}
        with store.writing(name):
            for version in garbage(store, name, keep):
                if version.ref in wanted:
                    _remove(version.path)
                    gone.append(version.ref)
    return gone


def _remove(path: Path) -> None:
    away = path.with_name(f"{GONE}{path.name}")
    try:
        # What a killed run left.
        with suppress(FileNotFoundError):
            shutil.rmtree(away)
        os.rename(path, away)
        shutil.rmtree(away)
    except OSError as error:
        raise StoreError(f"{path}: cannot be removed: {error.strerror or error}.") from None
