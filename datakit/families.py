"""Families: records that share an ancestor, so that a split does not cut through them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Sequence

from datakit.record import Record

__all__ = ["families", "split"]


def families(
    records: Sequence[Record],
    gone: Iterable[Record] = (),
    key: Callable[[Record], Hashable] | None = None,
    near: Iterable[tuple[int, int]] = (),
) -> list[list[Record]]:
    """Returns the records in families: all that share an ancestor, however far.

    Args:
        records: Records; one without an id is related by its parents only.
        gone: Records that are no part of it, but that a line may go through: a revised record, a
            seed that is left out.
        key: Records for which it gives the same value are of one family too.
        near: Pairs of places in `records` that are of one family too.

    Returns:
        The families in the order of their first records, each in the order of `records`.
    """
    home: dict[Hashable, Hashable] = {}

    def root(name: Hashable) -> Hashable:
        while home.setdefault(name, name) != name:
            home[name] = name = home[home[name]]
        return name

    names: list[Hashable] = [record.id or at for at, record in enumerate(records)]
    lost = ((record.id, record) for record in gone)
    for name, record in itertools.chain(zip(names, records, strict=True), lost):
        for parent in record.parents:
            home[root(parent)] = root(name)
    if key is not None:
        for name, record in zip(names, records, strict=True):
            home[root(("key", key(record)))] = root(name)
    for one, other in near:
        home[root(names[one])] = root(names[other])
    found: dict[Hashable, list[Record]] = {}
    for name, record in zip(names, records, strict=True):
        found.setdefault(root(name), []).append(record)
    return list(found.values())


def split(
    records: Sequence[Record], gone: Iterable[Record], shares: tuple[float, float]
) -> tuple[list[Record], list[Record]]:
    """Returns the records in two parts, a family whole in one of them.

    Args:
        records: Records.
        gone: As for `families`.
        shares: Shares of the first and of the second part, of any sum; the second gets no more
            than its share.
    """
    left: list[Record] = []
    right: list[Record] = []
    wanted = len(records) * shares[1] / sum(shares)
    for family in sorted(families(records, gone), key=len):
        side = right if len(right) + len(family) <= wanted else left
        side += family
    return left, right
