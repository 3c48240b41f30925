"""Runs one schema and one query, and names what is wrong. Runs inside the worker.

The worker is confined by the system (see `worker`); this is the part that knows SQL.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import sqlite3
from typing import Any

from datakit.sqlite import database, tables, variants
from datakit.sqlite import policy as rules

MESSAGE_CHARS = 300

# A match never backtracks over more than one comment: each alternative starts with its own sign.
_FIRST_WORD = re.compile(r"(?:[\s\ufeff(]|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*+([A-Za-z_]*)", re.DOTALL)
QUERY_WORDS = frozenset({"SELECT", "WITH", "VALUES"})

# Written out, the clock is refused even where no row makes SQLite look at it.
CLOCK = re.compile(
    r"\b((?:date|time|datetime|julianday|unixepoch)\s*\(|strftime\s*\(\s*'[^']*'\s*,)\s*'now'",
    re.IGNORECASE,
)
# In this order, and from the start of SQLite's message: the rest may quote a hostile name.
_SIGNS = tuple(
    (reason, re.compile(pattern, re.DOTALL))
    for reason, pattern in (
        ("no_such_column", "no such (column|table)"),
        ("syntax_error", "near .*: syntax error$|incomplete input|unrecognized token"),
        ("syntax_error", ".*contains a null character"),
        ("forbidden", "unsafe use of"),  # SQLite's own veto on some functions inside views.
        ("not_a_query", "You can only execute one statement|table .* may not be modified"),
        ("timeout", ".*too (big|large|complex|many (terms|columns|FROM))|parser stack overflow"),
        ("timeout", "at most 64 tables|database or disk is full"),
    )
)


class Outcome:
    """What a request came to.

    Attributes:
        reason: The fault, or None where there is none.
        message: The evidence, at most `MESSAGE_CHARS` characters.
        rows: Rows on the record's own database.
        spent: Whether memory ran out, so that the process should be replaced.
    """

    def __init__(
        self, reason: str | None, message: str = "", rows: int = 0, *, spent: bool = False
    ) -> None:
        """Clip the message and keep the rest."""
        self.reason, self.rows, self.spent = reason, rows, spent
        self.message = message[:MESSAGE_CHARS]


class Judge:
    """Checks requests one after another, each in a database of its own."""

    def __init__(self, steps: int, max_rows: int, count: int) -> None:
        """Prepare what all requests share.

        Args:
            steps: Steps of SQLite's machine for one request, other databases included.
            max_rows: More rows than this on the record's own database are too many.
            count: How many other databases a query that finds no row is tried on.
        """
        self._steps, self._max_rows, self._count = steps, max_rows, count
        self._opener = database.Opener()
        self._modules = rules.list_modules()

    def serve(self, request: dict[str, Any]) -> dict[str, object]:
        """Answer one request of the parent process."""
        found = self.judge(request["schema"], request["query"])
        return {
            "reason": found.reason,
            "message": found.message,
            "rows": found.rows,
            "spent": found.spent,
        }

    def judge(self, schema: str, query: str) -> Outcome:
        """Run `schema`, then `query`, in a fresh database."""
        policy = rules.Policy(self._steps, self._modules)
        conn = self._opener.open(policy)
        try:
            fault = try_schema(conn, policy, schema)
            return fault or self._judge_query(conn, policy, schema, query)
        finally:
            conn.close()

    def _judge_query(
        self, conn: sqlite3.Connection, policy: rules.Policy, schema: str, query: str
    ) -> Outcome:
        word = first_word(query)
        if word not in QUERY_WORDS:
            return Outcome("not_a_query", f"starts with {word or query.strip()[:20]!r}")
        try:
            rows = _count_rows(conn, policy, query, self._max_rows)
        except Exception as error:
            return explain(error, policy)
        if clock := CLOCK.search(query):
            return Outcome("forbidden", f"not reproducible: {clock[0]}")
        if rows > self._max_rows:
            return Outcome("timeout", f"more than {self._max_rows} rows")
        if rows:
            return Outcome(None, rows=rows)
        return self._try_variants(conn, policy, schema, query)

    def _try_variants(
        self, conn: sqlite3.Connection, policy: rules.Policy, schema: str, query: str
    ) -> Outcome:
        tried = 0
        try:
            policy.phase = rules.INSPECT
            found = tables.inspect(conn, query)
            used = [table for table in found if table.name.lower() in policy.touched]
            seed = variants.seed_of(schema)
            for number in range(self._count if used else 0):
                tried += 1
                rows = _count_variant(conn, policy, query, (used, seed, number))
                if rows:
                    return Outcome(None, f"no rows of its own; generated database {tried} has some")
        except Exception as error:
            return explain(error, policy)
        where = f"here and on {tried} generated databases"
        return Outcome("always_empty", f"no rows, or one of NULLs, {where}")


def first_word(query: str) -> str:
    """Give the first keyword of a query in upper case; empty where it starts with no letter."""
    match = _FIRST_WORD.match(query)
    return match[1].upper() if match else ""


def try_schema(conn: sqlite3.Connection, policy: rules.Policy, schema: str) -> Outcome | None:
    """Run the statements of a schema; give the fault, or None."""
    try:
        conn.executescript(schema)
        if conn.in_transaction:
            conn.execute("COMMIT")
    except Exception as error:
        fault = explain(error, policy)
        if policy.denied is not None:
            fault.reason = "forbidden"
        elif fault.reason not in ("forbidden", "timeout"):
            fault.reason = "bad_schema"
        return fault
    return None


def _count_rows(conn: sqlite3.Connection, policy: rules.Policy, query: str, most: int) -> int:
    policy.phase = rules.QUERY
    # Text that is not UTF-8 would be an error of Python's, not of the query.
    conn.text_factory = bytes
    count, blank = 0, False
    with contextlib.closing(conn.execute(query)) as cursor:
        for row in itertools.islice(cursor, max(most, 1) + 1):
            count += 1
            # An aggregate over nothing is one row of NULLs: it has found nothing either.
            blank = count == 1 and all(value is None for value in row)
            if count > most and not blank:
                break
    return 0 if blank else count


def _count_variant(
    conn: sqlite3.Connection,
    policy: rules.Policy,
    query: str,
    plan: tuple[list[tables.Table], int, int],
) -> int:
    """Count up to one row on a generated database; an error there counts as no row."""
    policy.phase = rules.FILL
    conn.execute("BEGIN")
    variants.fill(conn, *plan)
    # A generated value may meet a rule that the record's own values never meet.
    policy.denied = None
    try:
        if policy.expired:
            raise sqlite3.OperationalError("interrupted")
        return _count_rows(conn, policy, query, 0)
    except (sqlite3.Error, sqlite3.Warning):
        if policy.denied or policy.expired:
            raise
        return 0
    finally:
        # Out of memory, SQLite has rolled back by itself.
        if conn.in_transaction:
            policy.phase = rules.FILL
            conn.execute("ROLLBACK")


def explain(error: Exception, policy: rules.Policy) -> Outcome:
    """Name the fault behind an exception."""
    message = str(error) or type(error).__name__
    if policy.denied is not None:
        return Outcome("not_a_query" if policy.denied_write else "forbidden", policy.denied)
    if policy.expired:
        return Outcome("timeout", "more steps than a query may take")
    if isinstance(error, MemoryError):
        return Outcome("timeout", "out of memory", spent=True)
    if isinstance(error, UnicodeError):
        return Outcome("syntax_error", message)
    for reason, sign in _SIGNS:
        if sign.match(message):
            return Outcome(reason, message)
    return Outcome("runtime_error", message)
