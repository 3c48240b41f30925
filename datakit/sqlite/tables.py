"""The tables of a database as the generator of other databases sees them.

Runs inside the worker, so it imports the standard library only.
"""

from __future__ import annotations

import re
import sqlite3

Value = int | float | str | bytes | None

MAX_TABLES = 64
MAX_COLUMNS = 1_000
MAX_OWN_ROWS = 200
MAX_POOL = 200
MAX_HINTS = 40
MAX_TEXT = 10_000
HINT_CHARS = 20_000
PLAIN_KEYS = 50

_STRING = re.compile(r"""'([^']{0,200})'|"([^"]{0,200})\"""")
_NUMBER = re.compile(r"(?<![\w.])\d{1,15}(?:\.\d{1,15})?(?![\w.])")

_DEFAULTS: dict[str, list[Value]] = {
    "int": [*range(1, 11), 0, 18, 25, 40, 60, 100, 500, 1_000, 2_000, 2_020],
    "bool": [0, 1],
    "real": [0.5, 1.0, 3.5, 9.99, 50.0, 100.0, 999.5, 2_500.0, 60_000.0],
    "text": ["a", "b", "A", "Alice", "Bob", "alpha beta", "x@example.com", "Y", "N", "1"],
    "date": ["2019-12-31", "2020-01-01", "2021-06-15", "2022-02-28", "2023-05-05", "2024-03-10"],
    "blob": [b"", b"\x00", b"data"],
}


class Pool:
    """The values shared by columns that a join may compare."""

    def __init__(self) -> None:
        """Start empty."""
        self.values: list[Value] = []
        self._seen: set[tuple[type, Value]] = set()
        self._into: Pool | None = None

    def add(self, values: list[Value]) -> None:
        """Add what is new and not NULL, up to `MAX_POOL` values."""
        for value in values:
            key = (type(value), value)
            if value is not None and key not in self._seen and len(self.values) < MAX_POOL:
                self._seen.add(key)
                self.values.append(value)

    def root(self) -> Pool:
        """Follow the joins to the pool that stands for this one."""
        pool = self
        while pool._into is not None:
            pool = pool._into
        self._into = pool if pool is not self else None
        return pool

    def join(self, other: Pool) -> None:
        """Let this pool and `other`, both still empty, be one from now on."""
        ours, theirs = self.root(), other.root()
        if ours is not theirs:
            theirs._into = ours


class Column:
    """One stored column: its name, kind, own values and the pool it draws from.

    Attributes:
        required: Whether it is NOT NULL.
        default: Whether it has a DEFAULT.
    """

    def __init__(self, name: str, kind: str, key: bool) -> None:
        """Describe a column; `key` says that it is the whole primary key."""
        self.name, self.kind, self.key = name, kind, key
        self.required = self.default = False
        self.own: list[Value] = []
        self.pool = Pool()


class Table:
    """One table: where it is, its stored columns, up to `MAX_OWN_ROWS` rows, its references."""

    def __init__(self, database: str, name: str, ddl: str) -> None:
        """Describe a table; `database` is `main` or `temp`."""
        self.database, self.name, self.ddl = database, name, ddl
        self.columns: list[Column] = []
        self.rows: list[tuple[Value, ...]] = []
        self.references: list[tuple[str, str, str]] = []

    @property
    def address(self) -> str:
        """The quoted name, with the database in front."""
        return f"{self.database}.{quote(self.name)}"


def quote(name: str) -> str:
    """Quote an identifier for SQLite."""
    return '"' + name.replace('"', '""') + '"'


def kind_of(declared: str, name: str) -> str:
    """Name a column's kind: int, bool, real, text, date or blob.

    Args:
        declared: The declared type, as written in the schema; may be empty.
        name: The column's name, which tells dates kept as text.
    """
    declared, name = declared.upper(), name.lower()
    if "BOOL" in declared:
        return "bool"
    if "INT" in declared:
        return "int"
    dated = name.endswith(("date", "_at", "_on", "time", "timestamp", "dob", "birthday"))
    if "DATE" in declared or "TIME" in declared:
        return "date"
    if any(word in declared for word in ("CHAR", "CLOB", "TEXT", "STRING")):
        return "date" if dated else "text"
    if "BLOB" in declared:
        return "blob"
    if any(word in declared for word in ("REAL", "FLOA", "DOUB", "NUM", "DEC")):
        return "real"
    return "date" if dated else "int" if name.endswith("id") else "text"


def inspect(conn: sqlite3.Connection, query: str) -> list[Table]:
    """Read the tables of a database and give each column its pool.

    Args:
        conn: A database whose authorizer allows PRAGMA table_xinfo and foreign_key_list. Its
            text_factory is changed.
        query: The query to be tried. Its literals serve only columns for which neither the
            column nor a column it joins with has a value of its own.

    Raises:
        sqlite3.Error: A table cannot be read.
    """
    conn.text_factory = lambda raw: raw.decode("utf-8", "replace")
    tables: list[Table] = []
    room = MAX_COLUMNS
    for database, master in (("main", "sqlite_master"), ("temp", "sqlite_temp_master")):
        listed = conn.execute(f"SELECT name, sql FROM {master} WHERE type = 'table'").fetchall()
        for name, ddl in listed[:MAX_TABLES]:
            if room > 0 and not name.lower().startswith("sqlite_"):
                tables.append(_read_table(conn, Table(database, name, ddl or "")))
                room -= len(tables[-1].columns)
    _share_pools(tables)
    _fill_pools(tables, query)
    return tables


def _read_table(conn: sqlite3.Connection, table: Table) -> Table:
    info = conn.execute(f"PRAGMA {table.database}.table_xinfo({quote(table.name)})").fetchall()
    lone = sum(row[5] > 0 for row in info) == 1
    for _, name, declared, required, default, key, hidden in info:
        if hidden == 0:
            column = Column(name, kind_of(declared or "", name), lone and key > 0)
            column.required, column.default = bool(required), default is not None
            table.columns.append(column)
    keys = conn.execute(f"PRAGMA {table.database}.foreign_key_list({quote(table.name)})")
    for _, _, parent, here, there, *_ in keys.fetchall():
        table.references.append((here, parent, there or ""))
    if table.columns:
        names = ", ".join(quote(column.name) for column in table.columns)
        read = conn.execute(f"SELECT {names} FROM {table.address} LIMIT {MAX_OWN_ROWS}")
        table.rows = [tuple(_clip(value) for value in row) for row in read]
        for index, column in enumerate(table.columns):
            column.own = [row[index] for row in table.rows if row[index] is not None]
    return table


def _clip(value: Value) -> Value:
    return value[:MAX_TEXT] if isinstance(value, str | bytes) else value


def _share_pools(tables: list[Table]) -> None:
    named: dict[str, Pool] = {}
    places: dict[tuple[str, str], Pool] = {}
    keys: dict[str, Pool] = {}
    for table in tables:
        for column in table.columns:
            place = (table.name.lower(), column.name.lower())
            places[place] = column.pool
            named.setdefault(place[1], column.pool).join(column.pool)
            if column.key:
                keys.setdefault(place[0], column.pool)
    for table in tables:
        for here, parent, there in table.references:
            target = places.get((parent.lower(), there.lower())) or keys.get(parent.lower())
            source = places.get((table.name.lower(), here.lower()))
            if source is not None and target is not None:
                target.join(source)
    for _, name in list(places):
        stem, _, tail = name.rpartition("_")
        for parent in (stem, stem + "s", stem + "es") if tail == "id" else ():
            if (parent, "id") in places:
                places[parent, "id"].join(named[name])
    for table in tables:
        for column in table.columns:
            column.pool = column.pool.root()


def _fill_pools(tables: list[Table], query: str) -> None:
    members = [(table, column) for table in tables for column in table.columns]
    for _, column in members:
        column.pool.add(column.own)
    owned = {id(column.pool) for _, column in members if column.pool.values}
    for table, column in members:
        if id(column.pool) not in owned:
            column.own = _hints(query, column.kind) + _hints(table.ddl, column.kind)
            column.pool.add(column.own)
            column.pool.add(_DEFAULTS[column.kind])
        if column.key and column.kind == "int":
            column.pool.add(list(range(1, PLAIN_KEYS + 1)))


def _hints(text: str, kind: str) -> list[Value]:
    text = text[:HINT_CHARS]
    if kind in ("text", "date"):
        found = [one or other for one, other in _STRING.findall(text)[:MAX_HINTS]]
        return [word.replace("%", "").replace("_", "a") if "%" in word else word for word in found]
    if kind not in ("int", "real"):
        return []
    near: list[Value] = []
    for number in _NUMBER.findall(text)[:MAX_HINTS]:
        value = float(number) if "." in number else int(number)
        near += [value, value + 1, value - 1]
    return near
