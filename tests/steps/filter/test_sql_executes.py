import pytest

from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import Resources
from datakit.steps.filter.sql_executes import SqlExecutes

SCHEMA = "CREATE TABLE river (name TEXT, km INTEGER); INSERT INTO river VALUES ('Rhine', 1233);"


@pytest.fixture(scope="module")
def resources():
    opened = Resources()
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT name FROM river WHERE km > 1000", None),
        ("SELECT length FROM river", "no_such_column"),
        ("SELECT name FRM river WHERE", "syntax_error"),
        ("DELETE FROM river", "not_a_query"),
    ],
)
def test_sql_executes(resources, query, reason):
    drop = SqlExecutes().check(Record("Long rivers?", SCHEMA, query), resources)
    assert (drop.reason if drop else None) == reason
    if drop:
        assert isinstance(drop, Drop)
        assert drop.detail["message"]
