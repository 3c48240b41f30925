"""Several versions as one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from datakit.api import run
from datakit.running.pipeline import Pipeline
from datakit.running.progress import Progress
from datakit.step import DataRef
from datakit.steps.dedup.exact import Exact
from datakit.steps.source.versions import Versions
from datakit.store import Store, Version

__all__ = ["combine"]


def combine(
    *versions: str | Version,
    name: str,
    store: str | Path | None = None,
    tell: Callable[[Progress], None] | None = None,
) -> Version:
    """Writes the records of several versions as one; equal ones once.

    It is the pipeline `source: {source.versions: {of: [...]}}` with `dedup.exact` over all texts.
    The parents stand in the manifest, and lineage goes on through them.

    Args:
        *versions: Versions, their references, or files, the first before the others.
        name: The new dataset's name, or that of one that gets a new version.
        store: The folder of versions.
        tell: Called with the run's progress.

    Raises:
        InputError: If one cannot be read.
    """
    there = Store(store)
    of = tuple(
        DataRef(each.data_path.resolve() if isinstance(each, Version) else _path(each, there))
        for each in versions
    )
    steps = (Exact(view="full", normalize="none"),)
    return run(Pipeline(name, steps, source=Versions(of)), store=store, tell=tell)


def _path(given: str, store: Store) -> str:
    return given if Path(given).is_file() else str(store.load(given).data_path.resolve())
