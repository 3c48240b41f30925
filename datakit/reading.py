"""Strict reading of data files: every mistake names its file and line.

JSONL, JSON, CSV and Parquet, each also as `.gz` or `.zst`, and `-` for standard input (JSONL).
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

from datakit.errors import InputError, MissingExtraError, RecordError, did_you_mean
from datakit.fingerprint import source_id
from datakit.record import Record

__all__ = ["MAX_LINE", "parse_object", "read_records", "read_rows"]

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
            more = "only the first mistakes are shown" if len(self.lines) >= _SHOWN else ""
            raise RecordError([*self.lines[:_SHOWN], *([more] if more else [])])


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
        raise InputError(f"{path}: there is no such file{near or '.'}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name a file in it.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from None
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
    with _open(path) as file:
        number = 0
        while True:
            try:
                line = file.readline(MAX_LINE + 1)
            except Exception as error:  # gzip, zlib and zstandard each have their own
                raise RecordError(f"{path}:{number + 1}: damaged file: {error}.") from None
            if not line:
                return
            number += 1
            if number == 1:
                if line.startswith(_BOM_16):
                    raise RecordError(f"{path}:1: the file is UTF-16. Save it as UTF-8.")
                line = line.removeprefix(b"\xef\xbb\xbf")
            if len(line) > MAX_LINE:
                raise RecordError(
                    f"{path}:{number}: the line is longer than {MAX_LINE // 2**20} MiB. "
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


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:20]} is too large")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_constant, parse_float=_number
)


def _parse(text: str, where: str) -> Any:  # noqa: ANN401  any JSON value
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        at = f"{where}:{error.colno}" if error.lineno == 1 else where
        raise RecordError(f"{at}: not JSON: {error.msg.lower()}.") from None
    except ValueError as error:
        raise RecordError(f"{where}: {str(error).partition(';')[0]}.") from None
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
    shown = "standard input" if path == "-" else path
    for number, line in _lines(path):
        if not line.strip():
            continue
        where = f"{shown}:{number}"
        try:
            row = parse_object(line.rstrip(b"\r\n"), where)
        except RecordError as error:
            problems.add(error)
        else:
            yield where, row
    problems.raise_if_any()


def _json(path: str) -> Iterator[Row]:
    with _open(path) as file:
        raw = file.read().removeprefix(b"\xef\xbb\xbf")
    value = _parse(_decode(raw, path), path)
    if not isinstance(value, list):
        raise RecordError(f"{path}: a .json file holds a list of records, not {_kind(value)}.")
    problems = _Problems()
    for number, row in enumerate(value, 1):
        if isinstance(row, dict):
            yield f"{path}:[{number}]", row
        else:
            problems.add(RecordError(f"{path}:[{number}]: not an object but {_kind(row)}."))
    problems.raise_if_any()


def _csv(path: str) -> Iterator[Row]:
    csv.field_size_limit(MAX_LINE)
    lines = (_decode(raw, f"{path}:{number}") for number, raw in _lines(path))
    reader = csv.DictReader(lines, strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise RecordError(f"{path}:{reader.line_num}: more or fewer cells than columns.")
            yield f"{path}:{reader.line_num}", row
    except csv.Error as error:
        raise RecordError(f"{path}:{reader.line_num}: not CSV: {error}.") from None


def _parquet(path: str) -> Iterator[Row]:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError.of("pyarrow", "files", "Reading Parquet") from None
    try:
        with _open(path) as file:
            number = 0
            for batch in parquet.ParquetFile(file).iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}:{number}", row
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: not Parquet: {str(error).partition(chr(10))[0]}.") from None


def _record(row: dict[str, Any], where: str, fields: Mapping[str, str], answers: bool) -> Record:
    row = _renamed(row, where, fields)
    wrong = []
    for key in ("instruction", "input", "output"):
        value = row.get(key, None if key == "instruction" or (answers and key == "output") else "")
        if value is None and key not in row:
            needs = "instruction and output (input may be empty)" if answers else "an instruction"
            near = did_you_mean(key, set(row) - {"input", "meta", "id"})
            wrong.append(f'{where}: "{key}" is missing{near or "."} A record needs {needs}.')
        elif not isinstance(value, str):
            wrong.append(f'{where}: "{key}" must be a text, not {_kind(value)}.')
        elif not value.strip() and (key == "instruction" or (answers and key == "output")):
            wrong.append(f'{where}: "{key}" is empty.')
    if not isinstance(row.get("meta", {}), dict):
        wrong.append(f'{where}: "meta" must be an object, not {_kind(row["meta"])}.')
    if wrong:
        raise RecordError(wrong)
    own = row.pop("id", "")
    record = Record.from_json(row)
    if isinstance(own, str):
        return record.replace(id=own)
    return record.with_meta(source_id=own)


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
        raise RecordError(f"{path}: there are no records in it.")
