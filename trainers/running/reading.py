"""The rows to train on and those held out, through the gate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, is_dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from datakit.errors import InputError
from datakit.record import Record, digest
from datakit.store import Store
from datakit.store.store import is_reference
from trainers.data import holdout, open_data
from trainers.examples import Refused
from trainers.gate import Gate
from trainers.running.methods import Method
from trainers.settings import Settings

__all__ = ["Data", "Reader", "Rows"]

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
class Reader:
    """Reads data for a method.

    Args:
        method: The method.
        settings: Its settings.
        tokenizer: With its template.
        stops: Tokens that end an answer.
        store: The folder of versions.
        fields: Our fields to the file's.
    """

    method: Method
    settings: Settings
    tokenizer: Any
    stops: frozenset[int]
    store: str | Path | None = None
    fields: dict[str, str] | None = None

    def read(
        self, data: Data, held_out: Data | None, share: float | None
    ) -> tuple[Rows, Rows | None]:
        """Reads both parts.

        Args:
            data: What to train on.
            held_out: What to evaluate on.
            share: Or how much of `data` to hold out. Which rows that are depends on them alone, so
                that trainings with other seeds are measured on the same ones.

        Raises:
            InputError: If both are given, or if rows are in both parts.
        """
        if held_out is not None and share is not None:
            raise InputError("held_out and held_out_share: give one of them.")
        records = self._opened(data)
        if share is not None:
            if not 0 < share < 1:
                raise InputError(f"held_out_share: must lie between 0 and 1, not {share}.")
            train, test = holdout(records, share=share, gone=self._gone(data))
            return self._rows(train, data, f"{1 - share:g}"), self._rows(test, data, f"{share:g}")
        if held_out is None:
            return self._rows(records, data), None
        tested = self._opened(held_out)
        known = {each.content_hash for each in records}
        both = sum(each.content_hash in known for each in tested)
        if both:
            raise InputError(
                f"--held-out: {both:,} of {len(tested):,} held-out records are trained on too, so "
                "they would tell nothing. Name other data, or a share such as 0.1."
            )
        return self._rows(records, data), self._rows(tested, held_out)

    def _opened(self, given: Data) -> list[Record]:
        if isinstance(given, PathLike):
            given = fspath(given)
        if not isinstance(given, str):
            return list(given)
        found = open_data(given, store=self.store, fields=self.fields, want=self.method.wants)
        return list(found)

    def _gone(self, data: Data) -> list[Record]:
        """Returns what a version dropped: lines of descent may go through it."""
        if not isinstance(data, str | PathLike):
            return []
        name = fspath(data)
        if not is_reference(name) and not (Path(name) / "manifest.json").is_file():
            return []
        return [record for record, _ in Store(self.store).load(name).iter_dropped()]

    def _rows(self, records: list[Record], given: Data, share: str = "") -> Rows:
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
            "ref": fspath(given) if isinstance(given, str | PathLike) else "records",
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
