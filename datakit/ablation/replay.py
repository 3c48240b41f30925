"""A run again, from its seeds and its response log: the candidates, in the order made."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from datakit.ablation.finding import Found
from datakit.ablation.replayed import Told
from datakit.ablation.silent import GrowingClient, LoggedClient, Silent
from datakit.llm.client import Totals
from datakit.llm.log import ResponseLog
from datakit.llm.loop import Loop
from datakit.record import Record
from datakit.running.flow import Flow
from datakit.running.growth import Growth, grow
from datakit.running.local import Engine
from datakit.running.pipeline import Pipeline

__all__ = ["Replay", "carried", "clients_of", "cut", "logs", "replay"]

_OLD = re.compile(r"responses\.([0-9]+)\.jsonl\Z")


@dataclass(frozen=True)
class Replay:
    """What a replay came to.

    Args:
        growth: The rounds, with the candidates of each `make` step.
        books: What each step that asks has asked for, by its place.
        told: What the run was told beside the answers.
        log: A copy of the log; None for a pipeline that asks nobody.
        path: The log itself.
    """

    growth: Growth
    books: Mapping[int, Totals] = field(default_factory=dict)
    told: Told = field(default_factory=Told)
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


def clients_of(
    pipeline: Pipeline,
    providers: Mapping[int, Silent],
    log: ResponseLog,
    told: Told,
    *,
    rounds: int | None = None,
    strict: bool = False,
) -> dict[int, LoggedClient]:
    """Returns a client for each step that asks, by its place.

    Args:
        pipeline: The pipeline.
        providers: The teachers by the place of their step.
        log: The answers.
        told: What the run was told beside.
        rounds: Rounds after which the budget ended it; None if it did not.
        strict: Whether a new request of a `make` step ends it all.
    """
    clients: dict[int, LoggedClient] = {}
    for place, provider in providers.items():
        step, teacher = pipeline.steps[place], pipeline.teacher_of(place)
        if place in pipeline.makers:
            clients[place] = GrowingClient(
                step, provider, teacher, log, told.refused, rounds=rounds, strict=strict
            )
        else:
            clients[place] = LoggedClient(provider, teacher, log)
    return clients


def replay(
    found: Found,
    pipeline: Pipeline,
    clients: Mapping[int, LoggedClient],
    engine: Engine,
    work: Path,
    loop: Loop,
) -> tuple[Growth, tuple[Record, ...]]:
    """Runs a pipeline on answers of the log alone.

    Args:
        found: The finished run, which says what it starts from.
        pipeline: Its pipeline, or one with fewer steps.
        clients: Those of its steps.
        engine: Carries the steps out.
        work: A folder for files, which must not be there.
        loop: Runs the requests.

    Returns:
        The rounds, and the records that came out.

    Raises:
        MissedError: At the end of the first round with a request that would be new, where the
            clients are strict.
        ProviderError: If every request of the first round was refused.
    """
    work.mkdir()
    flow = Flow(
        pipeline.steps,
        engine,
        work,
        keep_seeds=pipeline.include_seeds,
        remember=bool(pipeline.makers),
    )
    try:
        growth = Growth(made={})
        if pipeline.makers:
            makers = {at: clients[at] for at in pipeline.makers}
            growth = loop.work(
                lambda: grow(pipeline, flow, found.seeds, makers, loop, lambda _: None)
            )
        else:
            flow.run(found.start(), {})
        return growth, tuple(flow.kept)
    finally:
        flow.kept.close()
        shutil.rmtree(work, ignore_errors=True)


def cut(growth: Growth, made: Mapping[int, int]) -> Growth:
    """Returns the rounds of a run that its budget ended as far as it had committed them.

    The log may hold answers to requests behind the one that was not sent.

    Args:
        growth: The rounds, as far as the log answers them.
        made: How many candidates each `make` step had made, by its place.
    """
    return replace(growth, made={at: each[: made[at]] for at, each in growth.made.items()})
