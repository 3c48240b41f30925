"""Strict reading of data files: every mistake names its file and line.

JSONL, JSON, CSV and Parquet, each also as `.gz` or `.zst`, and `-` for standard input (JSONL).
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NoReturn

from datakit.errors import (
    DatakitError,
    InputError,
    MissingExtraError,
    RecordError,
    did_you_mean,
)
from datakit.fingerprint import source_id
from datakit.record import Record

__all__ = ["MAX_LINE", "identified", "parse_object", "plain_row", "read_records", "read_rows"]

# A longer line is a broken file (a missing newline), not a record; it would only eat memory.
MAX_LINE = 16 * 2**20
_SHOWN = 10
_BOM_16 = (b"\xff\xfe", b"\xfe\xff")

Row = tuple[str, dict[str, Any]]


class _Problems:
    """Collects mistakes, so that a file's are all shown at once."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, error: RecordError) -> None:
        self.lines += error.problems
        if len(self.lines) >= _SHOWN:
            self.raise_if_any()

    def raise_if_any(self) -> None:
        if self.lines:
            more = ["Only the first mistakes are shown."] if len(self.lines) >= _SHOWN else []
            raise RecordError([*sorted(self.lines[:_SHOWN], key=_place), *more])


def _place(problem: str) -> tuple[int, ...]:
    """Returns the numbers of `file:line:column`, to sort by."""
    match = re.search(r":\[?(\d+)\]?(?::(\d+))?: ", problem)
    return tuple(int(each) for each in match.groups("0")) if match else (0,)


def _shown(path: str) -> str:
    """Returns a path as messages show it: relative to the current folder, where it is in it."""
    if path == "-":
        return "standard input"
    try:
        return str(Path(path).relative_to(Path.cwd())) if os.path.isabs(path) else path
    except (OSError, ValueError):
        return path


def _open(path: str) -> IO[bytes]:
    if path == "-":
        return sys.stdin.buffer
    try:
        file = open(path, "rb")  # noqa: SIM115  the caller closes it
        if Path(path).is_dir():
            raise IsADirectoryError
    except FileNotFoundError:
        folder = Path(path).parent
        near = did_you_mean(Path(path).name, _names(folder))
        raise InputError(f"{_shown(path)}: there is no such file{near or '.'}") from None
    except IsADirectoryError:
        raise InputError(f"{_shown(path)}: is a folder; name a file in it.") from None
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"{_shown(path)}: cannot be read: {why}.") from None
    if path.endswith(".gz"):
        return gzip.open(file)  # type: ignore[return-value]
    if path.endswith(".zst"):
        return _open_zst(file)
    return file


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []


def _open_zst(file: IO[bytes]) -> IO[bytes]:
    try:
        import zstandard
    except ImportError:
        raise MissingExtraError.of("zstandard", "files", "Reading .zst") from None
    reader: IO[bytes] = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file))
    return reader


def _lines(path: str) -> Iterator[tuple[int, bytes]]:
    shown = _shown(path)
    with _open(path) as file:
        number = 0
        while True:
            try:
                line = file.readline(MAX_LINE + 1)
            except Exception as error:  # gzip, zlib and zstandard each have their own
                why = str(error).rstrip(".")
                raise RecordError(f"{shown}:{number + 1}: the file is damaged: {why}.") from None
            if not line:
                return
            number += 1
            if number == 1:
                if line.startswith(_BOM_16) or b"\0" in line[:2]:
                    raise RecordError(f"{shown}:1: the file is UTF-16. Save it as UTF-8.")
                line = line.removeprefix(b"\xef\xbb\xbf")
            if len(line) > MAX_LINE:
                raise RecordError(
                    f"{shown}:{number}: the line is longer than {MAX_LINE // 2**20} MiB. "
                    "Is a newline missing between records?"
                )
            yield number, line


def _decode(raw: bytes, where: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise RecordError(
            f"{where}: not UTF-8 (byte 0x{raw[error.start]:02x} at byte {error.start + 1}). "
            "Save the file as UTF-8."
        ) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {json.dumps(key)} is there twice")
            seen.add(key)
    return row


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"a number has {len(text)} digits; that is too many") from None


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:20]} is too large")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_constant=_constant,
    parse_float=_number,
    parse_int=_integer,
)
# What `json` says, and what it means to the one who has to mend the line.
_HINTS = {
    "Extra data": "more follows after the record. Is a newline missing?",
    "Expecting property name enclosed in double quotes": "a key in double quotes is expected here",
    "Invalid control character at": "a line break or tab in a text must be written as \\n or \\t",
}


def _parse(text: str, where: str, *, one_line: bool = True) -> Any:  # noqa: ANN401  any JSON value
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        # `where` of a line of JSONL has the line already.
        at = f"{where}:{error.colno}" if one_line else f"{where}:{error.lineno}:{error.colno}"
        why = _HINTS.get(error.msg, error.msg[:1].lower() + error.msg[1:])
        raise RecordError(f"{at}: not JSON: {why.rstrip('.')}.") from None
    except ValueError as error:
        raise RecordError(f"{where}: {error}.") from None
    except RecursionError:
        raise RecordError(f"{where}: nested too deeply.") from None


def parse_object(raw: bytes | str, where: str) -> dict[str, Any]:
    """Parses one JSON object; its keys must be unique and its numbers finite.

    Raises:
        RecordError: Begins with `where`.
    """
    value = _parse(_decode(raw, where) if isinstance(raw, bytes) else raw, where)
    if not isinstance(value, dict):
        raise RecordError(f"{where}: a record is an object {{...}}, not {_kind(value)}.")
    return value


def _kind(value: object) -> str:
    names = {str: "a text", bool: "true or false", int: "a number", float: "a number"}
    names |= {list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def read_rows(path: str) -> Iterator[Row]:
    """Yields `(where, row)` for each record of a file; `where` is `file:line`.

    Raises:
        InputError: If the file cannot be read.
        RecordError: After the last row (or ten mistakes), with all mistakes.
    """
    name = path.removesuffix(".gz").removesuffix(".zst")
    if name.endswith(".parquet"):
        return _parquet(path)
    if name.endswith(".csv"):
        return _csv(path)
    if name.endswith(".json"):
        return _json(path)
    return _jsonl(path)


def _jsonl(path: str) -> Iterator[Row]:
    problems = _Problems()
    shown, first = _shown(path), True
    for number, line in _lines(path):
        if not line.strip():
            continue
        where = f"{shown}:{number}"
        if first and line.strip() in (b"[", b"{", b"[{"):
            raise RecordError(
                f"{where}: the record does not end in its line. JSONL has one record in each "
                "line; a list of records over many lines is a .json file."
            )
        first = False
        try:
            row = parse_object(line.rstrip(b"\r\n"), where)
        except RecordError as error:
            problems.add(error)
        else:
            yield where, row
    problems.raise_if_any()


def _json(path: str) -> Iterator[Row]:
    shown = _shown(path)
    with _open(path) as file:
        try:
            raw = file.read().removeprefix(b"\xef\xbb\xbf")
        except Exception as error:  # as in _lines
            raise RecordError(f"{shown}: the file is damaged: {error}.") from None
    if raw.startswith(_BOM_16) or b"\0" in raw[:2]:
        raise RecordError(f"{shown}: the file is UTF-16. Save it as UTF-8.")
    if not raw.strip():
        return
    value = _parse(_decode(raw, shown), shown, one_line=False)
    if not isinstance(value, list):
        raise RecordError(f"{shown}: a .json file holds a list of records, not {_kind(value)}.")
    problems = _Problems()
    for number, row in enumerate(value, 1):
        where = f"{shown}:[{number}]"
        if isinstance(row, dict):
            yield where, row
        else:
            problems.add(RecordError(f"{where}: a record is an object {{...}}, not {_kind(row)}."))
    problems.raise_if_any()


def _csv(path: str) -> Iterator[Row]:
    csv.field_size_limit(MAX_LINE)
    shown = _shown(path)
    lines = (_decode(raw, f"{shown}:{number}") for number, raw in _lines(path))
    problems = _Problems()
    header: list[str] = []
    try:
        for number, cells in _numbered(csv.reader(lines, strict=True), shown):
            where = f"{shown}:{number}"
            if not header:
                header = _header(cells, where)
            elif len(cells) != len(header):
                counts = f"the row has {len(cells)} of the header's {len(header)} cells"
                problems.add(RecordError(f"{where}: {counts}. Is a comma or a quote missing?"))
            else:
                yield where, dict(zip(header, cells, strict=True))
    except RecordError as error:
        problems.add(error)
    problems.raise_if_any()


def _numbered(rows: Any, shown: str) -> Iterator[tuple[int, list[str]]]:  # noqa: ANN401  _csv.reader
    """Yields the rows that are not blank, each with the number of the line where it begins."""
    while True:
        begins = rows.line_num + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            why = str(error)
            if "end of data" in why or "field limit" in why:
                why = "a quote that is opened here is never closed"
            raise RecordError(f"{shown}:{begins}: not CSV: {why}.") from None
        if cells:
            yield begins, cells


def _header(cells: list[str], where: str) -> list[str]:
    for name in cells:
        if cells.count(name) > 1:
            raise RecordError(f"{where}: the column {json.dumps(name)} is there twice.")
    return cells


def _parquet(path: str) -> Iterator[Row]:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError.of("pyarrow", "files", "Reading Parquet") from None
    shown = _shown(path)
    with _open(path) as file:
        number = 0
        try:
            for batch in parquet.ParquetFile(file).iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    where = f"{shown}:{number}"
                    yield where, plain_row(row, where)
        except DatakitError:
            raise
        except (OSError, ValueError, pyarrow.ArrowException) as error:
            why = str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
            raise RecordError(f"{shown}: not Parquet, or damaged: {why}.") from None


def plain_row(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Returns a row of a typed source (Parquet, the hub) with JSON values only.

    Dates and times become ISO 8601 texts, decimals texts, NaN and infinity null.

    Raises:
        RecordError: If a value has no JSON form; begins with `where` and the key.
    """
    return {str(key): _plain(value, where, str(key)) for key, value in row.items()}


def _plain(value: object, where: str, key: str) -> Any:  # noqa: ANN401  any JSON value
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if -float("inf") < value < float("inf") else None
    if isinstance(value, Mapping):
        return {str(name): _plain(each, where, f"{key}.{name}") for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(each, where, key) for each in value]
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    kind = type(value).__name__
    raise RecordError(f'{where}: "{key}" is {kind}, which a JSON record cannot hold. Leave it out.')


def _record(row: dict[str, Any], where: str, fields: Mapping[str, str], answers: bool) -> Record:
    row = _renamed(row, where, fields)
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
            wrong.append(f'{where}: "{key}" must be a text, not {_kind(row[key])}.')
        elif not row[key].strip() and key in needed:
            wrong.append(f'{where}: "{key}" is empty. {needs}')
    wrong += [f"{where}: {text}" for text in _meta_problems(row.get("meta", {}))]
    if wrong:
        raise RecordError(wrong)
    own = row.pop("id", "")
    record = Record.from_json(row)
    if isinstance(own, str):
        return record.replace(id=own)
    return record.with_meta(source_id=own)


def _meta_problems(meta: object) -> Iterator[str]:
    """Yields what is wrong with those keys of `meta` that datakit reads."""
    if not isinstance(meta, dict):
        yield f'"meta" must be an object, not {_kind(meta)}.'
        return
    parents = meta.get("parents", [])
    if not isinstance(parents, list) or not all(isinstance(each, str) for each in parents):
        yield '"meta.parents" must be a list of ids.'
    if not isinstance(meta.get("scores", {}), dict):
        yield f'"meta.scores" must be an object, not {_kind(meta["scores"])}.'


def _until_wrong(rows: Iterable[Row], problems: _Problems) -> Iterator[Row]:
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
    problems = _Problems()
    counts: dict[str, int] = {}
    taken: set[str] = set()
    found = False
    for where, row in _until_wrong(rows, problems):
        found = True
        try:
            record = _record(row, where, fields or {}, answers)
        except RecordError as error:
            problems.add(error)
            continue
        if not record.id or record.id in taken:
            content = record.content_hash
            counts[content] = occurrence = counts.get(content, 0) + 1
            old = {"source_id": record.id} if record.id else {}
            record = record.replace(id=source_id(record, occurrence - 1)).with_meta(**old)
        taken.add(record.id)
        yield record
    problems.raise_if_any()
    if not found:
        raise RecordError(f"{_shown(path)}: there are no records in it.")
