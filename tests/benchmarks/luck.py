"""Where the plain interval is too narrow, and what is done about it, by simulation. Markdown.

    python -m tests.benchmarks.luck
    python -m tests.benchmarks.luck --fast

A choice of records by lot that stays the same in every replicate; and test items in families.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from tests.benchmarks.coverage import MEASURED, SIZES, Spread, tables
from trainers.lift.estimate import Difference, compare
from trainers.lift.variance import Floats

# Standard deviation of what a choice by lot does to the score, in nats.
CHOICE = 0.008
# Shares of the variance between items that is one between families.
WITHIN = (0.0, 0.5, 1.0)


def by_lot(
    choice: float, spread: Spread, k: int, n: int, count: int, seed: int = 0
) -> tuple[float, float]:
    """Returns how often a choice by lot is told from others, without and with its own luck.

    Args:
        choice: What a choice does to the score, a standard deviation.
        spread: Of what else differs.
        k: Replicates; the control is chosen anew in each.
        n: Items.
        count: Studies.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    plain = allowed = 0
    for rest in tables(rng, spread, (count, k, n)):
        # The one choice, less that of each control.
        own = choice * (rng.standard_normal() - rng.standard_normal((k, 1)))
        table = own + rest
        least = table.mean(axis=1).std(ddof=1) * math.sqrt(1 + 1 / k)
        plain += _found(table).clear
        allowed += _found(table, least=least).clear
    return plain / count, allowed / count


def in_families(
    share: float, spread: Spread, k: int, n: int, families: int, count: int, seed: int = 0
) -> tuple[float, float]:
    """Returns how often the interval holds: with items as items, and with families as items.

    Args:
        share: Of the variance between items, that which all of a family have in common.
        spread: Of a paired difference.
        k: Replicates.
        n: Items.
        families: Of these, in unequal parts.
        count: Studies.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    own = Spread(math.sqrt(1 - share) * spread.items, spread.replicates, spread.rest)
    plain = counted = 0
    for each in tables(rng, own, (count, k, n)):
        home = np.concatenate([np.arange(families), rng.integers(families, size=n - families)])
        common = math.sqrt(share) * spread.items * rng.standard_normal(families)
        table = each + common[home]
        plain += not _found(table).clear
        counted += not _found(table, clusters=home.tolist()).clear
    return plain / count, counted / count


def _found(
    table: Floats, *, least: float = 0.0, clusters: Sequence[int] | None = None
) -> Difference:
    both = {"a": np.zeros_like(table), "b": table}
    return compare(both, least=least, clusters=clusters, bounded=False, draws=100).differences[0]


def report(count: int) -> Iterator[str]:
    """Yields the lines of both tables."""
    yield f"{count:,} studies a cell.\n"
    yield "### A choice by lot that is told from others (should be 5 % at most)\n"
    yield from _head("spread of choices")
    for times in (0.0, 0.5, 1.0, 2.0):
        cells = [by_lot(times * CHOICE, MEASURED, k, n, count) for k, n in SIZES]
        row = " | ".join(f"{100 * a:.1f} %, {100 * b:.1f} %" for a, b in cells)
        yield f"| {times * CHOICE:.4f} nats | {row} |"
    yield "\n### Items of 20 families: coverage, as items and as families\n"
    yield from _head("variance between families")
    for share in WITHIN:
        cells = [in_families(share, MEASURED, k, n, 20, count) for k, n in SIZES]
        row = " | ".join(f"{100 * a:.1f} %, {100 * b:.1f} %" for a, b in cells)
        yield f"| {100 * share:.0f} % | {row} |"


def _head(first: str) -> Iterator[str]:
    yield f"| {first} | " + " | ".join(f"K {k}, n {n}" for k, n in SIZES) + " |"
    yield "| --- |" + " --- |" * len(SIZES)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--fast", action="store_true", help="a fifth of the studies")
    count = 400 if parser.parse_args(arguments).fast else 2000
    for line in report(count):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
