"""Steps that ask a teacher about records, carried out again on the answers that the log holds.

What a run asked about a record depends on the record and the step alone, so its answers fit any
variant. A step that is left out may let records through that nobody was asked about: about those
the log says nothing, and they are dropped as `not_asked`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from datakit.ablation.silent import LoggedClient, Refused
from datakit.errors import BudgetError, RequestError
from datakit.llm.loop import Loop
from datakit.outcome import Drop
from datakit.record import Record
from datakit.running.asking import Asking
from datakit.running.local import Engine
from datakit.running.pipeline import Pipeline
from datakit.step import asks
from datakit.store import Version

__all__ = ["NOT_ASKED", "Replaying", "Told", "told_of"]

NOT_ASKED = "not_asked"
_BATCH = 256

# A step, which is known as this very object, and the id of a record that came to it.
_Key = tuple[int, str]


@dataclass
class Told:
    """What a run was told beside the answers that its log holds.

    Args:
        refused: Words for the calls of `make` steps that were refused.
        drops: Why steps that ask about records dropped them.
        asked: What the run asked about, refused or not; complete once the whole was rebuilt.
    """

    refused: Refused = field(default_factory=dict)
    drops: Mapping[_Key, Drop] = field(default_factory=dict)
    asked: set[_Key] = field(default_factory=set)

    def answered(self, steps: frozenset[int]) -> Told:
        """Returns what holds in a run with more money, which asks what the budget left out.

        Args:
            steps: Ids of the step objects whose requests it finds in the log.
        """
        cut = {key for key, drop in self.drops.items() if drop.reason == "budget"}
        drops = {key: drop for key, drop in self.drops.items() if key not in cut}
        asked = {key for key in self.asked - cut if key[0] in steps}
        return Told(self.refused, {key: drops[key] for key in asked & drops.keys()}, asked)


def told_of(version: Version, pipeline: Pipeline) -> Told:
    """Reads in a version what was refused, and what the budget left out.

    Args:
        version: What the run gave.
        pipeline: As it was run.
    """
    refused: dict[str, tuple[str, str]] = {}
    drops: dict[_Key, Drop] = {}
    makers, askers = set(pipeline.makers), set(pipeline.askers)
    # The file has the drops step by step; a name alone may be that of several steps.
    rows = version.manifest["funnel"]
    places = (at for at, row in enumerate(rows) for _ in range(sum(row["dropped"].values())))
    for place, (record, drop) in zip(places, version.iter_dropped(), strict=True):
        if place in makers:
            if not record.parents and "message" in drop["detail"]:
                refused[record.id] = drop["reason"], drop["detail"]["message"]
        elif place in askers and drop["reason"] != "revised":
            said = Drop(drop["reason"], of=drop["of"], score=drop["score"], **drop["detail"])
            drops[id(pipeline.steps[place]), record.id] = said
    return Told(refused, drops)


class Replaying:
    """Answers steps that ask a teacher about records; all others go to the engine below.

    Args:
        engine: Carries out all other steps.
        pipeline: Whose steps they are; what a step asked is found by its name and its number.
        clients: The client of each step that asks, by its place.
        loop: Runs the calls.
        told: What the run was told beside.
        whole: Whether what comes now was all asked by the run itself; see `settle`.
        ends: Whether a request that would be new is to end what comes after the present pass.
    """

    def __init__(
        self,
        engine: Engine,
        pipeline: Pipeline,
        clients: Mapping[int, LoggedClient],
        loop: Loop,
        told: Told,
        *,
        whole: bool = False,
        ends: bool = False,
    ) -> None:
        self.stopped: BudgetError | None = None
        self._engine = engine
        self._asking = Asking(engine, pipeline.steps, clients, loop, pipeline.random_seed)
        self._clients = {id(pipeline.steps[at]): each for at, each in clients.items()}
        self._loop = loop
        self._told = told
        self._whole = whole
        self._ends = ends

    def settle(self) -> None:
        """Ends the rebuilding of the whole: what comes now may never have been asked about."""
        self._whole = False
        self.stopped = None

    def map(self, step: object, records: Iterable[Record]) -> Iterator[tuple[Record, Any]]:
        """Yields each record with what the step said, or says, of it; see `Engine`."""
        if not asks(step):
            yield from self._engine.map(step, records)
            return
        stream = iter(records)
        # Where all were refused a run ends; here some were answered, in a round or pass before.
        while batch := list(itertools.islice(stream, _BATCH)):
            said = self._loop.work(partial(self._loop.run, self._all(step, batch)))
            yield from zip(batch, said, strict=True)

    async def _all(self, step: object, batch: list[Record]) -> list[Any]:
        return [await self._said(step, record) for record in batch]

    async def _said(self, step: object, record: Record) -> Any:  # noqa: ANN401  as the verb
        key = id(step), record.id
        if self._whole:
            self._told.asked.add(key)
        told, client = self._told.drops.get(key), self._clients[id(step)]
        client.begin(told)
        said: Any = None
        refused = False
        try:
            said = await self._asking.ask(step, record)
        except RequestError:
            refused = True
        if told is not None and told.reason == "budget":
            if self._whole:
                self.stopped = BudgetError("the budget ended the run here")
            return told
        if client.lost and key not in self._told.asked:
            client.missed += client.lost
            client.unasked += 1
            if self._ends:
                self.stopped = BudgetError("a request would be new")
            return Drop(NOT_ASKED)
        client.refusals += len(client.lost)
        return (told or Drop(NOT_ASKED)) if refused else said

    def select(self, step: object, records: Iterable[Record]) -> dict[str, Drop]:
        """Returns the drops of a `select` step; see `Engine`."""
        return self._engine.select(step, records)

    def close(self) -> None:
        """Closes what steps have opened, here and below."""
        self._asking.close()
