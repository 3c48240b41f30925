"""What a true rerun would ask anew, and for how much, by what the finished run has measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from datakit.ablation.finding import Found
from datakit.ablation.labels import reduced
from datakit.ablation.replay import Replay
from datakit.ablation.replayed import NOT_ASKED
from datakit.ablation.rerun import Tried
from datakit.ablation.variants import Variant
from datakit.llm.loop import Loop
from datakit.running.history import History, Measured, history_of, numbered
from datakit.running.pipeline import Pipeline
from datakit.running.plan import Plan, make_plan

__all__ = ["priced"]

# Records that were not asked about may need more requests than the others, or longer ones.
_MORE = Decimal("1.25")


def priced(
    found: Found,
    pipeline: Pipeline,
    places: Sequence[int],
    replayed: Replay,
    tried: Tried,
    held: Variant,
) -> Plan:
    """Estimates what is new in a rerun.

    Args:
        found: The finished run.
        pipeline: The pipeline with fewer steps.
        places: Places of its steps in the whole one.
        replayed: The finished run as it was replayed.
        tried: How far the log answers the pipeline.
        held: What it keeps of the same candidates.
    """
    plan, new = Plan(), (0.0, 0.0)
    made = sum(len(each) for at, each in replayed.growth.made.items() if at in places)
    if pipeline.makers:
        steps = _measured(found, pipeline, places)
        plan = _growing(found, pipeline, tried, _history(steps, held, made))
        if steps:
            # The last one's figure stands for all: they are seldom several, and alike then.
            per_request = [*steps.values()][-1].made
            new = plan.requests[0] * per_request, plan.requests[1] * per_request
    return sum(_asking(found, pipeline, places, replayed, tried, held, new, made), plan)


def _growing(found: Found, pipeline: Pipeline, tried: Tried, history: History | None) -> Plan:
    """Returns what the `make` steps would ask anew."""
    makers = reduced(pipeline, pipeline.makers, pipeline.name)
    with Loop() as loop:
        whole = loop.work(lambda: make_plan(makers, found.seeds, history))
    answered = sum(tried.clients[at].totals.requests for at in pipeline.makers)
    missed = sum(len(tried.clients[at].missed) for at in pipeline.makers)
    # What other records lead to is another sample than what was measured.
    spread = math.floor(whole.requests[0] / _MORE), math.ceil(whole.requests[1] * _MORE)
    low, high = (max(each - answered, missed) for each in spread)
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


def _asking(
    found: Found,
    pipeline: Pipeline,
    places: Sequence[int],
    replayed: Replay,
    tried: Tried,
    held: Variant,
    new: tuple[float, float],
    made: int,
) -> Iterator[Plan]:
    """Yields what each step that asks about records would ask anew.

    About as large a part of the new candidates comes to it as of the old ones; and records that
    nobody was asked about at one step may come to the next.
    """
    before = 0
    for at in pipeline.askers:
        if at in pipeline.makers:
            continue
        row, missed = held.funnel[at], tried.clients[at].unasked
        came = max(0, row["in"] - len(found.seeds))
        share = came / made if made else 0.0
        low, high = math.floor(share * new[0] / float(_MORE)), math.ceil(share * new[1])
        # With new candidates, how many of the old ones come here is not known before.
        waiting = max(missed, row["dropped"].get(NOT_ASKED, 0))
        yield _each(found, places[at], replayed, (missed + low, before + waiting + high))
        before += waiting


def _each(found: Found, place: int, replayed: Replay, records: tuple[int, int]) -> Plan:
    """Returns what a step asks about some records, by what it asked about those of the run."""
    step, totals = found.pipeline.steps[place], replayed.books[place]
    asked = sum(1 for own, _ in replayed.told.asked if own == id(step))
    if not (totals.requests and asked):
        return Plan(requests=(records[0], 2 * records[1]), priced=not any(records))
    # About a record that was refused nothing was answered, but one request at least was sent.
    each = Decimal(max(totals.requests, asked)) / asked
    low, high = each * records[0], each * records[1] * _MORE
    tokens = Decimal(totals.usage.input_tokens + totals.usage.output_tokens) / totals.requests
    usd = totals.cost / totals.requests
    seconds = Decimal(found.version.manifest["funnel"][place]["seconds"]) / totals.requests
    return Plan(
        requests=(math.floor(low), math.ceil(high)),
        tokens=(math.floor(low * tokens), math.ceil(high * tokens)),
        usd=(low * usd, high * usd),
        seconds=(math.floor(low * seconds), math.ceil(high * seconds)),
        priced=found.pipeline.teacher_of(place).has_price,
        known=True,
    )


def _scaled(pair: tuple[int, int], shares: Sequence[Decimal]) -> tuple[int, int]:
    return math.floor(pair[0] * shares[0]), math.ceil(pair[1] * shares[1])


def _measured(found: Found, pipeline: Pipeline, places: Sequence[int]) -> dict[str, Measured]:
    """Returns what the run has measured of the generators, by their names among themselves."""
    known = history_of(found.version.manifest)
    whole = numbered(each.step_name for each in found.pipeline.steps)
    alone = numbered(pipeline.steps[at].step_name for at in pipeline.makers)
    if known is None:
        return {}
    return {
        name: known.steps[whole[places[at]]]
        for name, at in zip(alone, pipeline.makers, strict=True)
        if whole[places[at]] in known.steps
    }


def _history(steps: Mapping[str, Measured], held: Variant, made: int) -> History | None:
    """Returns what is likely to be kept of what generators make.

    Of a variant that keeps nothing at least the run's own bound is known; of records that nobody
    was asked about, as many as of the others will be kept.
    """
    if not made or not steps:
        return None
    kept = max(1, len(held) - len(held.seeds)) / max(1, made - held.unasked)
    return History(kept=min(1.0, kept), steps=steps)
