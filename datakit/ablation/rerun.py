"""What a pipeline would ask if it were run from the start without a step; nothing is sent."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from datakit.ablation.finding import Found
from datakit.ablation.replay import clients_of, refused_of, replay
from datakit.ablation.replayed import Recalled, Recalling, asking_of, recalled_of, refusals_of
from datakit.ablation.silent import MissedError, Replayed
from datakit.amounts import money
from datakit.llm.log import ResponseLog
from datakit.llm.loop import Loop
from datakit.record import Record
from datakit.running.flow import Flow
from datakit.running.growth import Growth
from datakit.running.history import History, history_of
from datakit.running.local import Engine
from datakit.running.pipeline import Pipeline
from datakit.running.plan import Plan, make_plan

__all__ = ["Rerun", "priced", "try_rerun"]

Asked = Replayed | Recalled


@dataclass(frozen=True)
class Rerun:
    """A true rerun without a step: the generators would be shown what that pipeline keeps.

    Args:
        step: The step's label.
        pipeline: The pipeline without it, under a name of its own.
        answered: Requests that the log answers before the first round that asks anything new.
        estimate: Low and high estimates of all that would be new.
        records: What the rerun gives, if it asks nothing new; else None.
        again: Requests that the teacher refused then. They have no answer in the log, so a run
            sends them again; here they are refused again.
        paid: US dollars that those that are answered have cost.
    """

    step: str
    pipeline: Pipeline
    answered: int
    estimate: Plan
    records: tuple[Record, ...] | None = field(default=None, repr=False)
    again: int = 0
    paid: Decimal = Decimal(0)

    @property
    def free(self) -> bool:
        """Whether the log answers all of it, and nothing is sent again."""
        return self.records is not None and not self.again

    def __str__(self) -> str:
        """Returns the finding in words, for a question to the user."""
        if self.records is not None:
            text = (
                f"A rerun without {self.step} asks nothing new: {self.answered:,} answers are in "
                f"the log, and it gives {len(self.records):,} records."
            )
            if self.again:
                text += (
                    f" But it sends {self.again:,} requests again that the teacher refused; this "
                    "holds if it refuses them again."
                )
            return text
        low, high = self.estimate.requests
        span = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        low_usd, high_usd = map(money, self.estimate.usd)
        price = f"about {low_usd} to {high_usd}" if self.estimate.priced else "not known"
        return (
            f"A rerun without {self.step} would ask otherwise: {self.answered:,} of its requests "
            f"are answered in the log, about {span} would be new; price: {price}."
        )

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        return {
            "step": self.step,
            "free": self.free,
            "answered": self.answered,
            "again": self.again,
            "records": None if self.records is None else len(self.records),
            "new": self.estimate.to_json(),
        }


def try_rerun(
    found: Found,
    pipeline: Pipeline,
    places: Sequence[int],
    log: ResponseLog | None,
    engine: Engine,
    work: Path,
    loop: Loop,
) -> tuple[Growth | None, Mapping[int, Asked]]:
    """Runs a pipeline with fewer steps on the log, as far as that answers it.

    Args:
        found: The finished run.
        pipeline: The pipeline with fewer steps.
        places: Places of its steps in the whole one.
        log: The answers; None for a pipeline that asks nobody.
        engine: Carries the steps out that ask nobody.
        work: A folder for files, which must not be there.
        loop: Runs the requests.

    Returns:
        The rounds, or None if a request would be new; and what each step asked for.
    """
    if log is None:
        return Growth(made={}), {}
    providers = {
        new: found.providers[old] for new, old in enumerate(places) if old in found.providers
    }
    makers = clients_of(pipeline, providers, log, refused_of(found.version))
    refused = refusals_of(found.version, asking_of(pipeline))
    about = recalled_of(pipeline, providers, log, refused, strict=True)
    clients: dict[int, Asked] = {**makers, **about}
    recalling = Recalling(engine, pipeline.steps, about, loop, pipeline.random_seed)
    try:
        if makers:
            return replay(pipeline, found.seeds, makers, recalling, work, loop), clients
        if about:
            _read(found, pipeline, recalling, work, loop)
        return Growth(made={}), clients
    except MissedError:
        return None, clients


def _read(found: Found, pipeline: Pipeline, engine: Engine, work: Path, loop: Loop) -> None:
    """Sends what a source has through the steps."""
    work.mkdir()
    try:
        flow = Flow(pipeline.steps, engine, work)
        loop.work(lambda: flow.run(found.start(), {}))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def priced(
    found: Found,
    pipeline: Pipeline,
    clients: Mapping[int, Asked],
    kept_made: int,
    made: int,
) -> Plan:
    """Estimates what is new in a rerun, by what the finished run has measured.

    Args:
        found: The finished run.
        pipeline: The pipeline with fewer steps.
        clients: How far the log answers it.
        kept_made: Of the same candidates, those that it keeps.
        made: The candidates.
    """
    with Loop() as loop:
        history = _history(found, kept_made, made)
        first = list(found.seeds or islice(found.start(), 8))
        there = len(first) if found.seeds else sum(1 for _ in found.start())
        whole = loop.work(lambda: make_plan(pipeline, first, history, there=there))
    answered = sum(client.totals.requests for client in clients.values())
    missed = sum(len(client.missed) for client in clients.values())
    low, high = (max(each - answered, missed) for each in whole.requests)
    shares = [
        Decimal(new) / Decimal(max(1, all_))
        for new, all_ in zip((low, high), whole.requests, strict=True)
    ]
    return replace(
        whole,
        requests=(low, high),
        tokens=_scaled(whole.tokens, shares),
        usd=(whole.usd[0] * shares[0], whole.usd[1] * shares[1]),
        seconds=_scaled(whole.seconds, shares),
    )


def _scaled(pair: tuple[int, int], shares: Sequence[Decimal]) -> tuple[int, int]:
    return math.floor(pair[0] * shares[0]), math.ceil(pair[1] * shares[1])


def _history(found: Found, kept_made: int, made: int) -> History | None:
    measured = history_of(found.version.manifest)
    if measured is None:
        return None
    # How many records come to a step is another number without one of those before it.
    steps = {name: replace(each, came=None) for name, each in measured.steps.items()}
    # Of a variant that keeps nothing at least the run's own bound is known.
    return History(kept=max(1, kept_made) / made if made else None, steps=steps)
