"""The SQL in a model's answer."""

import pytest

from datakit.sqlite.extract import extract_sql

QUERY = "SELECT a FROM t WHERE b = 1"


@pytest.mark.parametrize(
    ("answer", "query"),
    [
        (QUERY, QUERY),
        (QUERY + ";", QUERY),
        (f"  {QUERY} ;\n\nThis finds a.", QUERY),
        (f"{QUERY}; SELECT 2;", QUERY),
        (f"```sql\n{QUERY};\n```", QUERY),
        (f"```\r\n{QUERY}\r\n```", QUERY),
        (f"Here is the query:\n\n```sqlite\n{QUERY}\n```\nIt finds a.", QUERY),
        (f"```sql\n{QUERY}", QUERY),
        (f"```sql {QUERY}```", QUERY),
        (f"```{QUERY};``` It finds a.", QUERY),
        ("SELECT `a``b`, `;` FROM t; x", "SELECT `a``b`, `;` FROM t"),
        (f"First the schema:\n```sql\nCREATE TABLE t (a)\n```\nthen\n```sql\n{QUERY}\n```", QUERY),
        (f"The query is: {QUERY}", QUERY),
        (f"Use `{QUERY}` for that.", QUERY),
        (f"I select the rows of t.\n{QUERY}\n\nWith this query you find them.", QUERY),
        (f"Sure! With this query you find it:\n{QUERY};", QUERY),
        ("select a\nfrom t\n\nwhere b = 1;", "select a\nfrom t\n\nwhere b = 1"),
        ("SELECT a\nFROM t\n\nThat is all; good luck.", "SELECT a\nFROM t"),
        ("SELECT ';' || a, \"x;y\" -- not; here\nFROM t; more",
         "SELECT ';' || a, \"x;y\" -- not; here\nFROM t"),
        ("WITH c AS (SELECT 1) SELECT * FROM c; x", "WITH c AS (SELECT 1) SELECT * FROM c"),
        ("WITH RECURSIVE c(x) AS (SELECT 1) SELECT x FROM c",
         "WITH RECURSIVE c(x) AS (SELECT 1) SELECT x FROM c"),
        ("VALUES (1), (2)", "VALUES (1), (2)"),
        ("-- names\nSELECT a FROM t", "SELECT a FROM t"),
        ("Answer: select a from t", "select a from t"),
        ("DROP TABLE t", "DROP TABLE t"),
        ("```sql\nDELETE FROM t;\n```", "DELETE FROM t"),
        ("I do not know.", "I do not know."),
        ("", ""),
    ],
)  # fmt: skip
def test_the_query_is_taken_out(answer, query):
    assert extract_sql(answer) == query


@pytest.mark.parametrize(
    "answer",
    ["`" * 200_000, "'" * 200_000, "SELECT " * 50_000, "WITH a (" * 20_000, "\n" * 200_000],
)
@pytest.mark.timeout(10)
def test_long_answers_take_no_time(answer):
    assert len(extract_sql(answer)) <= 100_000
