"""The log of answers: append-only, on the disk before the page is told that it is.

Each line is `{"item", "answer", "note", "at"}`; of several answers to an item the last one counts,
and `"answer": null` takes it back. A process that is killed leaves at most one torn line, the last,
which nobody was told of; it is cut off when the log is opened again.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from datakit.curate.items import dump
from datakit.errors import InputError, RecordError
from datakit.strict import parse_object

__all__ = ["Answer", "AnswerLog", "read_answers"]


@dataclass(frozen=True)
class Answer:
    """What was said of an item.

    Args:
        choice: One of the choices of the item's kind, such as `left`.
        note: Free words, or an empty text.
    """

    choice: str
    note: str = ""


class AnswerLog:
    """The answers to a fixed list of items, in one file. May be shared between threads.

    Args:
        path: The file; made with its folder if it is not there.
        items: Ids of the items.
        choices: What may be answered.

    Raises:
        InputError: If the file cannot be written, or if another process is writing it.
        RecordError: If a line of it is no answer to one of the items.
    """

    def __init__(self, path: Path, items: Collection[str], choices: Collection[str]) -> None:
        self.path = path
        self._items, self._choices = frozenset(items), frozenset(choices)
        self._guard = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "a+b", buffering=0)  # noqa: SIM115  closed by close()
        except OSError as error:
            raise _unwritten(path, error) from None
        try:
            self._lock()
            self._answers, self._end = _read(path, self._items, self._choices)
            self._file.truncate(self._end)
            _sync_folder(path.parent)
        except OSError as error:
            self._file.close()
            raise _unwritten(path, error) from None
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows: a second writer is not noticed there
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{self.path}: these items are being rated already, by another process. "
                "Go on in its page, or end it first."
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; another process may write it now."""
        with self._guard:
            self._file.close()

    @property
    def answers(self) -> dict[str, Answer]:
        """The answer that counts for each answered item, the oldest answer first."""
        with self._guard:
            return dict(self._answers)

    def add(self, item: str, answer: Answer | None) -> None:
        """Appends an answer, or takes back the one that is there; returns once it is on the disk.

        Raises:
            KeyError: There is no such item.
            ValueError: There is no such choice.
            OSError: The disk is full or gone; the file is then as it was.
        """
        if item not in self._items:
            raise KeyError(item)
        if answer is not None and answer.choice not in self._choices:
            raise ValueError(answer.choice)
        row = {
            "item": item,
            "answer": None if answer is None else answer.choice,
            "note": "" if answer is None else answer.note,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        with self._guard:
            self._append(dump(row))
            # Removed first, so that the order of the answers is that of their making.
            self._answers.pop(item, None)
            if answer is not None:
                self._answers[item] = answer

    def _append(self, line: bytes) -> None:
        if self._file.closed:
            raise OSError(errno.EBADF, "the log is closed")
        try:
            written = 0
            while written < len(line):
                written += self._file.write(line[written:])
            os.fsync(self._file.fileno())
        except OSError:
            # Half a line would spoil the next one.
            self._file.truncate(self._end)
            raise
        self._end += len(line)


def read_answers(path: Path, items: Collection[str], choices: Collection[str]) -> dict[str, Answer]:
    """Reads a log without changing it; a log that is not there has no answers.

    Raises:
        InputError: If the file cannot be read.
        RecordError: If a line of it is no answer to one of the items.
    """
    try:
        return _read(path, frozenset(items), frozenset(choices))[0]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from None


def _read(
    path: Path, items: frozenset[str], choices: frozenset[str]
) -> tuple[dict[str, Answer], int]:
    """Returns the answers, and where the last whole line ends."""
    answers: dict[str, Answer] = {}
    end = 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            end += len(line)
            item, answer = _parsed(line, f"{path}:{number}", items, choices)
            answers.pop(item, None)
            if answer is not None:
                answers[item] = answer
    return answers, end


def _parsed(
    line: bytes, where: str, items: frozenset[str], choices: frozenset[str]
) -> tuple[str, Answer | None]:
    row: Mapping[str, Any] = parse_object(line, where)
    item, choice, note = row.get("item"), row.get("answer"), row.get("note", "")
    if not isinstance(item, str) or item not in items:
        raise RecordError(
            f"{where}: answers an item that is not rated here. Are items and answers of one folder?"
        )
    if choice is None:
        return item, None
    if not isinstance(choice, str) or choice not in choices or not isinstance(note, str):
        listed = ", ".join(sorted(choices))
        raise RecordError(f'{where}: "answer" must be null or one of {listed}; "note" a text.')
    return item, Answer(choice, note)


def _unwritten(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: cannot be written: {error.strerror or error}.")


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
