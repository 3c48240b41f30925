"""What a run would ask next, as files of the providers' own form."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datakit.amounts import counted
from datakit.carrying import BATCHES, Prepared
from datakit.errors import InputError, StoreError
from datakit.llm.batches import MOST, rows_of
from datakit.llm.request import Request
from datakit.offline.walking import Asked, opened, walk
from datakit.running.pipeline import Pipeline
from datakit.store import Version

__all__ = ["Exported", "Written", "export_batch"]


@dataclass(frozen=True)
class Written:
    """A file of requests.

    Args:
        path: The file.
        teacher: Who is to answer them, such as `openai/gpt-5`.
        requests: How many there are.
    """

    path: Path
    teacher: str
    requests: int


@dataclass(frozen=True)
class Exported:
    """What an export came to.

    Args:
        files: Files of requests, one for each teacher; none if all is answered.
        version: What the run gave, if all is answered.
        new: Whether that version is new.
    """

    files: tuple[Written, ...] = ()
    version: Version | None = None
    new: bool = False


def export_batch(
    pipeline: str | Path | Pipeline,
    path: str | Path,
    *,
    store: str | Path | None = None,
    name: str | None = None,
    limit: int | None = None,
) -> Exported:
    """Writes what a run would ask next into a file, or, once all is answered, its version.

    Nothing is sent, and no key is needed. Lines have the form of the provider's own batch API; a
    request keeps its `custom_id` from export to export. Where a pipeline has several teachers, each
    has a file of its own, its number before the suffix; and what no provider takes in one batch is
    in several parts, `asked.part1.jsonl` and so on.

    Args:
        pipeline: A YAML file, or a `Pipeline`.
        path: The file.
        store: The folder of versions.
        name: Another name for the dataset.
        limit: Most records to keep (or to read, for a pipeline with a `source`).

    Raises:
        InputError: With all that is wrong, or if the pipeline asks nobody.
    """
    target = Path(path)
    if not target.name or target.is_dir():
        raise InputError(f"{path}: is a folder; name a file in it.")
    prepared = opened(pipeline, store=store, name=name, limit=limit)
    run, asked = walk(prepared)
    if run is not None:
        return Exported(version=run.version, new=run.new)
    _check_submitted(prepared, asked)
    # A teacher keeps its number while others have nothing to answer.
    several = len({id(each) for each in prepared.providers.values()}) > 1
    files: list[Written] = []
    for each in asked:
        path = target.with_suffix(f".{each.at}{target.suffix}") if several else target
        files += _parts(path, each)
    return Exported(tuple(files))


def _check_submitted(prepared: Prepared, asked: Sequence[Asked]) -> None:
    """Refuses to write out what a batch has been sent already.

    Raises:
        InputError: If a request is in a batch of a run.
    """
    folder = prepared.store.root / prepared.pipeline.name
    sent = {key for row in rows_of(folder / BATCHES) for key in row.get("requests", ())}
    if there := sum(key in sent for each in asked for key in each.open):
        raise InputError(
            f"{counted(there, 'request')} of these were submitted in a batch by datakit run. Run "
            f"it to its end; or, to ask anew, remove {folder / BATCHES}."
        )


def _parts(path: Path, asked: Asked) -> Iterator[Written]:
    """Writes what one teacher is asked, in as many files as it needs."""
    requests = iter(asked.open.items())
    for number in itertools.count(1):
        part = dict(itertools.islice(requests, MOST))
        if not part:
            return
        whole = len(asked.open) <= MOST
        where = path if whole else path.with_suffix(f".part{number}{path.suffix}")
        yield _written(where, asked, part)


def _written(path: Path, asked: Asked, requests: Mapping[str, Request]) -> Written:
    """Writes a file whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(draft, "w", encoding="utf-8") as file:
            for key, request in requests.items():
                file.write(json.dumps(asked.format.line(key, request)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}.") from None
    finally:
        draft.unlink(missing_ok=True)
    told = asked.teacher.describe()
    return Written(path, f"{told['provider']}/{told['model']}", len(requests))
