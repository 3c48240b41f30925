"""Test suites: a query is right if it gives what the gold query gives on several databases.

A match on one small database is often luck. So random databases, valid under the schema's
constraints, are drawn until the mutants of the gold query are told apart, and a few of them are
kept that tell all of these apart (Zhong, Yu, Klein 2020, "Semantic Evaluation for Text-to-SQL with
Distilled Test Suites", arXiv 2010.02840).

A database is never stored: the schema, the gold query and a number give it again. 0 is the rows
given, 1 is without rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from datakit.sqlite import gold as golds
from datakit.sqlite.client import MESSAGE_CHARS, Client
from datakit.sqlite.gold import Gold
from datakit.sqlite.hunt import GIVEN, Hunt
from datakit.sqlite.marks import FAULTS, LUCKY, SAME, UNTRIED
from datakit.sqlite.mutants import Columns, mutate

if TYPE_CHECKING:
    from sqlglot import exp

MAX_CHARS = 200_000
BATCH = 16
# Batches with no mutant told apart, and batches at all.
PATIENCE = 2
MAX_BATCHES = 8
# Databases kept beside the given rows, even if fewer tell all mutants apart: models make other
# mistakes than mutants.
LEAST_KEPT = 4
# As many where there are no mutants to choose by.
BLIND_KEPT = 12

_REASONS = frozenset(FAULTS.values()) | {"bad_schema"}


class GoldError(Exception):
    """A gold query that does not run on the given rows.

    Attributes:
        reason: The stable word, as in `Verdict`.
        message: The evidence.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason, self.message = reason, message


@dataclasses.dataclass(frozen=True)
class Suite:
    """The databases on which queries are compared with one gold query.

    Attributes:
        schema: CREATE and INSERT statements.
        gold: The gold query.
        databases: Numbers of the databases kept, the given rows (0) first.
        tried: How many generated databases were tried.
        unusable: On how many of them the gold query fails, or gives another answer when the rows
            are stored in another order, so that no answer is the right one.
        mutants: How many mutants were made that run.
        killed: How many of them some database tells apart.
        lucky: How many of those the given rows alone do not tell apart.
        left: The others, which may mean the same as the gold query.
    """

    schema: str
    gold: Gold
    databases: tuple[int, ...]
    tried: int
    unusable: int
    mutants: int
    killed: int
    lucky: int
    left: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Match:
    """What a query comes to.

    Attributes:
        right: Whether it gives the gold query's answer on every database of the suite.
        right_one_db: Whether it does on the given rows.
        runs: Whether it runs on the given rows.
        reason: None if right, else `differs`, `order_dependent` (right only as long as rows are
            stored in one order), or a fault as in `Verdict`.
        message: The evidence of a fault, or the number of the database.
    """

    right: bool
    right_one_db: bool
    runs: bool
    reason: str | None = None
    message: str = ""


class Suites(Client):
    """Builds suites and holds queries against them, in one confined worker process."""

    def __init__(
        self, max_steps: int = 2_000_000, memory_mb: int = 256, *, timeout: float = 60.0
    ) -> None:
        """Set the limits; nothing is started.

        Args:
            max_steps: Steps of SQLite's machine for one query on one database.
            memory_mb: Mebibytes of address space for the worker.
            timeout: Seconds of wall-clock time after which the worker is killed.

        Raises:
            RuntimeError: This system cannot confine a worker (Windows).
        """
        settings: dict[str, float | str] = {
            "serve": "trial",
            "steps": max_steps,
            "total": 50 * max_steps,
            "memory_mb": memory_mb,
            "max_rows": 10_000,
        }
        super().__init__(settings, timeout=timeout)

    def build(self, schema: str, query: str) -> Suite:
        """Draw databases for a gold query until its mutants are told apart, and keep some.

        Args:
            schema: CREATE and INSERT statements; may be empty.
            query: The gold query: one SELECT, WITH or VALUES statement.

        Raises:
            GoldError: The schema or the query fails.
            MissingExtraError: sqlglot is not installed.
            RuntimeError: The worker does not start.
        """
        tree = golds.parse(query)
        gold = golds.read(query, tree)
        columns = _read_columns(self._question(schema, gold, "tables", [], []).get("tables"))
        hunt = self._hunt(schema, gold, tree, columns)
        made, killed, lucky = hunt.count()
        return Suite(
            schema=schema,
            gold=gold,
            databases=hunt.keep(LEAST_KEPT if made else BLIND_KEPT),
            tried=hunt.tried,
            unusable=hunt.unusable,
            mutants=made,
            killed=killed,
            lucky=lucky,
            left=hunt.left(),
        )

    def check(self, schema: str, query: str) -> None:
        """Run a gold query on the given rows alone.

        Raises:
            GoldError: The schema or the query fails.
            MissingExtraError: sqlglot is not installed.
            RuntimeError: The worker does not start.
        """
        self._mark(schema, golds.read(query, golds.parse(query)), [], [GIVEN])

    def match(self, suite: Suite, query: str) -> Match:
        """Hold a query against a suite.

        Raises:
            RuntimeError: The worker does not start.
        """
        if len(query) > MAX_CHARS:
            return Match(False, False, False, "timeout", f"more than {MAX_CHARS:,} characters")
        try:
            answer = self._question(
                suite.schema, suite.gold, "marks", [query], suite.databases, stop=True
            )
            marks = _read_marks(answer, 1, len(suite.databases))[1][0]
        except GoldError as error:
            # It ran when the suite was built: the worker was lost, and so over this query.
            return Match(False, False, False, error.reason, error.message)
        runs = marks[0] not in FAULTS and marks[0] != UNTRIED
        one = marks[0] in (SAME, LUCKY)
        bad = next((at for at, mark in enumerate(marks) if mark != SAME), None)
        if bad is None:
            return Match(True, True, True)
        reason = {LUCKY: "order_dependent", UNTRIED: "timeout", **FAULTS}.get(marks[bad], "differs")
        said = answer.get("messages")
        message = str(said[0])[:MESSAGE_CHARS] if isinstance(said, list) and said else ""
        return Match(False, one, runs, reason, message or f"database {suite.databases[bad]}")

    def _hunt(self, schema: str, gold: Gold, tree: exp.Query | None, columns: Columns) -> Hunt:
        # As sqlglot writes it: if that is another query, so are all its mutants.
        control = [golds.render(tree)] if tree is not None else []
        texts = mutate(tree, columns) if tree is not None else []
        _, rows = self._mark(schema, gold, control + texts, [GIVEN])
        given = rows[len(control) :]
        run = [at for at, mark in enumerate(given) if mark not in FAULTS]
        if control and rows[0] not in (SAME, LUCKY):
            control, run = [], []
        hunt = Hunt([texts[at] for at in run], [given[at] for at in run], control)
        for batch in range(MAX_BATCHES):
            if hunt.idle >= PATIENCE or (batch and not hunt.alive):
                break
            numbers = range(1 + batch * BATCH, 1 + (batch + 1) * BATCH)
            hunt.add(numbers, *self._mark(schema, gold, hunt.queries, numbers))
        return hunt

    def _mark(
        self, schema: str, gold: Gold, queries: Sequence[str], numbers: Sequence[int]
    ) -> tuple[str, list[str]]:
        answer = self._question(schema, gold, "marks", queries, numbers)
        return _read_marks(answer, len(queries), len(numbers))

    def _question(
        self,
        schema: str,
        gold: Gold,
        want: str,
        queries: Sequence[str],
        numbers: Sequence[int],
        *,
        stop: bool = False,
    ) -> dict[str, object]:
        if max(len(schema), len(gold.plain)) > MAX_CHARS:
            raise GoldError("timeout", f"text of more than {MAX_CHARS:,} characters")
        question = {"schema": schema, **gold.request(), "want": want, "stop": stop}
        answer = self._request(question | {"queries": queries, "numbers": list(numbers)})
        if (reason := answer.get("reason")) is not None:
            # A worker that hostile SQL has taken over may say anything.
            known = str(reason) if reason in _REASONS else "runtime_error"
            raise GoldError(known, str(answer.get("message"))[:MESSAGE_CHARS])
        return answer


def _read_marks(answer: dict[str, object], queries: int, numbers: int) -> tuple[str, list[str]]:
    usable, rows = answer.get("gold"), answer.get("marks")
    if isinstance(usable, str) and isinstance(rows, list) and len(rows) == queries:
        texts = [row for row in (usable, *rows) if isinstance(row, str) and len(row) == numbers]
        if len(texts) == queries + 1:
            return usable, texts[1:]
    raise GoldError("runtime_error", "the worker gave no answer")


def _read_columns(tables: object) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for name, columns in tables if isinstance(tables, list) else ():
        found[str(name).lower()] = [(str(column), str(kind)) for column, kind in columns]
    return found
