"""The folder of a run: taken by one training at a time, never one that is somebody else's."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datakit.errors import InputError
from trainers.running.run import RUN_FILE, Run, is_main, together, write_json

__all__ = ["SAME", "Claim", "plain"]

# Facts in which a resumed training must be the one that was begun.
SAME = ("method", "model", "data", "settings", "processes")

_LOCK = ".lock"
_SHOWN = 8


class Claim:
    """Holds a folder for one training; of several processes the main one does it.

    Args:
        folder: The folder.
        resume: Whether a training in it is gone on with.

    Raises:
        InputError: On entry, if the folder cannot be had: taken, not empty, or not writable.
    """

    def __init__(self, folder: Path, *, resume: bool) -> None:
        self._folder, self._resume = folder, resume
        self._lock: int | None = None
        self._made: list[Path] = []

    def __enter__(self) -> Claim:
        if is_main():
            self._take()
            try:
                self._vacant()
            except InputError:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is None:
            return
        (self._folder / _LOCK).unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = None
        # Nothing was trained: what was made for it goes, and no more.
        for each in self._made:
            if os.listdir(each):
                break
            each.rmdir()

    def _take(self) -> None:
        folder = self._folder
        if folder.is_file():
            raise InputError(f"-o {folder}: is a file; name a folder.")
        self._made = [each for each in (folder, *folder.parents) if not each.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if self._lock is not None:
                os.close(self._lock)
            self._lock = None
            raise InputError(
                f"-o {folder}: another training writes there at this moment."
            ) from None
        except OSError as error:
            text = error.strerror or error
            raise InputError(f"-o {folder}: cannot be written: {text}.") from None

    def same(self, facts: dict[str, Any], names: tuple[str, ...] = SAME) -> None:
        """Stops where a training that is gone on with is not the one that was begun.

        Args:
            facts: Of the training that begins, as far as they are known.
            names: Which of them are compared.

        Raises:
            InputError: With what changed, from what to what.
        """
        was = self._was() if is_main() and self._resume else None
        if was is None:
            return
        changed = [
            line
            for name in names
            for line in _changes(name, plain(was.facts.get(name)), plain(facts[name]))
        ]
        if not changed:
            return
        more = len(changed) - _SHOWN
        raise InputError(
            [
                f"-o {self._folder}: --resume goes on with the same training, but this changed "
                "since it began:",
                *(f"  {each}" for each in changed[:_SHOWN]),
                *([f"  and {more} more"] if more > 0 else []),
                "Use the first command as it was, or name another folder.",
            ]
        )

    def prepare(self, facts: dict[str, Any]) -> None:
        """Writes run.json, unless the folder holds the same training, done.

        Args:
            facts: Of the training that begins; when it goes on, they keep when it was begun and
                how long it took so far.

        Raises:
            InputError: If it goes on with another training.
        """
        self.same(facts)
        if is_main():
            was = self._was() if self._resume else None
            if was is not None:
                facts["created"] = was.facts.get("created", facts["created"])
                facts["elapsed"] = was.facts.get("elapsed", {})
            if was is None or not was.done:
                write_json(self._folder / RUN_FILE, facts)
        # The others must not look into the folder before.
        together()

    def _was(self) -> Run | None:
        return Run(self._folder) if (self._folder / RUN_FILE).is_file() else None

    def _vacant(self) -> None:
        folder, was = self._folder, self._was()
        if not any(each != _LOCK for each in os.listdir(folder)):
            return
        if not self._resume and was and not was.done:
            raise InputError(
                f"-o {folder}: holds a training that did not end. --resume goes on with it; "
                "else remove the folder, or name another."
            )
        if not self._resume:
            raise InputError(f"-o {folder}: is not empty. Name another folder, or remove this one.")
        if not was:
            raise InputError(f"-o {folder}: is not empty, and holds no training to go on with.")


def _changes(name: str, was: Any, now: Any) -> Iterator[str]:  # noqa: ANN401  JSON values
    """Yields each value that differs, with the path to it and both values."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*was, *now)):
            yield from _changes(f"{name}.{key}", was.get(key), now.get(key))
    elif was != now:
        shown = name
        if name.startswith("settings."):
            shown = f"--{name.removeprefix('settings.').replace('_', '-')}"
        yield f"{shown}: {_brief(was)} -> {_brief(now)}"


def _brief(value: Any) -> str:  # noqa: ANN401  a JSON value
    text = "none" if value is None else '""' if value == "" else str(value)
    return text if len(text) <= 60 else f"{text[:16]}..."


def plain(value: Any) -> Any:  # noqa: ANN401  a JSON value
    """Returns a value as JSON gives it back: lists for tuples."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, (list, tuple)) else value
