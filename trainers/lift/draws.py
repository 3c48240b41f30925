"""Which records a replicate trains on, and in which order: common to all variants.

Every prompt has a place on a circle, by a hash: the same one in every variant. A replicate starts
somewhere on the circle and takes the records that come next. So variants that share prompts are
trained on the same ones at the same time, and what differs between them is not the luck of the
draw. Starts are the golden ratio apart, which spreads any number of them evenly (Steinhaus' three
gaps): of few replicates no two draws meet, and another replicate moves none of those before.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

from datakit.record import Record, digest
from datakit.text import collapse, fold
from trainers.lift.variants import asked, question

__all__ = ["circle", "draw", "overlap", "places", "ranked", "seed_of"]

_GOLDEN = (math.sqrt(5) - 1) / 2


def places(records: Sequence[Record], seed: int) -> list[float]:
    """Returns where each record stands on the circle, in [0, 1).

    That depends on its prompt and the seed alone: system, instruction and input, or all turns but
    the last answer; letter case and white space do not count.

    Args:
        records: Of one variant.
        seed: Of the study.
    """
    return [_fraction(["place", seed, _prompt(each)]) for each in records]


def circle(places: Sequence[float], replicate: int) -> list[int]:
    """Returns the indices of all records in the order in which a replicate comes by them.

    Args:
        places: Of one variant's records. Of equal ones the earlier record comes first.
        replicate: From 0.
    """
    start = (replicate + 0.5) * _GOLDEN % 1.0
    return sorted(range(len(places)), key=lambda at: (places[at] < start, places[at], at))


def draw(places: Sequence[float], replicate: int, size: int) -> list[int]:
    """Returns the indices of the records that a replicate is trained on, in their order.

    They are the next ones on the circle. Where it takes more than there are, it takes all of them
    as often as they fit in, each pass in an order of its own, and the rest from the circle.

    Args:
        places: Of one variant's records.
        replicate: From 0.
        size: How many.

    Raises:
        ValueError: If there are no places, or `size` is negative.
    """
    if not places or size < 0:
        raise ValueError(f"{size} records cannot be drawn from {len(places)}")
    passes, rest = divmod(size, len(places))
    order = circle(places, replicate)
    # Copies of one prompt are told apart, or they would all come in one batch.
    nth = _occurrences([places[at] for at in order])
    drawn: list[int] = []
    for number in range(passes + 1):
        taken = range(len(order) if number < passes else rest)
        rank = {at: digest([places[order[at]], nth[at], replicate, number]) for at in taken}
        drawn += (order[at] for at in sorted(taken, key=lambda at: (rank[at], at)))
    return drawn


def overlap(draws: Sequence[Sequence[int]]) -> float:
    """Returns the mean share of a draw's records that another draw has too.

    Args:
        draws: Of one variant; records that a draw has more than once count once.

    Returns:
        From 0 to 1; 0 with fewer than two draws.
    """
    sets = [set(each) for each in draws if each]
    shares = [len(a & b) / len(a) for a, b in itertools.permutations(sets, 2)]
    return math.fsum(shares) / len(shares) if shares else 0.0


def ranked(records: Sequence[Record], seed: int, purpose: str) -> list[int]:
    """Returns the indices of records in a random order that depends on their prompts alone.

    Args:
        records: In any order; of equal prompts the earlier record counts as the first.
        seed: Another one gives another order.
        purpose: Likewise: two uses of one seed have nothing to do with each other.
    """
    prompts = [digest([_prompt(each)]) for each in records]
    keys = [
        digest([purpose, seed, prompt, nth])
        for prompt, nth in zip(prompts, _occurrences(prompts), strict=True)
    ]
    return sorted(range(len(records)), key=lambda at: (keys[at], at))


def _prompt(record: Record) -> list[object]:
    system = (each["content"] for each in asked(record) if each["role"] == "system")
    return [[collapse(fold(each)) for each in system], *map(list, question(record))]


def _occurrences(values: Sequence[object]) -> list[int]:
    """Returns how many equal values come before each."""
    seen: Counter[object] = Counter()
    found = []
    for each in values:
        found.append(seen[each])
        seen[each] += 1
    return found


def _fraction(value: object) -> float:
    # 53 bits: more would be rounded, and the last of them up to 1.
    return (int(digest(value), 16) >> 11) / 2**53


def seed_of(seed: int, replicate: int) -> int:
    """Returns the seed of a replicate: of its initialisation, and of controls drawn for it.

    Args:
        seed: Of the study.
        replicate: From 0.
    """
    # A prime: studies with seeds near each other share none.
    return (100_003 * seed + replicate) % 2**32
