"""Other databases of one schema, for queries that are empty by accident on its own rows.

Runs inside the worker, so it imports the standard library only. Everything is drawn from a seed
taken from the schema text: the same text gives the same databases on every machine.
"""

from __future__ import annotations

import re
import sqlite3
import zlib

from datakit.sqlite.tables import PLAIN_KEYS, Column, Table, Value, quote

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(.*)", re.DOTALL)
_BOUNDARY: dict[str, list[Value]] = {
    "int": [0, 1, -1, 2**31 - 1, _INT_MAX, _INT_MIN],
    "bool": [0, 1],
    "real": [0.0, -0.5, 1e-9, 1e18, -1e18],
    "text": ["", " ", "0", "%", "zzzz", "\u00e9"],
    "date": ["", "1970-01-01", "0001-01-01", "9999-12-31"],
    "blob": [b"", b"\xff"],
}


class Draws:
    """A splitmix64 generator: Python's own may change its draws between releases."""

    def __init__(self, seed: int) -> None:
        """Start from any integer."""
        self._state = seed & 0xFFFFFFFFFFFFFFFF

    def below(self, bound: int) -> int:
        """Draw an integer from 0 to `bound` - 1; `bound` is at least 1."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        return (mixed ^ (mixed >> 31)) % bound

    def chance(self, percent: int) -> bool:
        """Say yes `percent` times in a hundred."""
        return percent > 0 and self.below(100) < percent

    def pick(self, values: list[Value]) -> Value:
        """Draw one value; None from an empty list."""
        return values[self.below(len(values))] if values else None


class Mix:
    """How one generated database departs from the record's own rows."""

    def __init__(
        self, rows: int, keep: int, redraw: int, null: int, perturb: int, edge: int, few: int
    ) -> None:
        """Take a size and chances.

        Args:
            rows: Rows tried in each table; -1 draws 0 to 4 for each.
            keep: Percent of rows that start as a copy of an own row.
            redraw: Percent of the values of such a copy that are drawn again.
            null: Percent of values that become NULL.
            perturb: Percent of values that are moved a little.
            edge: Percent of values that become a boundary value.
            few: Distinct values left in each pool, for large groups; 0 leaves all.
        """
        self.rows, self.keep, self.redraw = rows, keep, redraw
        self.null, self.perturb, self.edge, self.few = null, perturb, edge, few


_MIXES = (
    Mix(rows=60, keep=40, redraw=30, null=0, perturb=0, edge=0, few=0),
    Mix(rows=80, keep=0, redraw=0, null=0, perturb=5, edge=0, few=2),
    Mix(rows=50, keep=50, redraw=40, null=20, perturb=30, edge=5, few=0),
    Mix(rows=-1, keep=50, redraw=60, null=15, perturb=20, edge=25, few=0),
)


def seed_of(schema: str) -> int:
    """Give the seed of a schema text."""
    return zlib.crc32(schema.encode("utf-8", "surrogatepass"))


def fill(conn: sqlite3.Connection, tables: list[Table], seed: int, number: int) -> None:
    """Replace the rows of `tables` with generated ones.

    Rows that break a constraint are left out.

    Args:
        conn: The database that `inspect` has read.
        tables: The tables to change; others keep their rows.
        seed: From `seed_of`.
        number: Which of the databases, from 0; beyond the fourth the mixes come round again with
            other draws.
    """
    mix = _MIXES[number % len(_MIXES)]
    draws = Draws(seed * 1_000_003 + number)
    few = _pick_few(tables, mix, draws)
    for table in tables:
        if table.columns:
            offset = draws.below(PLAIN_KEYS)
            count = draws.below(5) if mix.rows < 0 else mix.rows
            rows = [_draw_row(table, mix, draws, offset + i, few) for i in range(count)]
            _write_rows(conn, table, rows)


def _write_rows(conn: sqlite3.Connection, table: Table, rows: list[list[Value]]) -> None:
    conn.execute(f"DELETE FROM {table.address}")
    names = ", ".join(quote(column.name) for column in table.columns)
    marks = ", ".join("?" * len(table.columns))
    statement = f"INSERT OR IGNORE INTO {table.address} ({names}) VALUES ({marks})"
    for row in rows:
        # OR IGNORE does not cover text in an INTEGER PRIMARY KEY or a CHECK that fails to run.
        try:
            conn.execute(statement, row)
        except sqlite3.Error:
            continue


def _draw_row(
    table: Table, mix: Mix, draws: Draws, number: int, few: dict[int, list[Value]]
) -> list[Value]:
    keep = bool(table.rows) and draws.chance(mix.keep)
    start = table.rows[draws.below(len(table.rows))] if keep else None
    row: list[Value] = []
    for index, column in enumerate(table.columns):
        shared = column.pool.values
        if column.key:
            # In turn, as a key drawn twice would cost a row.
            row.append(shared[number % len(shared)] if shared else None)
            continue
        if start is not None and not draws.chance(mix.redraw):
            value = start[index]
        elif id(column.pool) in few:
            value = draws.pick(few[id(column.pool)])
        else:
            value = draws.pick(column.own if column.own and draws.chance(50) else shared)
        row.append(_disturb(value, column, mix, draws))
    return row


def _pick_few(tables: list[Table], mix: Mix, draws: Draws) -> dict[int, list[Value]]:
    """Choose a few values in each pool, the same for all tables that share it."""
    pools = {id(column.pool): column.pool for table in tables for column in table.columns}
    if not mix.few:
        return {}
    return {name: [draws.pick(pool.values) for _ in range(mix.few)] for name, pool in pools.items()}


def _disturb(value: Value, column: Column, mix: Mix, draws: Draws) -> Value:
    if draws.chance(mix.null):
        return None
    if draws.chance(mix.edge):
        return draws.pick(_BOUNDARY[column.kind])
    return _perturb(value, draws) if draws.chance(mix.perturb) else value


def _perturb(value: Value, draws: Draws) -> Value:
    if isinstance(value, int):
        moved = (value + 1, value - 1, value + 10, value * 2, -value)[draws.below(5)]
        return max(_INT_MIN, min(_INT_MAX, moved))
    if isinstance(value, float):
        return (value + 1.0, value - 1.0, value * 2.0, value / 2.0, -value)[draws.below(5)]
    if isinstance(value, str):
        date = _DATE.fullmatch(value)
        if date is None:
            return (value.swapcase(), value + "x", value[:-1], " " + value)[draws.below(4)]
        year = min(9999, max(1, int(date[1]) + draws.below(5) - 2))
        return f"{year:04}-{draws.below(12) + 1:02}-{draws.below(28) + 1:02}{date[4]}"
    return value
