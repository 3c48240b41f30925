"""What SQL may do inside the worker: authorizer, limits and the budget of steps.

Runs inside the worker, so it imports the standard library only.
"""

from __future__ import annotations

import sqlite3

SCHEMA = "schema"
INSPECT = "inspect"
FILL = "fill"
ARRANGE = "arrange"
QUERY = "query"

# SQLite counts no step inside a function: this is what bounds one. The slowest, a search for half a
# value in the other half, takes 0.2 s.
MAX_VALUE_BYTES = 200_000
MAX_SQL_BYTES = 8_000_000
# A statement of fewer steps costs none, but only the text's length many of them fit in.
PROGRESS_STEPS = 1_000

LIMITS = {
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
PRAGMAS = "PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF; PRAGMA mmap_size=0;"

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
_JSON_TABLES = frozenset({"json_each", "json_tree", "jsonb_each", "jsonb_tree"})
_MASTER = frozenset({"sqlite_master", "sqlite_temp_master", "sqlite_schema", "sqlite_temp_schema"})
# Used where PRAGMA module_list is compiled out.
_MODULE_NAMES = """
bytecode dbstat fts3 fts3tokenize fts4 fts4aux fts5 fts5vocab geopoly rtree rtree_i32
sqlite_dbpage sqlite_stmt tables_used
"""
_PRAGMAS_OF = {
    INSPECT: frozenset({"table_xinfo", "foreign_key_list"}),
    ARRANGE: frozenset({"foreign_keys", "foreign_key_check"}),
}

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
    ARRANGE: frozenset({"CREATE_TEMP_TABLE", "DELETE", "INSERT", "TRANSACTION"}),
    QUERY: frozenset(),
}
_WRITES = frozenset({"DELETE", "INSERT", "UPDATE"})


class Policy:
    """The rules for one request: an allow-list for each phase, and a budget of steps.

    Attributes:
        phase: The phase whose allow-list holds: `SCHEMA`, `INSPECT`, `FILL`, `ARRANGE` or
            `QUERY`.
        denied: What was refused first, for people to read, or None.
        denied_write: Whether that was an INSERT, UPDATE or DELETE.
        expired: Whether the steps are used up, so that every further statement is stopped.
        touched: Lower-case names of the tables that the query phase reads.
    """

    def __init__(self, steps: int, modules: frozenset[str]) -> None:
        """Start in the schema phase.

        Args:
            steps: Steps of SQLite's machine that all statements may take together. A count and
                not a time: the same request ends alike on a busy machine and on an idle one.
            modules: Lower-case names of the virtual table modules, none of which may be used.
        """
        self.phase = SCHEMA
        self.denied: str | None = None
        self.denied_write = False
        self.expired = False
        self.touched: set[str] = set()
        self._left = steps
        self._modules = modules

    def renew(self, steps: int) -> int:
        """Forget refusals and grant new steps; give what is left of the old ones."""
        left, self._left = self._left, steps
        self.denied, self.denied_write, self.expired = None, False, False
        return left

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
        """Answer SQLite's progress callback: 1, which interrupts, once the steps are used up."""
        return int(self.spend(PROGRESS_STEPS))

    def spend(self, steps: int) -> bool:
        """Take steps off the budget and say whether it is used up."""
        self._left -= steps
        self.expired = self._left <= 0
        return self.expired

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
            allowed = self.phase == SCHEMA or name in _FURTHER[self.phase]
            return allowed and not self._is_module(first)
        if name == "PRAGMA":
            return first in _PRAGMAS_OF.get(self.phase, ())
        return name in _ALWAYS or name in _FURTHER[self.phase]

    def _is_module(self, table: str) -> bool:
        return table in self._modules or table.startswith("pragma_")


def list_modules() -> frozenset[str]:
    """Name this SQLite's virtual table modules in lower case, the JSON ones left out."""
    conn = sqlite3.connect(":memory:")
    found = {str(row[0]).lower() for row in conn.execute("PRAGMA module_list")}
    conn.close()
    return frozenset(found.union(_MODULE_NAMES.split()) - _JSON_TABLES)
