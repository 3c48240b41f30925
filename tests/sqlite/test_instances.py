"""The random databases: valid, varied, always the same."""

import sqlite3

import pytest

from datakit.sqlite import tables
from datakit.sqlite.instances import Generator
from datakit.sqlite.values import called_for, near

SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT UNIQUE,
  level TEXT CHECK (level IN ('low', 'high')), joined TEXT DEFAULT '2000-01-01');
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers(id),
  total REAL, before INTEGER REFERENCES orders(id), paid BOOLEAN,
  UNIQUE (customer_id, total));
INSERT INTO customers VALUES (1,'Ann','Oslo','low','2021-03-04'),(2,'Ben','Rome','high',NULL);
INSERT INTO orders VALUES (1,1,10.5,NULL,1),(2,1,100,1,0),(3,2,5,1,NULL);
"""
HINTS = {
    "constants": [["total", 100, False], ["name", "A%", True], ["joined", "2021-03-04", False]],
    "links": [],
}


def databases(numbers, hints=HINTS, schema=SHOP, seed=7):
    conn = sqlite3.connect(":memory:", isolation_level=None)
    conn.executescript(schema)
    found = tables.inspect(conn, "")
    conn.executescript("DELETE FROM orders; DELETE FROM customers; PRAGMA foreign_keys=ON")
    generator = Generator(found, hints, seed)
    for number in numbers:
        conn.execute("BEGIN")
        generator.fill(conn, number)
        assert conn.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = {each.name: conn.execute(f"SELECT * FROM {each.name}").fetchall() for each in found}
        conn.execute("ROLLBACK")
        yield rows
    conn.close()


def test_the_same_seed_and_number_give_the_same_rows():
    assert list(databases(range(1, 9))) == list(databases(range(1, 9)))
    assert list(databases([5, 3])) == [next(databases([5])), next(databases([3]))]
    assert next(databases([5])) != next(databases([5], seed=8))
    assert len({str(each) for each in databases(range(1, 30))}) == 29


def test_the_first_is_empty_and_the_others_are_varied():
    found = list(databases(range(1, 60)))
    assert found[0] == {"customers": [], "orders": []}
    orders = [row for each in found for row in each["orders"]]
    customers = [row for each in found for row in each["customers"]]
    totals = {row[2] for row in orders}
    assert {99.0, 100.0, 101.0, None} <= totals
    assert {"low", "high", None} == {row[3] for row in customers}
    names = {row[1] for row in customers}
    assert {"A", "xA", "a"} <= names
    assert {"2021-03-05", "2021-03-03", "2000-01-01", None} <= {row[4] for row in customers}
    assert None not in names
    assert None in {row[2] for row in customers}
    assert None in {row[3] for row in orders}
    # Customers without an order, orders alike but for the key, tables empty and not.
    assert any({row[0] for row in each["customers"]} - {row[1] for row in each["orders"]}
               for each in found)  # fmt: skip
    assert any(len({row[2] for row in each["orders"]}) < len(each["orders"]) for each in found)
    assert max(len(each["orders"]) for each in found) > 20
    assert any(each["customers"] and not each["orders"] for each in found)


def test_linked_columns_meet():
    schema = (
        "CREATE TABLE customers (plate TEXT); CREATE TABLE orders (car TEXT);"
        "INSERT INTO customers VALUES ('K1'), ('K2'), ('K3'); INSERT INTO orders VALUES ('Z');"
    )
    links = [["customers", "plate", "orders", "car"]]
    shared = {}
    for name, each in (("linked", links), ("apart", [])):
        hints = {"constants": [], "links": each}
        shared[name] = sum(
            bool(set(rows["customers"]) & set(rows["orders"]))
            for rows in databases(range(2, 30), hints, schema)
        )
    assert shared["linked"] > 15 > shared["apart"]


@pytest.mark.parametrize(
    ("value", "some"),
    [
        (5, [4, 6]),
        (2**63 - 1, [2**63 - 2]),
        (1.5, [2.5, 0.5]),
        ("2024-02-29", ["2024-03-01", "2024-02-28"]),
        ("2024-12-31 18:00", ["2025-01-01 18:00"]),
        ("9999-12-31", ["9999-12-30"]),
        ("Bob", ["bOB", "Bobx", "Bo"]),
        ("M09", ["M10"]),
        (None, []),
        (b"x", []),
    ],
)
def test_neighbours(value, some):
    found = near(value)
    assert set(some) <= set(found)
    assert value not in found
    assert all(type(each) is type(value) for each in found)


@pytest.mark.parametrize(
    ("constant", "kind", "own", "pattern", "some"),
    [
        (100, "int", [], False, [99, 100, 101]),
        (100, "real", [], False, [99.0, 100.0, 101.0]),
        ("7", "int", [1], False, [6, 7, 8]),
        ("%card%", "text", [], True, ["card", "xcard", "cardx", "car", "CARD"]),
        ("Bob", "text", [], False, ["Bob", "bOB", "Bob ", "Bo"]),
        (3, "text", ["word"], False, ["wor", "wo", "word"]),
        ("2024-03-01", "date", ["2020-01-01 10:00"], False, ["2024-03-01 10:00"]),
        ("2023", "date", ["2020-01-01"], False, ["2023-01-01", "2022-12-31", "2024-01-01"]),
        ("2023-04", "text", ["2020-01-01"], False, ["2023-04-01", "2023-03-31"]),
        ("+5 years", "date", ["2019-06-03"], False, ["2024-06-03", "2024-06-02"]),
        ("-1 month", "date", ["2019-06-03"], False, ["2019-05-04"]),
        ("%Y", "date", ["2020-01-01"], False, []),
        ("x", "int", [], False, []),
        (None, "int", [], False, []),
        (b"x", "text", [], False, []),
    ],
)
def test_what_a_constant_calls_for(constant, kind, own, pattern, some):
    found = called_for(constant, kind, own, pattern=pattern)
    assert set(some) <= set(found)
    assert bool(found) == bool(some)
