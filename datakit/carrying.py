"""A run from its opened teachers to its version; who answers is for the caller to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from datakit.errors import BudgetError, StoreError
from datakit.fingerprint import EXCLUDED
from datakit.llm.client import Client
from datakit.llm.log import ResponseLog
from datakit.llm.loop import Loop
from datakit.llm.request import Provider
from datakit.llm.teacher import Teacher
from datakit.record import Record
from datakit.report import card, render
from datakit.running.asking import Asking
from datakit.running.flow import Flow
from datakit.running.growth import Growth, grow
from datakit.running.local import Engine, LocalEngine
from datakit.running.pipeline import Pipeline
from datakit.running.progress import Progress
from datakit.store import Store, Version
from datakit.store.manifest import manifest

__all__ = ["BATCHES", "LOG", "Prepared", "Run", "carry_out", "limited"]

LOG = "responses.jsonl"
"""The response log, in the folder of its dataset."""
BATCHES = "batches.jsonl"
"""The batches that were submitted, beside it."""
# Marks a log that `fresh` began, until a version has come of it.
_FRESH = "responses.fresh"


@dataclass(frozen=True)
class Run:
    """What a run came to.

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


def carry_out(
    prepared: Prepared,
    clients: Callable[[ResponseLog], dict[int, Client]],
    *,
    asking: type[Asking] = Asking,
    fresh: bool = False,
    tell: Callable[[Progress], None] | None = None,
) -> Run:
    """Carries out what is prepared, unless the newest version is what would come of it.

    Args:
        prepared: The run.
        clients: Opens the client of each step that asks, over the log.
        asking: Carries out the steps that ask about records.
        fresh: Whether the log begins anew.
        tell: Called with the run's progress.

    Raises:
        StoreError: If it cannot be written.
        BudgetError: If the budget was reached before and is no higher now.
        ProviderError: If a provider failed for good; what it answered is saved.
    """
    name, store = prepared.pipeline.name, prepared.store
    for last in store.versions(name)[-1:]:
        if not fresh and _same(last, prepared.recipe_hash):
            return Run(last, new=False)
    try:
        with store.writing(name) as work:
            return _write(prepared, work, clients, asking, fresh, tell)
    except OSError as error:
        where = error.filename or store.root / name
        raise StoreError(f"{where}: cannot be written: {error.strerror or error}.") from None


def _same(version: Version, recipe_hash: str) -> bool:
    if version.verify() or version.manifest["recipe_hash"] != recipe_hash:
        return False
    return not version.manifest["interrupted"]


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
    opened: Callable[[ResponseLog], dict[int, Client]],
    asking: type[Asking],
    fresh: bool,
    tell: Callable[[Progress], None] | None,
) -> Run:
    pipeline, store = prepared.pipeline, prepared.store
    tell = tell or (lambda _: None)
    with ExitStack() as stack:
        engine: Engine = stack.enter_context(closing(LocalEngine()))
        loop = stack.enter_context(Loop())
        growth, clients = None, {}
        if pipeline.askers:
            log = stack.enter_context(_log(store.root / pipeline.name, fresh))
            clients = opened(log)
            stack.callback(_close, clients, loop)
            told = partial(_tell_of_step, tell, clients)
            engine = asking(engine, pipeline.steps, clients, loop, pipeline.random_seed, told)
        flow = Flow(
            pipeline.steps,
            engine,
            work,
            keep_seeds=pipeline.include_seeds,
            remember=bool(pipeline.makers),
        )
        if pipeline.makers:
            growth = loop.work(partial(grow, pipeline, flow, prepared.seeds, clients, loop, tell))
            started = len(prepared.seeds)
        else:
            started = loop.work(partial(flow.run, limited(pipeline), {}))
        draft = store.draft(pipeline.name)
        stack.callback(draft.discard)
        totals = {place: client.totals for place, client in clients.items()}
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


def _tell_of_step(
    tell: Callable[[Progress], None], clients: Mapping[int, Client], step: str, done: int
) -> None:
    spent = sum((each.totals.cost for each in clients.values()), Decimal(0))
    tell(Progress(0, done, 0, 0, None, 0, spent, step))


def _is_there(store: Store, written: Version) -> bool:
    keys = ("recipe_hash", "data_sha256", "dropped_sha256")
    return any(
        not last.verify() and all(last.manifest[key] == written.manifest[key] for key in keys)
        for last in store.versions(written.name)[-1:]
    )


def limited(pipeline: Pipeline) -> Iterator[Record]:
    """Yields the records of a source, as many as the pipeline reads."""
    for number, record in enumerate(pipeline.start().read()):
        if number == pipeline.limit:
            return
        yield record


def _log(folder: Path, fresh: bool) -> ResponseLog:
    """Opens the log of answers, a new one if that is asked for.

    A new one that never came to a version is gone on with: what it cost is not paid again.
    """
    path, begun = folder / LOG, folder / _FRESH
    if fresh and path.exists() and not begun.exists():
        number = 1
        while (old := path.with_suffix(f".{number}.jsonl")).exists():
            number += 1
        begun.touch()
        path.rename(old)
        # What was submitted would be collected again.
        with suppress(FileNotFoundError):
            (folder / BATCHES).rename(folder / f"batches.{number}.jsonl")
    return ResponseLog(path)


def _close(clients: Mapping[int, Client], loop: Loop) -> None:
    # Steps may share one.
    providers = {id(each.provider): each.provider for each in clients.values()}
    with suppress(KeyboardInterrupt):
        loop.work(lambda: [loop.run(each.close()) for each in providers.values()])
