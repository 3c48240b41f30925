"""The generated databases, and the judge on top of them, in this process."""

import os
import pathlib
import sqlite3
import subprocess
import sys

import pytest

from datakit.sqlite import policy, tables, variants
from datakit.sqlite.judge import Judge, first_word

SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT, joined DATE);
CREATE TABLE orders (id INTEGER PRIMARY KEY, buyer INTEGER REFERENCES customers(id), total REAL,
  paid BOOLEAN, twice AS (total * 2));
INSERT INTO customers VALUES (101,'Ann','Oslo','2021-03-04'),(102,'Ben','Rome','2022-01-01');
INSERT INTO orders(id, buyer, total, paid) VALUES (7,101,10.5,1),(8,101,20,0),(9,102,5,1);
"""
BARE = """
CREATE TABLE singer (singer_id INT PRIMARY KEY, name VARCHAR(20), age INT, country TEXT);
CREATE TABLE concert (concert_id INT, singer_id INT, venue TEXT CHECK (venue IN ('Hall','Park')),
  held DATETIME);
"""


@pytest.fixture(scope="module")
def judge():
    return Judge(steps=50_000_000, max_rows=1_000, count=4)


def rows_of(schema, number, query="SELECT 1"):
    conn = sqlite3.connect(":memory:", isolation_level=None)
    conn.executescript(schema)
    found = tables.inspect(conn, query)
    variants.fill(conn, found, variants.seed_of(schema), number)
    rows = {
        table.name: conn.execute(f"SELECT * FROM {table.address}").fetchall() for table in found
    }
    conn.close()
    return rows


@pytest.mark.parametrize("number", range(9))
@pytest.mark.parametrize("schema", [SHOP, BARE])
def test_the_same_text_gives_the_same_rows(schema, number):
    assert rows_of(schema, number) == rows_of(schema, number)


def test_the_rows_do_not_depend_on_the_process():
    program = (
        "import tests.sqlite.test_variants as t\nprint([t.rows_of(s, n) for s in (t.SHOP, t.BARE) "
        "for n in range(4)])"
    )
    root = pathlib.Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    )  # fmt: skip
    here = [rows_of(schema, number) for schema in (SHOP, BARE) for number in range(4)]
    assert done.stdout.strip() == str(here)


def test_numbers_and_schemas_differ():
    seen = [str(rows_of(SHOP, number)) for number in range(8)]
    assert len(set(seen)) == 8
    assert rows_of(SHOP, 0) != rows_of(SHOP + "-- other", 0)


def test_values_come_from_the_columns_own():
    rows = rows_of(SHOP, 0)
    assert {row[1] for row in rows["customers"]} <= {"Ann", "Ben"}
    assert {row[2] for row in rows["orders"]} <= {10.5, 20.0, 5.0}
    assert len({row[1:3] for row in rows["customers"]}) > 2


@pytest.mark.parametrize("number", [0, 1, 2])
def test_references_overlap(number):
    rows = rows_of(SHOP, number)
    keys = {row[0] for row in rows["customers"]}
    assert sum(row[1] in keys for row in rows["orders"]) >= 5


def test_nulls_and_boundaries_appear_but_not_where_forbidden():
    everything = [rows_of(SHOP, number) for number in range(16)]
    cities = {row[2] for rows in everything for row in rows["customers"]}
    totals = {row[2] for rows in everything for row in rows["orders"]}
    assert None in cities
    assert "" in cities
    assert totals & {1e18, -1e18, 0.0, -0.5, 1e-9}
    assert all(row[1] is not None for rows in everything for row in rows["customers"])


@pytest.mark.parametrize(
    ("declared", "name", "kind"),
    [
        ("INTEGER", "n", "int"), ("bigint", "n", "int"), ("BOOLEAN", "n", "bool"),
        ("VARCHAR(9)", "n", "text"), ("TEXT", "created_at", "date"), ("DATETIME", "n", "date"),
        ("DECIMAL(5,2)", "n", "real"), ("double", "n", "real"), ("BLOB", "n", "blob"),
        ("", "user_id", "int"), ("", "n", "text"), ("", "birthday", "date"),
    ],
)  # fmt: skip
def test_kinds(declared, name, kind):
    assert tables.kind_of(declared, name) == kind


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM orders WHERE total = 20 AND buyer = 102",
        "SELECT name FROM customers WHERE city IS NULL",
        "SELECT buyer FROM orders GROUP BY buyer HAVING count(*) > 10",
        "SELECT c.name FROM customers c LEFT JOIN orders o ON o.buyer = c.id WHERE o.id IS NULL",
        "SELECT name FROM customers c WHERE NOT EXISTS (SELECT 1 FROM orders WHERE buyer = c.id)",
        "SELECT 1 FROM customers c JOIN orders o ON buyer = c.id WHERE city = 'Rome' AND total > 6",
        "SELECT * FROM customers WHERE joined > '2022-06-01'",
        "SELECT * FROM orders WHERE total > 1000",
        "SELECT a.id FROM customers a JOIN customers b ON a.name = b.name AND a.city <> b.city",
        "SELECT * FROM orders WHERE total < 0",
        "WITH t AS (SELECT sum(twice) s FROM orders GROUP BY buyer) SELECT * FROM t WHERE s > 99",
    ],
)
def test_accidentally_empty_queries_find_rows(judge, query):
    outcome = judge.judge(SHOP, query)
    assert (outcome.reason, outcome.rows) == (None, 0), outcome.message


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM orders WHERE total < 1 AND total > 2",
        "SELECT * FROM orders WHERE total = NULL",
        "SELECT * FROM customers WHERE 1 = 0",
        "SELECT * FROM orders WHERE id IS NULL",
        "SELECT * FROM customers WHERE name IN ('Cy') AND name IN ('Di')",
        "SELECT * FROM customers LIMIT 0",
        "SELECT id FROM orders EXCEPT SELECT id FROM orders",
        "SELECT name FROM customers c JOIN orders o ON o.buyer = c.id AND o.buyer <> c.id",
    ],
)
def test_contradictions_stay_empty(judge, query):
    assert judge.judge(SHOP, query).reason == "always_empty"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT name FROM singer WHERE country = 'France' AND age > 61",
        "SELECT count(*) FROM singer HAVING count(*) > 0",
        "SELECT s.name FROM singer s JOIN concert c ON c.singer_id = s.singer_id",
        "SELECT * FROM concert WHERE venue = 'Hall' AND held >= '2020-01-01'",
        "SELECT name FROM singer WHERE name LIKE '%Hey%'",
        "SELECT venue FROM concert GROUP BY venue HAVING count(*) >= 3",
        "SELECT country FROM singer WHERE age = 77",
    ],
)
def test_a_schema_without_rows_is_filled_from_types_and_literals(judge, query):
    assert judge.judge(BARE, query).reason is None


@pytest.mark.parametrize(
    ("schema", "query"),
    [
        ("CREATE TABLE t(a INTEGER PRIMARY KEY) STRICT", "SELECT * FROM t"),
        ("CREATE TABLE t(a, b, PRIMARY KEY (a, b)) WITHOUT ROWID", "SELECT * FROM t"),
        ("CREATE TEMP TABLE t(a)", "SELECT * FROM t"),
        ("CREATE TABLE t(a); CREATE TEMP TABLE t(a)", "SELECT * FROM main.t"),
        ("CREATE TABLE t(a CHECK (a > 5))", "SELECT * FROM t"),
        ("CREATE TABLE t(a CHECK (a = 5)); CREATE VIEW v AS SELECT a FROM t", "SELECT * FROM v"),
        ('CREATE TABLE "we""ird t"("a b", [c;d], `e`)', 'SELECT "a b" FROM "we""ird t"'),
        ("CREATE TABLE p(id INT); CREATE TABLE c(x INT REFERENCES p(nope), y REFERENCES gone)",
         "SELECT * FROM c"),
        ("CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a)", "SELECT a FROM t"),
        ("CREATE TABLE t(a TEXT); INSERT INTO t VALUES (CAST(x'ff' AS TEXT)), (1e999), (NULL)",
         "SELECT a FROM t WHERE a = 'inf' OR a IS NULL OR 1"),
        ("CREATE TABLE t(a INT); INSERT INTO t VALUES (9223372036854775807)",
         "SELECT * FROM t WHERE a < 9223372036854775807"),
    ],
)  # fmt: skip
def test_odd_schemas(judge, schema, query):
    outcome = judge.judge(schema, query)
    assert outcome.reason is None, outcome.message


def test_many_wide_tables(judge):
    wide = ", ".join(f"c{i} INT" for i in range(400))
    many = "".join(f"CREATE TABLE t{i}({wide});" for i in range(80))
    assert judge.judge(many, "SELECT * FROM t1 WHERE c0 > 0").reason is None


def test_errors_on_a_generated_database_are_no_fault(judge):
    schema = "CREATE TABLE t(a TEXT); INSERT INTO t VALUES ('[1]');"
    outcome = judge.judge(schema, "SELECT * FROM t WHERE json_extract(a, '$[0]') = 2")
    assert outcome.reason == "always_empty"


def test_now_on_a_generated_database_is_forbidden(judge):
    schema = "CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 'x'), (2, 'now');"
    query = "SELECT * FROM t WHERE a = 1 AND b = 'now' AND date(b) > '1999'"
    assert judge.judge(schema, query).reason == "forbidden"


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("select 1", "SELECT"), (" -- x\n WITH", "WITH"), ("/* a */ /* b */VALUES(1)", "VALUES"),
        ("((SELECT", "SELECT"), ("", ""), ("-- x", ""), ("/* x", ""), (";SELECT", ""),
        ("/**/-SELECT", ""), ("5", ""), ("SELECTED", "SELECTED"),
    ],
)  # fmt: skip
def test_first_word(query, word):
    assert first_word(query) == word


def test_every_function_that_is_allowed_is_reproducible():
    bad = {"random", "randomblob", "load_extension", "changes", "current_date", "sqlite_version"}
    assert not bad & policy.FUNCTIONS
    assert "fts5" in policy.list_modules()
    assert "json_each" not in policy.list_modules()
