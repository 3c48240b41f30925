"""What an evaluation found, as it is printed and handed on."""

import json

import pytest

from tests.trainers.evaluate.fakes import Fake
from tests.trainers.evaluate.test_run_tasks import AFTER, BEFORE, CHATS
from trainers.evaluate import Items
from trainers.evaluate.evaluation import Evaluation
from trainers.evaluate.general import Change, Forgetting
from trainers.evaluate.outcome import outcome_of
from trainers.evaluate.perplexity import Perplexity
from trainers.stats import Interval

TASK = Perplexity("perplexity:x", CHATS)


@pytest.fixture
def found():
    after, before = (TASK.run(Fake(nats=nats), str) for nats in (AFTER, BEFORE))
    change = Change("nll", *(Interval(value, 0.5, 3.0, 72) for value in (1.0, 2.0, 1.0)), True)
    return Evaluation(
        "runs/a", "float32", (outcome_of(TASK, after, before),), "base", Forgetting((change,))
    )


def test_it_is_printed_as_a_table(found):
    lines = str(found).splitlines()
    assert repr(found) == str(found) and len(lines) == 6
    assert lines[0] == "runs/a in float32 against base"
    head = ["task", "metric", "value", "95", "%", "interval", "n", "base", "difference"]
    assert lines[1].split() == head
    assert lines[3].startswith("perplexity:x  nll            1.250  [")
    assert "  3  1.750  -0.500  [" in lines[3]
    assert lines[5].startswith("General set: nll 1.00 -> 2.00")
    assert repr(found.outcomes[0]).splitlines() == lines[1:5]
    assert repr(found.outcomes[0].items) == "Items(n=3, scores=nll, bits_per_byte)"


def test_nothing_of_a_hostile_name_acts_on_a_terminal():
    assert str(Evaluation("a\x1b[2J", "", ())) == "a<U+001B>[2J"


def test_rows_for_pandas(found):
    rows = found.rows()
    assert len(rows) == 3 + 3 + 2
    assert all(list(row) == list(rows[0]) for row in rows)
    (ours,) = (row for row in rows if (row["model"], row["metric"]) == ("runs/a", "perplexity"))
    interval = found.outcomes[0].scores["perplexity"]
    assert ours == {
        "model": "runs/a",
        "task": "perplexity:x",
        "metric": "perplexity",
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "items": 3,
    }
    assert [row["value"] for row in rows if row["task"] == "general"] == [2.0, 1.0]
    assert {row["model"] for row in rows} == {"runs/a", "base"}


def test_what_was_interrupted_says_so(found):
    whole = list(found.items())
    assert len(whole) == 3 and "interrupted" not in whole[0]
    assert "interrupted" not in found.to_json()
    cut = Evaluation("m", "", found.outcomes, unfinished=("sql:y", "the general set"))
    assert all(row["interrupted"] is True for row in cut.items())
    assert json.loads(json.dumps(cut.to_json()))["unfinished"] == ["sql:y", "the general set"]
    assert str(cut).endswith("\nNot finished: sql:y; the general set.")


def test_scores_by_the_items_ids():
    items = Items(("a", "b"), {"exact": (0.0, 1.0)})
    assert items.by_id("exact") == {"a": 0.0, "b": 1.0}
    with pytest.raises(ValueError, match="two items have the same id"):
        Items(("a", "a"), {"exact": (0.0, 1.0)}).by_id("exact")
