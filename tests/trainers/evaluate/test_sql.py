"""sql: the task, with models that answer what they are told to."""

import json
import sys

import pytest

from datakit.errors import InputError
from trainers.evaluate import TaskOptions, parse_task
from trainers.evaluate.sql import SqlTask, open_task

DDL = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INTEGER);"
    "INSERT INTO t VALUES (1,'Ann',5),(2,'Ben',10),(3,'Cy',20);"
)
GOLDS = [
    "SELECT name FROM t WHERE n > 10",
    "SELECT COUNT(*) FROM t;",
    "SELECT name FROM t ORDER BY n DESC LIMIT 1",
    "SELECT MAX(n) FROM t",
]


class Told:
    name = "told"

    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def generate(self, prompts, *, max_new_tokens=256):
        self.asked.append((list(prompts), max_new_tokens))
        return list(self.answers)


@pytest.fixture
def write(tmp_path):
    def write(rows, name="held.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(path)

    return write


@pytest.fixture
def path(write):
    return write(
        [{"instruction": f"Q{at}", "input": DDL, "output": gold} for at, gold in enumerate(GOLDS)]
    )


def test_scores_answers_and_notes(path):
    task = parse_task(f"sql:{path}")
    assert isinstance(task, SqlTask)
    told = Told(
        [
            "Sure:\n```sql\nSELECT name FROM t WHERE n >= 20;\n```",
            "SELECT COUNT(id) AS n FROM t",
            "SELECT nam FROM t ORDER BY n DESC LIMIT 1",
            "DELETE FROM t",
        ]
    )
    said = []
    items = task.run(told, said.append)
    assert (task.text, len(task), len(items.ids)) == (f"sql:{path}", 4, 4)
    assert items.scores == {
        "right": (0.0, 1.0, 0.0, 0.0),
        "right_one_db": (1.0, 1.0, 0.0, 0.0),
        "runs": (1.0, 1.0, 0.0, 0.0),
    }
    assert items.answers == tuple(told.answers)
    assert told.asked == [
        ([({"role": "user", "content": f"Q{at}\n{DDL}"},) for at in range(4)], 256)
    ]
    notes = " ".join(items.notes)
    assert "Of 2 answers that agree with the gold query on the given rows, 1 do so by luck" in notes
    assert "differs 1, no_such_column 1, not_a_query 1" in notes
    assert "mutants of the gold queries are told apart" in notes
    assert any("suites in" in each for each in said)
    assert any("a second" in each for each in said)


def test_the_gold_answers_are_right_and_suites_are_built_once(path):
    said = []
    items = open_task(path, TaskOptions()).run(Told(GOLDS), said.append)
    assert items.scores["right"] == (1.0,) * 4
    again = open_task(path, TaskOptions(limit=2, max_new_tokens=9))
    told = Told(GOLDS[:2])
    said.clear()
    assert again.run(told, said.append).scores["right"] == (1.0, 1.0)
    assert told.asked[0][1] == 9
    assert not any("suites" in each for each in said)


def test_gold_queries_that_fail_are_told_with_file_and_line(write):
    path = write(
        [
            {"instruction": "a", "input": DDL, "output": "SELECT 1"},
            {"instruction": "b", "input": DDL, "output": "SELECT nope FROM t"},
            {"instruction": "c", "input": "CREATE TABLE", "output": "SELECT 1"},
            {"instruction": "d", "output": "SELECT n FROM t"},
        ]
    )
    with pytest.raises(InputError) as caught:
        open_task(path, TaskOptions())
    second, third, fourth = caught.value.problems
    assert second.startswith(f"{path}:2: the gold query (output) does not run: no_such_column")
    assert third.startswith(f"{path}:3: the schema (input) does not run: bad_schema")
    assert fourth.endswith("Its input is empty: put the schema there.")


def test_that_more_mistakes_may_be_there_is_told(write):
    bad = {"instruction": "Q", "input": DDL, "output": "SELECT nam FROM t"}
    with pytest.raises(InputError) as caught:
        open_task(write([bad] * 12), TaskOptions())
    *shown, last = caught.value.problems
    assert len(shown) == 10 and last == "Only the first 10 mistakes are shown; there may be more."
    with pytest.raises(InputError) as caught:
        open_task(write([bad] * 9), TaskOptions())
    assert len(caught.value.problems) == 9


def test_a_gold_query_in_a_block_and_a_chat(write):
    chat = [
        {"role": "system", "content": "Write SQL."},
        {"role": "user", "content": "How many?"},
        {"role": "assistant", "content": "```sql\nSELECT 2\n```"},
    ]
    path = write([{"instruction": "x", "output": "```sql\nSELECT 1;\n```"}, {"messages": chat}])
    told = Told(["SELECT 1.0", "SELECT 2"])
    items = open_task(path, TaskOptions()).run(told, lambda _: None)
    assert items.scores["right"] == (1.0, 1.0)
    assert [each["role"] for each in told.asked[0][0][1]] == ["system", "user"]


def test_without_sqlglot_the_extra_is_named_before_any_answer(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    with pytest.raises(InputError, match=r"datakit\[sql\]"):
        open_task(path, TaskOptions())
