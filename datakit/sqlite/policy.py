"""What SQL may do inside the worker: authorizer, limits and pure date functions.

Runs inside the worker, so it imports the standard library only.
"""

from __future__ import annotations

import functools
import sqlite3
import time

_Value = int | float | str | bytes | None

SCHEMA = "schema"
INSPECT = "inspect"
FILL = "fill"
QUERY = "query"

MAX_VALUE_BYTES = 1_000_000
MAX_SQL_BYTES = 8_000_000
PROGRESS_STEPS = 5_000

_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_VALUE_BYTES,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: MAX_SQL_BYTES,
    sqlite3.SQLITE_LIMIT_COLUMN: 500,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 1_000,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 200,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 2_000_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1_000,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}

# trusted_schema stays on: switched off, SQLite refuses our own date functions inside views and
# CHECKs. The authorizer sees every function there too, and virtual tables cannot be made.
_PRAGMAS = "PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF; PRAGMA mmap_size=0;"

# Python 3.12 and later only; the authorizer alone already refuses what these would.
_SWITCHES = {
    "SQLITE_DBCONFIG_DEFENSIVE": True,
    "SQLITE_DBCONFIG_ENABLE_TRIGGER": False,
    "SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION": False,
    "SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER": False,
}

_FUNCTION_NAMES = """
-> ->> abs acos acosh asin asinh atan atan2 atanh avg ceil ceiling char coalesce concat
concat_ws cos cosh count cume_dist date datetime degrees dense_rank exp first_value floor
format glob group_concat hex if ifnull iif instr json json_array json_array_insert
json_array_length json_error_position json_extract json_group_array json_group_object
json_insert json_object json_patch json_pretty json_quote json_remove json_replace json_set
json_type json_valid jsonb jsonb_array jsonb_extract jsonb_group_array jsonb_group_object
jsonb_insert jsonb_object jsonb_patch jsonb_remove jsonb_replace jsonb_set julianday lag
last_value lead length like likelihood likely ln log log10 log2 lower ltrim max median min
mod nth_value ntile nullif octet_length percent_rank percentile percentile_cont
percentile_disc pi pow power printf quote radians rank replace round row_number rtrim sign
sin sinh soundex sqrt strftime string_agg substr substring sum tan tanh time timediff total
trim trunc typeof unhex unicode unistr unistr_quote unixepoch unlikely upper zeroblob
"""
FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
_DATE_FUNCTIONS = (
    "date", "time", "datetime", "julianday", "strftime", "unixepoch", "timediff",
)  # fmt: skip
# Added to what PRAGMA function_list names, which some builds leave out.
_REFUSED_NAMES = """
changes current_date current_time current_timestamp last_insert_rowid load_extension random
randomblob sqlite_compileoption_get sqlite_compileoption_used sqlite_source_id sqlite_version
total_changes
"""
_JSON_TABLES = frozenset({"json_each", "json_tree", "jsonb_each", "jsonb_tree"})
_MASTER = frozenset({"sqlite_master", "sqlite_temp_master", "sqlite_schema", "sqlite_temp_schema"})
# Used where PRAGMA module_list is compiled out.
_MODULE_NAMES = """
bytecode dbstat fts3 fts3tokenize fts4 fts4aux fts5 fts5vocab geopoly rtree rtree_i32
sqlite_dbpage sqlite_stmt tables_used
"""
_PRAGMAS_OF_INSPECT = frozenset({"table_xinfo", "foreign_key_list"})

_ACTION_NAMES = """
ALTER_TABLE ANALYZE ATTACH CREATE_INDEX CREATE_TABLE CREATE_TEMP_INDEX CREATE_TEMP_TABLE
CREATE_TEMP_TRIGGER CREATE_TEMP_VIEW CREATE_TRIGGER CREATE_VIEW CREATE_VTABLE DELETE DETACH
DROP_INDEX DROP_TABLE DROP_TEMP_INDEX DROP_TEMP_TABLE DROP_TEMP_TRIGGER DROP_TEMP_VIEW
DROP_TRIGGER DROP_VIEW DROP_VTABLE FUNCTION INSERT PRAGMA READ RECURSIVE REINDEX SAVEPOINT
SELECT TRANSACTION UPDATE
"""
_ACTIONS = {getattr(sqlite3, "SQLITE_" + name): name for name in _ACTION_NAMES.split()}
_ALWAYS = frozenset({"SELECT", "RECURSIVE"})
_CREATIONS = frozenset({"CREATE_TABLE", "CREATE_TEMP_TABLE", "CREATE_VIEW", "CREATE_TEMP_VIEW"})
_FURTHER = {
    SCHEMA: frozenset(
        {"CREATE_INDEX", "CREATE_TEMP_INDEX", "INSERT", "REINDEX", "SAVEPOINT", "TRANSACTION"}
    ),
    INSPECT: frozenset(),
    FILL: frozenset({"DELETE", "INSERT", "TRANSACTION"}),
    QUERY: frozenset(),
}
_WRITES = frozenset({"DELETE", "INSERT", "UPDATE"})


class Policy:
    """The rules for one request: an allow-list for each phase, and a deadline.

    Attributes:
        phase: The phase whose allow-list holds: `SCHEMA`, `INSPECT`, `FILL` or `QUERY`.
        denied: What was refused first, for people to read, or None.
        denied_write: Whether that was an INSERT, UPDATE or DELETE.
        expired: Whether the progress handler stopped a statement at the deadline.
        touched: Lower-case names of the tables that the query phase reads.
    """

    def __init__(self, deadline: float, modules: frozenset[str]) -> None:
        """Start in the schema phase.

        Args:
            deadline: A `time.monotonic` reading, in seconds.
            modules: Lower-case names of the virtual table modules, none of which may be used.
        """
        self.phase = SCHEMA
        self.denied: str | None = None
        self.denied_write = False
        self.expired = False
        self.touched: set[str] = set()
        self._deadline = deadline
        self._modules = modules

    def deny(self, evidence: str, *, write: bool = False) -> None:
        """Record a refusal; the first one is kept."""
        if self.denied is None:
            self.denied = evidence
            self.denied_write = write

    def authorize(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        """Answer SQLite's authorizer callback with SQLITE_OK or SQLITE_DENY."""
        name = _ACTIONS.get(action, str(action))
        if self._allows(name, (first or "").lower(), (second or "").lower()):
            return sqlite3.SQLITE_OK
        about = " ".join(part for part in (name, first, second) if part)
        self.deny(f"not authorized: {about}", write=name in _WRITES)
        return sqlite3.SQLITE_DENY

    def progress(self) -> int:
        """Answer SQLite's progress callback: 1, which interrupts, past the deadline."""
        if time.monotonic() < self._deadline:
            return 0
        self.expired = True
        return 1

    def _allows(self, name: str, first: str, second: str) -> bool:
        if name == "READ":
            if self.phase == QUERY:
                self.touched.add(first)
            return not self._is_module(first)
        if name == "FUNCTION":
            return second in FUNCTIONS
        if name == "UPDATE":
            # SQLite reports its own bookkeeping as updates, in the query phase too, when
            # json_each is first named; it refuses such updates by itself when SQL asks for them.
            return first in _MASTER
        if name in _CREATIONS:
            return self.phase == SCHEMA and not self._is_module(first)
        if name == "PRAGMA":
            return self.phase == INSPECT and first in _PRAGMAS_OF_INSPECT
        return name in _ALWAYS or name in _FURTHER[self.phase]

    def _is_module(self, table: str) -> bool:
        return table in self._modules or table.startswith("pragma_")


class PureDates:
    """SQLite's date functions with the clock and the time zone taken out.

    Text cannot tell whether 'now' is asked for (it may be concatenated, or come from a row), but
    SQLite can: inside a generated column it refuses to look at the clock. So each call is worked
    out in a generated column of a second database.
    """

    def __init__(self) -> None:
        """Open the second database and see which date functions this SQLite has."""
        self._conn = sqlite3.connect(":memory:", isolation_level=None)
        self._conn.executescript(_PRAGMAS + "PRAGMA journal_mode=OFF;")
        for limit, value in _LIMITS.items():
            self._conn.setlimit(limit, value)
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


def list_modules() -> frozenset[str]:
    """Name this SQLite's virtual table modules in lower case, the JSON ones left out."""
    conn = sqlite3.connect(":memory:")
    found = {str(row[0]).lower() for row in conn.execute("PRAGMA module_list")}
    conn.close()
    return frozenset(found.union(_MODULE_NAMES.split()) - _JSON_TABLES)


def open_database(policy: Policy, dates: PureDates, refusals: Refusals) -> sqlite3.Connection:
    """Open an empty in-memory database on which every rule already holds."""
    conn = sqlite3.connect(":memory:", isolation_level=None)
    conn.executescript(_PRAGMAS)
    for limit, value in _LIMITS.items():
        conn.setlimit(limit, value)
    setconfig = getattr(conn, "setconfig", None)
    if setconfig is not None:
        for name, on in _SWITCHES.items():
            setconfig(getattr(sqlite3, name), on)
    dates.install(conn, policy)
    refusals.install(conn, policy)
    conn.set_progress_handler(policy.progress, PROGRESS_STEPS)
    conn.set_authorizer(policy.authorize)
    return conn
