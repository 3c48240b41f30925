"""Random databases on which a gold query and its near misses part.

Runs inside the worker, so it imports the standard library only. A database is drawn from the
schema text, the gold query's text and a number alone. SQLite enforces every constraint: a row that
breaks one is drawn again.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from datakit.sqlite.tables import Column, Table, Value, quote
from datakit.sqlite.values import called_for, near
from datakit.sqlite.variants import Draws

GIVEN, EMPTY = 0, 1
MAX_ROWS = 200
MAX_SPECIAL = 200
TRIES = 3


class Mix:
    """Chances, in percent, by which one database is drawn."""

    def __init__(
        self, rows: int, copy: int, twin: int, domain: int, special: int, null: int
    ) -> None:
        """Take a size and chances.

        Args:
            rows: Rows in a table, on average.
            copy: Rows that start as a copy of a given row, some of its values drawn again.
            twin: Rows that repeat the row before but for one value or none: ties, duplicates.
            domain: Distinct values that linked columns share; 0 for all that there are.
            special: Values taken from around the constants of the gold query.
            null: Values that are NULL where a column allows it.
        """
        self.rows, self.copy, self.twin = rows, copy, twin
        self.domain, self.special, self.null = domain, special, null


_MIXES = (
    Mix(rows=12, copy=50, twin=25, domain=0, special=25, null=5),
    Mix(rows=20, copy=0, twin=30, domain=3, special=50, null=8),
    Mix(rows=5, copy=30, twin=25, domain=4, special=60, null=10),
    Mix(rows=30, copy=30, twin=20, domain=6, special=30, null=15),
    Mix(rows=8, copy=0, twin=40, domain=2, special=80, null=0),
    Mix(rows=40, copy=60, twin=10, domain=8, special=15, null=2),
    Mix(rows=3, copy=20, twin=40, domain=2, special=50, null=25),
)


class Source:
    """Where the values of one column come from."""

    def __init__(self, column: Column) -> None:
        """Start with the column's own values and those of the columns it shares a name with."""
        self.column = column
        self.common = list(column.own) + column.pool.values
        self.special: list[Value] = []
        self.links: list[Source] = [self]


class Generator:
    """Draws databases of one schema for one gold query."""

    def __init__(self, tables: list[Table], hints: dict[str, Any], seed: int) -> None:
        """Collect the values of each column.

        Args:
            tables: From `tables.inspect`, with the given rows.
            hints: `constants`: lists of column name (or empty), value and whether it is a pattern.
                `links`: lists of table (or empty), column, table, column that are compared.
            seed: Any integer.
        """
        self._seed = seed
        self._tables = _parents_first(tables)
        self._sources = {
            (table.name.lower(), column.name.lower()): Source(column)
            for table in self._tables
            for column in table.columns
        }
        _add_constants(self._sources, hints["constants"])
        for table in self._tables:
            for here, parent, there in table.references:
                self._link((table.name, here), (parent, there or _key_of(tables, parent)))
        for one, name, other, named in hints["links"]:
            self._link((one, name), (other, named))

    def fill(self, conn: sqlite3.Connection, number: int) -> None:
        """Add the rows of database `number`, from 2, to a database with empty tables."""
        if number == EMPTY:
            return
        mix = _MIXES[(number - 2) % len(_MIXES)]
        draws = Draws(self._seed * 1_000_003 + number)
        filling = _Filling(conn, mix, draws, self._sources)
        for table in self._tables:
            if table.columns:
                filling.fill(table)

    def _link(self, one: tuple[str, str], other: tuple[str, str]) -> None:
        ours, theirs = self._find(*one), self._find(*other)
        for source in ours:
            for linked in theirs:
                if linked.links is not source.links:
                    source.links.extend(linked.links)
                    for each in linked.links:
                        each.links = source.links

    def _find(self, table: str, column: str) -> list[Source]:
        table, column = table.lower(), column.lower()
        if table:
            found = self._sources.get((table, column))
            return [found] if found else []
        return [each for (_, name), each in self._sources.items() if name == column]


class _Filling:
    """One database in the making."""

    def __init__(
        self,
        conn: sqlite3.Connection,
        mix: Mix,
        draws: Draws,
        sources: dict[tuple[str, str], Source],
    ) -> None:
        self._conn, self._mix, self._draws, self._sources = conn, mix, draws, sources
        self._made: dict[str, list[dict[str, Value]]] = {}
        self._domains: dict[int, list[Value]] = {}

    def fill(self, table: Table) -> None:
        """Draw the rows of one table; those it refers to are filled already."""
        draws, rows = self._draws, self._made.setdefault(table.name.lower(), [])
        most = draws.below(self._mix.rows * 2) + 1
        if draws.chance(4):
            most = 0
        for number in range(min(most, MAX_ROWS)):
            for _ in range(TRIES):
                row = self._draw_row(table, rows, number)
                if self._insert(table, row):
                    rows.append(row)
                    break

    def _insert(self, table: Table, row: dict[str, Value]) -> bool:
        kept = [
            column for column in table.columns if not (column.default and self._draws.chance(10))
        ]
        names = ", ".join(quote(column.name) for column in kept)
        marks = ", ".join("?" * len(kept))
        into = f"({names}) VALUES ({marks})" if kept else "DEFAULT VALUES"
        try:
            self._conn.execute(
                f"INSERT INTO {table.address} {into}",
                [row[column.name.lower()] for column in kept],
            )
        except sqlite3.Error:
            return False
        return True

    def _draw_row(
        self, table: Table, before: list[dict[str, Value]], number: int
    ) -> dict[str, Value]:
        draws, names = self._draws, [column.name.lower() for column in table.columns]
        start: dict[str, Value] = {}
        redrawn = 100
        if before and draws.chance(self._mix.twin):
            # A value in as many rows of twins as there are columns: some are whole duplicates.
            start, redrawn = before[-1], 100 // (len(names) + 1)
        elif table.rows and draws.chance(self._mix.copy):
            start = dict(zip(names, table.rows[draws.below(len(table.rows))], strict=True))
            redrawn = 30
        row: dict[str, Value] = {}
        for name, column in zip(names, table.columns, strict=True):
            if column.key:
                row[name] = self._draw_key(table, column, number)
            elif name in start and not draws.chance(redrawn):
                row[name] = start[name]
            else:
                row[name] = self._draw(self._sources[table.name.lower(), name])
        self._refer(table, row)
        return row

    def _refer(self, table: Table, row: dict[str, Value]) -> None:
        """Let foreign keys name rows that exist; one parent row serves all keys to its table."""
        chosen: dict[str, dict[str, Value] | None] = {}
        for here, parent, there in table.references:
            parent, here = parent.lower(), here.lower()
            if parent not in chosen:
                rows = self._made.get(parent, [])
                none = not rows or self._draws.chance(self._mix.null)
                chosen[parent] = None if none else rows[self._draws.below(len(rows))]
            target, name = chosen[parent], there.lower()
            if here not in row:
                continue
            if target is None:
                row[here] = None
            elif name in target:
                row[here] = target[name]
            else:
                row[here] = next(iter(target.values()))

    def _draw_key(self, table: Table, column: Column, number: int) -> Value:
        # In turn, as a key drawn twice would cost a row.
        source = self._sources[table.name.lower(), column.name.lower()]
        if self._draws.chance(10) and source.special:
            return self._draws.pick(source.special)
        domain = self._domain(source, MAX_ROWS)
        return domain[number] if number < len(domain) else self._draw(source)

    def _draw(self, source: Source) -> Value:
        draws = self._draws
        if not source.column.required and draws.chance(self._mix.null):
            return None
        if source.special and draws.chance(self._mix.special):
            return draws.pick(source.special)
        if draws.chance(10):
            around = near(draws.pick(source.common))
            return draws.pick(around) if around else draws.pick(source.common)
        return draws.pick(self._domain(source, self._mix.domain))

    def _domain(self, source: Source, size: int) -> list[Value]:
        """Give the first values of an order that all linked columns share."""
        name = id(source.links)
        if name not in self._domains:
            values = _unique(
                [each for link in source.links for each in link.common]
                + [each for link in source.links for each in link.special[:MAX_SPECIAL]]
            )
            for at in range(len(values) - 1, 0, -1):
                other = self._draws.below(at + 1)
                values[at], values[other] = values[other], values[at]
            self._domains[name] = values
        return self._domains[name][: size or None]


def _add_constants(
    sources: dict[tuple[str, str], Source], constants: list[tuple[str, Value, bool]]
) -> None:
    for (_, name), source in sources.items():
        kind, own = source.column.kind, source.column.own
        for column, value, pattern in constants:
            fits = isinstance(value, str) == (kind in ("text", "date"))
            if column.lower() == name or (not column and fits):
                source.special += called_for(value, kind, own, pattern=pattern)
        source.special = _unique(source.special)[:MAX_SPECIAL]


def _unique(values: list[Value]) -> list[Value]:
    return list({(type(value), value): value for value in values}.values())


def _key_of(tables: list[Table], name: str) -> str:
    for table in tables:
        if table.name.lower() == name.lower():
            return next((column.name for column in table.columns if column.key), "")
    return ""


def _parents_first(tables: list[Table]) -> list[Table]:
    named = {table.name.lower(): table for table in tables}
    ordered: list[Table] = []
    seen: set[str] = set()

    def visit(table: Table) -> None:
        if table.name.lower() in seen:
            return
        seen.add(table.name.lower())
        for _, parent, _ in table.references:
            if parent.lower() in named:
                visit(named[parent.lower()])
        ordered.append(table)

    for table in tables:
        visit(table)
    return ordered
