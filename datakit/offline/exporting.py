"""What a run would ask next, as files of the providers' own form."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from datakit.errors import StoreError
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
    request keeps its `custom_id` from export to export. Where several teachers are asked, each has
    a file of its own, numbered before the suffix.

    Args:
        pipeline: A YAML file, or a `Pipeline`.
        path: The file.
        store: The folder of versions.
        name: Another name for the dataset.
        limit: Most records to keep (or to read, for a pipeline with a `source`).

    Raises:
        InputError: With all that is wrong, or if the pipeline asks nobody.
    """
    run, asked = walk(opened(pipeline, store=store, name=name, limit=limit))
    if run is not None:
        return Exported(version=run.version, new=run.new)
    target = Path(path)
    several = len(asked) > 1
    return Exported(
        tuple(
            _written(target.with_suffix(f".{at}{target.suffix}") if several else target, each)
            for at, each in enumerate(asked, 1)
        )
    )


def _written(path: Path, asked: Asked) -> Written:
    """Writes a file whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(draft, "w", encoding="utf-8") as file:
            for key, request in asked.open.items():
                file.write(json.dumps(asked.format.line(key, request)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}.") from None
    finally:
        draft.unlink(missing_ok=True)
    told = asked.teacher.describe()
    return Written(path, f"{told['provider']}/{told['model']}", len(asked.open))
