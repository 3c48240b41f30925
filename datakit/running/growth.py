"""Growth in rounds: what was kept teaches the next round.

A round's requests are fixed at its start, run at the same time and are committed in the order of
their ordinals; so neither timing nor concurrency ever changes the data.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, Protocol

from datakit.errors import BudgetError, InputError, ProviderError, RequestError
from datakit.fingerprint import Ids
from datakit.llm.client import Client
from datakit.llm.draws import Due
from datakit.llm.llm import LLM
from datakit.outcome import Drop, Rejected
from datakit.record import Record, digest
from datakit.running.coverage import Coverage, Point
from datakit.running.flow import Flow
from datakit.running.making import finished, make_records
from datakit.running.pipeline import Pipeline
from datakit.running.progress import Progress
from datakit.step import Resources

__all__ = ["Growth", "grow"]

# There is nothing left to learn after so many rounds in a row that made nothing at all, or of whose
# candidates, at least so many, too few were kept.
_DRY_ROUNDS, _DRY_MADE = 3, 200


@dataclass
class Growth:
    """What the rounds came to.

    Args:
        made: Records and refused candidates by the place of their step.
        rounds: Number of rounds.
        ended: `target`, `max_candidates`, `novelty` or `budget`.
        message: What to tell the user, if the budget ended it.
        curve: The pool before the first round and after each.
    """

    made: dict[int, list[Record | Rejected]]
    rounds: int = 0
    ended: str = "target"
    message: str = ""
    curve: list[Point] = field(default_factory=list)


class _Runner(Protocol):
    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any: ...  # noqa: ANN401


def grow(
    pipeline: Pipeline,
    flow: Flow,
    seeds: Sequence[Record],
    clients: Mapping[int, Client],
    runner: _Runner,
    tell: Callable[[Progress], None],
) -> Growth:
    """Runs rounds until the target, the most candidates, the budget or a lack of novelty ends it.

    Args:
        pipeline: The pipeline.
        flow: Passes; its last result is that of the finished run.
        seeds: The seeds.
        clients: The client of each step that asks, by its place.
        runner: Runs the requests of a round.
        tell: Called as requests are answered.
    """
    resources = Resources()
    try:
        return _grow(pipeline, flow, seeds, clients, runner, tell, resources)
    finally:
        resources.close()


def _grow(
    pipeline: Pipeline,
    flow: Flow,
    seeds: Sequence[Record],
    clients: Mapping[int, Client],
    runner: _Runner,
    tell: Callable[[Progress], None],
    resources: Resources,
) -> Growth:
    growth = Growth(made={place: [] for place in pipeline.makers})
    taken = {seed.id for seed in seeds}
    coverage = Coverage(frozenset(taken))
    watch = partial(_watch, growth, flow, coverage)
    flow.run(seeds, growth.made)
    if flow.stopped is not None:
        growth.ended, growth.message = "budget", str(flow.stopped)
        return growth
    pool, asked, idle, ids = watch(0, ()), 0, 0, Ids()
    while True:
        kept, made = growth.curve[-1].kept, growth.curve[-1].made
        pool = _checked(pool, flow)
        state = _Round(pipeline, growth.rounds, pool, flow.seed_ids, resources, ids, clients, tell)
        state.due = coverage if pipeline.draw == "coverage" else None
        state.kept, state.made = kept, made
        state.size = _size(pipeline, kept, asked)
        asked += state.size
        started = time.perf_counter()
        stopped = runner.run(state.run())
        flow.charge(pipeline.makers, time.perf_counter() - started)
        for client in clients.values():
            client.sync()
        growth.rounds += 1
        idle = 0 if any(state.committed.values()) else idle + 1
        new = {at: [*_renumbered(made, taken)] for at, made in state.committed.items()}
        for place, each in new.items():
            growth.made[place] += each
        flow.run(seeds, growth.made)
        pool = watch(asked, [each for made in new.values() for each in made])
        stopped = stopped or flow.stopped
        if stopped is not None:
            growth.ended, growth.message = "budget", str(stopped)
            return growth
        if ended := _ended(pipeline, growth.curve, idle):
            growth.ended = ended
            return growth


def _watch(
    growth: Growth,
    flow: Flow,
    coverage: Coverage,
    asked: int,
    new: Sequence[Record | Rejected],
) -> list[Record]:
    """Returns the pool after a pass, and notes where it stands."""
    pool = flow.pool()
    coverage.update({record.id: record for record in pool}, new, flow.origin)
    growth.curve.append(coverage.point(asked, sum(map(len, growth.made.values()))))
    return pool


def _size(pipeline: Pipeline, kept: int, asked: int) -> int:
    """Returns how many requests a round has: no more than the target is likely to need.

    It depends on what was committed alone, so it is the same in every run of the recipe.
    """
    if not pipeline.target:
        return pipeline.round_size
    rate = kept / asked if asked else 1.0
    needed = math.ceil((pipeline.target - kept) / rate) if rate else pipeline.round_size
    return max(1, min(pipeline.round_size, needed))


def _ended(pipeline: Pipeline, curve: Sequence[Point], idle: int) -> str | None:
    if pipeline.target and curve[-1].kept >= pipeline.target:
        return "target"
    if curve[-1].made >= pipeline.most:
        return "max_candidates"
    return "novelty" if idle >= _DRY_ROUNDS or _barren(curve, pipeline.min_novelty) else None


def _barren(curve: Sequence[Point], least: float) -> bool:
    """Tells whether too few of the latest candidates were kept."""
    last = curve[-1]
    for first in reversed(curve[:-_DRY_ROUNDS]):
        if (made := last.made - first.made) >= _DRY_MADE:
            kept = last.kept - first.kept
            return kept <= 0 or kept / made < least
    return False


def _checked(pool: list[Record], flow: Flow) -> list[Record]:
    if not pool:
        reasons = [f"{row.step} ({', '.join(row.dropped)})" for row in flow.rows if row.dropped]
        raise InputError(
            f"No seed passes the pipeline's own steps: {'; '.join(reasons) or 'there is none'}. "
            "Without one there is nothing to learn from."
        )
    return pool


def _renumbered(made: Sequence[Record | Rejected], taken: set[str]) -> Iterator[Record | Rejected]:
    """Gives a record another id if it has one that is taken, and notes the ids.

    Seeds may be records of an earlier version, and then the log gives the same ones again.
    """
    for each in made:
        record = each.record if isinstance(each, Rejected) else each
        while record.id in taken:
            record = record.replace(id=digest(["again", record.id]))
        taken.add(record.id)
        yield Rejected(record, each.drop) if isinstance(each, Rejected) else record


class _Round:
    """The requests of one round."""

    def __init__(
        self,
        pipeline: Pipeline,
        number: int,
        pool: Sequence[Record],
        seeds: frozenset[str],
        resources: Resources,
        ids: Ids,
        clients: Mapping[int, Client],
        tell: Callable[[Progress], None],
    ) -> None:
        self.kept = self.made = 0
        self.size = pipeline.round_size
        self.due: Due | None = None
        self.ids = ids
        self.resources = resources
        self.committed: dict[int, list[Record | Rejected]] = {
            place: [] for place in pipeline.makers
        }
        self._pipeline = pipeline
        self._number = number
        self._pool = {record.id: record for record in pool}
        self._seeds = seeds
        self._clients = clients
        self._tell = tell
        self._done = 0
        self._refused: list[RequestError] = []

    async def run(self) -> BudgetError | None:
        """Runs all requests; returns the error if the budget cut the round."""
        units = [(place, each) for place in self._pipeline.makers for each in range(self.size)]
        self._report(len(units))
        tasks = [
            asyncio.ensure_future(self._unit(place, each, len(units))) for place, each in units
        ]
        try:
            # After a failure a client sends nothing more, and what is in flight is still paid for.
            await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._commit(tasks, units)

    def _commit(
        self, tasks: list[asyncio.Task[list[Record | Rejected]]], units: list[tuple[int, int]]
    ) -> BudgetError | None:
        for (place, _), task in zip(units, tasks, strict=True):
            error = task.exception()
            if isinstance(error, BudgetError):
                # What was answered after this stays in the log: paid once, used by the next run.
                return error
            if error is not None:
                raise error
            self.committed[place] += task.result()
        if self.made == 0 and len(self._refused) == len(units):
            raise ProviderError(f"every request was refused: {self._refused[0]}")
        return None

    async def _unit(self, place: int, each: int, of: int) -> list[Record | Rejected]:
        step = self._pipeline.steps[place]
        ordinal = self._number * self._pipeline.round_size + each
        where = f"{place}/{self._number}/{each}"
        seed = int(digest([self._pipeline.random_seed, step.step_name, where], size=4), 16) >> 1
        llm = LLM(self._clients[place], where, ordinal, seed, self._seeds, self.due)
        try:
            made = await make_records(step, list(self._pool.values()), llm, self.resources)
        except RequestError as error:
            self._refused.append(error)
            empty = Record.from_parents((), instruction="")
            made = [Rejected(empty, Drop(error.reason, message=str(error)))]
        self._done += 1
        self._report(of)
        ids = self.ids
        return [finished(step, llm, made, at, self._pool, ids) for at in range(len(made))]

    def _report(self, requests: int) -> None:
        spent = sum((c.totals.cost for c in self._clients.values()), Decimal(0))
        self._tell(
            Progress(
                self._number + 1,
                self._done,
                requests,
                self.kept,
                self._pipeline.target,
                self.made,
                spent,
            )
        )
