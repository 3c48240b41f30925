"""One version of a dataset, read from its folder."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from datakit import families
from datakit.amounts import money
from datakit.errors import MissingExtraError, StoreError
from datakit.record import Record, canonical
from datakit.store.columns import columns

if TYPE_CHECKING:
    pass

__all__ = ["SCHEMA", "Version", "manifest_sha256"]

SCHEMA = 1
"""What `manifest.json` and the records beside it look like; a reader knows its own."""


class Version:
    """An immutable version of a dataset.

    Args:
        path: Its folder.

    Raises:
        StoreError: If the folder holds no version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / "manifest.json").is_file():
            raise StoreError(f"{path}: is not a version; it has no manifest.json.")

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What `manifest.json` says."""
        path = self.path / "manifest.json"
        try:
            manifest: dict[str, Any] = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: cannot be read: {error}.") from None
        if not isinstance(manifest, dict) or not {"name", "version", "funnel"} <= set(manifest):
            raise StoreError(f"{path}: is not the manifest of a version.")
        if manifest.get("schema") != SCHEMA:
            raise StoreError(
                f"{path}: has schema {manifest.get('schema')!r}, and this datakit reads {SCHEMA}. "
                "A newer datakit wrote it: update this one."
            )
        return manifest

    @property
    def name(self) -> str:
        """The dataset's name."""
        name: str = self.manifest["name"]
        return name

    @property
    def ref(self) -> str:
        """How commands name it: `name@vN`."""
        return f"{self.name}@{self.manifest['version']}"

    @property
    def usd(self) -> str:
        """What the teachers cost, such as `$1.25`; `not known` if one of them has no price."""
        cost = self.manifest["cost"]
        try:
            return money(Decimal(cost["usd"])) if cost.get("priced", True) else "not known"
        except (ArithmeticError, TypeError, ValueError):
            return "not known"

    @property
    def data_path(self) -> Path:
        """The kept records."""
        return self.path / "data.jsonl"

    def __len__(self) -> int:
        count: int = self.manifest["records"]
        return count

    def records(self) -> Iterator[Record]:
        """Yields the kept records in their order."""
        for row in self._rows("data.jsonl"):
            yield Record.from_json(row)

    def __iter__(self) -> Iterator[Record]:
        return self.records()

    def dropped(
        self, step: str | None = None, reason: str | None = None
    ) -> list[tuple[Record, dict[str, Any]]]:
        """Returns dropped records, each with its `step`, `reason`, `detail`, `of` and `score`.

        Args:
            step: Only those that this step dropped.
            reason: Only those that were dropped for this reason.
        """
        return [
            (record, drop)
            for record, drop in self.iter_dropped()
            if step in (None, drop["step"]) and reason in (None, drop["reason"])
        ]

    def iter_dropped(self) -> Iterator[tuple[Record, dict[str, Any]]]:
        """Yields all dropped records; see `dropped`."""
        for row in self._rows("dropped.jsonl"):
            drop = row.pop("dropped")
            yield Record.from_json(row), drop

    def _rows(self, name: str) -> Iterator[dict[str, Any]]:
        with open(self.path / name, "rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    row = json.loads(line)
                except ValueError:
                    row = None
                if not isinstance(row, dict) or "instruction" not in row:
                    raise StoreError(
                        f"{self.path / name}:{number}: is damaged. See: datakit verify {self.ref}"
                    )
                yield row

    def find(self, id: str) -> tuple[Record, dict[str, Any] | None]:
        """Returns a record, kept or dropped, and why it was dropped.

        Args:
            id: Its id, or the beginning of it.

        Raises:
            StoreError: If no record, or more than one, has it.
        """
        found: list[tuple[Record, dict[str, Any] | None]] = []
        for record in self.records():
            if record.id.startswith(id):
                found.append((record, None))
        found += [each for each in self.iter_dropped() if each[0].id.startswith(id)]
        exact = [each for each in found if each[0].id == id]
        if len(exact or found) == 1:
            return (exact or found)[0]
        if not found:
            raise StoreError(f'{self.ref}: no record has the id "{id}".')
        raise StoreError(f'{self.ref}: {len(found)} records have an id that begins with "{id}".')

    def lineage(self, id: str) -> list[tuple[int, Record, dict[str, Any] | None]]:
        """Returns a record and its ancestors, nearest first, each with its distance.

        Ancestors may have been dropped since, and may be in a parent of this version, if that is
        still beside it; a seed has no parents.
        """
        everyone: dict[str, tuple[Record, dict[str, Any] | None]] = {}
        for version in [*self._parents(), self]:
            everyone |= {record.id: (record, None) for record in version.records()}
            everyone |= {record.id: (record, drop) for record, drop in version.iter_dropped()}
        first = self.find(id)[0]
        line: list[tuple[int, Record, dict[str, Any] | None]] = []
        seen: set[str] = set()
        waiting = [(0, first.id)]
        while waiting:
            depth, each = waiting.pop(0)
            if each in seen or each not in everyone:
                continue
            seen.add(each)
            record, drop = everyone[each]
            line.append((depth, record, drop))
            waiting += [(depth + 1, parent) for parent in record.parents]
        return line

    def _parents(self) -> list[Version]:
        """Returns the versions that it was made of, the farthest first, where they are there."""
        found: list[Version] = []
        waiting = [self]
        seen = {self.ref}
        while waiting:
            for each in waiting.pop().manifest.get("parents") or ():
                ref = str(each["ref"] if isinstance(each, dict) else each)
                name, _, number = ref.partition("@")
                folder = self.path.parent.parent / PurePath(name).name / PurePath(number).name
                if ref not in seen and (folder / "manifest.json").is_file():
                    seen.add(ref)
                    found.append(Version(folder))
                    waiting.append(found[-1])
        return found[::-1]

    def verify(self) -> list[str]:
        """Returns what is wrong with the files, as sentences; an empty list if nothing is."""
        try:
            self.manifest  # noqa: B018  is it readable at all?
        except StoreError as error:
            return list(error.problems)
        wrong = []
        for name, key in (("data.jsonl", "data_sha256"), ("dropped.jsonl", "dropped_sha256")):
            path = self.path / name
            if not path.is_file():
                wrong.append(f"{path}: is missing.")
            elif _sha256(path) != self.manifest.get(key):
                wrong.append(f"{path}: was changed after it was written (SHA-256 differs).")
        path = self.path / "manifest.json"
        if self.manifest.get("manifest_sha256", "") != manifest_sha256(self.manifest):
            wrong.append(f"{path}: was changed after it was written (SHA-256 differs).")
        return wrong or [f"{path}: {text}" for text in self._misfits()]

    def _misfits(self) -> Iterator[str]:
        """Yields what the books say and the files do not."""
        arriving = None
        for row in self.manifest["funnel"]:
            if row["in"] + row["made"] != row["kept"] + sum(row["dropped"].values()):
                yield f"{row['step']} does not balance."
            if arriving not in (None, row["in"]):
                yield f"{arriving} records went to {row['step']}, {row['in']} came."
            arriving = row["kept"]
        ids: set[str] = set()
        for name, key in (("data.jsonl", "records"), ("dropped.jsonl", "dropped")):
            found = [row["id"] for row in self._rows(name)]
            if len(found) != self.manifest[key]:
                yield f"{name} has {len(found)} records, not {self.manifest[key]}."
            if len(found) != len({*found} - ids):
                yield f"{name} has an id that another record has."
            ids.update(found)

    def report(self) -> Path:
        """Returns the path of the HTML quality report."""
        return self.path / "report.html"

    def to_datasets(self, split: tuple[float, float] | None = None) -> Any:  # noqa: ANN401
        """Returns the kept records as a `datasets.Dataset`.

        `meta` is one JSON text, as are other values that are no plain text: Arrow would give all
        records the keys of any.

        Args:
            split: Shares of training and test records, such as `(0.9, 0.1)`. A seed and all that
                was made from it come to the same side.

        Returns:
            A Dataset, or with `split` a pair of them.
        """
        try:
            from datasets import Dataset
        except ImportError:
            raise MissingExtraError.of("datasets", "hub", "to_datasets()") from None
        if split is None:
            return Dataset.from_dict(columns(list(self.records())))
        gone = (record for record, _ in self.iter_dropped())
        left, right = families.split(list(self.records()), gone, split)
        return Dataset.from_dict(columns(left)), Dataset.from_dict(columns(right))

    def __repr__(self) -> str:
        return f"<Version {self.ref}: {len(self)} records>"

    def _repr_html_(self) -> str:
        funnel = self.manifest["funnel"]
        rows = "".join(
            f"<tr><td>{html.escape(row['step'])}</td>"
            + "".join(f"<td>{row[key]:,}</td>" for key in ("in", "made", "kept"))
            + f"<td>{sum(row['dropped'].values()):,}</td></tr>"
            for row in funnel
        )
        head = "".join(f"<th>{name}</th>" for name in ("step", "in", "made", "kept", "dropped"))
        return (
            f"<p><b>{html.escape(self.ref)}</b>: {len(self):,} records, "
            f"cost {html.escape(self.usd)}, "
            f'<a href="{html.escape(self.report().resolve().as_uri())}">report</a></p>'
            f"<table><tr>{head}</tr>{rows}</table>"
        )


def manifest_sha256(manifest: Mapping[str, Any]) -> str:
    """Returns the hash of all of a manifest but that hash."""
    rest = {key: value for key, value in manifest.items() if key != "manifest_sha256"}
    return hashlib.sha256(canonical(rest)).hexdigest()


def _sha256(path: Path) -> str:
    # Not `file_sha256`, which trusts size and time: who changes a file can set both.
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
