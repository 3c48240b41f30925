"""When two results of queries are the same answer.

Runs inside the worker, so it imports the standard library only.

Rows are a multiset; names of columns do not count, their order does. If the gold query orders its
rows, they fall into groups with equal keys: the groups must come in order, and inside a group any
order is right. A LIMIT may cut a group in two: any choice of its rows is right then.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from datakit.sqlite.tables import Value

Row = tuple[Value, ...]

TOLERANCE = 1e-9
MAX_UNEVEN = 200


def same_value(one: Value, other: Value) -> bool:
    """Say whether two values are equal: numbers by value, text and blobs by bytes, NULL to NULL.

    Two numbers of which one is a float may differ by `TOLERANCE`, relative to the larger or, near
    zero, absolute: sums depend on the order of their terms.
    """
    if isinstance(one, int | float) and isinstance(other, int | float):
        if isinstance(one, int) and isinstance(other, int):
            return one == other
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return one == other


def same_row(one: Row, other: Row) -> bool:
    """Say whether two rows are equal, value by value."""
    return len(one) == len(other) and all(map(same_value, one, other))


def contains(rows: Sequence[Row], part: Sequence[Row]) -> bool:
    """Say whether the multiset `part` is inside the multiset `rows`."""
    if len(part) > len(rows):
        return False
    left, uneven = Counter(rows), []
    for row in part:
        if left[row] > 0:
            left[row] -= 1
        else:
            uneven.append(row)
    # Beyond this many, the rows differ in more than the last digits of sums.
    if len(uneven) > MAX_UNEVEN:
        return False
    spare = list(left.elements()) if uneven else []
    for row in uneven:
        at = next((at for at, each in enumerate(spare) if same_row(row, each)), None)
        if at is None:
            return False
        del spare[at]
    return True


class Expected:
    """What a query must give to be right on one database."""

    def __init__(self, groups: list[list[Row]], skip: int, count: int) -> None:
        """Describe the answer.

        Args:
            groups: All rows, before OFFSET and LIMIT, in groups of equal keys.
            skip: Rows that OFFSET takes off.
            count: Rows of the answer.
        """
        self._groups, self._skip, self.count = groups, skip, count

    def accepts(self, rows: Sequence[Row]) -> bool:
        """Say whether `rows` are a right answer."""
        if len(rows) != self.count:
            return False
        start = 0
        for group in self._groups:
            first = max(start - self._skip, 0)
            last = min(start - self._skip + len(group), self.count)
            if last > first and not contains(group, rows[first:last]):
                return False
            start += len(group)
        return start - self._skip >= self.count


def group_rows(rows: Sequence[Row], keys: Sequence[int], extra: int) -> list[list[Row]]:
    """Split ordered rows into runs of equal keys.

    Args:
        rows: Rows in order.
        keys: Positions of the keys in a row; none for one group of all rows.
        extra: How many columns at the end of a row serve only as keys; they are taken off.
    """
    groups: list[list[Row]] = []
    before: Row | None = None
    for row in rows:
        now = tuple(row[key] for key in keys)
        if before is None or not same_row(before, now):
            groups.append([])
        groups[-1].append(row[: len(row) - extra])
        before = now
    return groups
