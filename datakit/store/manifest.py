"""What `manifest.json` says of a run."""

from __future__ import annotations

import dataclasses
import platform
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import Any

from datakit.benchmark import NAMES, catalogue
from datakit.fingerprint import content_sha256
from datakit.llm.client import Totals
from datakit.record import Record
from datakit.running.flow import Flow
from datakit.running.growth import Growth
from datakit.running.pipeline import Pipeline
from datakit.step import DataRef, FilePath, FileRef, verb_of

__all__ = ["manifest"]

# Packages that can change what a step decides, by the module that is then loaded.
_DECIDING = {
    "datasets": "datasets",
    "datasketch": "datasketch",
    "fasttext": "fasttext-predict",
    "msgspec": "msgspec",
    "numpy": "numpy",
    "openai": "openai",
    "pyarrow": "pyarrow",
    "sentence_transformers": "sentence-transformers",
    "torch": "torch",
    "transformers": "transformers",
    "xllamacpp": "xllamacpp",
}


def manifest(
    pipeline: Pipeline,
    flow: Flow,
    growth: Growth | None,
    totals: Mapping[int, Totals],
    *,
    recipe_hash: str,
    started_from: int,
) -> dict[str, Any]:
    """Returns all of a version's manifest but its name, number and hashes.

    Args:
        pipeline: What was run.
        flow: The finished passes.
        growth: The rounds, if records were made.
        totals: What each step that asks has asked for, by its place.
        recipe_hash: The identity of what was run.
        started_from: Number of seeds, or of source records.
    """
    start = _source(pipeline.start(), started_from)
    ended = growth.ended if growth else None
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe": pipeline.recipe,
        "recipe_hash": recipe_hash,
        "records": len(flow.kept),
        "made": sum(flow.rows[place].made for place in pipeline.makers),
        "kept_made": flow.kept_made if growth else 0,
        "dropped": len(flow.dropped),
        "parents": list(_parents(pipeline.start())),
        "seeds": start if pipeline.seeds is not None else None,
        "sources": [start] if pipeline.source is not None else [],
        "limit": pipeline.limit,
        "steps": [_step(step) for step in pipeline.steps],
        "inputs": list(_inputs(pipeline)),
        "funnel": list(_funnel(pipeline, flow, totals)),
        "cost": _cost(totals.values(), _priced(pipeline, pipeline.askers)),
        "teachers": [
            {"step": pipeline.steps[at].step_name, **pipeline.teacher_of(at).describe()}
            for at in pipeline.askers
        ],
        "licenses": _licenses(flow.kept),
        "packages": packages(),
        "random_seed": pipeline.random_seed,
        "target": pipeline.target,
        "rounds": growth.rounds if growth else 0,
        "curve": [point.to_json() for point in growth.curve] if growth else [],
        "ended": ended,
        "interrupted": "budget" if ended == "budget" or flow.stopped is not None else None,
    }


def _step(step: Any) -> dict[str, Any]:  # noqa: ANN401
    """Returns a step with all its values, defaults too, as it ran."""
    fields = {spec.name: _told(getattr(step, spec.name)) for spec in dataclasses.fields(step)}
    return {"step": step.step_name, "verb": verb_of(step), "fields": fields}


def _told(value: object) -> object:
    if isinstance(value, DataRef) and value.is_path:
        return value.shown
    if isinstance(value, FilePath | FileRef):
        return PurePath(value).name if value.is_path else str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_told(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): _told(each) for key, each in value.items()}
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _inputs(pipeline: Pipeline) -> Iterator[dict[str, str]]:
    """Yields the files and folders that steps read, such as benchmarks and models."""
    for step in pipeline.steps:
        for spec in dataclasses.fields(step):
            for each in _paths(getattr(step, spec.name)):
                yield {"step": step.step_name, **_file(each)}
        for name in getattr(step, "against", ()):
            if name in NAMES and (sha256 := catalogue()[name].sha256):
                # What is shipped was made of that file.
                yield {"step": step.step_name, "path": str(name), "sha256": sha256}


def _paths(value: object) -> Iterator[FilePath | FileRef]:
    if isinstance(value, FilePath | FileRef):
        if value.is_path:
            yield value
    elif isinstance(value, Mapping):
        yield from _paths(tuple(value.values()))
    elif isinstance(value, tuple | list | set | frozenset):
        for each in value:
            yield from _paths(each)


def _file(path: str) -> dict[str, str]:
    # The name alone: where it lies on this machine is nobody's business.
    return {"path": PurePath(path).name, "sha256": content_sha256(path)}


def _parents(source: Any) -> Iterator[dict[str, str]]:  # noqa: ANN401
    """Yields the versions whose records a source reads."""
    for spec in dataclasses.fields(source):
        for each in _paths(getattr(source, spec.name)):
            if isinstance(each, DataRef) and "@" in each.shown:
                yield {"ref": each.shown, "data_sha256": content_sha256(each)}


def _source(source: Any, records: int) -> dict[str, Any]:  # noqa: ANN401
    entry: dict[str, Any] = {"step": source.step_name}
    path = getattr(source, "path", None)
    if isinstance(path, FilePath | FileRef) and path.is_path:
        entry |= _file(path)
    else:
        entry |= {k: _told(v) for k, v in vars(source).items() if v is not None}
    return {**entry, "records": records}


def _funnel(
    pipeline: Pipeline, flow: Flow, totals: Mapping[int, Totals]
) -> Iterator[dict[str, Any]]:
    for place, row in enumerate(flow.rows):
        told = row.to_json()
        if place in totals:
            told["cost"] = _cost([totals[place]], _priced(pipeline, [place]))
        yield told


def _priced(pipeline: Pipeline, places: Iterable[int]) -> bool:
    return all(pipeline.teacher_of(at).has_price for at in places)


def _cost(totals: Iterable[Totals], priced: bool) -> dict[str, Any]:
    every = list(totals)
    return {
        "usd": f"{sum((each.cost for each in every), start=0):.6f}",
        "priced": priced,
        "requests": sum(each.requests for each in every),
        "answers": sum(each.answers for each in every),
        "cached": sum(each.cached for each in every),
        "by_hand": sum(each.by_hand for each in every),
        "refused": sum(each.refused for each in every),
        "cut_short": sum(each.cut_short for each in every),
        "input_tokens": sum(each.usage.input_tokens for each in every),
        "output_tokens": sum(each.usage.output_tokens for each in every),
    }


def _licenses(records: Iterable[Record]) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for record in records:
        license = record.meta.get("license")
        counts[license if isinstance(license, str) and license else "NOASSERTION"] += 1
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def packages() -> dict[str, str]:
    """Returns the versions of what decides about records, as far as it is loaded."""
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for module, name in {"datakit": "datakit", **_DECIDING}.items():
        if module in sys.modules:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                found[name] = "unknown"
    return found
