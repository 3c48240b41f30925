"""What a pipeline would ask if it were run from the start without a step; nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from datakit.ablation.finding import Found
from datakit.ablation.replay import Replay, clients_of, replay
from datakit.ablation.replayed import Replaying
from datakit.ablation.silent import LoggedClient, MissedError
from datakit.amounts import money
from datakit.errors import ProviderError
from datakit.llm.loop import Loop
from datakit.record import Record
from datakit.running.local import Engine
from datakit.running.pipeline import Pipeline
from datakit.running.plan import Plan

__all__ = ["Rerun", "Tried", "try_rerun"]


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
        paid: US dollars that the answers of the log had cost.
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
        least, most = map(money, self.estimate.usd)
        price = f"about {least} to {most}" if self.estimate.priced else "not known"
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


@dataclass(frozen=True)
class Tried:
    """How far the log answers a pipeline with fewer steps.

    Args:
        clients: What each step that asks asked for, by its place in that pipeline.
        records: What it gives, if nothing would be new; else None.
    """

    clients: Mapping[int, LoggedClient]
    records: tuple[Record, ...] | None

    @property
    def answered(self) -> int:
        """Requests that the log answers."""
        return sum(each.totals.requests for each in self.clients.values())

    @property
    def again(self) -> int:
        """Requests that were refused, and would be sent again."""
        return sum(each.refusals for each in self.clients.values())

    @property
    def cost(self) -> Decimal:
        """US dollars that the answers had cost."""
        return sum((each.totals.cost for each in self.clients.values()), Decimal(0))


def try_rerun(
    found: Found,
    pipeline: Pipeline,
    places: Sequence[int],
    replayed: Replay,
    engine: Engine,
    work: Path,
    loop: Loop,
) -> Tried:
    """Runs a pipeline with fewer steps on the log, as far as that answers it.

    Args:
        found: The finished run.
        pipeline: The pipeline with fewer steps.
        places: Places of its steps in the whole one.
        replayed: The answers, and what the run was told beside.
        engine: Carries the steps out.
        work: A folder for files.
        loop: Runs the requests.
    """
    clients: dict[int, LoggedClient] = {}
    if replayed.log is not None:
        told = replayed.told.answered(_same_requests(found.pipeline, pipeline))
        providers = {
            new: found.providers[old] for new, old in enumerate(places) if old in found.providers
        }
        clients = clients_of(pipeline, providers, replayed.log, told, strict=True)
        engine = Replaying(engine, pipeline, clients, loop, told, ends=bool(pipeline.makers))
    try:
        _, records = replay(found, pipeline, clients, engine, work / "rerun", loop)
    except (MissedError, ProviderError):
        return Tried(clients, None)
    new = any(each.missed for each in clients.values())
    return Tried(clients, None if new else records)


def _same_requests(whole: Pipeline, pipeline: Pipeline) -> frozenset[int]:
    """Returns the ids of the step objects whose requests are named as they were.

    A step that asks is told by its name and its number among those of that name, and that number
    may be another without a step before it.
    """

    def named(steps: Sequence[Any]) -> set[tuple[int, str, int]]:
        names = [each.step_name for each in steps]
        return {(id(each), names[at], names[:at].count(names[at])) for at, each in enumerate(steps)}

    return frozenset(each for each, _, _ in named(whole.steps) & named(pipeline.steps))
