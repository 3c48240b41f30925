"""The finished run of a pipeline: which version it gave, and all that is needed to rebuild it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from datakit.ablation.silent import Silent
from datakit.api import Prepared
from datakit.config import load_pipeline
from datakit.errors import InputError
from datakit.record import Record
from datakit.running.pipeline import Pipeline
from datakit.store import Store, Version, located
from datakit.store.store import is_reference

__all__ = ["Found", "find"]


@dataclass(frozen=True)
class Found:
    """A finished run.

    Args:
        pipeline: As it was run.
        version: What it gave.
        store: Where the version is.
        seeds: The seeds; empty for a pipeline that starts from a source.
        providers: Who answered, by the place of the step; none of them can be asked.
    """

    pipeline: Pipeline
    version: Version
    store: Store
    seeds: Sequence[Record]
    providers: Mapping[int, Silent]

    def start(self) -> Iterator[Record]:
        """Yields the records that the run started from."""
        if self.pipeline.makers:
            yield from self.seeds
        else:
            yield from islice(self.pipeline.start().read(), self.pipeline.limit)


def find(
    pipeline: str | Path | Pipeline,
    *,
    store: str | Path | None = None,
    version: str | None = None,
) -> Found:
    """Finds the version that a pipeline gave.

    Args:
        pipeline: A YAML file, or a `Pipeline`.
        store: The folder of versions.
        version: A reference; None is the newest version of this very recipe.

    Raises:
        InputError: If there is none, if it is damaged, or if the recipe has changed since.
    """
    asked = pipeline if isinstance(pipeline, Pipeline) else load_pipeline(pipeline)
    place = Store(store)
    asked = replace(asked, steps=located(asked.steps, place))
    if version is None:
        versions = place.versions(asked.name)[::-1]
    else:
        versions = [place.load(version)]
        if not is_reference(version):
            place = Store(versions[0].path.parent.parent)
    seeds = list(asked.seeds.read()) if asked.makers else []
    providers = _providers(asked)
    for each in versions:
        # These two may be given with the command, beside the recipe.
        manifest = each.manifest
        target, limit = manifest.get("target"), manifest.get("limit")
        if not _fits(asked, target):
            continue
        run = replace(asked, name=each.name, target=target, limit=limit)
        if Prepared(run, place, seeds, providers).recipe_hash == manifest["recipe_hash"]:
            if wrong := each.verify():
                raise InputError(wrong)
            return Found(run, each, place, seeds, providers)
    raise InputError(_not_there(asked, version, versions))


def _providers(pipeline: Pipeline) -> dict[int, Silent]:
    opened: dict[str, Silent] = {}
    for place in pipeline.askers:
        teacher = pipeline.teacher_of(place)
        if repr(teacher) not in opened:
            opened[repr(teacher)] = Silent(teacher)
    return {at: opened[repr(pipeline.teacher_of(at))] for at in pipeline.askers}


def _fits(pipeline: Pipeline, target: int | None) -> bool:
    """Returns whether a version's target can be this pipeline's at all."""
    if not pipeline.makers:
        return not target
    return bool(target or pipeline.max_candidates)


def _not_there(asked: Pipeline, version: str | None, versions: Sequence[Version]) -> str:
    run = "Run it: datakit run PIPELINE; what was answered before is not asked again."
    if not versions:
        return f'there is no version of "{asked.name}" to rebuild. {run}'
    names = version or f"any version of {asked.name} (the newest is {versions[0].ref})"
    return (
        f"{asked.name}: is not the recipe of {names}: steps, seeds, teacher or datakit itself have "
        f"changed since. {run}"
    )
