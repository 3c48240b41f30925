"""Records from the rows of data files, each with an id that no other has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from datakit.errors import RecordError, did_you_mean
from datakit.files import shown_path
from datakit.fingerprint import source_id
from datakit.record import Record
from datakit.rows import Problems, Row, plain_row, read_rows
from datakit.shapes import ShapeError, likely, shaped
from datakit.strict import kind_of, parse_object

__all__ = ["Absent", "identified", "parse_object", "plain_row", "read_records", "read_rows"]


class Absent(str):
    """The empty output of a record whose line has no such key; any other empty one is a `str`.

    It is written as an empty text, so that it does not outlast a file.
    """

    __slots__ = ()


def _record(row: dict[str, Any], where: str, fields: Mapping[str, str], answers: bool) -> Record:
    row = _renamed(row, where, fields)
    try:
        row = shaped(row, fields)
    except ShapeError as error:
        raise RecordError(f"{where}: {error}") from None
    # Typed files have a null where a JSON line would have no key.
    row = {k: v for k, v in row.items() if v is not None or k not in ("input", "meta", "id")}
    needed = ("instruction", "output") if answers else ("instruction",)
    needs = "A record needs an instruction."
    if answers:
        needs = "A seed needs instruction and output (input may be empty)."
    wrong = []
    for key in ("instruction", "input", "output"):
        if key not in row:
            if key in needed:
                near = did_you_mean(key, set(row) - {"input", "meta", "id"})
                wrong.append(f'{where}: "{key}" is missing{near or "."} {needs}')
        elif not isinstance(row[key], str):
            wrong.append(f'{where}: "{key}" must be a text, not {kind_of(row[key])}.')
        elif not row[key].strip() and key in needed:
            wrong.append(f'{where}: "{key}" is empty. {needs}')
    wrong += [f"{where}: {text}" for text in _meta_problems(row.get("meta", {}))]
    if wrong:
        raise RecordError(wrong)
    own = row.pop("id", "")
    record = Record.from_json({"output": Absent(), **row})
    if isinstance(own, str):
        return record.replace(id=own)
    return record.with_meta(source_id=own)


def _meta_problems(meta: object) -> Iterator[str]:
    """Yields what is wrong with those keys of `meta` that datakit reads."""
    if not isinstance(meta, dict):
        yield f'"meta" must be an object, not {kind_of(meta)}.'
        return
    parents = meta.get("parents", [])
    if not isinstance(parents, list) or not all(isinstance(each, str) for each in parents):
        yield '"meta.parents" must be a list of ids.'
    if not isinstance(meta.get("scores", {}), dict):
        yield f'"meta.scores" must be an object, not {kind_of(meta["scores"])}.'


def _until_wrong(rows: Iterable[Row], problems: Problems) -> Iterator[Row]:
    # The reader tells its mistakes at its end; they join those of the rows before.
    try:
        yield from rows
    except RecordError as error:
        problems.add(error)


def _renamed(row: dict[str, Any], where: str, fields: Mapping[str, str]) -> dict[str, Any]:
    if "dropped" in row:
        row = {("dropped_before" if key == "dropped" else key): v for key, v in row.items()}
    if not fields:
        return row
    missing = [theirs for theirs in fields.values() if theirs not in row]
    if missing:
        near = did_you_mean(missing[0], row)
        raise RecordError(f'{where}: the field "{missing[0]}" is missing{near or "."}')
    named = {ours: row[theirs] for ours, theirs in fields.items()}
    rest = {key: value for key, value in row.items() if key not in fields.values()}
    return {**rest, **named}


def read_records(
    path: str, *, fields: Mapping[str, str] | None = None, answers: bool = False
) -> Iterator[Record]:
    """Yields the records of a file, each with an id that no other record of it has.

    A line may also be a chat or a preference in a shape of other tools; see `datakit.shapes`.
    A text `id` of the file's own is kept if it is the first of its kind; else it moves to
    `meta.source_id`.

    Args:
        path: A file, or `-`.
        fields: Our names of fields (`instruction`, `input`, `output`) to the file's.
        answers: Whether an output is required.

    Raises:
        InputError: If the file cannot be read or has no record.
        RecordError: With all mistakes, each with its file and line.
    """
    return identified(read_rows(path), path, fields=fields, answers=answers)


def identified(
    rows: Iterable[Row],
    path: str,
    *,
    fields: Mapping[str, str] | None = None,
    answers: bool = False,
) -> Iterator[Record]:
    """Turns rows into records; see `read_records`."""
    problems = Problems()
    counts: dict[str, int] = {}
    taken: set[str] = set()
    found = hinted = False
    for where, row in _until_wrong(rows, problems):
        found = True
        try:
            record = _record(row, where, fields or {}, answers)
        except RecordError as error:
            # Once is enough: the lines of a file have the same keys.
            problems.add(error if hinted else _with_hint(error, row, fields or {}))
            hinted = True
            continue
        if not record.id or record.id in taken:
            old = {"source_id": record.id} if record.id else {}
            record = record.replace(id=_free_id(record, taken, counts)).with_meta(**old)
        taken.add(record.id)
        yield record
    problems.raise_if_any()
    if not found:
        raise RecordError(f"{shown_path(path)}: there are no records in it.")


def _with_hint(
    error: RecordError, row: Mapping[str, Any], fields: Mapping[str, str]
) -> RecordError:
    """Returns the mistake of a line, with the names of keys that our fields probably have there."""
    lacking = [key for key in ("instruction", "output") if key not in row and key not in fields]
    names = likely(row, lacking)
    if not any(f'"{key}" is missing' in str(error) for key in names):
        return error
    given = ",".join(f"{ours}={theirs}" for ours, theirs in {**fields, **names}.items())
    first, *rest = error.problems
    text = f"Say what its keys mean: --fields {given}; in a pipeline, `fields` of the source."
    return RecordError([f"{first} {text}", *rest])


def _free_id(record: Record, taken: set[str], counts: dict[str, int]) -> str:
    """Returns the id of the record's first occurrence that is not taken."""
    content = record.content_hash
    # A row may have that id as its own: a version's file, read together with its seeds.
    while True:
        occurrence = counts.get(content, 0)
        counts[content] = occurrence + 1
        made = source_id(record, occurrence)
        if made not in taken:
            return made
