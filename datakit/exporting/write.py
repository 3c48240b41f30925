"""Exports on disk: written beside, and moved into place when they are whole."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datakit.errors import InputError, MissingExtraError
from datakit.exchange import UnfitError
from datakit.exporting.beside import axolotl, dataset_info, ranked
from datakit.exporting.files import Part, Parts, write_parts, write_text
from datakit.exporting.formats import FORMATS, Format
from datakit.exporting.splitting import Shares, alike, split
from datakit.record import Record
from datakit.report.about import About
from datakit.report.card import card
from datakit.report.terms import rows
from datakit.store import Version

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
    notes += _limits(version)
    left_out: Counter[str] = Counter()
    fitting = {name: _fitting(part, form, left_out) for name, part in parts.items()}
    if not any(fitting.values()):
        told = ", ".join(f"{reason} {n:,}" for reason, n in left_out.most_common()) or "it is empty"
        raise InputError(f"{version.ref}: no record can be written as {format}: {told}.")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if is_folder:
            named = _written(version, format, draft, fitting, not anonymise)
            written = {name: target / each for name, each in named.items()}
        else:
            write_parts({"train": (draft, target.name)}, fitting, meta=not anonymise)
            written = {"train": target}
        os.replace(draft, target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if draft.is_file():
            draft.unlink()
    counts = {name: sum(len(each) for _, each in part) for name, part in fitting.items()}
    return Exported(written, counts, left_out, tuple(notes))


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


def _limits(version: Version) -> list[str]:
    """Returns what the teachers' terms say against training on their answers, as sentences."""
    return [
        f"{teacher}: training is {training}; see {named}."
        for teacher, named, training, _ in rows(About(version))
        if training.startswith("limited")
    ]


def _fitting(part: Sequence[Record], form: Format, left_out: Counter[str]) -> Part:
    found: Part = []
    for record in part:
        try:
            found.append((record, list(form.rows(record))))
        except UnfitError as error:
            left_out[error.reason] += 1
    return found


def _written(
    version: Version, format: str, draft: Path, fitting: Parts, meta: bool
) -> dict[str, str]:
    """Writes a folder; returns the file of each part."""
    draft.mkdir()
    names = {name: f"{name}.{FORMATS[format].kind}" for name in fitting}
    if format == "hf":
        (draft / "data").mkdir()
        names = {name: f"data/{name}-00000-of-00001.parquet" for name in fitting}
        write_text(draft / "README.md", card(version, names))
    elif format == "llama-factory":
        names = {name: f"{version.name}_{name}.json" for name in fitting}
        fitting = ranked(fitting)
        write_text(draft / "dataset_info.json", dataset_info(names.values(), fitting))
    elif format == "axolotl":
        write_text(draft / "datasets.yaml", axolotl(names))
    write_parts({name: (draft / each, each) for name, each in names.items()}, fitting, meta=meta)
    return names
