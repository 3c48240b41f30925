"""Steps over records without a version: for a notebook, and for any file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datakit import registry
from datakit.config import parse_step
from datakit.errors import InputError
from datakit.hub import is_hub_id
from datakit.outcome import Drop
from datakit.reading import identified, plain_row, read_rows
from datakit.record import Record
from datakit.running.flow import Flow
from datakit.running.local import LocalEngine
from datakit.step import FileRef, asks
from datakit.store import Store, located
from datakit.store.store import is_reference

__all__ = ["Result", "apply", "contamination", "dedup", "filter", "open_input", "sweep"]


@dataclass(frozen=True)
class Result:
    """What steps did to records.

    Args:
        kept: The records that were kept.
        dropped: The others, each with its step and reason.
        funnel: The ledger, as in a manifest.
    """

    kept: list[Record]
    dropped: list[tuple[Record, str, Drop]]
    funnel: list[dict[str, Any]]


def apply(
    records: str | Iterable[Record | Mapping[str, Any]],
    steps: Sequence[Any],
    *,
    store: str | Path | None = None,
    fields: Mapping[str, str] | None = None,
) -> Result:
    """Runs steps over records, without a version.

    Args:
        records: A file, a version or its reference, records, or dictionaries with their fields.
        steps: Step objects, or YAML such as `"filter.length: {min_chars: 20}"`.
        store: The folder of versions.
        fields: Our fields to the file's, such as `{"instruction": "question"}`.

    Raises:
        InputError: If there is no step, or if the records cannot be read.
    """
    if not steps:
        raise InputError("no step is given.")
    built = [parse_step(step) if isinstance(step, str) else step for step in steps]
    with tempfile.TemporaryDirectory(prefix="datakit-") as work:
        built = list(located(built, Store(store)))
        flow = sweep(open_input(records, store=store, fields=fields), built, Path(work))
        dropped = []
        for row in _rows(flow.dropped.path):
            told = row.pop("dropped")
            drop = Drop(told["reason"], of=told["of"], score=told["score"], **told["detail"])
            dropped.append((Record.from_json(row), told["step"], drop))
        return Result(list(flow.kept), dropped, [row.to_json() for row in flow.rows])


def sweep(records: Iterable[Record], steps: Sequence[Any], work: Path) -> Flow:
    """Runs steps over records into files of a folder; returns the finished flow."""
    for step in steps:
        if step.step_verb in ("make", "read"):
            raise InputError(f"{step.step_name}: makes records; it belongs into a pipeline.")
        if asks(step):
            raise InputError(f"{step.step_name}: asks a teacher; it belongs into a pipeline.")
    with closing(LocalEngine()) as engine:
        flow = Flow(steps, engine, work)
        flow.run(records, {})
    return flow


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    import json

    with open(path, "rb") as file:
        for line in file:
            yield json.loads(line)


def open_input(
    records: str | Iterable[Record | Mapping[str, Any]],
    *,
    store: str | Path | None = None,
    fields: Mapping[str, str] | None = None,
    seen: Callable[[str, dict[str, Any]], None] | None = None,
) -> Iterator[Record]:
    """Yields the records of a version, a file, `-` (standard input) or a hub dataset.

    Args:
        records: Its reference or path; or records or dictionaries, which are given ids.
        store: The folder of versions.
        fields: Our fields to the file's, such as `{"instruction": "question"}`.
        seen: Is called with each row of a file and its place, before the row's record comes.
    """
    if not isinstance(records, str):
        rows = (each.to_json() if isinstance(each, Record) else each for each in records)
        numbered = ((f"[{at}]", plain_row(row, f"[{at}]")) for at, row in enumerate(rows, 1))
        return identified(numbered, "records", fields=fields)
    if is_reference(records) or (Path(records) / "manifest.json").is_file():
        return Store(store).load(records).records()
    if _is_hub_id(records):
        hub: Iterator[Record] = registry.find("source.hub")(id=records, fields=fields).read()
        return hub
    lines = read_rows(records)
    return identified(_shown(lines, seen) if seen else lines, records, fields=fields)


def _shown(
    rows: Iterable[tuple[str, dict[str, Any]]], seen: Callable[[str, dict[str, Any]], None]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, row in rows:
        seen(where, row)
        yield where, row


def _is_hub_id(text: str) -> bool:
    # With its folder there, it is more likely a file's name with a slip of the pen.
    here = os.path.exists(text) or Path(text).parent.is_dir()
    return not here and is_hub_id(text) and not FileRef(text).is_path


def dedup(
    records: str | Iterable[Record | Mapping[str, Any]],
    method: str = "minhash",
    **options: Any,  # noqa: ANN401
) -> Result:
    """Drops duplicates; `method` is `exact`, `minhash` or `embedding`.

    Args:
        records: As `apply` takes them.
        method: The dedup step.
        **options: The step's parameters, such as `threshold` and `keep`.
    """
    return apply(records, [registry.find(f"dedup.{method}")(**options)])


def filter(records: str | Iterable[Record | Mapping[str, Any]], *steps: Any) -> Result:  # noqa: ANN401
    """Runs filters, given as step objects or as YAML, over records."""
    return apply(records, steps)


def contamination(
    records: str | Iterable[Record | Mapping[str, Any]],
    against: Sequence[str],
    **options: Any,  # noqa: ANN401
) -> Result:
    """Drops records that contain items of a benchmark.

    Args:
        records: As `apply` takes them.
        against: Files of benchmark items.
        **options: Parameters of `contamination.by_length`.
    """
    return apply(records, [registry.find("contamination.by_length")(against=against, **options)])
