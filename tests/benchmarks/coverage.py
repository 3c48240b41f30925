"""How often intervals hold that should hold in 95 % of studies, by simulation. Prints Markdown.

    python -m tests.benchmarks.coverage
    python -m tests.benchmarks.coverage --fast
    python -m tests.benchmarks.coverage --items 0.024 --replicates 0.008 --rest 0.02

The spreads are standard deviations of a paired difference: between items, between replicates, and
of what is left. The defaults are those of SmolLM2-135M after 16 steps on 64 examples (nats).
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from trainers.lift.estimate import compare
from trainers.lift.family import critical
from trainers.lift.power import smallest_effect
from trainers.lift.variance import Components, Floats, components, covariance
from trainers.stats import t_quantile

SIZES = [(3, 40), (3, 300), (5, 40), (5, 300), (10, 40), (10, 300)]
PILOT = (5, 40)
WAYS = {
    "ours": "two-way, t(K-1)",
    "satterthwaite": "two-way, Satterthwaite's t",
    "replicates": "replicates alone, t(K-1)",
    "items": "items alone, t(n-1)",
    "bootstrap": "percentile bootstrap over replicates",
    "unpaired": "unpaired, two-way, t(K-1)",
}


@dataclass(frozen=True)
class Spread:
    """Standard deviations of a paired difference, and of what two variants have in common."""

    items: float
    replicates: float
    rest: float
    shared: float = 0.34

    @property
    def components(self) -> Components:
        return Components(self.replicates**2, self.items**2, self.rest**2)


MEASURED = Spread(items=0.024, replicates=0.008, rest=0.02)
SEEDS = Spread(items=0.0, replicates=0.02, rest=0.02)


def effects(rng: np.random.Generator, size: tuple[int, ...], tail: int = 0) -> Floats:
    """Draws effects of variance 1: normal, or Student's t with `tail` degrees of freedom."""
    if not tail:
        return rng.standard_normal(size)
    return rng.standard_t(tail, size) * math.sqrt((tail - 2) / tail)


def tables(
    rng: np.random.Generator, spread: Spread, shape: tuple[int, ...], tail: int = 0
) -> Floats:
    """Draws tables of replicates by items around 0; the last two of `shape` are K and n."""
    *many, k, n = shape
    return (
        spread.replicates * effects(rng, (*many, k, 1), tail)
        + spread.items * effects(rng, (*many, 1, n), tail)
        + spread.rest * effects(rng, (*many, k, n), tail)
    )


def errors(drawn: Floats) -> Floats:
    """Returns the standard error of each table's mean, as the lift lab has it."""
    *many, k, n = drawn.shape
    flat = drawn.reshape(-1, k, n)
    return np.array([components(each).error(k, n) for each in flat]).reshape(many)


def halves(drawn: Floats, spread: Spread, rng: np.random.Generator) -> Iterator[tuple[str, Floats]]:
    """Yields for each way the half widths of its intervals, one per table."""
    count, k, n = drawn.shape
    rows, columns = drawn.mean(axis=2), drawn.mean(axis=1)
    by_rows, by_columns = rows.var(axis=1, ddof=1) / k, columns.var(axis=1, ddof=1) / n
    error = errors(drawn)
    yield "ours", t_quantile(0.975, k - 1) * error
    freedom = error**4 / (by_rows**2 / (k - 1) + by_columns**2 / (n - 1))
    yield "satterthwaite", quantiles(freedom) * error
    yield "replicates", t_quantile(0.975, k - 1) * np.sqrt(by_rows)
    yield "items", t_quantile(0.975, n - 1) * np.sqrt(by_columns)
    # Each of the two has half the spread of the difference, and what both have in common.
    common = spread.shared * rng.standard_normal((count, 1, n))
    half = tables(rng, spread, drawn.shape) / math.sqrt(2)
    yield "unpaired", t_quantile(0.975, k - 1) * math.sqrt(2) * errors(common + half)


def quantiles(freedom: Floats) -> Floats:
    """Returns Student's 97.5 % quantiles, between whole degrees of freedom too."""
    whole = np.arange(1, 200)
    known = np.array([t_quantile(0.975, int(each)) for each in whole])
    found: Floats = np.interp(-1 / np.maximum(freedom, 1.0), -1 / whole, known)
    return found


def bootstrap(drawn: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Returns the ends of percentile bootstrap intervals over replicates, one per table."""
    k = drawn.shape[1]
    counts = rng.multinomial(k, np.full(k, 1 / k), 1000)
    again = drawn.mean(axis=2) @ counts.T / k
    low, high = np.quantile(again, [0.025, 0.975], axis=1)
    return low, high


def coverage(
    spread: Spread, k: int, n: int, count: int, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Returns for each way how often its intervals hold, and their mean half width."""
    rng = np.random.default_rng(seed)
    drawn = tables(rng, spread, (count, k, n))
    off = np.abs(drawn.mean(axis=(1, 2)))
    found = {
        name: (float((off <= half).mean()), float(half.mean()))
        for name, half in halves(drawn, spread, rng)
    }
    low, high = bootstrap(drawn, rng)
    held = float(((low <= 0) & (high >= 0)).mean())
    return {**found, "bootstrap": (held, float((high - low).mean() / 2))}


def largest_t(drawn: Floats) -> Floats:
    """Returns the largest |t| of all pairs of each study; shape (studies, M, K, n)."""
    found = np.zeros(len(drawn))
    for one, other in itertools.combinations(range(drawn.shape[1]), 2):
        change = drawn[:, one] - drawn[:, other]
        found = np.maximum(found, np.abs(change.mean(axis=(1, 2))) / errors(change))
    return found


def family(
    spread: Spread, variants: int, k: int, n: int, count: int, seed: int = 0
) -> dict[str, float]:
    """Returns how many studies tell apart what does not differ, by critical value."""
    rng = np.random.default_rng(seed)
    half = Spread(*(each / math.sqrt(2) for each in (spread.items, spread.replicates, spread.rest)))
    drawn = tables(rng, half, (count, variants, k, n))
    most = largest_t(drawn)
    return {
        "each pair alone": float((most > t_quantile(0.975, k - 1)).mean()),
        "one common error": float((most > plugged(drawn)).mean()),
        "ours": float((most > critical(variants, k - 1)).mean()),
    }


def plugged(drawn: Floats, draws: int = 2000) -> Floats:
    """Returns the usual max-t's critical values: estimated correlations, one common error."""
    count, m, k, _ = drawn.shape
    rng = np.random.default_rng(1)
    sides = np.array([np.eye(m)[a] - np.eye(m)[b] for a, b in itertools.combinations(range(m), 2)])
    normal = rng.standard_normal((draws, m))
    common = np.sqrt(rng.chisquare(k - 1, draws) / (k - 1))
    limits = np.zeros(count)
    for at, each in enumerate(drawn):
        values, vectors = np.linalg.eigh(covariance(each - each.mean(axis=0)))
        root = sides @ vectors * np.sqrt(np.maximum(values, 0.0))
        scale = np.sqrt(np.square(root).sum(axis=1))
        limits[at] = np.quantile(np.abs(normal @ root.T / scale).max(axis=1) / common, 0.95)
    return limits


def power(spread: Spread, k: int, n: int, count: int, seed: int = 0) -> tuple[float, float]:
    """Returns the smallest effect by its formula, and how many studies find one of that size."""
    rng = np.random.default_rng(seed)
    effect = smallest_effect(spread.components, k, n)
    drawn = tables(rng, spread, (count, k, n))
    found = effect + drawn.mean(axis=(1, 2)) > t_quantile(0.975, k - 1) * errors(drawn)
    return effect, float(found.mean())


def piloted(
    spread: Spread, pilot: tuple[int, int], k: int, n: int, count: int, seed: int = 0
) -> tuple[float, float, float]:
    """Returns how many studies find the effect that a pilot of the same kind planned them for.

    Returns:
        The 10th, 50th and 90th percentile over pilots.
    """
    rng = np.random.default_rng(seed)
    drawn = tables(rng, spread, (count, k, n))
    # What a study's effect must be over, to be found in it.
    least = np.sort(t_quantile(0.975, k - 1) * errors(drawn) - drawn.mean(axis=(1, 2)))
    pilots = tables(rng, spread, (count, *pilot))
    planned = [smallest_effect(components(each), k, n) for each in pilots]
    found = np.searchsorted(least, planned) / count
    low, middle, high = np.quantile(found, (0.1, 0.5, 0.9))
    return float(low), float(middle), float(high)


def right_or_wrong(k: int, n: int, count: int, rare: bool = False, seed: int = 0) -> float:
    """Returns how often the interval holds for scores of 0 and 1.

    An item is right where a sum is over a threshold: how easy it is, what the replicate does, what
    the variant does to the item, and chance.
    """
    rng = np.random.default_rng(seed)
    # Of how easy; and for two variants each: of replicate, item and rest.
    easy, own = (1.5 if rare else 1.0), Spread(0.1 if rare else 0.4, 0.05 if rare else 0.15, 0.3)
    levels = (-0.1, 0.0) if rare else (-0.2, 0.2)
    total = math.sqrt(easy**2 + own.items**2 + own.replicates**2 + own.rest**2)
    truth = (math.erf(levels[1] / total / 2**0.5) - math.erf(levels[0] / total / 2**0.5)) / 2
    common = easy * rng.standard_normal((count, 1, n))
    one, other = ((common + each + tables(rng, own, (count, k, n)) > 0) for each in levels)
    held = 0
    for a, b in zip(one, other, strict=True):
        found = compare({"a": a, "b": b}, draws=1000).differences[0]
        held += found.low <= truth <= found.high  # type: ignore[operator]
    return held / count


def weighted(spread: Spread, k: int, n: int, count: int, seed: int = 0) -> float:
    """Returns how often the interval holds for nats per token, lengths being lognormal."""
    rng = np.random.default_rng(seed)
    held = 0
    for each in tables(rng, spread, (count, k, n)):
        lengths = np.ceil(rng.lognormal(4, 0.8, n))
        scores = {"a": np.zeros((k, n)), "b": each}
        found = compare(scores, weights=lengths, draws=1000).differences[0]
        held += found.low <= 0 <= found.high  # type: ignore[operator]
    return held / count


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--fast", action="store_true", help="a fifth of the studies")
    for name in ("items", "replicates", "rest", "shared"):
        default = getattr(MEASURED, name)
        parser.add_argument(f"--{name}", type=float, default=default, metavar="SD")
    given = parser.parse_args(arguments)
    spread = Spread(given.items, given.replicates, given.rest, given.shared)
    count = 400 if given.fast else 2000
    for line in report(spread, count):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def report(spread: Spread, count: int) -> Iterator[str]:
    """Yields the lines of all tables."""
    off = math.sqrt(0.05 * 0.95 / count)
    yield f"{count:,} studies a cell; a coverage of 95 % is off by {196 * off:.1f} points.\n"
    for title, each in (("As measured", spread), ("Replicates dominate", SEEDS)):
        yield (
            f"### {title}: items {each.items:g}, replicates {each.replicates:g}, "
            f"rest {each.rest:g}\n"
        )
        yield (
            "| coverage, mean half width | " + " | ".join(f"K {k}, n {n}" for k, n in SIZES) + " |"
        )
        yield "| --- |" + " --- |" * len(SIZES)
        cells = [coverage(each, k, n, count) for k, n in SIZES]
        for name, text in WAYS.items():
            row = " | ".join(f"{100 * cell[name][0]:.1f} %, {cell[name][1]:.4f}" for cell in cells)
            yield f"| {text} | {row} |"
        yield ""
    yield from _others(spread, count)


def _head(first: str) -> Iterator[str]:
    yield f"| {first} | " + " | ".join(f"K {k}, n {n}" for k, n in SIZES) + " |"
    yield "| --- |" + " --- |" * len(SIZES)


def _others(spread: Spread, count: int) -> Iterator[str]:
    sizes = [(3, 40), (5, 40), (10, 40)]
    yield "### 4 variants that do not differ: studies that tell any two apart\n"
    heads = [f"{word}, K {k}" for word in ("as measured", "replicates") for k, _ in sizes]
    yield "| | " + " | ".join(heads) + " |"
    yield "| --- |" + " --- |" * 6
    told = [family(each, 4, k, n, count) for each in (spread, SEEDS) for k, n in sizes]
    for name in told[0]:
        yield f"| {name} | " + " | ".join(f"{100 * cell[name]:.1f} %" for cell in told) + " |"
    yield "\n### The smallest effect that 80 % of studies should find\n"
    yield from _head("effect, found")
    for title, each in (("as measured", spread), ("replicates dominate", SEEDS)):
        found = [power(each, k, n, count) for k, n in SIZES]
        row = " | ".join(f"{effect:.4f}, {100 * share:.0f} %" for effect, share in found)
        yield f"| {title} | {row} |"
    yield f"\n### The same, planned by a pilot of K {PILOT[0]}, n {PILOT[1]}\n"
    yield from _head("found: median of pilots, 8 of 10 of them")
    for title, each in (("as measured", spread), ("replicates dominate", SEEDS)):
        cells = [piloted(each, PILOT, k, n, count) for k, n in SIZES]
        row = " | ".join(f"{100 * m:.0f} %, {100 * a:.0f} to {100 * b:.0f} %" for a, m, b in cells)
        yield f"| {title} | {row} |"
    yield "\n### Ours, for other scores\n"
    yield from _head("coverage")
    few = max(200, count // 2)
    kinds = {
        "heavy tails (t with 5 degrees of freedom)": lambda k, n: heavy(spread, k, n, few),
        "right or wrong": lambda k, n: right_or_wrong(k, n, few),
        "right or wrong, few items change": lambda k, n: right_or_wrong(k, n, few, rare=True),
        "nats per token, lognormal lengths": lambda k, n: weighted(spread, k, n, few),
    }
    for title, way in kinds.items():
        yield f"| {title} | " + " | ".join(f"{100 * way(k, n):.1f} %" for k, n in SIZES) + " |"


def heavy(spread: Spread, k: int, n: int, count: int, seed: int = 0) -> float:
    """Returns how often the interval holds where all effects have heavy tails."""
    drawn = tables(np.random.default_rng(seed), spread, (count, k, n), tail=5)
    off = np.abs(drawn.mean(axis=(1, 2)))
    return float((off <= t_quantile(0.975, k - 1) * errors(drawn)).mean())


if __name__ == "__main__":
    main()
