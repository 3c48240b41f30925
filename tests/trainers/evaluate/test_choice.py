"""Multiple choice by likelihood."""

import json

import pytest

from datakit.errors import RecordError
from tests.trainers.evaluate.fakes import Fake
from trainers.evaluate import TaskOptions
from trainers.evaluate.choice import Choice, Question, open_task, question_of


def test_scores_by_hand():
    # Per byte: "b" 1.0, "cc" 1.5, "dddd" 0.9; in all: 1, 3, 3.6.
    nats = {"b": (1.0, 1), "cc": (3.0, 1), "dddd": (3.6, 2), "e": (1.0, 1)}
    questions = (
        Question("1", "?", ("cc", "b", "dddd"), 1),
        Question("2", "?", ("cc", "b", "dddd"), 2),
        Question("3", "?", ("b", "e"), 0),
    )
    items = Choice("choice:x", questions).run(Fake(nats=nats), lambda text: None)
    assert items.scores["accuracy"] == (1.0, 0.0, 0.5)
    assert items.scores["accuracy_per_byte"] == (0.0, 1.0, 0.5)
    assert items.scores["chance"] == pytest.approx((1 / 3, 1 / 3, 1 / 2))
    assert items.answers == ("b", "b", "b") and items.fixed == {"chance"}


@pytest.mark.parametrize(
    ("answer", "at"), [(0, 0), (2, 2), ("A", 0), ("c", 2), ("Rome", 1), (" B ", 1)]
)
def test_how_the_right_one_is_named(answer, at):
    row = {"question": "?", "choices": ["Oslo", "Rome", "Bonn"], "answer": answer}
    assert question_of(row, "f:3") == Question("3", "?", ("Oslo", "Rome", "Bonn"), at)
    assert question_of({**row, "id": 7}, "f:3").id == "7"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"question": " "}, '"question" must be a text that is not empty'),
        ({"question": 3}, '"question" must be a text that is not empty, not a number'),
        ({"choices": ["a"]}, '"choices" must be a list of two texts or more.'),
        ({"choices": "ab"}, '"choices" must be a list of two texts or more.'),
        ({"choices": ["a", 1]}, "each must be a text"),
        ({"choices": ["a", "a"]}, "two of them are the same"),
        ({"answer": 2}, "its index (0 to 1), its letter (A to B), or its text."),
        ({"answer": -1}, '"answer" must be the right choice'),
        ({"answer": True}, '"answer" must be the right choice'),
        ({"answer": "C"}, '"answer" must be the right choice'),
        ({"answer": None}, '"answer" must be the right choice'),
    ],
)
def test_what_is_wrong_is_told(change, says):
    row = {"question": "?", "choices": ["a", "b"], "answer": 0, **change}
    with pytest.raises(RecordError) as error:
        question_of(row, "f.jsonl:3")
    assert str(error.value).startswith("f.jsonl:3: ") and says in str(error.value)


def test_all_lines_that_are_wrong(tmp_path):
    path = tmp_path / "q.jsonl"
    good = {"question": "?", "choices": ["a", "b"], "answer": 0}
    rows = [good, {**good, "answer": 9}, {**good, "choices": 1}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(RecordError) as error:
        open_task(str(path), TaskOptions())
    assert [text.split(":")[1] for text in error.value.problems] == ["2", "3"]
    assert len(open_task(str(path), TaskOptions(limit=1))) == 1
