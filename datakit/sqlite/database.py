"""The database that SQL gets: limits, and functions of ours in the place of some of SQLite's.

Runs inside the worker, so it imports the standard library only.
"""

from __future__ import annotations

import functools
import re
import sqlite3

from datakit.sqlite.policy import (
    FUNCTIONS,
    LIMITS,
    MAX_VALUE_BYTES,
    PRAGMAS,
    PROGRESS_STEPS,
    Policy,
)

_Value = int | float | str | bytes | None

# A call of ours goes out to Python and back into SQLite, for as long as so many steps take.
CALL_STEPS = 500

# Python 3.12 and later only; the authorizer alone already refuses what these would.
_SWITCHES = {
    "SQLITE_DBCONFIG_DEFENSIVE": True,
    "SQLITE_DBCONFIG_ENABLE_TRIGGER": False,
    "SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION": False,
    "SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER": False,
}

_DATE_FUNCTIONS = (
    "date", "time", "datetime", "julianday", "strftime", "unixepoch", "timediff",
)  # fmt: skip
_FORMATS = ("printf", "format")
# A character so many times over: SQLite 3.40 counts to the end of it, however far.
_REPEATED = re.compile(r"%[-+ 0#!,]*(?:\*|\d+)?\.(\*|\d+)l{0,2}c")
_LEADING = re.compile(r"\s*[-+]?0*(\d*)")
# Added to what PRAGMA function_list names, which some builds leave out.
_REFUSED_NAMES = """
changes current_date current_time current_timestamp last_insert_rowid load_extension random
randomblob sqlite_compileoption_get sqlite_compileoption_used sqlite_source_id sqlite_version
total_changes
"""


class PureDates:
    """SQLite's date functions with the clock and the time zone taken out.

    Text cannot tell whether 'now' is asked for (it may be concatenated, or come from a row), but
    SQLite can: inside a generated column it refuses to look at the clock. So each call is worked
    out in a generated column of a second database.
    """

    def __init__(self) -> None:
        """Open the second database and see which date functions this SQLite has."""
        self._conn = _second_database()
        self._statements: dict[tuple[str, int], tuple[str, str]] = {}
        self._names = [name for name in _DATE_FUNCTIONS if self._exists(name)]

    def install(self, conn: sqlite3.Connection, policy: Policy) -> None:
        """Put the pure functions in the place of SQLite's own in `conn`."""
        for name in self._names:
            call = functools.partial(self._call, policy, name)
            conn.create_function(name, -1, call, deterministic=True)

    def _exists(self, name: str) -> bool:
        try:
            self._conn.execute(f"EXPLAIN SELECT {name}('2000-01-01', '2000-01-01')")
        except sqlite3.Error:
            return False
        return True

    def _call(self, policy: Policy, name: str, *args: object) -> _Value:
        if policy.spend(CALL_STEPS):
            raise sqlite3.OperationalError("interrupted")
        try:
            key = (name, len(args))
            put, get = self._statements.get(key) or self._prepare(key)
            self._conn.execute(put, args)
            result: _Value = self._conn.execute(get).fetchone()[0]
            return result
        except sqlite3.Error as error:
            if "non-deterministic" in str(error):
                policy.deny(str(error).partition(" in ")[0])
            raise

    def _prepare(self, key: tuple[str, int]) -> tuple[str, str]:
        name, count = key
        table = f"{name}_{count}"
        columns = [f"a{index}" for index in range(count)]
        inputs = "".join(", " + column for column in columns)
        self._conn.execute(
            f"CREATE TABLE {table}(k INTEGER PRIMARY KEY{inputs}, r AS ({name}({inputs[2:]})))"
        )
        self._statements[key] = (
            f"REPLACE INTO {table}(k{inputs}) VALUES (1{', ?' * count})",
            f"SELECT r FROM {table}",
        )
        return self._statements[key]


class Formats:
    """SQLite's printf, less what fills more than the longest value with one character."""

    def __init__(self) -> None:
        """Open a second database, whose printf is still SQLite's own."""
        self._conn = _second_database()

    def install(self, conn: sqlite3.Connection, policy: Policy) -> None:
        """Put the function in the place of SQLite's own in `conn`."""
        for name in _FORMATS:
            call = functools.partial(self._call, policy)
            conn.create_function(name, -1, call, deterministic=True)

    def _call(self, policy: Policy, *args: _Value) -> _Value:
        if policy.spend(CALL_STEPS):
            raise sqlite3.OperationalError("interrupted")
        if args and _fills(args):
            raise OverflowError  # Which sqlite3 passes on as "string or blob too big".
        try:
            marks = ", ".join("?" * len(args))
            result: _Value = self._conn.execute(f"SELECT printf({marks})", args).fetchone()[0]
        except sqlite3.DataError:
            raise OverflowError from None
        return result


def _fills(args: tuple[_Value, ...]) -> bool:
    shape = args[0].decode(errors="replace") if isinstance(args[0], bytes) else str(args[0])
    for count in _REPEATED.findall(shape):
        if any(_is_long(each) for each in (args[1:] if count == "*" else (count,))):
            return True
    return False


def _is_long(value: _Value) -> bool:
    if isinstance(value, bytes):
        value = value[:40].decode(errors="replace")
    if isinstance(value, str):
        digits = _LEADING.match(value)
        count = digits[1] if digits else ""
        return len(count) > len(str(MAX_VALUE_BYTES)) or int(count or 0) > MAX_VALUE_BYTES
    return value is not None and not abs(value) <= MAX_VALUE_BYTES


class Refusals:
    """Stand-ins for every function that is not in `FUNCTIONS`.

    SQLite does not ask the authorizer about the functions in a column's DEFAULT.
    """

    def __init__(self) -> None:
        """See which functions this SQLite has."""
        conn = sqlite3.connect(":memory:")
        found = {(name, -1) for name in _REFUSED_NAMES.split()}
        # A stand-in for any number of arguments would lose to one with the exact number.
        for name, _, _, _, count, _ in conn.execute("PRAGMA function_list"):
            found.add((str(name).lower(), max(int(count), -1)))
        conn.close()
        self._functions = sorted(pair for pair in found if pair[0] not in FUNCTIONS)

    def install(self, conn: sqlite3.Connection, policy: Policy) -> None:
        """Put the stand-ins into `conn`."""
        for name, count in self._functions:
            conn.create_function(name, count, functools.partial(_refuse, policy, name))


def _refuse(policy: Policy, name: str, *_: object) -> None:
    policy.deny(f"not authorized: FUNCTION {name}")
    raise PermissionError(name)


def _second_database() -> sqlite3.Connection:
    conn = sqlite3.connect(":memory:", isolation_level=None)
    conn.executescript(PRAGMAS + "PRAGMA journal_mode=OFF;")
    for limit, value in LIMITS.items():
        conn.setlimit(limit, value)
    return conn


class Opener:
    """Opens databases, one after another, on which every rule already holds."""

    def __init__(self) -> None:
        """Prepare what all databases share."""
        self._replaced = (PureDates(), Formats(), Refusals())

    def open(self, policy: Policy) -> sqlite3.Connection:
        """Open an empty in-memory database."""
        conn = sqlite3.connect(":memory:", isolation_level=None)
        conn.executescript(PRAGMAS)
        for limit, value in LIMITS.items():
            conn.setlimit(limit, value)
        setconfig = getattr(conn, "setconfig", None)
        if setconfig is not None:
            for name, on in _SWITCHES.items():
                setconfig(getattr(sqlite3, name), on)
        for functions in self._replaced:
            functions.install(conn, policy)
        conn.set_progress_handler(policy.progress, PROGRESS_STEPS)
        conn.set_authorizer(policy.authorize)
        return conn
