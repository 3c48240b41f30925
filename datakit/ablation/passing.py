"""The same candidates through some of the steps."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from datakit.ablation.costs import thrown_away
from datakit.ablation.finding import Found
from datakit.ablation.variants import Variant
from datakit.llm.loop import Loop
from datakit.record import Record
from datakit.running.flow import Flow, Made
from datakit.running.local import Engine

__all__ = ["Passes"]


class Passes:
    """Sends the candidates of a run through some of its steps; each choice is carried out once.

    Args:
        found: The run.
        made: What each `make` step made, by its place.
        engine: Carries the steps out.
        work: A folder for files.
        loop: Runs what steps ask.
    """

    def __init__(
        self, found: Found, made: Mapping[int, Made], engine: Engine, work: Path, loop: Loop
    ) -> None:
        self._loop = loop
        self._found = found
        self._made = made
        self._engine = engine
        self._folder = work / "flow"
        self._variants: dict[tuple[int, ...], Variant] = {}
        self._thrown: list[tuple[int, Decimal]] = []

    def some(self, places: Sequence[int]) -> Variant:
        """Returns what comes out with the steps at some places, still without a name.

        Args:
            places: Places in the whole pipeline, in order.
        """
        key = tuple(places)
        if key not in self._variants:
            with self._passed(key) as flow:
                self._variants[key] = _variant(flow)
                if len(key) == len(self._found.pipeline.steps):
                    self._thrown = thrown_away(_drops(flow), len(key), flow.seed_ids)
        return self._variants[key]

    def thrown(self) -> list[tuple[int, Decimal]]:
        """Returns what `thrown_away` gives for the whole pipeline."""
        self.some(range(len(self._found.pipeline.steps)))
        return self._thrown

    @contextmanager
    def _passed(self, places: Sequence[int]) -> Iterator[Flow]:
        pipeline = self._found.pipeline
        self._folder.mkdir()
        try:
            flow = Flow(
                [pipeline.steps[at] for at in places],
                self._engine,
                self._folder,
                keep_seeds=pipeline.include_seeds,
                # As in the run, where it also decides whether seeds can be told from the rest.
                remember=bool(pipeline.makers),
            )
            made = self._made
            there = {new: made[old] for new, old in enumerate(places) if old in made}
            self._loop.work(lambda: flow.run(self._found.start(), there))
            yield flow
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)


def _variant(flow: Flow) -> Variant:
    records = tuple(flow.kept)
    return Variant(
        name="",
        kind="all",
        step="",
        records=records,
        funnel=tuple(row.to_json() for row in flow.rows),
        seeds=flow.seed_ids & {record.id for record in records},
        gone=tuple(
            Record("", id=record.id, meta={"parents": list(record.parents)})
            for record in flow.dropped
        ),
    )


def _drops(flow: Flow) -> Iterator[tuple[int, str, Record]]:
    """Yields place, reason and record of each drop; the file has them step by step."""
    places = (at for at, row in enumerate(flow.rows) for _ in range(row.dropped.total()))
    for place, record in zip(places, flow.dropped, strict=True):
        yield place, record.extra["dropped"]["reason"], record
