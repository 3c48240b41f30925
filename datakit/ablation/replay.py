"""A run again, from its seeds and its response log: the candidates, in the order made."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datakit.ablation.silent import Cut, Refused, Replayed, Silent
from datakit.llm.client import Totals
from datakit.llm.log import ResponseLog
from datakit.llm.loop import Loop
from datakit.record import Record
from datakit.running.flow import Flow
from datakit.running.growth import Growth, grow
from datakit.running.local import Engine
from datakit.running.pipeline import Pipeline
from datakit.store import Version

__all__ = ["Replay", "carried", "clients_of", "logs", "refused_of", "replay"]

_OLD = re.compile(r"responses\.([0-9]+)\.jsonl\Z")


@dataclass(frozen=True)
class Replay:
    """What a replay came to.

    Args:
        growth: The rounds, with the candidates of each `make` step.
        books: What each step that asks has asked for, by its place.
        log: A copy of the log; None for a pipeline that asks nobody.
        path: The log itself.
    """

    growth: Growth
    books: Mapping[int, Totals] = field(default_factory=dict)
    log: ResponseLog | None = None
    path: Path | None = None


def logs(folder: Path, work: Path) -> Iterator[tuple[Path, Path]]:
    """Yields the response logs of a dataset, newest first, each with a copy in `work`.

    The copy, since whoever opens a log repairs it, and another run may be writing it.
    """
    old = [path for path in folder.glob("responses.*.jsonl") if _OLD.match(path.name)]
    numbered = sorted(old, key=lambda path: -int(path.name.split(".")[1]))
    for path in (folder / "responses.jsonl", *numbered):
        if path.is_file():
            yield path, Path(shutil.copyfile(path, work / path.name))


def carried(log: Path, target: Path) -> Path:
    """Copies a log to where there is none yet, whole or not at all; returns `target`."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            shutil.copyfile(log, draft)
            os.replace(draft, target)
        finally:
            draft.unlink(missing_ok=True)
    return target


def refused_of(version: Version) -> Refused:
    """Returns reason and message of each request of a version that its teacher refused."""
    makers = {row["step"] for row in version.manifest["teachers"]}
    return {
        record.id: (drop["reason"], drop["detail"]["message"])
        for record, drop in version.iter_dropped()
        if drop["step"] in makers and not record.parents and "message" in drop["detail"]
    }


def clients_of(
    pipeline: Pipeline,
    providers: Mapping[int, Silent],
    log: ResponseLog,
    refused: Refused,
    *,
    interrupted: bool = False,
) -> dict[int, Replayed]:
    """Returns a client for each `make` step.

    Args:
        pipeline: The pipeline.
        providers: The teachers by the place of their step.
        log: The answers.
        refused: What `refused_of` gives.
        interrupted: Whether the run ended with its first new request, by its budget.
    """
    cut = Cut(at_miss=interrupted)
    return {
        place: Replayed(
            pipeline.steps[place], provider, pipeline.teacher_of(place), log, refused, cut
        )
        for place, provider in providers.items()
        if place in pipeline.makers
    }


def replay(
    pipeline: Pipeline,
    seeds: Sequence[Record],
    clients: Mapping[int, Replayed],
    engine: Engine,
    work: Path,
    loop: Loop,
) -> Growth:
    """Runs the rounds of a pipeline on answers of the log alone.

    Args:
        pipeline: The pipeline.
        seeds: Its seeds.
        clients: The client of each `make` step.
        engine: Carries the other steps out.
        work: A folder for files, which must not be there.
        loop: Runs the requests.

    Raises:
        MissedError: At the end of the first round with a request that would be new.
    """
    work.mkdir()
    flow = Flow(pipeline.steps, engine, work, keep_seeds=pipeline.include_seeds, remember=True)
    try:
        return loop.work(lambda: grow(pipeline, flow, seeds, clients, loop, lambda _: None))
    finally:
        flow.kept.close()
        shutil.rmtree(work, ignore_errors=True)
