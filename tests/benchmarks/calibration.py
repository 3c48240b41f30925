"""What the trials of `tests.benchmarks.calibrate` say, and its report."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from tests.benchmarks import coverage
from tests.benchmarks.recombined import WAYS, chosen, compared, share, told_apart
from trainers.lift.arms import worth_of
from trainers.lift.estimate import Difference
from trainers.lift.power import smallest_effect
from trainers.lift.result import Lift
from trainers.lift.variance import Components, Floats, components, linear
from trainers.stats import Interval

__all__ = ["AA", "CONTROL", "ORDER", "aa_lines", "judged", "ordered", "planted_lines", "verdict"]

# The most that is allowed.
RATE = 0.05
CHOICES, CHECKED = 100_000, 300
ORDER = ("gold", "25 % shuffled", "50 % shuffled", "100 % shuffled")
CONTROL = ORDER[-1]


@dataclass(frozen=True)
class AA:
    """What the runs of one version say.

    Args:
        rates: By way, how often A and B were told apart.
        run: Variances of a run's score.
        difference: Of the difference of two runs.
        scores: Of each run, over all items.
        smallest: The smallest effect that K replicates would find, were these two variants.
    """

    rates: dict[str, Interval]
    run: Components
    difference: Components
    scores: Floats
    smallest: float


def judged(table: Floats, weights: Floats | None, replicates: int) -> AA:
    """Chooses runs again and again, and compares them.

    Args:
        table: Nats per token, runs by items.
        weights: Of the items.
        replicates: K.

    Raises:
        ArithmeticError: If the choices were not judged as the lift lab does it.
    """
    runs = len(table)
    choices = chosen(runs, replicates, CHOICES)
    theirs, critical = compared(table, weights, choices[:CHECKED])
    flat = linear(table, weights)
    told = told_apart(flat, choices, critical)
    if (told["ours"][:CHECKED] != theirs).any():
        raise ArithmeticError("the recombined runs were judged otherwise than by the lift lab")
    change = components(flat[1::2][: runs // 2] - flat[0::2][: runs // 2])
    return AA(
        {name: share(each, choices, runs) for name, each in told.items()},
        components(flat),
        change,
        flat.mean(axis=1),
        smallest_effect(change, replicates, table.shape[1], critical=critical),
    )


def verdict(rate: Interval, control: Difference, *, claims: bool) -> tuple[bool, str]:
    """Says in one line whether the lift lab passes.

    Args:
        rate: Of false verdicts.
        control: All answers shuffled over gold, in nats.
        claims: Whether the study is large enough to say so.
    """
    low, high = rate.low or 0.0, rate.high or 0.0
    said = f"false verdicts in {100 * rate.value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
    loses = control.clear and control.value > 0
    said += f"; shuffled answers {'lose' if loses else 'do not lose'} to gold {_nats(control)}."
    if not claims:
        return True, f"No verdict, a try: {said}"
    passes = high <= RATE and loses
    return passes, f"{'Passes' if passes else 'Fails'}: {said}"


def aa_lines(found: AA, lift: Lift) -> Iterator[str]:
    """Yields how often one version was told apart from itself, and how its runs vary."""
    k, n = lift.comparison.replicates, lift.comparison.items
    yield from ("## A/A: one version, nothing to find", "")
    yield (
        f"{len(found.scores)} runs, no two with a record in common, each with its own order and "
        f"initialisation: {found.scores.mean():.3f} nats on average, from {found.scores.min():.3f} "
        f"to {found.scores.max():.3f} (SD {found.scores.std(ddof=1):.4f}). {CHOICES:,} random "
        f"choices of {2 * k} of them, {k} called A and {k} B: a study of two variants on these "
        f"{n} items. Intervals: jackknife over the runs."
    )
    yield from ("", "| judged by | false verdicts (allowed: 5 %) |", "| --- | --- |")
    for name, text in WAYS.items():
        yield f"| {text} | {_percent(found.rates[name])} |"
    yield from ("", "Standard deviations, nats:", "")
    yield from ("| | replicates | items | rest |", "| --- | --- | --- | --- |")
    parts = {
        "score of a run": found.run,
        "difference of two runs, no record in common": found.difference,
    }
    for name in [each for each in lift.comparison.means if each in ORDER[1:]]:
        if (own := lift.comparison.difference(name, "gold").components) is not None:
            parts[f"{name} over gold, same prompts"] = own
    for name, each in parts.items():
        cells = (f"{math.sqrt(v):.4f}" for v in (each.replicates, each.items, each.rest))
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    yield (
        f"Two variants that have no record in common would be told apart from {found.smallest:.3f} "
        f"nats on (K = {k}, n = {n}, in 8 of 10 studies)."
    )
    del parts["score of a run"]
    yield from _covered(parts, math.sqrt(found.run.items), k, n)


def _covered(parts: dict[str, Components], shared: float, k: int, n: int) -> Iterator[str]:
    """Yields how often intervals hold at the spreads that were measured, by simulation."""
    yield from ("", f"Coverage of 95 % intervals at those spreads, simulated, K = {k}, n = {n}:")
    yield from ("", f"| | {' | '.join(parts)} |", "| --- |" + " --- |" * len(parts))
    cells = [coverage.coverage(_spread(each, shared), k, n, 2000) for each in parts.values()]
    for name, text in coverage.WAYS.items():
        row = (f"{100 * cell[name][0]:.1f} %, ± {cell[name][1]:.4f}" for cell in cells)
        yield f"| {text} | {' | '.join(row)} |"
    yield ""


def _spread(it: Components, shared: float) -> coverage.Spread:
    return coverage.Spread(
        math.sqrt(it.items), math.sqrt(it.replicates), math.sqrt(it.rest), shared
    )


def planted_lines(lift: Lift) -> Iterator[str]:
    """Yields the table of the planted differences, and whether they came in their order."""
    it = lift.comparison
    yield from ("## Planted differences", "")
    if it.critical is not None:
        yield (
            f"K = {it.replicates}, n = {it.items}. Each variant and gold as a study of two, as in "
            f"A/A above; and all {len(it.means)} in one study, whose intervals hold together (|t| "
            f"over {it.critical:.2f}): what many variants cost at this K. *Sees*: about how large "
            "a true difference would have to be for 8 of 10 such studies of two to find it, going "
            "by the spread of this one."
        )
    head = ("variant", "mean nll", "over gold, of two", "p", "sees", "", "of all", "")
    yield from ("", f"| {' | '.join(head)} |", "| --- |" + " --- |" * (len(head) - 1))
    yield f"| untrained | {lift.untrained_score:.3f} |{' |' * 6}"
    for name, value in it.means.items():
        if name == "gold":
            yield f"| gold | {value:.3f} |{' |' * 6}"
            continue
        own, among = alone(lift, name, "gold"), it.difference(name, "gold")
        sees = "" if own.sees is None else f"{own.sees:.3f}"
        cells = (f"{value:.3f}", _nats(own), _p(own), sees, _told(own), _nats(among), _told(among))
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    yield from ordered(lift)
    for each in lift.guards:
        if each.level in ("warn", "stop") or each.name == "draws":
            yield from (f"Guard: {each.text}", "")


def alone(lift: Lift, variant: str, over: str) -> Difference:
    """Returns a difference as a study of these two variants would have judged it."""
    return worth_of(lift, variant, over, 1)


def ordered(lift: Lift) -> Iterator[str]:
    """Yields whether what was shuffled more is worse, and which steps of that are clear."""
    it = lift.comparison
    names = [each for each in ORDER if each in it.means]
    steps = [alone(lift, b, a) for a, b in itertools.pairwise(names)]
    rises, clear = all(s.value > 0 for s in steps), sum(s.clear and s.value > 0 for s in steps)
    yield f"Known order, {' < '.join(names)}, each step as a study of two:"
    yield ""
    for each in steps:
        yield f"- {each.over} to {each.variant}: {_nats(each)}: {_told(each)}"
    yield ""
    if clear == len(steps):
        yield "The order came out, each step of it clear."
    elif rises:
        yield f"The means are in this order, but only {clear} of {len(steps)} steps are clear."
    else:
        yield f"The means are not in this order; {clear} of {len(steps)} steps are clear."
    yield ""


def _told(it: Difference) -> str:
    if not it.clear:
        return "not told apart"
    return "worse" if it.value > 0 else "better"


def _nats(it: Difference) -> str:
    if it.low is None or it.high is None:
        return f"{it.value:+.3f}"
    return f"{it.value:+.3f} [{it.low:+.3f}, {it.high:+.3f}]"


def _p(it: Difference) -> str:
    return "" if it.p is None else f"{it.p:.2g}"


def _percent(it: Interval) -> str:
    return f"{100 * it.value:.1f} % [{100 * (it.low or 0):.1f}, {100 * (it.high or 0):.1f}]"
