"""The folder of a run: taken by one training at a time, never one that is somebody else's."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

from datakit.errors import InputError
from trainers.running.run import RUN_FILE, Run, is_main, together, write_json

__all__ = ["SAME", "Claim", "plain"]

# Facts in which a resumed training must be the one that was begun.
SAME = ("method", "model", "data", "settings", "processes")

_LOCK = ".lock"


class Claim:
    """Holds a folder for one training; of several processes the main one does it.

    Args:
        folder: The folder.
        resume: Whether a training in it is gone on with.
    """

    def __init__(self, folder: Path, *, resume: bool) -> None:
        self._folder, self._resume = folder, resume
        self._lock: int | None = None

    def __enter__(self) -> Claim:
        if is_main():
            self._take()
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            (self._folder / _LOCK).unlink(missing_ok=True)
            os.close(self._lock)
            if not os.listdir(self._folder):
                self._folder.rmdir()

    def _take(self) -> None:
        if self._folder.is_file():
            raise InputError(f"-o {self._folder}: is a file; name a folder.")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if self._lock is not None:
                os.close(self._lock)
            self._lock = None
            raise InputError(
                f"-o {self._folder}: another training writes there at this moment."
            ) from None
        except OSError as error:
            text = error.strerror or error
            raise InputError(f"-o {self._folder}: cannot be written: {text}.") from None

    def prepare(self, facts: dict[str, Any]) -> None:
        """Writes run.json, unless the folder holds something else.

        Args:
            facts: Of the training that begins; when it goes on, they keep when it was begun and
                how long it took so far.

        Raises:
            InputError: If the folder is taken, or holds another training.
        """
        if is_main():
            self._check(facts)
            if not (self._resume and self._was() and self._was().done):
                write_json(self._folder / RUN_FILE, facts)
        # The others must not look into the folder before.
        together()

    def _was(self) -> Any:  # noqa: ANN401  Run or None
        return Run(self._folder) if (self._folder / RUN_FILE).is_file() else None

    def _check(self, facts: dict[str, Any]) -> None:
        folder, was = self._folder, self._was()
        there = sorted(each for each in os.listdir(folder) if each != _LOCK)
        if not self._resume:
            if was and not was.done:
                raise InputError(
                    f"-o {folder}: holds a training that did not end. --resume goes on with it; "
                    "else remove the folder, or name another."
                )
            if there:
                raise InputError(
                    f"-o {folder}: is not empty. Name another folder, or remove this one."
                )
        elif was:
            _same(folder, was.facts, facts)
            facts["created"] = was.facts.get("created", facts["created"])
            facts["elapsed"] = was.facts.get("elapsed", 0.0)
        elif there:
            raise InputError(f"-o {folder}: is not empty, and holds no training to go on with.")


def _same(folder: Path, was: dict[str, Any], now: dict[str, Any]) -> None:
    changed = [name for name in SAME if plain(was.get(name)) != plain(now[name])]
    if changed:
        raise InputError(
            f"-o {folder}: --resume goes on with the same training, but {', '.join(changed)} "
            "changed since. Use the first command as it was, or name another folder."
        )


def plain(value: Any) -> Any:  # noqa: ANN401  a JSON value
    """Returns a value as JSON gives it back: lists for tuples."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, (list, tuple)) else value
