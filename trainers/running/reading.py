"""The rows to train on and those held out, through the gate."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, is_dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from datakit.errors import InputError
from datakit.record import Record, digest
from datakit.store import Store
from datakit.store.store import is_reference
from trainers.data import SETS, Want, holdout, open_data
from trainers.examples import Refused
from trainers.gate import Gate
from trainers.quiet import quiet
from trainers.running.methods import Method
from trainers.settings import Settings

__all__ = ["Data", "Opened", "Reader", "Rows", "open_both"]

Data = str | PathLike[str] | Iterable[Record]


@dataclass(frozen=True)
class Rows:
    """Rows to train on or to evaluate on.

    Args:
        items: As the trainer takes them.
        gate: What the gate counted.
        source: Where they come from, for run.json.
        records: The records that they are of.
    """

    items: list[Any]
    gate: Gate
    source: dict[str, Any]
    records: list[Record]


@dataclass(frozen=True)
class Opened:
    """Records to train on and to evaluate on, not yet in tokens.

    Args:
        train: The records to train on.
        ref: What the user called them.
        held_out: The records to evaluate on, if there are any.
        held_out_ref: What the user called those.
        share: The share that was held out of one set of records, if it was so.
    """

    train: list[Record]
    ref: str
    held_out: list[Record] | None = None
    held_out_ref: str = ""
    share: float | None = None


def open_both(
    data: Data,
    held_out: Data | None,
    share: float | None,
    *,
    want: Want,
    store: str | Path | None = None,
    fields: dict[str, str] | None = None,
) -> Opened:
    """Reads both parts; of a file or a version without any of the heavy packages.

    Args:
        data: What to train on.
        held_out: What to evaluate on.
        share: Or how much of `data` to hold out. Which rows that are depends on them alone, so
            that trainings with other seeds are measured on the same ones.
        want: What public sets should give.
        store: The folder of versions.
        fields: Our fields to the file's.

    Raises:
        InputError: If something is not there, if both are given, or if rows are in both parts.
    """
    if held_out is not None and share is not None:
        raise InputError("held_out and held_out_share: give one of them.")
    if share is not None and not 0 < share < 1:
        raise InputError(f"held_out_share: must lie between 0 and 1, not {share}.")
    # The smaller part first: what is wrong with it is told before the other one is read.
    tested = None if held_out is None else _records(held_out, want, store, fields)
    records = _records(data, want, store, fields)
    if share is not None:
        train, test = holdout(records, share=share, gone=_gone(data, store))
        return Opened(train, _ref(data), test, _ref(data), share)
    if tested is None:
        return Opened(records, _ref(data))
    _apart(records, tested)
    return Opened(records, _ref(data), tested, _ref(held_out))


def _apart(records: list[Record], tested: list[Record]) -> None:
    known = {each.content_hash for each in records}
    both = sum(each.content_hash in known for each in tested)
    if both:
        raise InputError(
            f"--held-out: {both:,} of {len(tested):,} held-out records are trained on too, so "
            "they would tell nothing. Name other data, or a share such as 0.1."
        )


def _records(
    given: Data, want: Want, store: str | Path | None, fields: dict[str, str] | None
) -> list[Record]:
    if not isinstance(given, str | PathLike):
        return list(given)
    name = fspath(given)
    with quiet() if _on_hub(name) else nullcontext():
        return list(open_data(name, store=store, fields=fields, want=want))


def _on_hub(name: str) -> bool:
    """Whether reading it takes `datasets`, whose bars are not wanted."""
    if os.path.exists(name) or is_reference(name) or "=" in name:
        return False
    return name.partition(":")[0] in SETS or ("/" in name and not Path(name).suffix)


def _gone(data: Data, store: str | Path | None) -> list[Record]:
    """Returns what a version dropped: lines of descent may go through it."""
    if not isinstance(data, str | PathLike):
        return []
    name = fspath(data)
    if not is_reference(name) and not (Path(name) / "manifest.json").is_file():
        return []
    return [record for record, _ in Store(store).load(name).iter_dropped()]


def _ref(given: Data | None) -> str:
    return fspath(given) if isinstance(given, str | PathLike) else "records"


@dataclass(frozen=True)
class Reader:
    """Makes rows of records for a method.

    Args:
        method: The method.
        settings: Its settings.
        tokenizer: With its template.
        stops: Tokens that end an answer.
    """

    method: Method
    settings: Settings
    tokenizer: Any
    stops: frozenset[int]

    def read(self, opened: Opened) -> tuple[Rows, Rows | None]:
        """Returns the rows of both parts."""
        share, rest = (f"{opened.share:g}", f"{1 - opened.share:g}") if opened.share else ("", "")
        train = self._rows(opened.train, opened.ref, rest)
        if opened.held_out is None:
            return train, None
        return train, self._rows(opened.held_out, opened.held_out_ref, share)

    def _rows(self, records: list[Record], ref: str, share: str) -> Rows:
        refused: list[Refused] = []
        gate, items = self.method.check(
            self.method.examples(records, refused),
            refused,
            self.tokenizer,
            self.stops,
            max_length=self.settings.max_length,
            long=self.settings.long,
        )
        source: dict[str, Any] = {
            "ref": ref,
            "records": len(records),
            "content": digest([each.content_hash for each in records], 16),
            "rows_sha256": _sha256(items),
        }
        return Rows(items, gate, source | ({"share": share} if share else {}), records)


def _sha256(items: Iterable[Any]) -> str:
    """Returns the hash of rows as the trainer gets them: tokens, or messages."""
    whole = hashlib.sha256()
    for each in items:
        row = asdict(each) if is_dataclass(each) and not isinstance(each, type) else each
        whole.update(json.dumps(row, sort_keys=True).encode() + b"\n")
    return whole.hexdigest()
