"""What a gold query's text tells, and its mutants."""

import sqlite3

import pytest

from datakit.sqlite.gold import parse, read, render
from datakit.sqlite.mutants import MAX_MUTANTS, mutate

COLUMNS = {
    "t": [("id", "int"), ("a", "int"), ("b", "real"), ("name", "text"), ("day", "date")],
    "u": [("id", "int"), ("t_id", "int"), ("name", "text")],
}


def mutants(query):
    return mutate(parse(query), COLUMNS)


@pytest.mark.parametrize(
    ("query", "some"),
    [
        ("SELECT name FROM t WHERE a > 100",
         ["WHERE a >= 100", "WHERE a <= 100", "WHERE a > 101", "WHERE a > 99", "WHERE b > 100",
          "FROM t", "SELECT DISTINCT name", "SELECT day FROM", "(a > 100 OR a IS NULL)"]),
        ("SELECT a FROM t WHERE day = '2024-03-01' AND name = 'Bob'",
         ["'2024-03-02'", "'2024-02-29'", "'bOB'", "'Bo'", "day = '2024-03-01' OR name",
          "WHERE name = 'Bob'", "WHERE day = '2024-03-01'"]),
        ("SELECT name FROM t WHERE name LIKE '%x%'", ["LIKE 'x'", "LIKE 'x%'", "NOT name LIKE"]),
        ("SELECT a FROM t WHERE a BETWEEN 1 AND 5",
         ["(a > 1 AND a <= 5)", "(a >= 1 AND a < 5)", "BETWEEN 2 AND 5", "NOT a BETWEEN"]),
        ("SELECT a FROM t WHERE a IN (1, 2) AND NOT name IS NULL",
         ["a IN (1)", "a IN (2)", "NOT a IN (1, 2)", "AND name IS NULL"]),
        ("SELECT COUNT(*), SUM(a), MIN(b) FROM t GROUP BY name, day HAVING COUNT(*) > 1",
         ["COUNT(a), SUM", "AVG(a)", "SUM(DISTINCT a)", "MAX(b)", "GROUP BY name HAVING",
          "GROUP BY day HAVING", "GROUP BY name, day", "COUNT(*) > 2", "COUNT(*) >= 1"]),
        ("SELECT COUNT(a), COUNT(DISTINCT b) FROM t",
         ["COUNT(*), COUNT(DISTINCT b)", "COUNT(DISTINCT a)", "COUNT(a), COUNT(b)"]),
        ("SELECT t.name FROM t JOIN u ON u.t_id = t.id ORDER BY t.a DESC, t.b LIMIT 3 OFFSET 1",
         ["LEFT JOIN", "u.id = t.id", "SELECT u.name", "ORDER BY t.a ASC, t.b", "LIMIT 4",
          "LIMIT 2", "ORDER BY t.b LIMIT", "OFFSET 2", "u.t_id <> t.id"]),
        ("SELECT t.name FROM t LEFT JOIN u ON u.t_id = t.id", ["FROM t JOIN u"]),
        ("SELECT a FROM t UNION SELECT id FROM u",
         ["UNION ALL", "INTERSECT", "EXCEPT"]),
        ("SELECT RANK() OVER (PARTITION BY name ORDER BY a DESC), LAG(a) OVER (ORDER BY b) FROM t",
         ["DENSE_RANK()", "ROW_NUMBER()", "RANK() OVER (ORDER BY", "ORDER BY a)", "LEAD(a)"]),
        ("SELECT ROUND(a / b, 2), COALESCE(a, 0), CASE WHEN a > 1 THEN 2 ELSE 3 END FROM t",
         ["a * b", "SELECT a / b, COALESCE", "ROUND(a / b, 2), a, CASE", "THEN 2 END", "ELSE 4"]),
    ],
)  # fmt: skip
def test_mutants_of_each_kind(query, some):
    found = mutants(query)
    missing = [part for part in some if not any(part in text for text in found)]
    assert not missing, found
    assert len(found) == len(set(found))
    assert render(parse(query)) not in found


def test_most_mutants_run():
    conn = sqlite3.connect(":memory:")
    for table, columns in COLUMNS.items():
        conn.execute(f"CREATE TABLE {table} ({', '.join(name for name, _ in columns)})")
    found = mutants(
        "SELECT t.name, SUM(t.a) AS s FROM t JOIN u ON u.t_id = t.id WHERE t.b > 1 AND t.day < "
        "'2024-01-01' GROUP BY t.name HAVING COUNT(*) > 1 ORDER BY s DESC LIMIT 3"
    )
    runs = 0
    for text in found:
        try:
            conn.execute(text)
        except sqlite3.Error:
            continue
        runs += 1
    assert runs / len(found) > 0.9


def test_a_large_query_has_no_more_mutants_than_the_limit():
    query = "SELECT a FROM t WHERE " + " AND ".join(f"a > {at}" for at in range(40))
    found = mutants(query)
    assert len(found) == MAX_MUTANTS
    assert found == mutants(query)


def test_a_query_too_large_to_copy_so_often_has_none():
    assert mutants("SELECT " + "+".join(["1"] * 900)) == []


@pytest.mark.parametrize(
    ("query", "keyed", "keys", "extra"),
    [
        ("SELECT a FROM t", "SELECT a FROM t", (), 0),
        ("SELECT a FROM t LIMIT 3", "SELECT a FROM t", (), 0),
        ("SELECT a, b FROM t ORDER BY b DESC LIMIT 3 OFFSET 2",
         "SELECT a, b FROM t ORDER BY b DESC", (1,), 0),
        ("SELECT a, b AS c FROM t ORDER BY 2, c", "SELECT a, b AS c FROM t ORDER BY 2, c",
         (1, 1), 0),
        ("SELECT a FROM t ORDER BY b, a", "SELECT a, b FROM t ORDER BY b, a", (-1, 0), 1),
        ("SELECT * FROM t ORDER BY b, a", "SELECT *, b, a FROM t ORDER BY b, a", (-2, -1), 2),
        ("SELECT a FROM t ORDER BY name COLLATE NOCASE",
         "SELECT a, LOWER(name) FROM t ORDER BY name COLLATE NOCASE", (-1,), 1),
        ("SELECT a FROM t GROUP BY a ORDER BY COUNT(*)",
         "SELECT a, COUNT(*) FROM t GROUP BY a ORDER BY COUNT(*)", (-1,), 1),
        ("SELECT a FROM t UNION SELECT id FROM u ORDER BY a",
         "SELECT a FROM t UNION SELECT id FROM u ORDER BY a", (0,), 0),
        # The keys cannot be had: DISTINCT, an alias in an expression, a LIMIT that is worked out.
        ("SELECT DISTINCT a FROM t ORDER BY b", None, (), 0),
        ("SELECT a AS b FROM t ORDER BY b + 1", None, (), 0),
        ("SELECT a FROM t ORDER BY a LIMIT 1 OFFSET 1 + 1", None, (), 0),
    ],
)  # fmt: skip
def test_the_keys_of_an_order(query, keyed, keys, extra):
    gold = read(query, parse(query))
    assert (gold.keyed, gold.keys, gold.extra) == (keyed, keys, extra)
    assert gold.ordered == ("ORDER" in query)
    assert gold.skip == (2 if "OFFSET 2" in query else 0)


def test_constants_and_links():
    query = (
        "SELECT x.name FROM t AS x JOIN u ON u.t_id = x.id WHERE x.a > -5 AND x.name LIKE 'B%' AND "
        "x.id IN (SELECT MAX(t_id) FROM u) AND MIN(x.day, 'z') < date(u.name) LIMIT 7"
    )
    gold = read(query, parse(query))
    assert ("a", -5, False) in gold.constants
    assert ("name", "B%", True) in gold.constants
    assert all(value != 7 for _, value, _ in gold.constants)
    assert ("u", "t_id", "t", "id") in gold.links
    assert ("t", "id", "", "t_id") in gold.links
    assert ("t", "day", "u", "name") in gold.links


@pytest.mark.parametrize(
    ("query", "ordered"),
    [
        ("SELECT a FROM t WHERE ) ORDER BY a", True),
        ("SELECT a FROM (SELECT 1 ORDER BY 1) )", False),
        ("SELECT " + "1," * 20_000 + "1", False),
    ],
)
def test_what_cannot_be_parsed_is_taken_as_it_is(query, ordered):
    assert parse(query) is None
    gold = read(query, None)
    assert (gold.plain, gold.keyed, gold.ordered) == (query, None, ordered)


@pytest.mark.parametrize("query", ["DROP TABLE t", "", "INSERT INTO t VALUES (1)", "(" * 5_000])
def test_what_is_no_query_is_not_parsed(query):
    assert parse(query) is None
