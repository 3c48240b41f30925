"""Attacks on the SQL sandbox, and what ordinary records get from it."""

import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from datakit.sqlite import Sandbox, Verdict
from datakit.sqlite.process import LostError, Worker

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT, joined DATE);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers(id),
  total REAL, placed TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE INDEX by_customer ON orders (customer_id);
CREATE VIEW spent AS SELECT c.name, sum(o.total) AS total FROM customers c
  JOIN orders o ON o.customer_id = c.id GROUP BY c.id;
INSERT INTO customers VALUES (1,'Ann','Oslo','2021-03-04'),(2,'Ben','Rome','2022-01-01'),
  (3,'Cy',NULL,NULL);
INSERT INTO orders VALUES (1,1,10.5,'2023-01-01'),(2,1,20,'2023-02-01'),(3,2,5,'2023-03-01');
"""
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) "


@pytest.fixture(scope="module")
def box():
    with Sandbox() as sandbox:
        yield sandbox


def table_of(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: repr(case)[:60])


@table_of(
    [
        ("", "SELECT 1", 1),
        ("", "VALUES (1),(2);", 2),
        ("", "  -- c\n/* d */ SELECT 1 -- tail", 1),
        ("", "\ufeffSELECT 1", 1),
        ("", "SELECT x'00ff', zeroblob(9), CAST(x'ff' AS TEXT), 'a'||char(0)||'b'", 1),
        ("", "SELECT * FROM json_each('[1,2,3]')", 3),
        ("", "SELECT date('2020-01-31','+1 day'), strftime('%Y', 0, 'unixepoch')", 1),
        ("", "SELECT julianday('2020-01-01'), unixepoch('2020-01-01'), time('10:00')", 1),
        ("", "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<9) "
             "SELECT * FROM c", 9),
        ("", "WITH c AS (SELECT 1) SELECT count(*) FROM c", 1),
        ("", ENDLESS + "SELECT x FROM c LIMIT 5", 5),
        ("", "SELECT 'random()' AS \"ATTACH\", 'date(''now'')'", 1),
        (SHOP, "SELECT * FROM customers LIMIT 9223372036854775807", 3),
        (SHOP, "SELECT name, rank() OVER (ORDER BY total) FROM spent", 2),
        (SHOP, "SELECT name FROM customers WHERE strftime('%Y', joined) = '2021'", 1),
        (SHOP, "SELECT name FROM sqlite_master WHERE type = 'table'", 2),
        (SHOP, "SELECT count(*) FROM orders", 1),
        ("BEGIN; CREATE TABLE t(a); INSERT INTO t VALUES (1); COMMIT;", "SELECT * FROM t", 1),
        ("BEGIN; CREATE TEMP TABLE t(a); INSERT INTO t VALUES (1)", "SELECT * FROM t", 1),
        ("CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE CHECK(length(a)<11),"
         " g AS (date(a))) ; INSERT INTO t(a) VALUES ('2020-01-01'); DROP TABLE IF EXISTS z;",
         "SELECT g FROM t", 1),
        ("CREATE TABLE t(a); CREATE TABLE u AS SELECT 1 AS b; CREATE VIEW v AS SELECT "
         "date(b) FROM u; CREATE INDEX i ON u(date(b)) WHERE b > 0;", "SELECT * FROM v", 1),
        ("CREATE TABLE \"na\"\"me; DROP\"(\"a b\"); INSERT INTO \"na\"\"me; DROP\" VALUES (1)",
         "SELECT [a b] FROM \"na\"\"me; DROP\"", 1),
    ]
)  # fmt: skip
def test_ordinary_queries_pass(box, case):
    schema, query, rows = case
    assert box.check(schema, query) == Verdict(True, None, "", rows)


@table_of(
    [
        # Not one query.
        ("", "", "not_a_query"),
        ("", "   ;  ", "not_a_query"),
        ("", "-- only a comment", "not_a_query"),
        ("", "/* unclosed", "not_a_query"),
        ("", "Sure! Here is the query: SELECT 1", "not_a_query"),
        ("", "```sql\nSELECT 1\n```", "not_a_query"),
        ("", "SELECT 1; SELECT 2", "not_a_query"),
        ("", "SELECT 1;;", "not_a_query"),
        ("", "SELECT 1; ATTACH 'x.db' AS x", "not_a_query"),
        ("", "EXPLAIN SELECT 1", "not_a_query"),
        ("", "PRAGMA writable_schema = 1", "not_a_query"),
        ("", "BEGIN", "not_a_query"),
        (SHOP, "INSERT INTO customers VALUES (9,'x','y','z')", "not_a_query"),
        (SHOP, "REPLACE INTO customers VALUES (9,'x','y','z')", "not_a_query"),
        (SHOP, "WITH x AS (SELECT 1) DELETE FROM customers RETURNING id", "not_a_query"),
        (SHOP, "WITH x AS (SELECT 1) UPDATE orders SET total = 0", "not_a_query"),
        (SHOP, "WITH x AS (SELECT 1) INSERT INTO orders(id) SELECT 9", "not_a_query"),
        (SHOP, "WITH x AS (SELECT 1) UPDATE sqlite_master SET sql = ''", "not_a_query"),
        (SHOP, "WITH x AS (SELECT 1) DELETE FROM sqlite_master", "not_a_query"),
        # Syntax.
        ("", "SELECT", "syntax_error"),
        ("", "SELECT FROM WHERE", "syntax_error"),
        ("", "With this query you find it", "syntax_error"),
        ("", "(SELECT 1)", "syntax_error"),
        ("", "SELECT 'unclosed", "syntax_error"),
        ("", "SELECT 1\x00", "syntax_error"),
        ("", "SELECT '\ud800'", "syntax_error"),
        ("", "SELECT 1 INTO OUTFILE '/tmp/x'", "syntax_error"),
        # Names.
        (SHOP, "SELECT nope FROM customers", "no_such_column"),
        (SHOP, "SELECT * FROM nope", "no_such_column"),
        (SHOP, "SELECT customers.nope FROM customers", "no_such_column"),
        (SHOP, "SELECT id FROM customers, orders", "runtime_error"),
        ("", "SELECT nope(1)", "runtime_error"),
        ("", "SELECT readfile('/etc/passwd')", "runtime_error"),
        ("", "SELECT abs(-9223372036854775808)", "runtime_error"),
        ("", "SELECT json('{')", "runtime_error"),
        ("", "SELECT ?", "runtime_error"),
        # Empty.
        ("", "SELECT 1 WHERE 0", "always_empty"),
        (SHOP, "SELECT * FROM customers WHERE id > 5 AND id < 4", "always_empty"),
        (SHOP, "SELECT * FROM customers WHERE name IS NULL", "always_empty"),
        # A schema that does not run.
        ("Here is the schema", "SELECT 1", "bad_schema"),
        ("CREATE TABLE t(a", "SELECT 1", "bad_schema"),
        ("CREATE TABLE t(a); CREATE TABLE t(a)", "SELECT 1", "bad_schema"),
        ("CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES (1),(1)", "SELECT 1", "bad_schema"),
        ("INSERT INTO sqlite_master VALUES (1,2,3,4,5)", "SELECT 1", "bad_schema"),
        ("SELECT 1\x00", "SELECT 1", "bad_schema"),
        ("SELECT '\udfff'", "SELECT 1", "bad_schema"),
        ("CREATE TABLE t(a CHECK(a > random()))", "SELECT 1", "forbidden"),
    ]
)  # fmt: skip
def test_faults_are_named(box, case):
    schema, query, reason = case
    verdict = box.check(schema, query)
    assert (verdict.ok, verdict.reason) == (False, reason), verdict
    assert verdict.message
    assert len(verdict.message) <= 300


@table_of(
    [
        "random()", "randomblob(4)", "CURRENT_DATE", "current_time", "CURRENT_TIMESTAMP",
        "date('now')", "date('NOW')", "datetime('n'||'ow')", "date()", "datetime()",
        "strftime('%s','now')", "strftime('%s')", "julianday('now')", "julianday()",
        "unixepoch()", "unixepoch('Now')", "time('now','+1 day')", "date(x'6e6f77')",
        "date('now'||char(0)||'x')", "date(lower('NOW'), 'start of month')",
        "datetime('2020-01-01','localtime')", "datetime('2020-01-01','utc')",
        "date((SELECT 'now'))", "date(replace('nXw','X','o'))",
        "load_extension('/tmp/x.so')", "fts3_tokenizer('simple')", "sqlite_version()",
        "sqlite_source_id()", "sqlite_compileoption_get(0)", "last_insert_rowid()", "changes()",
        "total_changes()", "sqlite_log(1,'x')", "(SELECT 1 FROM (SELECT random() AS r))",
        "(SELECT count(*) FROM dbstat)", "(SELECT name FROM dbstat)",
        "(SELECT sql FROM sqlite_stmt)", "(SELECT count(*) FROM sqlite_stmt)",
        "(SELECT file FROM pragma_database_list)", "(SELECT name FROM pragma_table_info('t'))",
        "(SELECT count(*) FROM pragma_module_list)",
    ]
)  # fmt: skip
def test_what_is_not_reproducible_or_not_data_is_forbidden(box, case):
    assert box.check("", f"SELECT {case}").reason == "forbidden"
    hidden = f"CREATE VIEW v AS SELECT {case} AS a;"
    assert box.check(hidden, "SELECT * FROM v").reason == "forbidden"
    stored = f"CREATE TABLE t(a); INSERT INTO t SELECT {case};"
    assert box.check(stored, "SELECT * FROM t").reason == "forbidden"


@table_of(
    [
        "ATTACH '{0}' AS x", "ATTACH ('{0}'||'') AS x", "ATTACH 'file:{0}?mode=rwc' AS x",
        "VACUUM INTO '{0}'", "VACUUM", "DETACH main", "PRAGMA journal_mode = WAL",
        "PRAGMA temp_store_directory = '{0}'", "PRAGMA writable_schema = ON",
        "PRAGMA hard_heap_limit = 0", "SELECT load_extension('{0}')",
        "CREATE VIRTUAL TABLE f USING fts5(a)", "CREATE VIRTUAL TABLE f USING rtree(a, b, c)",
        "CREATE VIRTUAL TABLE temp.f USING dbstat(main)", "CREATE TABLE dbstat(a)",
        "CREATE TABLE t(a); CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END",
        "CREATE TABLE t(a); CREATE TEMP TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END",
        "CREATE TABLE t(a DEFAULT (random())); INSERT INTO t DEFAULT VALUES",
        "CREATE TABLE t(a DEFAULT CURRENT_TIMESTAMP); INSERT INTO t DEFAULT VALUES",
        "CREATE TABLE t(a DEFAULT CURRENT_DATE, b); INSERT INTO t(b) VALUES (1)",
        "CREATE TABLE t(a DEFAULT CURRENT_TIME, b); INSERT INTO t(b) SELECT 1",
        "CREATE TABLE t(a DEFAULT (date('now'))); INSERT INTO t DEFAULT VALUES",
        "CREATE TABLE t(a DEFAULT (hex(RANDOMBLOB(4)))); INSERT INTO t DEFAULT VALUES",
        "CREATE TABLE t(a DEFAULT (load_extension('{0}'))); INSERT INTO t DEFAULT VALUES",
        "CREATE TABLE t(a DEFAULT (load_extension('{0}','f'))); INSERT INTO t DEFAULT VALUES",
        "CREATE TABLE t(a DEFAULT (fts3_tokenizer('simple'))); INSERT INTO t DEFAULT VALUES",
        "CREATE TABLE t(a DEFAULT (sqlite_version())); INSERT INTO t DEFAULT VALUES",
        "CREATE TABLE t(a DEFAULT (sqlite_log(1, 'x'))); INSERT INTO t DEFAULT VALUES",
        "CREATE TABLE t(a DEFAULT (changes())); INSERT INTO t DEFAULT VALUES",
        "CREATE TABLE t(a, b AS (random())); INSERT INTO t VALUES (1)",
        "CREATE TABLE t(a CHECK(date(a) > '')); INSERT INTO t VALUES ('now')",
        "CREATE TABLE t(a, b AS (date(a)) STORED); INSERT INTO t(a) VALUES ('now')",
        "CREATE TABLE t(a); CREATE INDEX i ON t(date(a)); INSERT INTO t VALUES ('now')",
        "CREATE TABLE t(a); INSERT INTO t VALUES (1); DELETE FROM t",
        "CREATE TABLE t(a); UPDATE t SET a = 1", "CREATE TABLE t(a); DROP TABLE t",
        "CREATE TABLE t(a); ALTER TABLE t ADD COLUMN b",
        "CREATE TABLE t(a); ANALYZE",
        "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES (1) ON CONFLICT(a) DO UPDATE SET a=2",
    ]
)  # fmt: skip
def test_schema_attacks_are_forbidden_and_leave_no_file(box, tmp_path, case):
    hostile = case.format(tmp_path / "x.db")
    assert box.check(hostile, "SELECT 1").reason == "forbidden"
    assert box.check("", hostile).reason in ("not_a_query", "forbidden")
    assert box.check(hostile, hostile).reason == "forbidden"
    assert list(tmp_path.iterdir()) == []
    assert box.check(SHOP, "SELECT 1").ok


@table_of(["x.db", "file:x.db", "/x.db", ""])
def test_attach_by_relative_name_leaves_no_file(box, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    attach = f"ATTACH '{case}' AS x; CREATE TABLE x.t(a)"
    assert box.check(attach, attach).reason == "forbidden"
    assert not (tmp_path / "x.db").exists()
    assert not pathlib.Path("/x.db").exists()


BIG = "hex(zeroblob(80000))"
SLOW = f"instr({BIG}, hex(zeroblob(40000)) || '1')"


@table_of(
    [
        ("", f"SELECT replace({BIG}, '0', {BIG})"),
        ("", "SELECT zeroblob(1000000000)"),
        ("", "SELECT printf('%.*c', 1000000000, 'x')"),
        ("", f"SELECT group_concat({BIG}) FROM json_each('[1,2,3,4]')"),
        ("", f"SELECT {BIG} || {BIG} || {BIG}"),
        ("", ENDLESS + "SELECT x FROM c"),
        ("", ENDLESS + "SELECT sum(x) FROM c"),
        ("", ENDLESS + f"SELECT x, {BIG} || x AS b FROM c ORDER BY b"),
        ("", ENDLESS + f"SELECT group_concat(DISTINCT {BIG} || x) FROM c"),
        ("", "WITH RECURSIVE c(x) AS (SELECT zeroblob(190000) UNION ALL SELECT x || '' FROM c) "
             "SELECT count(*) FROM c a JOIN c b ON a.x = b.x"),
        ("", f"SELECT json_group_array({BIG}) FROM json_each('[1,2,3,4]')"),
        ("", "SELECT count(*) FROM " + ", ".join(f"(SELECT 1 UNION ALL SELECT 2) a{i}"
                                                 for i in range(60))),
        (SHOP, "SELECT a.id FROM " + ", ".join(f"orders o{i}" for i in range(40))
               .replace("o0", "a", 1)),
        ("", "SELECT " + "(" * 50_000 + "1" + ")" * 50_000),
        ("", "SELECT 1" + "+1" * 300_000),
        ("", "SELECT 1 " + "UNION ALL SELECT 1 " * 5_000),
        ("", "SELECT " + "1," * 5_000 + "1"),
        ("", "SELECT 1 -- " + "x" * 2_000_001),
        ("x" * 2_000_001, "SELECT 1"),
        (f"CREATE TABLE t AS SELECT replace({BIG}, '0', {BIG})", "SELECT 1"),
        ("CREATE TABLE t(a); INSERT INTO t " + ENDLESS + "SELECT zeroblob(9999) FROM c",
         "SELECT 1"),
        (ENDLESS + "SELECT count(*) FROM c;", "SELECT 1"),
        ("CREATE VIEW v AS " + ENDLESS + "SELECT x FROM c", "SELECT count(*) FROM v"),
    ]
)  # fmt: skip
def test_bombs_end_in_timeout(case):
    with Sandbox(max_steps=5_000_000) as box:
        box.check("", "SELECT 1")
        start = time.monotonic()
        assert box.check(*case).reason == "timeout"
        assert time.monotonic() - start < 5.0
        assert box.check(SHOP, "SELECT * FROM orders").rows == 3


@table_of(
    [
        ("", "SELECT '" + "x" * 190_000 + "'", None),
        ("", "SELECT '" + "x" * 900_000 + "'", "timeout"),
        ("-- " + "x" * 1_000_000, "SELECT 1", None),
        ("", "x" * 1_000_000, "not_a_query"),
        ("", "/*" * 500_000, "not_a_query"),
        ("", "-- \n" * 250_000, "not_a_query"),
        ("", "SELECT " + "\x01" * 1_000_000, "syntax_error"),
        ("", "SELECT '" + "\U0001f600" * 40_000 + "'", None),
        ("", "SELECT json_valid('" + "[" * 190_000 + "')", None),
        ("", "SELECT [" + "\U0001f600" * 1_000 + "]", "no_such_column"),
        ("", "\x1b[31m\r\n\x00\x00", "not_a_query"),
    ]
)
def test_large_and_odd_texts(box, case):
    schema, query, reason = case
    verdict = box.check(schema, query)
    assert verdict.reason == reason
    assert len(verdict.message) <= 300


def test_max_rows_is_a_limit():
    with Sandbox(max_rows=10) as box:
        ten = ENDLESS + "SELECT x FROM c LIMIT 10"
        assert box.check("", ten) == Verdict(True, None, "", 10)
        assert box.check("", ten.replace("10", "11")).reason == "timeout"


def test_an_accidentally_empty_query_is_no_fault(box):
    verdict = box.check(SHOP, "SELECT * FROM customers WHERE city = 'Rome' AND name = 'Ann'")
    assert verdict.ok
    assert verdict.rows == 0


def test_without_variants_an_empty_query_is_a_fault():
    with Sandbox(variants=0) as box:
        assert box.check(SHOP, "SELECT * FROM orders WHERE total > 99").reason == "always_empty"


def test_now_from_a_row_is_forbidden(box):
    schema = "CREATE TABLE t(a); INSERT INTO t VALUES ('now');"
    assert box.check(schema, "SELECT date(a) FROM t").reason == "forbidden"
    assert box.check(schema, "SELECT a FROM t").ok


@table_of(
    [
        "SELECT id FROM orders ORDER BY random() LIMIT 1",
        "SELECT id FROM orders LIMIT abs(random()) % 3 + 1",
        "SELECT sum(total) OVER (ORDER BY random()) FROM orders",
        "SELECT sum(total) FILTER (WHERE random() > 0) FROM orders",
        "SELECT id FROM orders GROUP BY random()",
        "SELECT id FROM orders GROUP BY id HAVING random() IS NOT NULL",
        "SELECT id FROM orders WHERE id IN (SELECT random() UNION SELECT 1)",
        "SELECT id FROM orders WHERE 1 OR random() > 0",
        "SELECT id FROM orders JOIN customers USING (id) WHERE joined < date('now')",
        "SELECT * FROM json_each(json_array(random()))",
        "WITH c AS MATERIALIZED (SELECT random() AS r) SELECT r FROM c",
        "SELECT CASE WHEN 0 THEN random() END",
        "VALUES (random())",
        "SELECT 1 UNION SELECT RANDOM ()",
        'SELECT "random"()',
        "SELECT [random]()",
        "SELECT id FROM orders WHERE total > 0 OR date('now', id || ' days') > 'x'",
        "SELECT CASE WHEN total > 0 THEN 1 ELSE strftime('%s', 'NOW') END FROM orders",
        "SELECT `CURRENT_DATE`()",
        "SELECT id FROM orders WHERE placed > CURRENT_TIMESTAMP",
    ]
)
def test_forbidden_functions_in_every_place(box, case):
    assert box.check(SHOP, case).reason in ("forbidden", "syntax_error")
    assert box.check(SHOP, case).ok is False


@table_of(
    [
        ('SELECT "x" FROM t', None),
        ("SELECT [too big] FROM t", "no_such_column"),
        ("SELECT [x: syntax error] FROM t", "no_such_column"),
        ("SELECT * FROM [You can only execute one statement]", "no_such_column"),
        ("SELECT 1 FROM t 'too big' 'too big'", "syntax_error"),
    ]
)
def test_names_do_not_pass_for_messages(box, case):
    query, reason = case
    assert box.check("CREATE TABLE t(a); INSERT INTO t VALUES (1)", query).reason == reason


def test_requests_do_not_see_each_other(box):
    assert box.check("CREATE TEMP TABLE leak(a)", "SELECT count(*) FROM leak").ok
    assert box.check("", "SELECT * FROM leak").reason == "no_such_column"


def test_same_input_same_verdict():
    join = "SELECT c.name FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE "
    limits = (0, 10, 30, 10**9)
    cases = [(SHOP, f"{join} o.total > {limit} AND c.city = 'Rome'") for limit in limits]
    answers = []
    for _ in range(2):
        with Sandbox() as box:
            answers.append([box.check(*case) for case in cases * 2])
    assert answers[0] == answers[1]
    assert answers[0][:4] == answers[0][4:]


def climb(to):
    return f"{ENDLESS.removesuffix(') ')} WHERE x < {to}) SELECT max(x) FROM c"


def test_whether_a_query_takes_too_long_is_counted_and_not_timed():
    # A row of the recursion takes 17 to 20 steps, so that the limit lies between these.
    queries = [climb(to) for to in range(48_000, 62_000, 1_000)]
    found = []
    for busy in (0, 0, 2):
        loads = [subprocess.Popen([sys.executable, "-c", "while 1: pass"]) for _ in range(busy)]
        try:
            with Sandbox(max_steps=1_000_000) as box:
                found += [[box.check("", query).reason for query in queries] for _ in range(3)]
        finally:
            for load in loads:
                load.kill()
                load.wait()
    assert found == [found[0]] * 9
    assert (found[0][0], found[0][-1]) == (None, "timeout")
    assert sorted(found[0], key=bool) == found[0]


def test_ordinary_heavy_queries_are_far_below_the_limit(box):
    assert box.check("", climb(1_000_000)).ok
    rows = "INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 2000) "
    schema = f"CREATE TABLE t(a, b); {rows} SELECT x, x * 7 % 100 FROM c;"
    deep = "SELECT count(*) FROM t x WHERE b > (SELECT avg(b) FROM t y WHERE y.b < x.b)"
    assert box.check(schema, deep).ok


def test_schema_and_generated_databases_take_from_the_same_steps():
    rows = "CREATE TABLE t(a); INSERT INTO t VALUES (1),(2),(3);"
    empty = "SELECT x.a FROM t x, t y, t z WHERE x.a + y.a + z.a < 3 AND x.a + y.a + z.a > 4"
    with Sandbox(variants=0, max_steps=200_000) as box:
        assert box.check(rows, empty).reason == "always_empty"
    with Sandbox(variants=4, max_steps=200_000) as box:
        assert box.check(rows, empty).reason == "timeout"
    with Sandbox(max_steps=200_000) as box:
        fill = f"CREATE TABLE t AS {climb(20_000)};"
        assert box.check(fill, "SELECT 1").reason == "timeout"
    with Sandbox(variants=4) as box:
        assert box.check(rows, empty).reason == "always_empty"


def test_a_call_of_a_date_function_costs_many_steps():
    days = f"{ENDLESS.removesuffix(') ')} WHERE x < 3000) SELECT count({{}}) FROM c"
    with Sandbox(max_steps=1_000_000) as box:
        assert box.check("", days.format("abs(x)")).ok
        assert box.check("", days.format("date(x)")).reason == "timeout"


@table_of(
    [
        "'%.*c', 1000000000, 'x'", "'%.1000000000c', 'x'", "'%-9.*lc', '1000000000', 'x'",
        "'%.*c', -1000000000, 'x'", "'%.*c', 1e18, 'x'", "'%*c', 1000000000, 'x'",
        "'%.*d', 1000000000, 1", "'%,.1000000000f', 1.5", "x'252e2a63', x'2039393939393939', 'x'",
    ]
)  # fmt: skip
def test_printf_makes_no_huge_text(box, case):
    box.check("", "SELECT 1")
    start = time.monotonic()
    assert box.check("", f"SELECT length(printf({case}))").reason in (
        "timeout",
        "always_empty",
        None,
    )
    assert time.monotonic() - start < 1


def test_printf_is_that_of_sqlite(box):
    schema = "CREATE TABLE t(a, b AS (printf('%05d', a)));INSERT INTO t(a) VALUES (7);"
    cases = {
        "printf('%.2f|%s|%d|%%', 2.5, 'é', '7')": "2.50|é|7|%",
        "printf('%.*c', 3, 'x')": "xxx", "printf('%.3c', 'x')": "xxx", "b": "00007",
        "coalesce(printf(), 'none') || coalesce(printf(NULL), 'none')": "nonenone",
        "printf('%s', x'6162')": "ab", "printf('%,d', 1000000000)": "1,000,000,000",
    }  # fmt: skip
    for call, value in cases.items():
        assert box.check(schema, f"SELECT 1 FROM t WHERE {call} = '{value}'").rows == 1, call


@table_of(
    [
        f"SELECT {SLOW}",
        f"SELECT length(replace({BIG}, hex(zeroblob(40000)) || '1', ''))",
        f"SELECT {BIG} LIKE '%' || hex(zeroblob(490)) || '1'",
        f"SELECT {BIG} GLOB '*' || replace(hex(zeroblob(30)), '0', '[0-8]') || '1'",
    ]
)
def test_one_operation_on_the_largest_values_ends_soon(box, case):
    box.check("", "SELECT 1")
    start = time.monotonic()
    assert box.check("", case).ok
    assert time.monotonic() - start < 3


def test_what_takes_time_without_steps_is_killed_twice(monkeypatch):
    started = []
    monkeypatch.setattr(
        "datakit.sqlite.client.Worker", lambda limits: started.append(1) or Worker(limits)
    )
    with Sandbox(timeout=0.5) as box:
        verdict = box.check("", ENDLESS + f"SELECT sum({SLOW}) FROM c")
        assert verdict == Verdict(False, "timeout", "killed after 0.5 s", 0)
        assert len(started) == 2
        assert box.check("", "SELECT 1").ok


SHORT_OF_MEMORY = """
import json, os
for served, line in enumerate(sys.stdin):
    short = "heavy" in line and (served > 0 or os.path.exists("PATH"))
    answer = {"reason": "timeout" if short else None, "message": "", "rows": 1}
    print(json.dumps(answer | {"spent": short, "last": short}), flush=True)
    if short:
        sys.exit()
"""


def test_memory_that_earlier_requests_took_is_no_fault_of_a_query(tmp_path, monkeypatch):
    worker = tmp_path / "worker.py"
    ready = READY.replace("sys.stdin.readline()\n", "")
    worker.write_text(ready + SHORT_OF_MEMORY.replace("PATH", str(tmp_path / "always")))
    monkeypatch.setattr("datakit.sqlite.process._WORKER", worker)
    with Sandbox() as box:
        assert box.check("", "light").ok
        assert box.check("", "heavy").ok
        (tmp_path / "always").touch()
        assert box.check("", "heavy").reason == "timeout"


def worker_of(box):
    return box._worker.pid


def test_a_worker_killed_while_idle_is_replaced(box):
    box.check("", "SELECT 1")
    os.kill(worker_of(box), signal.SIGKILL)
    assert box.check(SHOP, "SELECT * FROM orders").rows == 3


def test_a_worker_killed_at_work_is_replaced_and_asked_again():
    with Sandbox(max_steps=10**9) as box:
        box.check("", "SELECT 1")
        slow = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<3000000) "
        found = []
        thread = threading.Thread(
            target=lambda: found.append(box.check("", slow + "SELECT max(x) FROM c"))
        )
        victim = worker_of(box)
        thread.start()
        time.sleep(0.1)
        os.kill(victim, signal.SIGKILL)
        thread.join()
        assert found == [Verdict(True, None, "", 1)]
        assert worker_of(box) != victim


def test_a_worker_stopped_by_a_signal_is_replaced_and_asked_again():
    with Sandbox(timeout=3.0) as box:
        box.check("", "SELECT 1")
        os.kill(worker_of(box), signal.SIGSTOP)
        assert box.check("", "-- " + "x" * 500_000 + "\nSELECT 1").ok


def test_the_worker_outlives_the_thread_that_started_it(box):
    with Sandbox() as box:
        thread = threading.Thread(target=box.check, args=("", "SELECT 1"))
        thread.start()
        thread.join()
        assert box.check("", "SELECT 1").ok


def test_threads_may_share_a_sandbox(box):
    found = []

    def ask(number):
        for _ in range(20):
            found.append((number, box.check("", f"VALUES {','.join(['(1)'] * number)}").rows))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 100
    assert all(number == rows for number, rows in found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_gets_a_worker_of_its_own(box):
    box.check("", "SELECT 1")
    before = worker_of(box)
    child = os.fork()
    if child == 0:
        good = box.check(SHOP, "SELECT * FROM orders").rows == 3 and worker_of(box) != before
        box.close()
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert box.check("", "SELECT 1").ok
    assert worker_of(box) == before


def test_an_interrupted_check_leaves_no_stale_answer(box, monkeypatch):
    box.check("", "SELECT 1")
    worker = box._worker
    monkeypatch.setattr(worker, "_read", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        box.check("", "SELECT 1")
    assert box.check("", "VALUES (1),(2)").rows == 2


def test_close_ends_the_worker_and_refuses_checks():
    box = Sandbox()
    box.close()
    with Sandbox() as box:
        box.check("", "SELECT 1")
        pid = worker_of(box)
    box.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(ValueError, match="closed"):
        box.check("", "SELECT 1")


def test_nothing_starts_before_the_first_check():
    assert Sandbox()._worker is None


@table_of(
    [
        {"max_steps": 0}, {"memory_mb": 8}, {"max_rows": 0}, {"variants": -1},
        {"timeout": 0}, {"timeout": float("nan")},
    ]
)  # fmt: skip
def test_limits_out_of_range_are_refused(case):
    with pytest.raises(ValueError, match="want max_steps"):
        Sandbox(**case)


def test_a_system_without_resource_limits_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    assert importlib.util.find_spec("resource") is None
    with pytest.raises(RuntimeError, match="Linux or macOS"):
        Sandbox()


def test_a_worker_that_cannot_start_says_so(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="does not start"):
        Sandbox().check("", "SELECT 1")


READY = """import sys, time
print('{"ready": true}', flush=True)
sys.stdin.readline()
"""


@table_of(
    [
        ("while True: print('x' * 65536)", "runtime_error"),
        ("while True: print('x' * 65536, end='')", "runtime_error"),
        ("print('[' * 60000)", "runtime_error"),
        ("print('[]')", "runtime_error"),
        ('print(\'{"reason": "fine"}\')', "runtime_error"),
        ("sys.exit(3)", "runtime_error"),
        ("import os; os.kill(os.getpid(), 9)", "timeout"),
        ("sys.stdout.write('{'); sys.stdout.flush(); time.sleep(9)", "timeout"),
        ("import os; os.close(1); time.sleep(0.1)", "runtime_error"),
    ]
)
def test_a_worker_that_misbehaves_cannot_hang_or_convince_the_parent(case, tmp_path, monkeypatch):
    program, reason = case
    worker = tmp_path / "worker.py"
    worker.write_text(READY + program)
    monkeypatch.setattr("datakit.sqlite.process._WORKER", worker)
    with Sandbox(timeout=0.4) as box:
        start = time.monotonic()
        verdict = box.check("", "SELECT 1")
        assert time.monotonic() - start < 5
    assert (verdict.ok, verdict.reason) == (False, reason)


def test_a_worker_that_never_reads_cannot_hang_the_parent(tmp_path, monkeypatch):
    worker = tmp_path / "worker.py"
    worker.write_text(READY.replace("sys.stdin.readline()", "time.sleep(30)"))
    monkeypatch.setattr("datakit.sqlite.process._WORKER", worker)
    with Sandbox(timeout=0.4) as box:
        assert box.check("x" * 1_000_000, "SELECT 1").reason == "timeout"


@linux
def test_the_worker_ends_itself_when_nobody_kills_it():
    bomb = ENDLESS + f"SELECT sum({SLOW}) FROM c"
    limits = {"seconds": 0.2, "steps": 10**12, "memory_mb": 256, "max_rows": 9, "variants": 0}
    worker = Worker(limits)
    line = json.dumps({"schema": "", "query": bomb}).encode() + b"\n"
    with pytest.raises(LostError) as lost:
        worker.exchange(line, time.monotonic() + 15)
    assert lost.value.status == -signal.SIGXCPU


@pytest.mark.parametrize("memory", [64, 128])
def test_a_small_memory_limit_still_serves(memory):
    with Sandbox(memory_mb=memory) as box:
        assert box.check(SHOP, "SELECT * FROM orders").rows == 3
        bomb = ENDLESS + f"SELECT x, {BIG} || x AS b FROM c ORDER BY b"
        assert box.check("", bomb).reason == "timeout"


@linux
def test_the_worker_is_confined(box):
    box.check("", "SELECT 1")
    proc = pathlib.Path(f"/proc/{worker_of(box)}")
    limits = {line[:26].strip(): line[26:].split()[:2] for line in (proc / "limits").open()}
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max core file size"] == ["0", "0"]
    assert limits["Max open files"] == ["3", "3"]
    assert limits["Max processes"] == ["0", "0"]
    assert limits["Max address space"] == [str(256 << 20)] * 2
    assert int(limits["Max cpu time"][0]) < 120
    assert "NoNewPrivs:\t1" in (proc / "status").read_text()
    assert os.readlink(proc / "cwd") == "/"
    assert (proc / "environ").read_bytes() == b""
    assert sorted(os.listdir(proc / "fd")) == ["0", "1", "2"]


@linux
def test_the_worker_dies_with_its_parent(tmp_path):
    program = (
        "import os, signal\nfrom datakit.sqlite import Sandbox\nbox = Sandbox(10**12)\n"
        "box.check('', 'SELECT 1')\nprint(box._worker.pid, flush=True)\n"
        f"box.check('', {ENDLESS + 'SELECT max(x) FROM c'!r})\n"
    )
    root = pathlib.Path(__file__).parents[2]
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    time.sleep(0.2)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and alive(pid):
        time.sleep(0.02)
    assert not alive(pid)


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@linux
def test_even_with_the_authorizer_gone_no_file_is_made(tmp_path):
    program = (
        "import os, sqlite3, sys\nfrom datakit.sqlite import worker\n"
        "conn = sqlite3.connect(':memory:')\nworker._confine(256 << 20, os.getppid())\n"
        "try:\n    conn.execute('ATTACH ? AS x', (sys.argv[1],))\n"
        "except sqlite3.Error as error:\n    print(error)\n"
    )
    root = pathlib.Path(__file__).parents[2]
    command = [sys.executable, "-c", program, str(tmp_path / "x.db")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert "unable to open database" in done.stdout
    assert list(tmp_path.iterdir()) == []


ALBUMS = "CREATE TABLE a (t TEXT, m INT, f INT); INSERT INTO a VALUES ('x', 5, NULL), ('y', 7, 2);"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT MAX(m) FROM a WHERE t = 'no such album'", "always_empty"),
        ("SELECT MAX(m), MIN(m) FROM a WHERE m > 99999999", "always_empty"),
        ("SELECT sum(m) FROM a WHERE t = 'no such'", "always_empty"),
        ("SELECT f FROM a WHERE m = 5", None),
        ("SELECT NULL FROM a", None),
        ("SELECT COUNT(*) FROM a WHERE m > 99999999", None),
    ],
)
def test_an_aggregate_over_nothing_is_empty(query, reason):
    with Sandbox() as sandbox:
        assert sandbox.check(ALBUMS, query).reason == reason
