"""One pass of records through the steps of a pipeline, with its ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from datakit.errors import BudgetError
from datakit.fingerprint import Ids
from datakit.outcome import Drop, Rejected
from datakit.record import Record, digest
from datakit.running.ledger import Clock, Row, balance
from datakit.running.local import Engine, StepFailedError
from datakit.running.spool import Spool
from datakit.step import verb_of

__all__ = ["Flow", "Made"]

Made = Sequence[Record | Rejected]
_Memo = dict[tuple[int, str], Any]
_BOOKS = ("model", "prompt_hash", "cost")


class Flow:
    """Sends records through steps.

    Each pass starts from the beginning, so that its result depends on the records alone and not
    on how they came in rounds. What a step said of a record is remembered from pass to pass.

    Args:
        steps: The steps, in order.
        engine: Carries them out.
        work: A folder for files between steps.
        keep_seeds: Whether seeds stay at the end.
        remember: Whether there will be more than one pass, from seeds.
    """

    def __init__(
        self,
        steps: Sequence[Any],
        engine: Engine,
        work: Path,
        *,
        keep_seeds: bool = True,
        remember: bool = False,
    ) -> None:
        self.steps = steps
        self.rows: list[Row] = []
        self.kept = Spool(work / "kept.jsonl")
        self.dropped = Spool(work / "dropped.jsonl")
        self._engine = engine
        self._work = work
        self._keep_seeds = keep_seeds
        self.excluded: list[Record] = []
        self._seeds: set[str] = set()
        self._origin: dict[str, str] = {}
        self._drops: list[Spool] = []
        self._memo: _Memo | None = {} if remember else None
        self._seconds: dict[int, float] = {}
        self._ids = Ids()

    def run(self, start: Iterable[Record], made: Mapping[int, Made]) -> int:
        """Makes one pass; `rows`, `kept` and `dropped` then hold its result.

        Args:
            start: Seeds, or the records of a source.
            made: What the `make` step at each place has made so far.

        Returns:
            The number of records that came in by `start`.

        Raises:
            LedgerError: If records were lost or invented.
        """
        self.rows = [Row(step.step_name) for step in self.steps]
        self.kept = Spool(self.kept.path)
        self.dropped = Spool(self.dropped.path)
        self._drops = [
            Spool(self._work / f"dropped-{place}.jsonl") for place in range(len(self.steps))
        ]
        self.excluded = []
        clock = Clock()
        first = _Counted(start, self._seeds if self._memo is not None else None)
        stream: Iterator[Record] = iter(first)
        for place in range(len(self.steps)):
            source = self._arriving(self.rows[place], stream)
            verb = verb_of(self.steps[place])
            if verb == "make":
                passed = self._making(place, source, made.get(place, ()))
            elif verb == "select":
                passed = self._selecting(place, source)
            else:
                passed = self._mapping(place, source)
            stream = clock.charge(place, self._leaving(self.rows[place], passed))
        self._finish(stream)
        for place, row in enumerate(self.rows[: len(self.steps)]):
            self._seconds[place] = self._seconds.get(place, 0.0) + clock.seconds[place]
            row.seconds = self._seconds[place]
        balance(self.rows, first.count, len(self.kept))
        return first.count

    def charge(self, places: Iterable[int], seconds: float) -> None:
        """Adds the time that `make` steps waited for their teachers, shared evenly."""
        listed = list(places)
        for place in listed:
            self._seconds[place] = self._seconds.get(place, 0.0) + seconds / len(listed)

    @property
    def seed_ids(self) -> frozenset[str]:
        """Ids of the seeds, revised ones too."""
        return frozenset(self._seeds)

    @property
    def origin(self) -> Mapping[str, str]:
        """Ids of revised records -> those that they had before any step revised them."""
        return self._origin

    @property
    def stopped(self) -> BudgetError | None:
        """Why some records were not asked about, if so."""
        return self._engine.stopped

    @property
    def kept_made(self) -> int:
        """Records that the steps made and kept; seeds, revised ones too, do not count."""
        return sum(record.id not in self._seeds for record in self.kept)

    def pool(self) -> list[Record]:
        """Returns what the whole pipeline has kept, seeds first, whether they stay or not."""
        return [*self.excluded, *self.kept]

    def _finish(self, stream: Iterator[Record]) -> None:
        for record in stream:
            if self._keep_seeds or record.id not in self._seeds:
                self.kept.append(record)
            else:
                self.excluded.append(record)
        self.kept.close()
        # Step by step: how far steps read ahead of each other depends on the machine.
        for spool in self._drops:
            self.dropped.take_over(spool)
        if not self._keep_seeds:
            left = Counter({"seed": len(self.excluded)} if self.excluded else {})
            taken = len(self.kept) + len(self.excluded)
            self.rows.append(Row("include_seeds", taken, 0, len(self.kept), left))
        for record in self.excluded:
            self.dropped.append_dropped(record, "include_seeds", Drop("seed"))
        self.dropped.close()

    def _arriving(self, row: Row, stream: Iterable[Record]) -> Iterator[Record]:
        for record in stream:
            row.taken += 1
            yield record

    def _leaving(self, row: Row, stream: Iterable[Record]) -> Iterator[Record]:
        for record in stream:
            row.kept += 1
            yield record

    def _drop(self, place: int, record: Record, drop: Drop) -> None:
        row = self.rows[place]
        row.dropped[drop.reason] += 1
        self._drops[place].append_dropped(record, row.step, drop)

    def _making(self, place: int, stream: Iterator[Record], made: Made) -> Iterator[Record]:
        yield from stream
        row = self.rows[place]
        for each in made:
            row.made += 1
            if isinstance(each, Rejected):
                self._drop(place, each.record, each.drop)
            else:
                yield each

    def _selecting(self, place: int, stream: Iterator[Record]) -> Iterator[Record]:
        spool = Spool(self._work / f"step-{place}.jsonl").extend(stream)
        spool.close()
        drops = dict(self._engine.select(self.steps[place], spool))
        for record in spool:
            drop = drops.pop(record.id, None)
            if drop is None:
                yield record
            else:
                self._drop(place, record, drop)
        if drops:
            name, unknown = self.steps[place].step_name, next(iter(drops))
            raise StepFailedError(f'{name} drops "{unknown}", which it was not given.')

    def _mapping(self, place: int, stream: Iterator[Record]) -> Iterator[Record]:
        verb = verb_of(self.steps[place])
        seen: set[str] = set()
        for record, outcome in self._outcomes(place, stream):
            if isinstance(outcome, Drop):
                self._drop(place, record, outcome)
            elif verb == "score":
                yield record.annotated(outcome)
            elif verb == "revise":
                yield self._revised(place, record, outcome, seen)
            else:
                yield record

    def _outcomes(self, place: int, stream: Iterator[Record]) -> Iterator[tuple[Record, Any]]:
        step = self.steps[place]
        if self._memo is None:
            return self._engine.map(step, stream)
        return self._remembered(place, list(stream), self._memo)

    def _remembered(
        self, place: int, records: list[Record], memo: _Memo
    ) -> Iterator[tuple[Record, Any]]:
        new = [record for record in records if (place, record.id) not in memo]
        for record, outcome in self._engine.map(self.steps[place], new):
            memo[place, record.id] = outcome
        for record in records:
            yield record, memo[place, record.id]

    def _revised(self, place: int, record: Record, child: Record | None, seen: set[str]) -> Record:
        """Returns what goes on; no two have the same id, even if a source has both already."""
        step = self.steps[place]
        if child is None:
            result = _renamed(record, seen)
        else:
            # Who answered, and for how much, is true of the child as well.
            books = {k: record.meta[k] for k in _BOOKS if k in record.meta}
            meta = {**books, **child.meta, "step": step.step_name, "parents": [record.id]}
            # One that a teacher made has an id of its own, with its answer in it.
            own = (
                child.id
                if child.id not in ("", record.id)
                else self._ids.made(step, (record.id,), (), 0)
            )
            result = child.replace(id=own, meta=meta)
            result = result.replace(id=_renamed(result, seen).id)
            self.rows[place].made += 1
            self._drop(place, record, Drop("revised", of=result.id))
        if record.id in self._seeds:
            self._seeds.add(result.id)
        if self._memo is not None and result.id != record.id:
            self._origin[result.id] = self._origin.get(record.id, record.id)
        seen.add(result.id)
        return result


def _renamed(record: Record, seen: set[str]) -> Record:
    id = record.id
    while id in seen:
        id = digest(["again", id])
    return record if id == record.id else record.replace(id=id).with_meta(source_id=record.id)


class _Counted:
    """Counts records as they pass, and notes their ids if they are to be told apart later."""

    def __init__(self, records: Iterable[Record], ids: set[str] | None) -> None:
        self.count = 0
        self._ids = ids
        self._records = records

    def __iter__(self) -> Iterator[Record]:
        for record in self._records:
            self.count += 1
            if self._ids is not None:
                self._ids.add(record.id)
            yield record
