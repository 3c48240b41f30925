"""What each step of a run cost: what it asked for, and what it threw away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from datakit.llm.client import Totals
from datakit.llm.request import Usage
from datakit.record import Record
from datakit.running.pipeline import Pipeline
from datakit.store import Version

__all__ = ["StepCost", "books_of", "step_costs", "thrown_away"]


@dataclass(frozen=True)
class StepCost:
    """The books of one step.

    Args:
        step: Its label.
        requests: Requests of its own, answers from the log included.
        input_tokens: Tokens that were read for them.
        output_tokens: Tokens that were written.
        usd: US dollars for them; None if the teacher's price is not known.
        thrown: Records that it dropped; a revised record goes on as its child.
        thrown_usd: US dollars paid for the candidates among them; None likewise. No cost beside
            `usd`, but the part of it that this step made useless.
        seconds: Wall time of the step in the run.
    """

    step: str
    requests: int
    input_tokens: int
    output_tokens: int
    usd: Decimal | None
    thrown: int
    thrown_usd: Decimal | None
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Returns the books as JSON values; amounts are texts."""
        return {
            "step": self.step,
            "requests": self.requests,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "usd": None if self.usd is None else f"{self.usd:.6f}",
            "thrown": self.thrown,
            "thrown_usd": None if self.thrown_usd is None else f"{self.thrown_usd:.6f}",
            "seconds": self.seconds,
        }


def books_of(version: Version, pipeline: Pipeline) -> dict[int, Totals]:
    """Returns what each step that asks has asked for in a run, by its place.

    Args:
        version: What the run gave.
        pipeline: As it was run.
    """
    rows = version.manifest["funnel"]
    costs = {at: rows[at]["cost"] for at in pipeline.askers if "cost" in rows[at]}
    return {
        at: Totals(
            requests=cost["requests"],
            answers=cost["answers"],
            usage=Usage(cost["input_tokens"], cost["output_tokens"]),
            cost=Decimal(cost["usd"]),
        )
        for at, cost in costs.items()
    }


def thrown_away(
    rows: Iterable[tuple[int, str, Record]], steps: int, seeds: frozenset[str]
) -> list[tuple[int, Decimal]]:
    """Returns for each step how many records it dropped, and what was paid for them.

    Args:
        rows: Place of the step, reason and record of each drop.
        steps: Number of steps.
        seeds: Ids of the user's own records, for which this run paid nothing.
    """
    counts, paid = [0] * steps, [Decimal(0)] * steps
    for place, reason, record in rows:
        if place < steps and reason != "revised":
            counts[place] += 1
            if record.id not in seeds:
                paid[place] += Decimal(record.meta.get("cost", "0"))
    return list(zip(counts, paid, strict=True))


def step_costs(
    pipeline: Pipeline,
    names: Sequence[str],
    books: Mapping[int, Totals],
    thrown: Sequence[tuple[int, Decimal]],
    funnel: Sequence[Mapping[str, Any]],
) -> list[StepCost]:
    """Returns the books of each step.

    Args:
        pipeline: The pipeline.
        names: Labels of its steps.
        books: What each step that asks has asked for, by its place.
        thrown: What `thrown_away` gives.
        funnel: The ledger of the run.
    """
    priced = all(pipeline.teacher_of(at).has_price for at in pipeline.askers)
    found = []
    for at, (count, paid) in enumerate(thrown):
        totals = books.get(at)
        known = pipeline.teacher_of(at).has_price
        found.append(
            StepCost(
                step=names[at],
                requests=totals.requests if totals else 0,
                input_tokens=totals.usage.input_tokens if totals else 0,
                output_tokens=totals.usage.output_tokens if totals else 0,
                usd=Decimal(0) if totals is None else totals.cost if known else None,
                thrown=count,
                # A source's records have costs of another run, if any.
                thrown_usd=(paid if pipeline.makers else Decimal(0)) if priced else None,
                seconds=funnel[at]["seconds"],
            )
        )
    return found
