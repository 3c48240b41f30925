"""The data of tasks: the first items of any file, version or public set."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

from datakit.errors import InputError
from datakit.files import shown_path
from datakit.reading import read_rows
from datakit.record import Record
from trainers.data import Want, open_data
from trainers.evaluate import TaskOptions
from trainers.examples import Chat, Pair, chats, pairs

if TYPE_CHECKING:
    from collections.abc import Generator

    from datakit.rows import Row

__all__ = ["read_chats", "read_pairs", "take_rows", "task_records"]


def read_chats(argument: str, options: TaskOptions) -> tuple[Chat, ...]:
    """Reads chats that end with an answer; `question` and `answer` will do as field names.

    Raises:
        InputError: If there are none, or a record is no chat.
    """
    return _some(chats(task_records(argument, options, "chat")), argument)


def read_pairs(argument: str, options: TaskOptions) -> tuple[Pair, ...]:
    """Reads preference pairs.

    Raises:
        InputError: If there are none, or a record is no pair.
    """
    return _some(pairs(task_records(argument, options, "pair")), argument)


def take_rows(argument: str, options: TaskOptions) -> list[tuple[str, dict[str, Any]]]:
    """Reads the rows of a file as they are, each with its file and line.

    Raises:
        InputError: If the file cannot be read or has no rows.
    """
    return list(_some(itertools.islice(read_rows(argument), options.limit), argument))


def task_records(argument: str, options: TaskOptions, want: Want) -> Iterator[Record]:
    """Yields the records that a task's items are made of.

    Raises:
        InputError: If they cannot be read.
    """
    fields = None
    if os.path.isfile(argument) and _has_questions(argument):
        fields = {"instruction": "question", "output": "answer"}
    return open_data(argument, want=want, store=options.store, fields=fields, limit=options.limit)


def _has_questions(path: str) -> bool:
    # Closed at once, since it holds the file open.
    with closing(cast("Generator[Row, None, None]", read_rows(path))) as rows:
        _, first = next(rows, ("", {}))
    ours = any(first.get(key) is not None for key in ("instruction", "messages"))
    return not ours and all(isinstance(first.get(key), str) for key in ("question", "answer"))


def _some(found: Iterator[Any], argument: str) -> tuple[Any, ...]:
    items = tuple(found)
    if not items:
        raise InputError(f"{shown_path(argument)}: there are no records in it.")
    return items
