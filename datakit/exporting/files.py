"""The parts of an export as files: JSON, JSONL, Parquet."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

from datakit.errors import MissingExtraError
from datakit.exporting.formats import Row
from datakit.record import Record
from datakit.store.columns import columns

__all__ = ["Part", "Parts", "write_parts", "write_text"]

Part = list[tuple[Record, list[Row]]]
Parts = Mapping[str, Part]


def write_parts(files: Mapping[str, tuple[Path, str]], parts: Parts, *, meta: bool) -> None:
    """Writes each part into its file.

    Args:
        files: For each part where it is written, and the name that says in which form.
        parts: The records with their rows.
        meta: Whether Parquet files have `id` and `meta`.
    """
    if any(name.endswith(".parquet") for _, name in files.values()):
        _parquets({part: path for part, (path, _) in files.items()}, parts, meta=meta)
        return
    for part, (path, name) in files.items():
        lines = [_json(row) for _, rows in parts[part] for row in rows]
        plain = name.removesuffix(".gz")
        text = _list(lines) if plain.endswith(".json") else "".join(f"{line}\n" for line in lines)
        data = text.encode()
        # Without name and time, the same records are the same bytes.
        path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)


def write_text(path: Path, text: str) -> None:
    """Writes a text that may hold half a character, which has no form in UTF-8."""
    path.write_bytes(text.encode("utf-8", "backslashreplace"))


def _list(lines: list[str]) -> str:
    return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"


def _json(row: Row) -> str:
    text = json.dumps(row, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        # A lone surrogate has no form in UTF-8, but an escape.
        return json.dumps(row)
    return text


def _parquets(files: Mapping[str, Path], parts: Parts, *, meta: bool) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError.of("pyarrow", "files", "a Parquet file") from None
    # All parts have the columns of the whole: readers want one schema.
    whole = pyarrow.table(
        columns([record for part in files for record, _ in parts[part]], meta=meta)
    )
    start = 0
    for part, path in files.items():
        pyarrow.parquet.write_table(whole.slice(start, len(parts[part])), path)
        start += len(parts[part])
