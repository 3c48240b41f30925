"""Queries against gold queries: near misses, rewrites, and hostile ones."""

import json
import pathlib
import sys
import time

import pytest

from datakit.errors import MissingExtraError
from datakit.sqlite import GoldError, Match, Suites
from datakit.sqlite import gold as golds

SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT, joined TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers(id),
  total REAL CHECK (total >= 0), placed TEXT, status TEXT DEFAULT 'open');
INSERT INTO customers VALUES (1,'Ann','Oslo','2021-03-04'),(2,'Ben','Rome','2022-01-01'),
  (3,'Cy',NULL,NULL),(4,'Dee','Oslo','2020-02-29');
INSERT INTO orders VALUES (1,1,10.5,'2024-01-01','open'),(2,1,120,'2024-02-01','paid'),
  (3,2,5,'2024-03-01','paid'),(4,4,300,'2024-03-09','open');
"""
HELD_OUT = pathlib.Path(__file__).parents[2] / "pipelines" / "held_out" / "sql.jsonl"
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT x FROM c"

OVER = "SELECT name FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE total > 100)"
SPENT = (
    "SELECT c.name, SUM(o.total) AS spent FROM customers c JOIN orders o ON o.customer_id = c.id "
    "GROUP BY c.id, c.name ORDER BY spent DESC"
)
TOP = "SELECT name, joined FROM customers ORDER BY joined DESC LIMIT 2"
COUNTS = "SELECT city, COUNT(*) FROM customers GROUP BY city"

# Gold query, prediction: the same answer on every database.
RIGHT = [
    (OVER, "select c.name from customers c join orders o on o.customer_id = c.id "
           "where o.total > 100 group by c.id"),
    (OVER, "SELECT a.name FROM (SELECT DISTINCT c.id, c.name FROM orders o, customers c "
           "WHERE o.total > 100.0 AND c.id = o.customer_id) a"),
    ("SELECT name FROM customers WHERE city = 'Oslo' AND joined >= '2021-01-01'",
     "SELECT name AS who FROM customers WHERE joined >= '2021-01-01' AND 'Oslo' = city"),
    (COUNTS, "SELECT city, COUNT(id) AS n FROM customers GROUP BY 1"),
    (COUNTS, "SELECT city, COUNT(name) FROM customers GROUP BY city ORDER BY COUNT(*)"),
    (SPENT, "SELECT c.name, SUM(o.total) FROM orders o JOIN customers c ON o.customer_id = c.id "
            "GROUP BY c.id ORDER BY SUM(o.total) DESC"),
    (SPENT, "SELECT c.name, SUM(o.total) FROM orders o JOIN customers c ON o.customer_id = c.id "
            "GROUP BY c.id ORDER BY 2 DESC, c.name DESC"),
    (TOP, "SELECT name, joined FROM customers ORDER BY joined DESC, name LIMIT 2"),
    (TOP, "SELECT name, joined FROM customers ORDER BY joined DESC, id DESC LIMIT 2"),
    ("SELECT name FROM customers ORDER BY joined DESC LIMIT 2",
     "SELECT name FROM customers ORDER BY joined DESC, name DESC LIMIT 2 OFFSET 0"),
    ("SELECT COUNT(*) FROM orders WHERE total BETWEEN 10 AND 100",
     "SELECT COUNT(*) * 1.0 FROM orders WHERE total >= 10 AND NOT total > 100"),
    ("SELECT AVG(total) FROM orders", "SELECT SUM(total) / COUNT(total) FROM orders"),
    ("SELECT name FROM customers LIMIT 2", "SELECT name FROM customers ORDER BY name LIMIT 2"),
    ("SELECT id, total FROM orders WHERE status = 'paid' ORDER BY total LIMIT 1 OFFSET 1",
     "SELECT id, total FROM orders WHERE status = 'paid' ORDER BY total, id DESC LIMIT 1, 1"),
    ("SELECT city FROM customers UNION SELECT status FROM orders ORDER BY 1",
     "SELECT status FROM orders UNION SELECT city FROM customers ORDER BY city"),
]  # fmt: skip

# Gold query, prediction: agrees on the given rows, but another database tells.
LUCKY = [
    (OVER, OVER.replace("> 100", ">= 100")),
    (OVER, OVER.replace("> 100", "> 101")),
    (OVER, "SELECT c.name FROM customers c JOIN orders o ON o.customer_id = c.id "
           "WHERE o.total > 100"),
    (OVER, OVER.replace("SELECT name", "SELECT DISTINCT name")),
    (COUNTS, COUNTS.replace("COUNT(*)", "COUNT(DISTINCT name)")),
    ("SELECT COUNT(*) FROM orders", "SELECT COUNT(placed) FROM orders"),
    ("SELECT name FROM customers WHERE city = 'Oslo'",
     "SELECT name FROM customers WHERE city LIKE 'oslo'"),
    ("SELECT name FROM customers WHERE city LIKE '%sl%'",
     "SELECT name FROM customers WHERE city = 'Oslo'"),
    ("SELECT DISTINCT status FROM orders ORDER BY status DESC",
     "SELECT status FROM orders GROUP BY status, total < 0 ORDER BY status DESC, total"),
    ("SELECT name FROM customers ORDER BY id", "SELECT name FROM customers"),
    ("SELECT name FROM customers ORDER BY name", "SELECT name FROM customers ORDER BY id"),
    ("SELECT name FROM customers WHERE joined < '2021-01-01'",
     "SELECT name FROM customers WHERE joined <= '2021-01-01'"),
    ("SELECT name, total FROM customers c JOIN orders o ON o.customer_id = c.id "
     "ORDER BY total DESC LIMIT 1",
     "SELECT name, total FROM customers c JOIN orders o ON o.customer_id = c.id "
     "WHERE total = (SELECT MAX(total) FROM orders)"),
    ("SELECT SUM(total) FROM orders WHERE status = 'paid'",
     "SELECT SUM(total) FROM orders WHERE status <> 'open'"),
]  # fmt: skip

# Gold query, prediction, reason: wrong on the given rows.
WRONG = [
    (SPENT, SPENT.replace(" DESC", ""), "differs"),
    (SPENT, "SELECT spent, name FROM (" + SPENT + ")", "differs"),
    (COUNTS, "SELECT city FROM customers GROUP BY city", "differs"),
    (COUNTS, "SELECT city, COUNT(*) FROM customers", "differs"),
    ("SELECT '1'", "SELECT 1", "differs"),
    ("SELECT 'a'", "SELECT x'61'", "differs"),
    ("SELECT NULL", "SELECT ''", "differs"),
    (COUNTS, "SELECT town, COUNT(*) FROM customers GROUP BY town", "no_such_column"),
    (COUNTS, "SELECT city, COUNT(*) FROM customers GROUP city", "syntax_error"),
    (COUNTS, "", "not_a_query"),
    (COUNTS, "ATTACH 'x.db' AS x", "not_a_query"),
    (COUNTS, "PRAGMA table_info(customers)", "not_a_query"),
    (COUNTS, "SELECT * FROM pragma_table_info('customers')", "forbidden"),
    (COUNTS, "DELETE FROM customers", "not_a_query"),
    (COUNTS, "WITH x AS (SELECT 1) DELETE FROM customers RETURNING id", "not_a_query"),
    (COUNTS, "SELECT 1; DROP TABLE customers", "not_a_query"),
    (COUNTS, "SELECT date('now'), 1", "forbidden"),
    (COUNTS, "SELECT random(), 1", "forbidden"),
    (COUNTS, "SELECT load_extension('x')", "forbidden"),
    (COUNTS, ENDLESS.replace("SELECT x FROM", "SELECT count(*), 1 FROM"), "timeout"),
    (COUNTS, "SELECT " + "9" * 200_000, "timeout"),
    (COUNTS, "SELECT zeroblob(1000000000), 1", "timeout"),
]  # fmt: skip


@pytest.fixture(scope="module")
def box():
    with Suites() as suites:
        yield suites


@pytest.fixture(scope="module")
def suite_of(box):
    known = {}

    def build(query, schema=SHOP):
        if (schema, query) not in known:
            known[schema, query] = box.build(schema, query)
        return known[schema, query]

    return build


@pytest.mark.parametrize(("gold", "query"), RIGHT)
def test_rewrites_are_right(box, suite_of, gold, query):
    assert box.match(suite_of(gold), query) == Match(True, True, True)


@pytest.mark.parametrize(("gold", "query"), LUCKY)
def test_near_misses_that_agree_on_the_given_rows_are_wrong(box, suite_of, gold, query):
    match = box.match(suite_of(gold), query)
    assert (match.right, match.right_one_db, match.runs) == (False, True, True)
    assert match.reason in ("differs", "order_dependent")


@pytest.mark.parametrize(("gold", "query", "reason"), WRONG)
def test_wrong_and_hostile_queries_have_a_reason(box, suite_of, gold, query, reason):
    match = box.match(suite_of(gold), query)
    assert (match.right, match.right_one_db, match.reason) == (False, False, reason)
    assert match.runs == (reason == "differs")
    assert len(match.message) <= 300


def test_a_query_cannot_change_what_the_next_one_sees(box, suite_of):
    suite = suite_of(COUNTS)
    for query in ("DELETE FROM customers", ENDLESS, "SELECT zeroblob(200000) FROM orders"):
        assert not box.match(suite, query).right
    assert box.match(suite, COUNTS).right


def test_what_takes_too_long_on_a_generated_database_is_wrong(box):
    schema = "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1);"
    bomb = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < (SELECT "
    bomb += "CASE COUNT(*) WHEN 1 THEN 2 ELSE 900000000 END FROM t)) SELECT a FROM t, c WHERE x = 1"
    match = box.match(box.build(schema, "SELECT a FROM t"), bomb)
    assert (match.right_one_db, match.right, match.reason) == (True, False, "timeout")


def test_suites_do_not_depend_on_the_worker_or_on_what_came_before(box):
    first = box.build(SHOP, SPENT)
    box.build(SHOP, COUNTS)
    with Suites() as other:
        assert other.build(SHOP, SPENT) == first
        assert other.match(first, SPENT).right


def test_mutants_are_told_apart_by_the_databases_kept(box, suite_of):
    suite = suite_of(OVER)
    killed = suite.mutants - len(suite.left)
    assert suite.killed == killed > 12
    assert 0 < suite.lucky < killed
    tree = golds.parse(OVER)
    told = 0
    for query in _mutants(box, SHOP, OVER, tree):
        match = box.match(suite, query)
        if match.runs:
            assert match.right == (query in suite.left), query
            told += not match.right
    assert told == killed


def _mutants(box, schema, query, tree):
    from datakit.sqlite.mutants import mutate
    from datakit.sqlite.suite import _read_columns

    gold = golds.read(query, tree)
    return mutate(tree, _read_columns(box._question(schema, gold, "tables", [], []).get("tables")))


def _measure(box, rows):
    suites = [box.build(row["input"], row["output"]) for row in rows]
    for row, suite in zip(rows, suites, strict=True):
        assert box.match(suite, row["output"]).right, row["output"]
        assert suite.databases[0] == 0
        assert 5 <= len(suite.databases) <= 10
    return [sum(getattr(each, name) for each in suites) for name in ("mutants", "killed", "lucky")]


def test_gold_queries_are_right_and_their_mutants_die(box):
    rows = [json.loads(line) for line in HELD_OUT.read_text().splitlines()][::6]
    made, killed, lucky = _measure(box, rows)
    assert killed / made > 0.85
    assert lucky / killed > 0.1


@pytest.mark.slow
def test_all_gold_queries_held_out(box, capsys):
    """Prints how many mutants die, and how many of them a single database lets live."""
    rows = [json.loads(line) for line in HELD_OUT.read_text().splitlines()]
    start = time.monotonic()
    made, killed, lucky = _measure(box, rows)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(rows)} suites: {killed} of {made} mutants told apart, {lucky} of them not by "
            f"the given rows, {time.monotonic() - start:.1f} s\n"
        )
    assert killed / made > 0.9


def test_a_gold_query_with_two_answers_counts_only_where_it_has_one(box):
    schema = "CREATE TABLE t (a INTEGER, b INTEGER); INSERT INTO t VALUES (1, 1), (2, 5), (3, 9);"
    query = "SELECT a, ROW_NUMBER() OVER (ORDER BY b) FROM t"
    suite = box.build(schema, query)
    assert suite.unusable > suite.tried // 3
    assert box.match(suite, query).right
    assert not box.match(suite, query.replace("ORDER BY b", "ORDER BY a")).right


def test_the_given_rows_may_break_their_own_foreign_keys(box):
    schema = (
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p_id REFERENCES p(id), n INT);"
        "INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1), (7, 2);"
    )
    suite = box.build(schema, "SELECT n FROM c JOIN p ON p.id = p_id")
    match = box.match(suite, "SELECT n FROM c WHERE p_id < 2")
    assert (match.right_one_db, match.right) == (True, False)


def test_foreign_keys_hold_where_the_given_rows_keep_them(box):
    suite = box.build(SHOP, "SELECT COUNT(*) FROM orders")
    joined = "SELECT COUNT(*) FROM orders o JOIN customers c ON c.id = o.customer_id"
    assert box.match(suite, joined).right
    left = "SELECT COUNT(*) FROM orders WHERE total >= 0 OR total IS NULL"
    assert box.match(suite, left).right


@pytest.mark.parametrize(
    ("schema", "query", "reason"),
    [
        (SHOP, "SELECT nope FROM customers", "no_such_column"),
        (SHOP, "SELECT name FROM", "syntax_error"),
        (SHOP, "DROP TABLE customers", "not_a_query"),
        (SHOP, "", "not_a_query"),
        (SHOP, ENDLESS, "timeout"),
        ("CREATE TABLE t(a", "SELECT 1", "bad_schema"),
        ("ATTACH 'x.db' AS x", "SELECT 1", "forbidden"),
        ("", "SELECT '" + "x" * 300_000 + "'", "timeout"),
    ],
)
def test_a_gold_query_that_fails_is_an_error(box, schema, query, reason):
    for ask in (box.check, box.build):
        with pytest.raises(GoldError) as caught:
            ask(schema, query)
        assert caught.value.reason == reason
        assert caught.value.message


def test_what_sqlglot_does_not_read_still_has_databases(box):
    # SQLite does not mind that the comment does not end.
    query = "SELECT name FROM customers WHERE city = 'Oslo' /* x"
    assert golds.parse(query) is None
    suite = box.build(SHOP, query)
    assert (suite.mutants, len(suite.databases)) == (0, 13)
    assert box.match(suite, query).right
    assert not box.match(suite, "SELECT name FROM customers WHERE city LIKE 'Oslo'").right


def test_without_sqlglot_the_extra_is_named(box, monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    with pytest.raises(MissingExtraError, match=r"datakit\[sql\]"):
        box.build(SHOP, COUNTS)


def test_a_closed_box_refuses():
    suites = Suites()
    suites.close()
    with pytest.raises(ValueError, match="closed"):
        suites.check("", "SELECT 1")


@pytest.mark.parametrize("reply", ['{"reason": null}', '{"reason": 3}', '{"gold": 1, "marks": []}'])
def test_a_worker_that_lies_convinces_nobody(box, suite_of, monkeypatch, reply):
    suite = suite_of(COUNTS)
    monkeypatch.setattr(box, "_request", lambda question: json.loads(reply))
    match = box.match(suite, COUNTS)
    assert (match.right, match.runs, match.reason) == (False, False, "runtime_error")
