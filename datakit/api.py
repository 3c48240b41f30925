"""What a notebook calls; the command line is a thin door over it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from datakit.config import load_pipeline
from datakit.errors import BudgetError, InputError, StoreError
from datakit.fingerprint import EXCLUDED
from datakit.llm.batches import Batches, Batching
from datakit.llm.budget import Budget
from datakit.llm.client import Client
from datakit.llm.log import ResponseLog
from datakit.llm.loop import Loop
from datakit.llm.request import ALL, Provider
from datakit.llm.teacher import Teacher, check_budget, open_provider
from datakit.record import Record
from datakit.report import card, render
from datakit.running.asking import Asking
from datakit.running.flow import Flow
from datakit.running.growth import Growth, Progress, grow
from datakit.running.history import History, history_of, history_of_log
from datakit.running.knobs import unheeded
from datakit.running.local import Engine, LocalEngine
from datakit.running.pipeline import Pipeline
from datakit.running.plan import Plan, make_plan, requests_of
from datakit.store import Store, Version
from datakit.store.manifest import manifest

__all__ = ["Prepared", "Run", "execute", "load", "plan", "prepare", "run"]

_LOG = "responses.jsonl"
_BATCHES = "batches.jsonl"
# Marks a log that `fresh` began, until a version has come of it.
_FRESH = "responses.fresh"


@dataclass(frozen=True)
class Run:
    """What `execute` came to.

    Args:
        version: The version.
        new: False if the newest version already is what the pipeline gives.
        growth: The rounds, if records were made.
        stopped: What to tell the user, if the budget ended it.
    """

    version: Version
    new: bool
    growth: Growth | None = None
    stopped: str = ""


@dataclass(frozen=True)
class Prepared:
    """A run of which nothing is known to be wrong; nothing is written or spent yet.

    Args:
        pipeline: What is run.
        store: Where the version goes.
        seeds: The seeds.
        providers: Who answers, by the place of the step.
    """

    pipeline: Pipeline
    store: Store
    seeds: list[Record]
    providers: Mapping[int, Provider]

    @property
    def recipe_hash(self) -> str:
        """The identity of what the run would give."""
        teacher_of = self.pipeline.teacher_of
        return self.pipeline.recipe_hash(
            {at: _who(each, teacher_of(at)) for at, each in self.providers.items()}
        )


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
    name, store = prepared.pipeline.name, prepared.store
    for last in store.versions(name)[-1:]:
        if not fresh and _same(last, prepared.recipe_hash):
            return Run(last, new=False)
    try:
        with store.writing(name) as work:
            return _write(prepared, work, fresh, tell, budget or Budget(prepared.pipeline.cap))
    except OSError as error:
        where = error.filename or store.root / name
        raise StoreError(f"{where}: cannot be written: {error.strerror or error}.") from None


def _same(version: Version, recipe_hash: str) -> bool:
    if version.verify() or version.manifest["recipe_hash"] != recipe_hash:
        return False
    return not version.manifest["interrupted"]


def prepare(
    pipeline: str | Path | Pipeline,
    *,
    store: str | Path | None = None,
    name: str | None = None,
    budget: str | None = None,
    limit: int | None = None,
) -> Prepared:
    """Opens and reads what a run needs; see `run` for the arguments.

    Raises:
        InputError: With everything that is wrong, at once.
    """
    asked = _adjusted(pipeline, name, budget, limit)
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
                opened[repr(teacher)] = open_provider(teacher)
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


def _who(provider: Provider, teacher: Teacher) -> dict[str, Any]:
    """Returns all of a teacher that shows in the data: answers, licence and cost."""
    known = {**provider.identity(), "form": provider.form}
    known |= {"license": teacher.license, "price": teacher.price or _text(teacher.listed_price)}
    return {key: value for key, value in known.items() if key not in EXCLUDED}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _write(
    prepared: Prepared,
    work: Path,
    fresh: bool,
    tell: Callable[[Progress], None] | None,
    budget: Budget,
) -> Run:
    pipeline, store = prepared.pipeline, prepared.store
    with ExitStack() as stack:
        engine: Engine = stack.enter_context(closing(LocalEngine()))
        loop = stack.enter_context(Loop())
        growth, clients = None, {}
        if pipeline.askers:
            log = stack.enter_context(_log(store.root / pipeline.name, fresh))
            clients = _clients(pipeline, prepared.providers, log, budget)
            stack.callback(_close, clients, loop)
            engine = Asking(engine, pipeline.steps, clients, loop, pipeline.random_seed)
        flow = Flow(
            pipeline.steps,
            engine,
            work,
            keep_seeds=pipeline.include_seeds,
            remember=bool(pipeline.makers),
        )
        if pipeline.makers:
            makers = {at: clients[at] for at in pipeline.makers}
            tell = tell or (lambda _: None)
            growth = loop.work(partial(grow, pipeline, flow, prepared.seeds, makers, loop, tell))
            started = len(prepared.seeds)
        else:
            started = loop.work(partial(flow.run, _limited(pipeline), {}))
        draft = store.draft(pipeline.name)
        stack.callback(draft.discard)
        totals = [client.totals for client in dict.fromkeys(clients.values())]
        whole = manifest(
            pipeline, flow, growth, totals, recipe_hash=prepared.recipe_hash, started_from=started
        )
        written = draft.write(whole, flow.kept.path, flow.dropped.path)
        message = growth.message if growth else str(engine.stopped or "")
        if written.manifest["interrupted"] and _is_there(store, written):
            raise BudgetError(message)
        draft.add("report.html", render(written))
        draft.add("README.md", card(written))
        stopped = message if written.manifest["interrupted"] else ""
        done = Run(draft.publish(), new=True, growth=growth, stopped=stopped)
        (store.root / pipeline.name / _FRESH).unlink(missing_ok=True)
        return done


def _is_there(store: Store, written: Version) -> bool:
    keys = ("recipe_hash", "data_sha256", "dropped_sha256")
    return any(
        not last.verify() and all(last.manifest[key] == written.manifest[key] for key in keys)
        for last in store.versions(written.name)[-1:]
    )


def _limited(pipeline: Pipeline) -> Iterator[Record]:
    for number, record in enumerate(pipeline.start().read()):
        if number == pipeline.limit:
            return
        yield record


def _log(folder: Path, fresh: bool) -> ResponseLog:
    """Opens the log of answers, a new one if that is asked for.

    A new one that never came to a version is gone on with: what it cost is not paid again.
    """
    path, begun = folder / _LOG, folder / _FRESH
    if fresh and path.exists() and not begun.exists():
        number = 1
        while (old := path.with_suffix(f".{number}.jsonl")).exists():
            number += 1
        begun.touch()
        path.rename(old)
    return ResponseLog(path)


def _clients(
    pipeline: Pipeline, providers: Mapping[int, Provider], log: ResponseLog, budget: Budget
) -> dict[int, Client]:
    made: dict[int, Client] = {}
    clients: dict[int, Client] = {}
    for place, provider in providers.items():
        teacher = pipeline.teacher_of(place)
        if id(provider) not in made:
            batches = None
            if isinstance(provider, Batching) and teacher.mode == "batch":
                path = log.path.with_name(_BATCHES)
                batches = Batches(
                    provider.batches(), path, poll=teacher.poll, retries=teacher.retries
                )
            made[id(provider)] = Client(
                provider, log, teacher.prices(), budget, teacher.pace(), teacher.license, batches
            )
        clients[place] = made[id(provider)]
    return clients


def _close(clients: Mapping[int, Client], loop: Loop) -> None:
    with suppress(KeyboardInterrupt):
        loop.work(lambda: [loop.run(each.provider.close()) for each in {*clients.values()}])


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
        history, logged = history_of_log(store.root / pipeline.name / _LOG)
    for version in reversed(store.versions(pipeline.name)):
        if found := history_of(version.manifest["funnel"], version.manifest):
            return found, logged
    return history, logged


def _count(pipeline: Pipeline) -> int:
    return sum(1 for _ in _limited(pipeline))


def load(reference: str, *, store: str | Path | None = None) -> Version:
    """Returns a version: `sql@v3`, `sql@latest`, `sql@v3~1`, or its folder."""
    return Store(store).load(reference)
