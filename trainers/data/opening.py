"""Opens what a user names: a version, a file, the hub, or a public set in its own format.

- `sql@v3`, `chats.jsonl`, `-`, `owner/name`: as everywhere in datakit; also `owner/name:test`.
- `hh-rlhf`, `hh-rlhf:test`, `Anthropic/hh-rlhf`: a public set, from the hub.
- `hh-rlhf=test.jsonl.gz`: the same, from a file.
"""

from __future__ import annotations

import itertools
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from datakit import registry
from datakit.direct import open_input
from datakit.errors import DatakitWarning, InputError, RecordError, did_you_mean
from datakit.reading import identified, read_rows
from datakit.record import Record
from datakit.rows import Problems, Row
from datakit.strict import kind_of
from trainers.data.sets import SETS, Adapter, PublicSet, Want
from trainers.examples import Refused, reasons

__all__ = ["open_data"]

_HUB = re.compile(r"(?P<id>[A-Za-z0-9][\w.-]*/[\w.-]+):(?P<split>[\w.-]+)\Z")
_NAMES = {str: "a text", int: "a whole number", bool: "true or false"}


def open_data(
    text: str,
    *,
    want: Want | None = None,
    store: str | Path | None = None,
    fields: Mapping[str, str] | None = None,
    limit: int | None = None,
    refused: list[Refused] | None = None,
) -> Iterator[Record]:
    """Returns the records of a version, a file, `-`, a hub dataset or a public set.

    Args:
        text: What to open; see the module. A file that is there comes before a set of its name.
        want: What a public set should give: `chat`, `pair`, or `label` (pairs, which `labelled`
            takes apart). Without it, what the set gives usually. Other data come as they are.
        store: The folder of versions.
        fields: Our fields to the file's; of a public set: its columns to the file's.
        limit: The most records.
        refused: Takes rows of a public set that cannot be used. Without it they are counted in a
            warning at the end.

    Raises:
        InputError: If it cannot be opened, a set does not give what is wanted, or no row can be
            used.
        RecordError: If a row is not of its set's format; names file, line and column.
    """
    if limit is not None and limit < 1:
        raise InputError(f"limit must be 1 or more, not {limit}.")
    records = _opened(text, want, store, fields, refused)
    return itertools.islice(records, limit)


def _opened(
    text: str,
    want: Want | None,
    store: str | Path | None,
    fields: Mapping[str, str] | None,
    refused: list[Refused] | None,
) -> Iterator[Record]:
    if os.path.isfile(text) or os.path.isfile(os.path.join(text, "manifest.json")):
        return open_input(text, store=store, fields=fields)
    name, given, path = text.partition("=")
    name, _, split = name.partition(":")
    if name in SETS:
        known = SETS[name]
        adapter = _adapter(known, want)
        if given and split:
            raise InputError(f"{text}: a file has no splits; write {name}={path}.")
        rows = read_rows(path) if given else _hub_rows(known, split, text)
        return _public(known, adapter, _renamed(rows, fields or {}), path, refused)
    near = did_you_mean(name, SETS)
    if (given and os.path.isfile(path)) or (near and re.fullmatch(r"[\w-]+", name)):
        raise InputError(f'{text}: "{name}" is no public set and no file{near or "."}')
    found = _HUB.match(text)
    if found and not Path(text).parent.is_dir():
        hub = registry.find("source.hub")(**found.groupdict(), fields=fields)
        records: Iterator[Record] = hub.read()
        return records
    return open_input(text, store=store, fields=fields)


def _adapter(known: PublicSet, want: Want | None) -> Adapter:
    usual = next(iter(known.gives))
    asked = "pair" if want == "label" else want or usual
    if asked not in known.gives:
        has = " and ".join(f"{each}s" for each in known.gives)
        raise InputError(f"{known.name}: gives {has}, no {asked}s. {known.terms}")
    return known.gives[asked]


def _hub_rows(known: PublicSet, split: str, text: str) -> Iterator[Row]:
    split = split or known.splits[0]
    if split not in known.splits:
        near = did_you_mean(split, known.splits)
        raise InputError(
            f'{text}: {known.name} has no split "{split}"{near or "."} It has: '
            f"{', '.join(known.splits)}"
        )
    hub = registry.find("source.hub")(id=known.id, split=split, config=known.config)
    rows: Iterator[Row] = hub.rows()
    return rows


def _renamed(rows: Iterable[Row], fields: Mapping[str, str]) -> Iterator[Row]:
    for where, row in rows:
        missing = [theirs for theirs in fields.values() if theirs not in row]
        if missing:
            near = did_you_mean(missing[0], row)
            raise RecordError(f'{where}: the field "{missing[0]}" is missing{near or "."}')
        yield where, {**row, **{ours: row[theirs] for ours, theirs in fields.items()}}


def _public(
    known: PublicSet,
    adapter: Adapter,
    rows: Iterable[Row],
    path: str,
    refused: list[Refused] | None,
) -> Iterator[Record]:
    unpacked = known.unpack(rows) if known.unpack else rows
    found: list[Refused] = [] if refused is None else refused
    built = _usable(known, adapter(_checked(known, unpacked)), found)
    yield from identified(built, path or known.id)
    if refused is None and found:
        warnings.warn(f"{known.name}: left out {_told(found)}.", DatakitWarning, stacklevel=2)


def _checked(known: PublicSet, rows: Iterable[Row]) -> Iterator[Row]:
    """Yields rows with the set's columns only, null where an optional one is missing."""
    problems = Problems()
    try:
        for where, row in rows:
            try:
                yield where, _columns(known, where, row)
            except RecordError as error:
                problems.add(error)
    except RecordError as error:  # of the file; its mistakes join those of the columns
        problems.add(error)
    problems.raise_if_any()


def _columns(known: PublicSet, where: str, row: dict[str, Any]) -> dict[str, Any]:
    wrong = []
    for name, kind in {**known.columns, **known.optional}.items():
        value = row.get(name)
        if type(value) is kind or (value is None and name in known.optional):
            continue
        if name not in row:
            near = did_you_mean(name, set(row) - set(known.columns))
            columns = ", ".join(known.columns)
            wrong.append(f'{where}: "{name}" is missing{near or "."} {known.name} has {columns}.')
        else:
            wrong.append(f'{where}: "{name}" must be {_NAMES[kind]}, not {kind_of(value)}.')
    if wrong:
        raise RecordError(wrong)
    return {name: row.get(name) for name in (*known.columns, *known.optional)}


def _usable(
    known: PublicSet, built: Iterable[tuple[str, Record | Refused]], found: list[Refused]
) -> Iterator[Row]:
    count, before = 0, len(found)
    for where, each in built:
        if isinstance(each, Refused):
            found.append(each)
            continue
        count += 1
        more = {"source": known.id, "license": known.license}
        yield where, each.with_meta(**more).to_json()
    if found[before:] and not count:
        first = found[before]
        raise InputError(
            f"{known.name}: none of its rows can be used: {_told(found[before:])}. The first, "
            f"{first.id}: {first.detail}"
        )


def _told(found: list[Refused]) -> str:
    counts = ", ".join(f"{reason} {count:,}" for reason, count in reasons(found).items())
    return f"{len(found):,} rows: {counts}"
