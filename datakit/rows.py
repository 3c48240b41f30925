"""Strict reading of data files as rows: every mistake names its file and line.

JSONL, JSON, CSV and Parquet, each also as `.gz` or `.zst`, and `-` for standard input (JSONL).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from datakit.errors import DatakitError, MissingExtraError, RecordError
from datakit.files import open_file, shown_path
from datakit.strict import decode, kind_of, parse, parse_object

__all__ = ["MAX_LINE", "Problems", "Row", "plain_row", "read_rows"]

# A longer line is a broken file (a missing newline), not a record; it would only eat memory.
MAX_LINE = 16 * 2**20
_SHOWN = 10
_BOM_16 = (b"\xff\xfe", b"\xfe\xff")
# How files of other kinds begin, and what to do with them.
_KINDS = {
    b"\x1f\x8b": "is packed with gzip. Let its name end in .gz, such as data.jsonl.gz",
    b"\x28\xb5\x2f\xfd": "is packed with Zstandard. Let its name end in .zst",
    b"PAR1": "is Parquet. Let its name end in .parquet",
    b"\x89PNG": "is a picture, not text",
    b"%PDF": "is a PDF, not text",
    b"PK\x03\x04": "is a ZIP archive or an Excel sheet. Unpack it, or save it as CSV",
}
# Control characters that no text has in its first line.
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_CODES = re.compile(rb"[\s -~]")
_HEAD = 1024

Row = tuple[str, dict[str, Any]]


class Problems:
    """Collects mistakes, so that a file's are all shown at once."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, error: RecordError) -> None:
        """Takes a mistake; raises all if they are as many as are shown."""
        self.lines += error.problems
        if len(self.lines) >= _SHOWN:
            self.raise_if_any()

    def raise_if_any(self) -> None:
        """Raises all mistakes as one."""
        if self.lines:
            more = ["Only the first mistakes are shown."] if len(self.lines) >= _SHOWN else []
            raise RecordError([*sorted(self.lines[:_SHOWN], key=_place), *more])


def _place(problem: str) -> tuple[int, ...]:
    """Returns the numbers of `file:line:column`, to sort by."""
    match = re.search(r":\[?(\d+)\]?(?::(\d+))?: ", problem)
    return tuple(int(each) for each in match.groups("0")) if match else (0,)


def _lines(path: str) -> Iterator[tuple[int, bytes]]:
    shown = shown_path(path)
    with open_file(path) as file:
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
                _check_text(line, f"{shown}:1")
                line = line.removeprefix(b"\xef\xbb\xbf")
            if len(line) > MAX_LINE:
                raise RecordError(
                    f"{shown}:{number}: the line is longer than {MAX_LINE // 2**20} MiB. "
                    "Is a newline missing between records?"
                )
            yield number, line


def _check_text(raw: bytes, where: str) -> None:
    """Refuses what is no text in UTF-8 by how it begins."""
    head = raw[:_HEAD]
    kind = next((text for mark, text in _KINDS.items() if head.startswith(mark)), None)
    if kind is not None:
        raise RecordError(f"{where}: the file {kind}.")
    if head.startswith(_BOM_16) or _is_utf_16(head):
        raise RecordError(f"{where}: the file is UTF-16. Save it as UTF-8.")
    if b"\0" in head or (_CONTROLS.search(head) and not _is_utf_8(head)):
        raise RecordError(
            f"{where}: the file is not text. Data are JSONL, JSON, CSV or Parquet (.parquet)."
        )


def _is_utf_16(head: bytes) -> bool:
    """Returns whether bytes begin as an ASCII text in UTF-16 does that has no mark."""
    pairs = [head[at : at + 2] for at in range(0, min(len(head) - 1, 8), 2)]
    for one, other in ((0, 1), (1, 0)):
        if pairs and all(not each[one] and _CODES.match(each, other) for each in pairs):
            return True
    return False


def _is_utf_8(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        # Only its last character, of at most four bytes, may be cut.
        return error.start > _HEAD - 4
    return True


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
    problems = Problems()
    shown, first = shown_path(path), True
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
    shown = shown_path(path)
    with open_file(path) as file:
        try:
            raw = file.read().removeprefix(b"\xef\xbb\xbf")
        except Exception as error:  # as in _lines
            raise RecordError(f"{shown}: the file is damaged: {error}.") from None
    _check_text(raw, shown)
    if not raw.strip():
        return
    value = parse(decode(raw, shown), shown, one_line=False)
    if not isinstance(value, list):
        raise RecordError(f"{shown}: a .json file holds a list of records, not {kind_of(value)}.")
    problems = Problems()
    for number, row in enumerate(value, 1):
        where = f"{shown}:[{number}]"
        if isinstance(row, dict):
            yield where, row
        else:
            problems.add(
                RecordError(f"{where}: a record is an object {{...}}, not {kind_of(row)}.")
            )
    problems.raise_if_any()


def _csv(path: str) -> Iterator[Row]:
    csv.field_size_limit(MAX_LINE)
    shown = shown_path(path)
    lines = (decode(raw, f"{shown}:{number}") for number, raw in _lines(path))
    problems = Problems()
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
    shown = shown_path(path)
    with open_file(path) as file:
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
