"""Schemas and questions of `tests.benchmarks.templated`, as text."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["QUESTIONS", "TEST", "TRAIN", "Schema"]


@dataclass(frozen=True)
class Schema:
    """A table of things, and one that each of them belongs to.

    Args:
        table: Of the things, in the plural.
        name: Column of their names.
        kind: Column of text, few values.
        kinds: Those.
        size: Column of whole numbers.
        sizes: Those.
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
    sizes: range
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
    def joined(self) -> str:
        """SQL of a join of both."""
        on = f"{self.table}.{self.key} = {self.parent}.id"
        return f"FROM {self.table} JOIN {self.parent} ON {on}"

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


# Of each the things' table, then its parent: columns, and which values they have.
_TRAIN = """
books: title, genre (crime poetry travel history), pages (80 900 10), price
  authors: country (Peru Norway Ghana Japan)
films: title, genre (drama comedy horror western), minutes (70 210 5), budget
  studios: city (Rome Prague Lima Cairo)
songs: title, style (jazz folk rock soul), seconds (90 480 5), plays
  artists: country (Chile Mali Spain Canada)
cars: model, fuel (petrol diesel electric hybrid), power (50 400 10), price
  makers: country (Italy India Sweden Brazil)
players: name, position (keeper defender forward midfielder), height (150 210 1), goals
  teams: city (Leeds Porto Lyon Bergen)
dishes: name, course (starter main dessert snack), calories (80 1200 20), price
  kitchens: district (North Harbour Mill Castle)
rooms: name, view (garden street sea yard), area (10 90 2), rate
  hotels: city (Vienna Oslo Athens Dublin)
courses: title, level (basic middle advanced expert), hours (4 120 4), fee
  teachers: office (East West Tower Annex)
parcels: label, status (sent lost held delivered), weight (1 60 1), postage
  depots: region (Alps Coast Plains Valley)
laptops: model, colour (black silver blue red), memory (4 128 4), price
  brands: country (Taiwan Korea China Finland)
"""
_TEST = """
boats: name, hull (steel wood plastic carbon), length (4 80 1), crew
  harbours: coast (Baltic Aegean Atlantic Adriatic)
paintings: title, medium (oil chalk ink tempera), width (20 300 5), value
  museums: city (Madrid Ghent Basel Turin)
horses: name, breed (arab shire haflinger mustang), speed (20 70 1), wins
  stables: county (Kent Devon Cork Mayo)
plants: name, light (shade sun bright dim), water (1 40 1), cost
  gardens: town (Delft Arles Bruges Siena)
telescopes: name, mount (fork altaz dobson german), aperture (60 900 20), price
  domes: island (Maui Palma Crete Malta)
"""
# Two ways to ask, and the query; as many as are prime to the number of schemas, so that all meet.
_TEMPLATES = """
Show the {name} of all {table} with {kind} {v}.
Which {table} have the {kind} {v}? Give the {name}.
SELECT {name} FROM {table} WHERE {kind} = '{v}';

How many {table} have a {num} over {n}?
Count the {table} whose {num} is more than {n}.
SELECT COUNT(*) FROM {table} WHERE {num} > {n};

How many {table} with {kind} {v} have a {num} under {n}?
Count the {v} {table} with {num} below {n}.
SELECT COUNT(*) FROM {table} WHERE {kind} = '{v}' AND {num} < {n};

What is the average {num} of {table} from {y}?
Give the mean {num} of the {table} of the year {y}.
SELECT AVG({num}) FROM {table} WHERE year = {y};

What is the total {num} of {table} with {kind} {v} since {y}?
Add up the {num} of all {v} {table} from {y} on.
SELECT SUM({num}) FROM {table} WHERE {kind} = '{v}' AND year >= {y};

List the {k} {table} with the highest {num}.
Top {k} {table} by {num}, {name} only.
SELECT {name} FROM {table} ORDER BY {num} DESC LIMIT {k};

List the {k} {table} with {kind} {v} that have the lowest {num}.
The {k} {v} {table} with the least {num}, please.
SELECT {name} FROM {table} WHERE {kind} = '{v}' ORDER BY {num} ASC LIMIT {k};

For each {kind}, how many {table} have a {num} over {n}?
Number of {table} by {kind}, {num} above {n} only.
SELECT {kind}, COUNT(*) FROM {table} WHERE {num} > {n} GROUP BY {kind};

Which values of {kind} have more than {k} {table}?
Name each {kind} that more than {k} {table} have.
SELECT {kind} FROM {table} GROUP BY {kind} HAVING COUNT(*) > {k};

Show {name} and {num} of {table} with a {num} from {n} to {m}.
Which {table} have a {num} between {n} and {m}? Give {name} and {num}.
SELECT {name}, {num} FROM {table} WHERE {num} BETWEEN {n} AND {m};

What is the largest {num} of {table} that are not {v}?
Highest {num} among {table} whose {kind} is not {v}?
SELECT MAX({num}) FROM {table} WHERE {kind} <> '{v}';

What is the smallest {num} of {table} before {y}?
Lowest {num} of all {table} older than {y}?
SELECT MIN({num}) FROM {table} WHERE year < {y};

Which {table} start with {letter} and have a {num} over {n}?
Give each {name} beginning with {letter} where {num} is above {n}.
SELECT {name} FROM {table} WHERE {name} LIKE '{letter}%' AND {num} > {n};

Show the {name} of {table} whose {parent} are in {p}.
Which {table} belong to {parent} with {place} {p}?
SELECT {table}.{name} {joined} WHERE {parent}.{place} = '{p}';

Name the {parent} that have {table} with a {num} over {n}.
Which {parent} have any of the {table} with {num} above {n}?
SELECT DISTINCT {parent}.name {joined} WHERE {table}.{num} > {n};

What is the average {num} of {table} from {y} on by {place}?
Mean {num} for each {place}, {table} since {y} only.
SELECT {place}, AVG({num}) {joined} WHERE {table}.year >= {y} GROUP BY {place};

How many {table} with {kind} {v} belong to {parent} in {p}?
Count the {v} {table} of {parent} with {place} {p}.
SELECT COUNT(*) {joined} WHERE {table}.{kind} = '{v}' AND {parent}.{place} = '{p}';
"""


def _schemas(text: str) -> tuple[Schema, ...]:
    lines = iter(text.strip().splitlines())
    return tuple(_schema(one, next(lines)) for one in lines)


def _schema(things: str, parents: str) -> Schema:
    """Reads `books: title, genre (crime poetry), pages (80 900 10), price`, and its parent."""
    table, name, kind, kinds, size, sizes, cost = re.split(r": |, | \(|\), ", things)
    parent, place, places = re.split(r": | \(", parents.strip(" )"))
    return Schema(
        table, name, kind, tuple(kinds.split()), size, range(*map(int, sizes.split())), cost,
        parent, place, tuple(places.split()),
    )  # fmt: skip


TRAIN, TEST = _schemas(_TRAIN), _schemas(_TEST)
QUESTIONS = tuple(each.splitlines() for each in _TEMPLATES.strip().split("\n\n"))
