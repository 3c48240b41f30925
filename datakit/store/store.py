"""The folder of all datasets and their versions."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from datakit.errors import StoreError, did_you_mean
from datakit.store.tags import Tags
from datakit.store.version import Version
from datakit.store.write import Draft

__all__ = ["Store", "is_reference"]

_VERSION = re.compile(r"v([1-9][0-9]*)\Z")
_REFERENCE = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9_.-]*)@(?P<version>[a-z0-9][a-z0-9_.-]*)(~(?P<back>[0-9]+))?\Z"
)


def is_reference(text: str) -> bool:
    """Returns whether a text names a version: `sql@v3`, `sql@latest`, `sql@v3~1`, `sql@tag`."""
    return "@" in text and _REFERENCE.match(text) is not None


class Store:
    """All versions under one folder.

    Args:
        root: The folder; None is `DATAKIT_STORE`, or `datasets` in the current folder.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = Path(root or os.environ.get("DATAKIT_STORE") or "datasets")

    def names(self) -> list[str]:
        """Returns the names of all folders that hold versions."""
        if not self.root.is_dir():
            return []
        return sorted(path.name for path in self.root.iterdir() if self.numbers(path.name))

    def numbers(self, name: str) -> list[int]:
        """Returns the numbers of a dataset's versions, oldest first."""
        folder = self.root / name
        if not folder.is_dir():
            return []
        found = (_VERSION.match(path.name) for path in folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def versions(self, name: str) -> list[Version]:
        """Returns a dataset's versions, oldest first."""
        return [Version(self.root / name / f"v{number}") for number in self.numbers(name)]

    def load(self, reference: str) -> Version:
        """Returns the version that a reference or a path names.

        Raises:
            StoreError: If there is none; it names what there is.
        """
        match = _REFERENCE.match(reference)
        if match is None:
            if (Path(reference) / "manifest.json").is_file():
                return Version(Path(reference))
            known = f'; did you mean "{reference}@latest"?' if self.numbers(reference) else "."
            raise StoreError(
                f'"{reference}" is neither a version, such as sql@v1 or sql@latest, '
                f"nor the folder of one{known}"
            )
        name, numbers = match["name"], self.numbers(match["name"])
        if not numbers:
            near = did_you_mean(name, self.names())
            hint = near or ". See: datakit ls"
            raise StoreError(f'there is no dataset "{name}" in the folder {self.root}{hint}')
        wanted = self._number(name, match["version"], numbers)
        place = numbers.index(wanted) if wanted in numbers else -1
        place -= int(match["back"] or 0)
        if wanted not in numbers or place < 0:
            have = ", ".join([*(f"v{number}" for number in numbers), *self.tags(name).all()])
            raise StoreError(f'there is no "{reference}"; {name} has {have}.')
        return Version(self.root / name / f"v{numbers[place]}")

    def _number(self, name: str, version: str, numbers: Sequence[int]) -> int:
        """Returns the number of a version, 0 if there is no such version or tag."""
        if version == "latest":
            return numbers[-1]
        found = _VERSION.match(version) or _VERSION.match(self.tags(name).get(version) or "")
        return int(found[1]) if found else 0

    def tags(self, name: str) -> Tags:
        """Returns the tags of a dataset."""
        return Tags(self.root / name)

    def draft(self, name: str, number: int | None = None) -> Draft:
        """Starts a version of a dataset, the next one; call it while `writing` holds the lock."""
        return Draft(self.root / name, name, number or (self.numbers(name) or [0])[-1] + 1)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Locks a dataset against a second writer; gives an empty folder for work files.

        Raises:
            StoreError: If another process writes it, or if the folder cannot be written.
        """
        folder = self.root / name
        with self._locked(folder):
            work = folder / ".work"
            for left in (work, *folder.glob(".draft-*"), *folder.glob(".gone-*")):
                shutil.rmtree(left, ignore_errors=True)
            work.mkdir()
            try:
                yield work
            finally:
                shutil.rmtree(work, ignore_errors=True)
                self._leave_nothing(folder)

    def _leave_nothing(self, folder: Path) -> None:
        """Removes the folder of a dataset whose first run has left nothing worth keeping."""
        left = list(folder.iterdir())
        if any(path.is_dir() or (path.name != ".lock" and path.stat().st_size) for path in left):
            return
        # The lock is held until the folder is gone; a second writer makes a new one.
        shutil.rmtree(folder, ignore_errors=True)

    def _locked(self, folder: Path) -> IO[str]:
        path = folder / ".lock"
        while True:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                lock = open(path, "a+")  # noqa: SIM115  closed by the caller
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreError(
                    f"{folder}: cannot be written: {error.strerror}. "
                    "Name another folder with --store or DATAKIT_STORE."
                ) from None
            self._take(lock.fileno(), folder)
            # Who was before may have removed the folder, and this file with it.
            if path.exists() and os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                return lock
            lock.close()

    def _take(self, handle: int, folder: Path) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip()
            raise StoreError(
                f"{folder}: another run (process {holder or 'unknown'}) is writing this dataset. "
                "Wait for it, or give this one another --name."
            ) from None
        # Who holds it is a courtesy to the second writer; a full disk is told where it matters.
        with suppress(OSError):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
