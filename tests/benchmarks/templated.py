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
from dataclasses import dataclass

from datakit.record import Record
from trainers.lift.draws import ranked

__all__ = ["TEST", "TRAIN", "Schema", "filled", "noisy", "templated"]


@dataclass(frozen=True)
class Schema:
    """A table of things, and one that each of them belongs to.

    Args:
        table: Of the things, in the plural.
        name: Column of their names.
        kind: Column of text, few values.
        kinds: Those.
        size: Column of whole numbers.
        sizes: Lowest, highest and step of those.
        cost: Column of whole numbers, up to some hundreds.
        parent: The other table, in the plural.
        place: Column of text there, few values.
        places: Those.
    """

    table: str
    name: str
    kind: str
    kinds: tuple[str, ...]
    size: str
    sizes: tuple[int, int, int]
    cost: str
    parent: str
    place: str
    places: tuple[str, ...]

    @property
    def key(self) -> str:
        """Column of the things that names their parent."""
        return f"{self.parent.removesuffix('s')}_id"

    @property
    def numbers(self) -> tuple[str, ...]:
        """Columns of numbers that questions are about."""
        return (self.size, self.cost, "year")

    @property
    def one(self) -> str:
        """SQL of the table of things."""
        return (
            f"CREATE TABLE {self.table} (id INTEGER, {self.name} TEXT, {self.kind} TEXT, "
            f"{self.size} INTEGER, {self.cost} INTEGER, year INTEGER, {self.key} INTEGER);"
        )

    @property
    def both(self) -> str:
        """SQL of both tables."""
        other = f"CREATE TABLE {self.parent} (id INTEGER, name TEXT, {self.place} TEXT);"
        return f"{self.one}\n{other}"


def _schema(text: str) -> Schema:
    table, name, kind, kinds, size, sizes, cost, parent, place, places = text.split("|")
    low, high, step = map(int, sizes.split())
    return Schema(
        table, name, kind, tuple(kinds.split()), size, (low, high, step), cost, parent, place,
        tuple(places.split()),
    )  # fmt: skip


TRAIN = tuple(
    map(
        _schema,
        (
            "books|title|genre|crime poetry travel history|pages|80 900 10|price|authors|country|Peru Norway Ghana Japan",
            "films|title|genre|drama comedy horror western|minutes|70 210 5|budget|studios|city|Rome Prague Lima Cairo",
            "songs|title|style|jazz folk rock soul|seconds|90 480 5|plays|artists|country|Chile Mali Spain Canada",
            "cars|model|fuel|petrol diesel electric hybrid|power|50 400 10|price|makers|country|Italy India Sweden Brazil",
            "players|name|position|keeper defender forward midfielder|height|150 210 1|goals|teams|city|Leeds Porto Lyon Bergen",
            "dishes|name|course|starter main dessert snack|calories|80 1200 20|price|kitchens|district|North Harbour Mill Castle",
            "rooms|name|view|garden street sea yard|area|10 90 2|rate|hotels|city|Vienna Oslo Athens Dublin",
            "courses|title|level|basic middle advanced expert|hours|4 120 4|fee|teachers|office|East West Tower Annex",
            "parcels|label|status|sent lost held delivered|weight|1 60 1|postage|depots|region|Alps Coast Plains Valley",
            "laptops|model|colour|black silver blue red|memory|4 128 4|price|brands|country|Taiwan Korea China Finland",
        ),
    )
)  # fmt: skip
TEST = tuple(
    map(
        _schema,
        (
            "boats|name|hull|steel wood plastic carbon|length|4 80 1|crew|harbours|coast|Baltic Aegean Atlantic Adriatic",
            "paintings|title|medium|oil chalk ink tempera|width|20 300 5|value|museums|city|Madrid Ghent Basel Turin",
            "horses|name|breed|arab shire haflinger mustang|speed|20 70 1|wins|stables|county|Kent Devon Cork Mayo",
            "plants|name|light|shade sun bright dim|water|1 40 1|cost|nurseries|town|Delft Arles Bruges Siena",
            "telescopes|name|mount|fork altaz dobson german|aperture|60 900 20|price|observatories|island|Maui Palma Crete Malta",
        ),
    )
)  # fmt: skip

# Prime to the number of schemas, so that all of them meet.
_TEMPLATES: tuple[tuple[str, str, str], ...] = (
    ("one", "Show the {name} of all {table} with {kind} {v}.|Which {table} have the {kind} {v}? Give the {name}.",
     "SELECT {name} FROM {table} WHERE {kind} = '{v}';"),
    ("one", "How many {table} have a {num} over {n}?|Count the {table} whose {num} is more than {n}.",
     "SELECT COUNT(*) FROM {table} WHERE {num} > {n};"),
    ("one", "How many {table} with {kind} {v} have a {num} under {n}?|Count the {v} {table} with {num} below {n}.",
     "SELECT COUNT(*) FROM {table} WHERE {kind} = '{v}' AND {num} < {n};"),
    ("one", "What is the average {num} of {table} from {y}?|Give the mean {num} of the {table} of the year {y}.",
     "SELECT AVG({num}) FROM {table} WHERE year = {y};"),
    ("one", "What is the total {num} of {table} with {kind} {v} since {y}?|Add up the {num} of all {v} {table} from {y} on.",
     "SELECT SUM({num}) FROM {table} WHERE {kind} = '{v}' AND year >= {y};"),
    ("one", "List the {k} {table} with the highest {num}.|Top {k} {table} by {num}, {name} only.",
     "SELECT {name} FROM {table} ORDER BY {num} DESC LIMIT {k};"),
    ("one", "List the {k} {table} with {kind} {v} that have the lowest {num}.|The {k} {v} {table} with the least {num}, please.",
     "SELECT {name} FROM {table} WHERE {kind} = '{v}' ORDER BY {num} ASC LIMIT {k};"),
    ("one", "For each {kind}, how many {table} have a {num} over {n}?|Number of {table} by {kind}, {num} above {n} only.",
     "SELECT {kind}, COUNT(*) FROM {table} WHERE {num} > {n} GROUP BY {kind};"),
    ("one", "Which values of {kind} have more than {k} {table}?|Name each {kind} that more than {k} {table} have.",
     "SELECT {kind} FROM {table} GROUP BY {kind} HAVING COUNT(*) > {k};"),
    ("one", "Show {name} and {num} of {table} with a {num} from {n} to {m}.|Which {table} have a {num} between {n} and {m}? Give {name} and {num}.",
     "SELECT {name}, {num} FROM {table} WHERE {num} BETWEEN {n} AND {m};"),
    ("one", "What is the largest {num} of {table} that are not {v}?|Highest {num} among {table} whose {kind} is not {v}?",
     "SELECT MAX({num}) FROM {table} WHERE {kind} <> '{v}';"),
    ("one", "What is the smallest {num} of {table} before {y}?|Lowest {num} of all {table} older than {y}?",
     "SELECT MIN({num}) FROM {table} WHERE year < {y};"),
    ("one", "Which {table} start with {letter} and have a {num} over {n}?|Give each {name} beginning with {letter} where {num} is above {n}.",
     "SELECT {name} FROM {table} WHERE {name} LIKE '{letter}%' AND {num} > {n};"),
    ("both", "Show the {name} of {table} whose {parent} are in {p}.|Which {table} belong to {parent} with {place} {p}?",
     "SELECT {table}.{name} FROM {table} JOIN {parent} ON {table}.{key} = {parent}.id WHERE {parent}.{place} = '{p}';"),
    ("both", "Name the {parent} that have {table} with a {num} over {n}.|Which {parent} have any of the {table} with {num} above {n}?",
     "SELECT DISTINCT {parent}.name FROM {table} JOIN {parent} ON {table}.{key} = {parent}.id WHERE {table}.{num} > {n};"),
    ("both", "What is the average {num} of {table} from {y} on by {place}?|Mean {num} for each {place}, {table} since {y} only.",
     "SELECT {parent}.{place}, AVG({table}.{num}) FROM {table} JOIN {parent} ON {table}.{key} = {parent}.id WHERE {table}.year >= {y} GROUP BY {parent}.{place};"),
    ("both", "How many {table} with {kind} {v} belong to {parent} in {p}?|Count the {v} {table} of {parent} with {place} {p}.",
     "SELECT COUNT(*) FROM {table} JOIN {parent} ON {table}.{key} = {parent}.id WHERE {table}.{kind} = '{v}' AND {parent}.{place} = '{p}';"),
)  # fmt: skip
_SWAPS = (
    (" > ", " < "), (" < ", " > "), (" >= ", " <= "), (" <> ", " = "), (" DESC", " ASC"),
    (" ASC", " DESC"), ("AVG(", "MAX("), ("SUM(", "AVG("), ("MAX(", "MIN("), ("MIN(", "MAX("),
    (" AND ", " OR "), ("COUNT(*)", "SUM(year)"),
)  # fmt: skip
_ROWS = 60


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
        schema, at = schemas[turn % len(schemas)], turn % len(_TEMPLATES)
        record = _record(schema, at, rng, len(made) + 1)
        made.setdefault((record.instruction, record.input), record)
    if len(made) < count:
        raise ValueError(f"{count:,} records wanted, only {len(made):,} found")
    return list(made.values())


def _record(schema: Schema, at: int, rng: random.Random, number: int) -> Record:
    tables, asked, query = _TEMPLATES[at]
    values = _values(schema, rng)
    return Record(
        instruction=rng.choice(asked.split("|")).format(**values),
        input=schema.one if tables == "one" else schema.both,
        output=query.format(**values),
        id=f"{schema.table}-{number:05}",
        meta={"source": "templated", "schema": schema.table, "template": at},
    )


def _values(schema: Schema, rng: random.Random) -> dict[str, object]:
    low, high, step = schema.sizes
    num = rng.choice([schema.size, schema.cost])
    if num == schema.cost:
        low, high, step = 2, 300, 1
    # The upper end of a range stays within what there is.
    n, m = sorted(rng.sample(range(low, high, step), 2))
    fields = ("table", "name", "kind", "parent", "place", "key")
    return {each: getattr(schema, each) for each in fields} | {
        "num": num, "n": n, "m": m, "v": rng.choice(schema.kinds), "p": rng.choice(schema.places),
        "y": rng.randrange(1985, 2020), "k": rng.randrange(2, 10), "letter": rng.choice(_LETTERS),
    }  # fmt: skip


_LETTERS = "ABCDEFGHKLMNOPRSTVW"


def filled(schema: Schema, seed: int = 0) -> sqlite3.Connection:
    """Returns both tables with rows in them, in memory; to be closed."""
    rng = random.Random(f"filled {schema.table} {seed}")
    database = sqlite3.connect(":memory:")
    database.executescript(schema.both)
    low, high, step = schema.sizes
    rows = (
        (
            at, f"{rng.choice(_LETTERS)}{rng.choice('aeiou')}x{at}", rng.choice(schema.kinds),
            rng.randrange(low, high + step, step), rng.randrange(301), rng.randrange(1984, 2021),
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

    A wrong answer is a query that runs on the record's tables and has another result there. Of one
    seed, those of a smaller share are among those of a larger one.

    Args:
        records: As `templated` made them of `TRAIN` or `TEST`.
        share: From 0 to 1.
        seed: Another one takes others.
    """
    chosen = set(ranked(records, seed, "noisy")[: round(share * len(records))])
    known = {each.table: each for each in (*TRAIN, *TEST)}
    databases = {name: filled(each) for name, each in known.items()}
    try:
        return [
            _wrong(each, known[each.meta["schema"]], databases[each.meta["schema"]], seed)
            if at in chosen
            else each
            for at, each in enumerate(records)
        ]
    finally:
        for each in databases.values():
            each.close()


def _wrong(record: Record, schema: Schema, database: sqlite3.Connection, seed: int) -> Record:
    right = _result(database, record.output)
    candidates = dict.fromkeys(_candidates(record.output, schema, "JOIN" in record.output))
    wrong = [
        (query, kind)
        for query, kind in candidates
        if (found := _result(database, query)) is not None and found != right
    ]
    # By kind first: there are more other columns than other operators.
    rng = random.Random(f"noisy {seed} {record.instruction} {record.input}")
    kind = rng.choice(sorted({kind for _, kind in wrong}))
    query = rng.choice([query for query, own in wrong if own == kind])
    return record.replace(output=query, meta={**record.meta, "wrong": kind})


def _result(database: sqlite3.Connection, query: str) -> list[object] | None:
    """Returns the rows of a query in their order; None if it does not run."""
    try:
        with closing(database.execute(query)) as cursor:
            return cursor.fetchall()
    except sqlite3.Error:
        return None


def _candidates(query: str, schema: Schema, joined: bool) -> Iterator[tuple[str, str]]:
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
    if joined:
        own, other = (f"{schema.table}.{schema.name}", f"{schema.parent}.name")
        yield query.replace(f"SELECT {own}", f"SELECT {other}"), "table"
        yield query.replace(f"SELECT DISTINCT {other}", f"SELECT DISTINCT {own}"), "table"
