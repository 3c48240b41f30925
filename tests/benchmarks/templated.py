"""Text-to-SQL by templates: as many records as wanted, no two alike, every query valid SQLite.

What is trained on and what is tested on have no schema in common. A record's answer can be made
wrong: another column, operator or table, still a query that runs, but with another result.
"""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing

from datakit.record import Record
from tests.benchmarks.schemas import QUESTIONS, TEST, TRAIN, Schema
from trainers.lift.draws import ranked

__all__ = ["filled", "noisy", "result", "templated"]

_SWAPS = (
    (" > ", " < "), (" < ", " > "), (" >= ", " <= "), (" <> ", " = "), (" DESC", " ASC"),
    (" ASC", " DESC"), ("AVG(", "MAX("), ("SUM(", "AVG("), ("MAX(", "MIN("), ("MIN(", "MAX("),
    (" AND ", " OR "), ("COUNT(*)", "SUM(year)"),
    (" BETWEEN ", " NOT BETWEEN "), (" LIKE ", " NOT LIKE "),
)  # fmt: skip
_ROWS = 60
_COSTS = range(2, 300)
_LETTERS = "ABCDEFGHKLMNOPRSTVW"


def templated(count: int, schemas: Sequence[Schema], seed: int = 0) -> list[Record]:
    """Returns records over some schemas, each prompt once, all templates alike.

    Args:
        count: How many.
        schemas: `TRAIN` or `TEST`.
        seed: Another one draws other values.

    Raises:
        ValueError: If there are not so many.
    """
    rng = random.Random(f"templated {seed}")
    made: dict[tuple[str, str], Record] = {}
    for turn in range(100 * count):
        if len(made) == count:
            break
        schema, at = schemas[turn % len(schemas)], turn % len(QUESTIONS)
        record = _record(schema, at, rng, len(made) + 1)
        made.setdefault((record.instruction, record.input), record)
    if len(made) < count:
        raise ValueError(f"{count:,} records wanted, only {len(made):,} found")
    return list(made.values())


def _record(schema: Schema, at: int, rng: random.Random, number: int) -> Record:
    *asked, query = QUESTIONS[at]
    values = _values(schema, rng)
    return Record(
        instruction=rng.choice(asked).format(**values),
        input=schema.both if "{joined}" in query else schema.one,
        output=query.format(**values),
        id=f"{schema.table}-{number:05}",
        meta={"source": "templated", "schema": schema.table, "template": at},
    )


def _values(schema: Schema, rng: random.Random) -> dict[str, object]:
    num = rng.choice([schema.size, schema.cost])
    n, m = sorted(rng.sample(schema.sizes if num == schema.size else _COSTS, 2))
    fields = ("table", "name", "kind", "parent", "place", "joined")
    return {each: getattr(schema, each) for each in fields} | {
        "num": num, "n": n, "m": m, "v": rng.choice(schema.kinds), "p": rng.choice(schema.places),
        "y": rng.randrange(1985, 2020), "k": rng.randrange(2, 10), "letter": rng.choice(_LETTERS),
    }  # fmt: skip


def filled(schema: Schema, seed: int = 0) -> sqlite3.Connection:
    """Returns both tables with rows in them, in memory; to be closed."""
    rng = random.Random(f"filled {schema.table} {seed}")
    database = sqlite3.connect(":memory:")
    database.executescript(schema.both)
    rows = (
        (
            at, f"{rng.choice(_LETTERS)}{rng.choice('aeiou')}x{at}", rng.choice(schema.kinds),
            rng.choice(schema.sizes), rng.choice(_COSTS), rng.randrange(1984, 2021),
            rng.randrange(8),
        )
        for at in range(_ROWS)
    )  # fmt: skip
    database.executemany(f"INSERT INTO {schema.table} VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    parents = ((at, f"P{at}", schema.places[at % len(schema.places)]) for at in range(8))
    database.executemany(f"INSERT INTO {schema.parent} VALUES (?, ?, ?)", parents)
    return database


def noisy(records: Sequence[Record], share: float, seed: int = 0) -> list[Record]:
    """Makes so large a share of the answers wrong.

    A wrong answer is a query that runs on the record's tables, with another result on one of three
    databases. Of one seed, those of a smaller share are among those of a larger one.

    Args:
        records: As `templated` made them of `TRAIN` or `TEST`.
        share: From 0 to 1.
        seed: Another one takes others.
    """
    chosen = set(ranked(records, seed, "noisy")[: round(share * len(records))])
    known = {each.table: each for each in (*TRAIN, *TEST)}
    databases = {name: [filled(each, n) for n in range(3)] for name, each in known.items()}
    try:
        return [
            _wrong(each, known[each.meta["schema"]], databases[each.meta["schema"]], seed)
            if at in chosen
            else each
            for at, each in enumerate(records)
        ]
    finally:
        for each in (database for own in databases.values() for database in own):
            each.close()


def _wrong(
    record: Record, schema: Schema, databases: Sequence[sqlite3.Connection], seed: int
) -> Record:
    right = [result(each, record.output) for each in databases]
    wrong = []
    for query, kind in dict.fromkeys(_candidates(record.output, schema)):
        found = [result(each, query) for each in databases]
        if found != right and None not in found:
            wrong.append((query, kind))
    # By kind first: there are more other columns than other operators.
    rng = random.Random(f"noisy {seed} {record.instruction} {record.input}")
    kind = rng.choice(sorted({kind for _, kind in wrong}))
    query = rng.choice([query for query, own in wrong if own == kind])
    return record.replace(output=query, meta={**record.meta, "wrong": kind})


def result(database: sqlite3.Connection, query: str) -> list[object] | None:
    """Returns the rows of a query in their order; None if it does not run."""
    try:
        with closing(database.execute(query)) as cursor:
            return cursor.fetchall()
    except sqlite3.Error:
        return None


def _candidates(query: str, schema: Schema) -> Iterator[tuple[str, str]]:
    """Yields queries that differ from one in a single respect, and in which."""
    start, where, rest = query.partition(" WHERE ")
    for old, new in _SWAPS:
        if old in query:
            yield query.replace(old, new, 1), "operator"
    if " = " in rest:
        yield f"{start}{where}{rest.replace(' = ', ' <> ', 1)}", "operator"
    for group in (schema.numbers, (schema.name, schema.kind)):
        for old in group:
            for new in group:
                if old != new:
                    yield re.sub(rf"\b{old}\b", new, query), "column"
    if schema.joined in query:
        own, other = (f"{schema.table}.{schema.name}", f"{schema.parent}.name")
        yield query.replace(f"SELECT {own}", f"SELECT {other}"), "table"
        yield query.replace(f"SELECT DISTINCT {other}", f"SELECT DISTINCT {own}"), "table"
