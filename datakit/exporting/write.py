"""Exports on disk: written beside, and moved into place when they are whole."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from datakit.errors import InputError, MissingExtraError
from datakit.exchange import UnfitError, has
from datakit.exporting.formats import FORMATS, Format, Row
from datakit.exporting.splitting import Shares, alike, split
from datakit.record import Record
from datakit.report.card import card
from datakit.store import Version
from datakit.store.columns import columns

__all__ = ["Exported", "export"]

_ENDINGS = {
    "json": (".json", ".json.gz", ".jsonl", ".jsonl.gz"),
    "jsonl": (".jsonl", ".jsonl.gz", ".json", ".json.gz"),
    "parquet": (".parquet",),
}


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        files: The file of each part (`train`, and those of a split).
        rows: How many rows are in each.
        left_out: Records that have no such form, by reason.
        notes: Plain sentences for the reader.
    """

    files: Mapping[str, Path]
    rows: Mapping[str, int]
    left_out: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()


def export(
    version: Version,
    format: str,
    out: str | Path,
    *,
    shares: Shares | None = None,
    anonymise: bool = False,
) -> Exported:
    """Writes a version in a form that a trainer reads.

    Args:
        version: The version.
        format: A name of `FORMATS`.
        out: A file; a new folder for a split, and for a format that is a folder.
        shares: How the records are split; None is no split.
        anonymise: Whether ids and meta (models, prompts, sources, costs) are left out.

    Raises:
        InputError: If no record has that form, or `out` cannot be written.
        MissingExtraError: If a package is not installed.
    """
    form, target = FORMATS[format], Path(out)
    is_folder = form.folder or shares is not None
    _check(target, form, is_folder=is_folder)
    parts, notes = _parts(version, shares)
    left_out: Counter[str] = Counter()
    fitting = {name: _fitting(part, form, left_out) for name, part in parts.items()}
    if not any(fitting.values()):
        told = ", ".join(f"{reason} {n:,}" for reason, n in left_out.most_common()) or "it is empty"
        raise InputError(f"{version.ref}: no record can be written as {format}: {told}.")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        written = _written(version, format, draft, target, fitting, anonymise, is_folder=is_folder)
        os.replace(draft, target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if draft.is_file():
            draft.unlink()
    rows = {name: sum(len(each) for _, each in part) for name, part in fitting.items()}
    return Exported(written, rows, left_out, tuple(notes))


def _check(target: Path, form: Format, *, is_folder: bool) -> None:
    if is_folder and target.exists():
        raise InputError(f"{target}: is there already; name a folder that is not.")
    if not is_folder and not target.name.endswith(_ENDINGS[form.kind]):
        raise InputError(f"{target}: must end in one of {', '.join(_ENDINGS[form.kind])}.")
    if not is_folder and target.is_dir():
        raise InputError(f"{target}: is a folder; name a file in it.")
    if not target.parent.is_dir():
        raise InputError(f"{target}: there is no folder {target.parent}. Make it first.")


def _parts(version: Version, shares: Shares | None) -> tuple[dict[str, list[Record]], list[str]]:
    records = list(version.records())
    if shares is None:
        return {"train": records}, []
    notes = []
    try:
        near = alike(records)
    except MissingExtraError as error:
        near = []
        notes.append(f"near-duplicates may be on both sides: {error}")
    gone = (record for record, _ in version.iter_dropped())
    return dict(zip(shares.names, split(records, gone, shares, near), strict=True)), notes


def _fitting(
    part: Sequence[Record], form: Format, left_out: Counter[str]
) -> list[tuple[Record, list[Row]]]:
    found = []
    for record in part:
        try:
            found.append((record, list(form.rows(record))))
        except UnfitError as error:
            left_out[error.reason] += 1
    return found


def _written(
    version: Version,
    format: str,
    draft: Path,
    target: Path,
    fitting: Mapping[str, Sequence[tuple[Record, list[Row]]]],
    anonymise: bool,
    *,
    is_folder: bool,
) -> dict[str, Path]:
    form = FORMATS[format]
    if not is_folder:
        _write(draft, target.name, fitting["train"], anonymise)
        return {"train": target}
    draft.mkdir()
    names = {name: f"{name}.{form.kind}" for name in fitting}
    if format == "hf":
        (draft / "data").mkdir()
        names = {name: f"data/{name}-00000-of-00001.parquet" for name in fitting}
        _text(draft / "README.md", card(version, names))
    if format == "llama-factory":
        names = {name: f"{version.name}_{name}.json" for name in fitting}
        fitting = _ranked(fitting)
        info = {Path(name).stem: _info(name, fitting) for name in names.values()}
        _text(draft / "dataset_info.json", json.dumps(info, indent=2, ensure_ascii=False) + "\n")
    if format == "axolotl":
        _text(draft / "datasets.yaml", _axolotl(names))
    for name, part in fitting.items():
        _write(draft / names[name], names[name], part, anonymise)
    return {name: target / each for name, each in names.items()}


def _ranked(
    fitting: Mapping[str, Sequence[tuple[Record, list[Row]]]],
) -> Mapping[str, Sequence[tuple[Record, list[Row]]]]:
    """Makes pairs of the rows if every record has a rejected answer."""
    everyone = [record for part in fitting.values() for record, _ in part]
    if not all(has(record, "rejected") for record in everyone):
        return fitting

    def paired(record: Record, row: Row) -> Row:
        rest = {key: value for key, value in row.items() if key != "output"}
        return rest | {"chosen": row["output"], "rejected": record.extra["rejected"]}

    return {
        name: [(record, [paired(record, row) for row in rows]) for record, rows in part]
        for name, part in fitting.items()
    }


def _info(file: str, fitting: Mapping[str, Sequence[tuple[Record, list[Row]]]]) -> dict[str, Any]:
    keys = {key for part in fitting.values() for _, rows in part for row in rows for key in row}
    columns = {"prompt": "instruction", "query": "input"}
    if "chosen" in keys:
        columns |= {"chosen": "chosen", "rejected": "rejected"}
    else:
        columns["response"] = "output"
    columns |= {key: key for key in ("system", "history") if key in keys}
    ranking = {"ranking": True} if "chosen" in keys else {}
    return {"file_name": file, **ranking, "columns": columns}


def _axolotl(names: Mapping[str, str]) -> str:
    def entry(name: str) -> dict[str, Any]:
        return {
            "path": names[name],
            "ds_type": "json",
            **({} if name == "train" else {"split": "train"}),
            "type": "chat_template",
            "field_messages": "messages",
            "message_property_mappings": {"role": "role", "content": "content"},
        }

    lines: dict[str, Any] = {"datasets": [entry("train")]}
    tests = [name for name in names if name != "train"]
    if tests:
        lines["test_datasets"] = [entry(name) for name in tests]
    head = "# For Axolotl's configuration; paths are relative to where it is started.\n"
    return head + yaml.safe_dump(lines, sort_keys=False)


def _write(
    path: Path, name: str, part: Sequence[tuple[Record, list[Row]]], anonymise: bool
) -> None:
    if name.endswith(".parquet"):
        _parquet(path, [record for record, _ in part], anonymise)
        return
    rows = [_json(row) for _, each in part for row in each]
    plain = name.removesuffix(".gz")
    text = "[\n" + ",\n".join(rows) + "\n]\n" if plain.endswith(".json") else "\n".join(rows) + "\n"
    data = text.encode()
    # Without name and time, the same records are the same bytes.
    path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)


def _json(row: Row) -> str:
    text = json.dumps(row, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        # A lone surrogate has no form in UTF-8, but an escape.
        return json.dumps(row)
    return text


def _parquet(path: Path, records: Sequence[Record], anonymise: bool) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError.of("pyarrow", "files", "a Parquet file") from None
    table = pyarrow.table(columns(records, meta=not anonymise))
    pyarrow.parquet.write_table(table, path)


def _text(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "backslashreplace"))
