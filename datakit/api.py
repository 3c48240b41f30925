"""What a notebook calls; the command line is a thin door over it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from datakit.carrying import BATCHES, LOG, Prepared, Run, carry_out, limited
from datakit.config import load_pipeline
from datakit.errors import InputError, did_you_mean
from datakit.exporting import FORMATS, Exported, parse_shares
from datakit.exporting import export as write_export
from datakit.llm.batches import Batches, Batching
from datakit.llm.budget import Budget
from datakit.llm.client import Client
from datakit.llm.log import ResponseLog
from datakit.llm.loop import Loop
from datakit.llm.request import ALL, Provider
from datakit.llm.teacher import Teacher, check_budget, open_provider
from datakit.record import Record
from datakit.running.history import History, history_of, history_of_log
from datakit.running.knobs import unheeded
from datakit.running.pipeline import Pipeline
from datakit.running.plan import Plan, make_plan, requests_of
from datakit.running.progress import Progress
from datakit.store import Diff, Store, Version, located
from datakit.store import diff as compare

__all__ = ["Prepared", "Run", "diff", "execute", "export", "load", "plan", "prepare", "run"]


def run(
    pipeline: str | Path | Pipeline,
    *,
    store: str | Path | None = None,
    name: str | None = None,
    budget: str | None = None,
    limit: int | None = None,
    fresh: bool = False,
    tell: Callable[[Progress], None] | None = None,
) -> Version:
    """Runs a pipeline and returns the version it gives; resumes by itself.

    Args:
        pipeline: A YAML file, or a `Pipeline`.
        store: The folder of versions; None is `DATAKIT_STORE`, or `datasets`.
        name: Another name for the dataset.
        budget: US dollars, such as `"5.00"`; a hard cap.
        limit: Most records to keep (or to read, for a pipeline with a `source`).
        fresh: Ask the teacher again instead of using what it answered before.
        tell: Called with the run's progress.

    Raises:
        InputError: With all that is wrong; nothing is written and nothing is spent then.
        ProviderError: If a provider failed for good; what it answered is saved.
        BudgetError: If the budget was reached before and is no higher now.
    """
    prepared = prepare(pipeline, store=store, name=name, budget=budget, limit=limit)
    return execute(prepared, fresh=fresh, tell=tell).version


def execute(
    prepared: Prepared,
    *,
    fresh: bool = False,
    tell: Callable[[Progress], None] | None = None,
    budget: Budget | None = None,
) -> Run:
    """Carries out what `prepare` has checked; see `run`.

    Args:
        prepared: What `prepare` gives.
        fresh: As for `run`.
        tell: As for `run`.
        budget: Another than one of the pipeline's cap, for all that is asked and was asked.
    """
    capped = budget or Budget(prepared.pipeline.cap)
    return carry_out(prepared, partial(_clients, prepared, capped), fresh=fresh, tell=tell)


def prepare(
    pipeline: str | Path | Pipeline,
    *,
    store: str | Path | None = None,
    name: str | None = None,
    budget: str | None = None,
    limit: int | None = None,
    opener: Callable[[Teacher], Provider] = open_provider,
) -> Prepared:
    """Opens and reads what a run needs; see `run` for the arguments; `opener` opens a teacher.

    Raises:
        InputError: With everything that is wrong, at once.
    """
    asked = _adjusted(pipeline, name, budget, limit)
    asked = replace(asked, steps=located(asked.steps, Store(store)))
    if asked.source is not None:
        asked = replace(asked, source=located([asked.source], Store(store))[0])
    problems: list[str] = []
    seeds: list[Record] = []
    providers: dict[int, Provider] = {}
    opened: dict[str, Provider] = {}
    try:
        if asked.seeds is not None:
            seeds = list(asked.seeds.read())
    except InputError as error:
        problems += error.problems
    for place in asked.askers:
        teacher = asked.teacher_of(place)
        try:
            check_budget(teacher, asked.cap)
            if repr(teacher) not in opened:
                opened[repr(teacher)] = opener(teacher)
            providers[place] = opened[repr(teacher)]
        except InputError as error:
            problems += [each for each in error.problems if each not in problems]
    if not problems:
        problems += _unheeded(asked, seeds)[0]
    if problems:
        raise InputError(problems)
    return Prepared(asked, Store(store), seeds, providers)


def _unheeded(pipeline: Pipeline, seeds: Sequence[Record]) -> tuple[list[str], list[str]]:
    """Returns what steps ask of teachers that these cannot heed: mistakes, and what is not sent."""
    wrong: list[str] = []
    unsent: list[str] = []
    with Loop() as loop:
        first = list(seeds or _few(pipeline))
        for place in pipeline.askers:
            step, teacher = pipeline.steps[place], pipeline.teacher_of(place)
            if teacher.knobs >= ALL:
                continue
            asked = loop.work(partial(requests_of, pipeline, place, first))
            said, left = unheeded(step, asked, teacher.provider, teacher.knobs)
            wrong += [f"{step.step_name}.{each}." for each in said]
            unsent += [f"{step.step_name}: {name}" for name in left]
    return wrong, list(dict.fromkeys(unsent))


def _few(pipeline: Pipeline) -> Iterator[Record]:
    """Yields the first records of a source, for what its steps would ask of them."""
    return itertools.islice(pipeline.start().read(), 8) if pipeline.askers else iter(())


def _adjusted(
    pipeline: str | Path | Pipeline, name: str | None, budget: str | None, limit: int | None
) -> Pipeline:
    asked = pipeline if isinstance(pipeline, Pipeline) else load_pipeline(pipeline)
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = name
    if budget is not None:
        changes["budget"] = budget
    if limit is not None and asked.makers:
        changes["target"] = min(limit, asked.target or limit)
    elif limit is not None:
        changes["limit"] = limit
    return replace(asked, **changes)


def _clients(prepared: Prepared, budget: Budget, log: ResponseLog) -> dict[int, Client]:
    made: dict[int, Client] = {}
    clients: dict[int, Client] = {}
    for place, provider in prepared.providers.items():
        teacher = prepared.pipeline.teacher_of(place)
        if id(provider) not in made:
            batches = None
            if isinstance(provider, Batching) and teacher.mode == "batch":
                path = log.path.with_name(BATCHES)
                batches = Batches(
                    provider.batches(), path, poll=teacher.poll, retries=teacher.retries
                )
            made[id(provider)] = Client(
                provider, log, teacher.prices(), budget, teacher.pace(), teacher.license, batches
            )
        clients[place] = made[id(provider)].apart()
    return clients


def plan(pipeline: str | Path | Pipeline, *, store: str | Path | None = None) -> Plan:
    """Estimates what a run would send, cost and take; spends nothing.

    The range is narrower once a version of the dataset, be it of a small pilot, has measured what
    is kept; the answers of a run that was interrupted tell how long they are.

    Raises:
        InputError: With all that is wrong with the pipeline and its seeds.
    """
    asked = _adjusted(pipeline, None, None, None)
    seeds = list(asked.seeds.read()) if asked.seeds is not None else list(_few(asked))
    there = len(seeds) if asked.seeds is not None or not asked.askers else _count(asked)
    wrong, unsent = _unheeded(asked, seeds)
    if wrong:
        raise InputError(wrong)
    history, logged = _measured(asked, Store(store))
    with Loop() as loop:
        made = loop.work(lambda: make_plan(asked, seeds, history, there=there))
    return replace(made, logged=logged, unsent=tuple(unsent))


def _measured(pipeline: Pipeline, store: Store) -> tuple[History | None, int]:
    """Returns what the latest version that tells has measured, else the log; and its answers."""
    history, logged = None, 0
    if pipeline.askers:
        history, logged = history_of_log(store.root / pipeline.name / LOG)
    for version in reversed(store.versions(pipeline.name)):
        if found := history_of(version.manifest):
            return found, logged
    return history, logged


def _count(pipeline: Pipeline) -> int:
    return sum(1 for _ in limited(pipeline))


def load(reference: str, *, store: str | Path | None = None) -> Version:
    """Returns a version: `sql@v3`, `sql@latest`, `sql@v3~1`, or its folder."""
    return Store(store).load(reference)


def diff(before: str | Version, after: str | Version, *, store: str | Path | None = None) -> Diff:
    """Returns what differs between two versions: what came, went and changed, and why.

    Args:
        before: The earlier version, or its reference.
        after: The later one, or its reference; it may be of another dataset.
        store: The folder of versions.
    """
    one, other = (
        each if isinstance(each, Version) else load(each, store=store) for each in (before, after)
    )
    return compare(one, other)


def export(
    version: str | Version,
    format: str,
    out: str | Path,
    *,
    split: str | None = None,
    anonymise: bool = False,
    store: str | Path | None = None,
) -> Exported:
    """Writes a version in a form that trainers read.

    Args:
        version: The version, or its reference.
        format: `alpaca`, `messages`, `sharegpt`, `prompt-completion`, `preference`, `kto`,
            `parquet`, `hf`, `llama-factory` or `axolotl`.
        out: A file; a new folder for a split, and for the last three.
        split: Shares of train and test, or train, validation and test: `0.9/0.1`.
        anonymise: Whether ids and meta are left out.
        store: The folder of versions.
    """
    if format not in FORMATS:
        near = did_you_mean(format, FORMATS) or f"; there are {', '.join(FORMATS)}."
        raise InputError(f'there is no format "{format}"{near}')
    given = version if isinstance(version, Version) else load(version, store=store)
    shares = parse_shares(split) if split else None
    return write_export(given, format, out, shares=shares, anonymise=anonymise)
