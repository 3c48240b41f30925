import gzip
import json

import pytest

from datakit.benchmark import open_overlap, read_items
from datakit.errors import InputError, RecordError
from datakit.overlap import Item
from datakit.record import Record

CHOSEN = Item("set/1", ("q",), "b", "a\nb")


@pytest.mark.parametrize(
    ("row", "item"),
    [
        (
            {"instruction": "q", "input": "n", "output": "a", "id": "x"},
            Item("set/x", ("q", "n"), "a"),
        ),
        ({"instruction": "q", "input": "", "output": "a"}, Item("set/1", ("q",), "a")),
        ({"question": "q", "answer": "a"}, Item("set/1", ("q",), "a")),
        (
            {"prompt": "q", "canonical_solution": "a", "task_id": "H/0"},
            Item("set/H/0", ("q",), "a"),
        ),
        ({"text": "q", "code": "a", "task_id": 0}, Item("set/0", ("q",), "a")),
        ({"Question": "q", "Best Answer": "a"}, Item("set/1", ("q",), "a")),
        (
            {"question": "q", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answer": 1},
            Item("set/1", ("q",), "b", "a\nb"),
        ),
        (
            {"question": "q", "choices": {"text": ["a", "b"], "label": [1, 2]}, "answerKey": 1},
            Item("set/1", ("q",), "a", "a\nb"),
        ),
        (
            {"question": "q", "choices": ["a", "b"], "answer": "B"},
            Item("set/1", ("q",), "b", "a\nb"),
        ),
        ({"question": "q", "options": ["a", "b"], "label": "7"}, Item("set/1", ("q",), "", "a\nb")),
        (
            {"question": "q", "choices": ["a", "b"], "answer": "a b"},
            Item("set/1", ("q",), "a b", "a\nb"),
        ),
        ({"turns": ["q", "r"], "question_id": 81}, Item("set/81", ("q\nr",))),
    ],
)
def test_read_items(tmp_path, row, item):
    path = tmp_path / "set.v2.jsonl"
    path.write_text("\n" + json.dumps(row) if item.name == "set/0" else json.dumps(row))
    assert list(read_items(str(path))) == [item]


def test_files_of_other_kinds(tmp_path):
    (tmp_path / "one.json").write_text('[{"question": "q"}]')
    (tmp_path / "two.jsonl.gz").write_bytes(gzip.compress(b'\n{"question": "q"}\n'))
    names = [
        item.name for f in ("one.json", "two.jsonl.gz") for item in read_items(str(tmp_path / f))
    ]
    assert names == ["one/1", "two/2"]


def test_an_item_without_a_question(tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_text('{"answer": "a"}\n')
    with pytest.raises(RecordError, match=r"set.jsonl:1: no question"):
        list(read_items(str(path)))
    with pytest.raises(InputError):
        open_overlap(str(tmp_path / "none.jsonl"))


def test_several_files_are_one_index(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(
            json.dumps({"question": f"what does {name} do here"})
        )
    overlap = open_overlap(str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"))
    assert [m.of for m in overlap.matches(Record("So what does b do here?"))] == ["b/1"]
