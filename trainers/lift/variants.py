"""Variants: the datasets under comparison, each with its records in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from datakit.errors import InputError
from datakit.exchange import Message, UnfitError, exchange
from datakit.files import shown_path
from datakit.record import Record
from datakit.store import Store, Version
from datakit.store.store import is_reference
from datakit.text import collapse, fold
from trainers.data import open_data

__all__ = ["Variant", "answered", "asked", "gone_of", "open_variant", "question"]

Turns = tuple[Message, ...]


@dataclass(frozen=True)
class Variant:
    """A dataset under comparison.

    Args:
        name: As the user wrote it, or `sql@v4 (half the answers shuffled)`.
        records: In their order.
        control: For a control what was done to the records, in a sentence; empty otherwise.
        gone: Ids and parents of records that a version dropped: a line of descent may go through
            them.
        version: Which version it is, where it is one: `sql@v4`.
    """

    name: str
    records: tuple[Record, ...]
    control: str = ""
    gone: tuple[Record, ...] = field(default=(), repr=False)
    version: str = ""

    @cached_property
    def sha256(self) -> str:
        """Hash of the records' contents, in their order."""
        lines = "".join(f"{each.content_hash}\n" for each in self.records)
        return hashlib.sha256(lines.encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.records)

    def derived(self, words: str, control: str, records: Sequence[Record]) -> Variant:
        """Returns a control made from this variant.

        Args:
            words: Stand in brackets after the name.
            control: What was done, in a sentence.
            records: What is left.
        """
        return Variant(f"{self.name} ({words})", tuple(records), control, self.gone)


def open_variant(
    text: str,
    *,
    store: str | Path | None = None,
    fields: Mapping[str, str] | None = None,
) -> Variant:
    """Reads a dataset whole.

    Args:
        text: A version, a file, a hub dataset or a public set; see `trainers.data.opening`.
        store: The folder of versions.
        fields: Our fields to the file's.

    Raises:
        InputError: If it cannot be read or has no records.
    """
    records = tuple(open_data(text, want="chat", store=store, fields=fields))
    if not records:
        raise InputError(f"{shown_path(text)}: there are no records in it.")
    if not is_reference(text) and not (Path(text) / "manifest.json").is_file():
        return Variant(text, records)
    version = Store(store).load(text)
    return Variant(text, records, gone=gone_of(version), version=version.ref)


def gone_of(version: Version) -> tuple[Record, ...]:
    """Returns what a version dropped, without its texts."""
    return tuple(
        Record("", id=each.id, meta={"parents": list(each.parents)})
        for each, _ in version.iter_dropped()
    )


def asked(record: Record) -> Turns:
    """Returns all turns but the answer: system, question, and in a chat what was said before.

    A record that is no example has its system text and its prompt.
    """
    try:
        return exchange(record)[0]
    except UnfitError:
        system = record.extra.get("system")
        said = [{"role": "user", "content": record.prompt}]
        if isinstance(system, str) and system.strip():
            said.insert(0, {"role": "system", "content": system})
        return tuple(said)


def answered(record: Record) -> str:
    """Returns the answer that is trained on, or what there is of one."""
    try:
        return exchange(record)[1]
    except UnfitError:
        return record.output


def question(record: Record) -> tuple[tuple[str, str], ...]:
    """Returns (role, text) of what is asked, in the form in which prompts are equal.

    Letter case, white space and forms of one character do not count, nor does a system text.
    """
    return tuple(
        (each["role"], collapse(fold(each["content"])))
        for each in asked(record)
        if each["role"] != "system"
    )
