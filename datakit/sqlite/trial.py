"""Runs queries beside a gold query on many databases. Runs inside the worker.

Each query is run twice on a database: as it is, and with every table's rows stored in the opposite
order. An answer that only comes out right in one of the two is right by accident; a database on
which the gold query itself gives two answers is not used, for it has no right answer.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

from datakit.sqlite import database, judge, tables
from datakit.sqlite import policy as rules
from datakit.sqlite.instances import GIVEN, Generator
from datakit.sqlite.marks import LETTERS, LUCKY, OTHER, SAME, UNSTABLE, UNTRIED
from datakit.sqlite.results import Expected, Row, group_rows
from datakit.sqlite.variants import seed_of

SCHEMA_STEPS = 50_000_000
MAX_NAMED_TABLES = 40
MAX_NAMED_COLUMNS = 60
# Whose meaning, unlike that of all other names, is the place where a row is stored.
_PLACE = re.compile(r"\b(rowid|_rowid_|oid)\b", re.IGNORECASE)
_COLLATE = re.compile(r"\bcollate\b", re.IGNORECASE)

_Answer = dict[str, object]


class Trial:
    """Answers requests one after another, each with databases of its own."""

    def __init__(self, steps: int, total: int, max_rows: int) -> None:
        """Prepare what all requests share.

        Args:
            steps: Steps of SQLite's machine for one query on one database.
            total: Steps for all queries of a request together.
            max_rows: Most rows of a gold query's answer.
        """
        self._steps, self._total, self._max_rows = steps, total, max_rows
        self._opener = database.Opener()
        self._modules = rules.list_modules()

    def serve(self, request: dict[str, Any]) -> _Answer:
        """Answer one request of the parent process."""
        with contextlib.ExitStack() as stack:
            session = _Session(self, request, stack)
            if session.fault is not None:
                return _failed(session.fault)
            if request["want"] == "tables":
                return {"reason": None, "spent": False, "tables": session.describe()}
            return session.run(request)

    def open(self, policy: rules.Policy, schema: str, stack: contextlib.ExitStack) -> _Opened:
        """Open a database with the given rows; the stack closes it."""
        conn = stack.enter_context(contextlib.closing(self._opener.open(policy)))
        return conn, judge.try_schema(conn, policy, schema)

    @property
    def limits(self) -> tuple[int, int, int]:
        """Steps of a query, steps of a request, rows of a gold answer."""
        return self._steps, self._total, self._max_rows

    @property
    def modules(self) -> frozenset[str]:
        """Names of virtual table modules, none of which may be used."""
        return self._modules


_Opened = tuple[sqlite3.Connection, judge.Outcome | None]


class _Session:
    """The databases of one request."""

    def __init__(self, trial: Trial, request: dict[str, Any], stack: contextlib.ExitStack) -> None:
        self._trial, self._stack, self._schema = trial, stack, request["schema"]
        self._steps, self._left, self._max_rows = trial.limits
        self._policy = rules.Policy(SCHEMA_STEPS, trial.modules)
        self._blank: sqlite3.Connection | None = None
        self._spent = False
        self.messages: dict[int, str] = {}
        self._given, self.fault = trial.open(self._policy, self._schema, stack)
        self._tables: list[tables.Table] = []
        if self.fault is None:
            self._read_tables(request)

    def _read_tables(self, request: dict[str, Any]) -> None:
        try:
            self._renew(rules.INSPECT)
            self._tables = tables.inspect(self._given, "")
            seed = seed_of(self._schema + "\0" + request["gold"]["plain"])
            self._generator = Generator(self._tables, request["hints"], seed)
            self._shaken = not any(_COLLATE.search(table.ddl) for table in self._tables)
        except Exception as error:
            self.fault = judge.explain(error, self._policy)

    def describe(self) -> list[list[Any]]:
        """Name tables, their columns and the columns' kinds."""
        return [
            [table.name, [[c.name, c.kind] for c in table.columns[:MAX_NAMED_COLUMNS]]]
            for table in self._tables[:MAX_NAMED_TABLES]
        ]

    def run(self, request: dict[str, Any]) -> _Answer:
        """Run all queries on all databases asked for."""
        gold, queries = request["gold"], request["queries"]
        marks: list[list[str]] = [[] for _ in queries]
        usable: list[str] = []
        alive = list(range(len(queries)))
        for number in request["numbers"]:
            found = self._run_one(gold, {at: queries[at] for at in alive}, number)
            if isinstance(found, judge.Outcome):
                if number == GIVEN:
                    return _failed(found)
                found = {-1: LETTERS.get(found.reason or "", OTHER)}
            usable.append(found.pop(-1))
            for at in range(len(queries)):
                marks[at].append(found.get(at, UNTRIED))
            if request["stop"]:
                alive = [at for at in alive if marks[at][-1] in (SAME, UNTRIED)]
        answer: _Answer = {"reason": None, "spent": self._spent, "gold": "".join(usable)}
        texts = [self.messages.get(at, "") for at in range(len(queries))] if request["stop"] else []
        return answer | {"marks": ["".join(each) for each in marks], "messages": texts}

    def _run_one(
        self, gold: dict[str, Any], queries: dict[int, str], number: int
    ) -> dict[int, str] | judge.Outcome:
        """Give a mark for each query, and under -1 one for the database itself."""
        with self._database(number) as conn:
            expected = self._expect(conn, gold)
            if isinstance(expected, judge.Outcome):
                return expected
            marks = {at: self._mark(conn, at, text, [expected]) for at, text in queries.items()}
            if not self._shaken or _PLACE.search(gold["plain"]):
                return {-1: SAME, **marks}
            self._shake(conn)
            turned = self._expect(conn, gold)
            firm = isinstance(turned, Expected) and self._stands(conn, gold, expected)
            if not firm and number != GIVEN:
                return {-1: UNSTABLE}
            # The given rows count even where two answers are right there: then either is.
            allowed = [expected] if firm else [expected, turned]
            for at, mark in marks.items():
                if mark == SAME and not _PLACE.search(queries[at]):
                    again = self._mark(conn, at, queries[at], allowed)
                    marks[at] = again if again in (SAME, UNTRIED) else LUCKY
            return {-1: SAME if firm else UNSTABLE, **marks}

    def _stands(self, conn: sqlite3.Connection, gold: dict[str, Any], expected: Expected) -> bool:
        rows = self._rows(conn, gold["plain"], expected.count)
        return not isinstance(rows, judge.Outcome) and expected.accepts(rows)

    def _expect(self, conn: sqlite3.Connection, gold: dict[str, Any]) -> Expected | judge.Outcome:
        rows = self._rows(conn, gold["plain"], self._max_rows)
        if isinstance(rows, judge.Outcome):
            return rows
        if len(rows) > self._max_rows:
            return judge.Outcome("timeout", f"more than {self._max_rows} rows")
        if gold["keyed"] is not None:
            wide = self._rows(conn, gold["keyed"], self._max_rows)
            if not isinstance(wide, judge.Outcome) and len(wide) <= self._max_rows:
                groups = group_rows(wide, gold["keys"], gold["extra"])
                expected = Expected(groups, gold["skip"], len(rows))
                # The keys were added by rewriting the query: they serve only if nothing broke.
                if expected.accepts(rows):
                    return expected
        groups = [[row] for row in rows] if gold["ordered"] else [rows]
        return Expected(groups, 0, len(rows))

    def _mark(self, conn: sqlite3.Connection, at: int, query: str, allowed: list[Any]) -> str:
        if self._left <= 0:
            return UNTRIED
        most = max(each.count for each in allowed if isinstance(each, Expected))
        rows = self._rows(conn, query, most)
        if isinstance(rows, judge.Outcome):
            self.messages.setdefault(at, rows.message)
            return LETTERS.get(rows.reason or "", "r")
        right = any(isinstance(each, Expected) and each.accepts(rows) for each in allowed)
        return SAME if right else OTHER

    def _rows(self, conn: sqlite3.Connection, query: str, most: int) -> list[Row] | judge.Outcome:
        """Read up to one row more than `most`."""
        if (word := judge.first_word(query)) not in judge.QUERY_WORDS:
            return judge.Outcome("not_a_query", f"starts with {word or query.strip()[:20]!r}")
        if clock := judge.CLOCK.search(query):
            return judge.Outcome("forbidden", f"not reproducible: {clock[0]}")
        self._renew(rules.QUERY)
        # Text keeps its bytes, and stays apart from blobs.
        conn.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        try:
            with contextlib.closing(conn.execute(query)) as cursor:
                return list(itertools.islice(cursor, most + 1))
        except Exception as error:
            found = judge.explain(error, self._policy)
            self._spent |= found.spent
            return found
        finally:
            self._left -= self._steps - self._policy.renew(self._steps)

    def _renew(self, phase: str) -> None:
        self._policy.renew(self._steps)
        self._policy.phase = phase

    @contextlib.contextmanager
    def _database(self, number: int) -> Iterator[sqlite3.Connection]:
        conn = self._given if number == GIVEN else self._empty()
        self._renew(rules.FILL)
        conn.execute("BEGIN")
        try:
            if number != GIVEN:
                self._generator.fill(conn, number)
            yield conn
        finally:
            # Out of memory, SQLite has rolled back by itself.
            if conn.in_transaction:
                self._renew(rules.FILL)
                conn.execute("ROLLBACK")

    def _empty(self) -> sqlite3.Connection:
        """Give the database without rows, on which foreign keys are enforced.

        Unless the schema's foreign keys do not fit each other, or the given rows break them.
        """
        if self._blank is not None:
            return self._blank
        self._policy.renew(SCHEMA_STEPS)
        self._policy.phase = rules.SCHEMA
        conn, _ = self._trial.open(self._policy, self._schema, self._stack)
        self._renew(rules.ARRANGE)
        for table in self._tables:
            conn.execute(f"DELETE FROM {table.address}")
        with contextlib.suppress(sqlite3.Error):
            broken = self._given.execute("PRAGMA foreign_key_check").fetchone()
            if broken is None:
                conn.execute("PRAGMA foreign_keys=ON")
        self._blank = conn
        return conn

    def _shake(self, conn: sqlite3.Connection) -> None:
        """Put a copy with its rows the other way round before each table, until the ROLLBACK."""
        self._renew(rules.ARRANGE)
        for table in self._tables:
            if table.database != "main" or not table.columns:
                continue
            copy = f"CREATE TEMP TABLE {tables.quote(table.name)} AS SELECT * FROM {table.address}"
            for order in ("rowid DESC", "1 DESC, 2 DESC", "1 DESC"):
                try:
                    conn.execute(f"{copy} ORDER BY {order}")
                    break
                except sqlite3.Error:
                    self._renew(rules.ARRANGE)


def _failed(outcome: judge.Outcome) -> _Answer:
    return {"reason": outcome.reason, "message": outcome.message, "spent": outcome.spent}
