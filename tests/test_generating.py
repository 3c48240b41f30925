"""Generators in three lines, each over the loopback server and the real SDK."""

import pytest

import datakit as dk
from datakit.errors import InputError
from datakit.llm.teacher import Teacher
from datakit.steps.generate.distill import Distill
from tests.loopback import Plan, serve
from tests.running.steps import triples

ROWS = [
    {"instruction": f"Name thing {at} of the list.", "output": f"Thing {at} is a boat."}
    for at in range(6)
]


@pytest.fixture
def teacher():
    with serve(Plan()) as server:
        yield {"provider": "openai", "model": "m", "base_url": server.url}, server


def test_three_lines_grow_a_dataset(tmp_path, teacher):
    who, server = teacher
    version = dk.generate(ROWS, triples(3), "dedup.exact", target=10, teacher=who, store=tmp_path)
    assert len(version) >= 10 + len(ROWS)
    asked = len(server.answered())
    again = dk.generate(
        (dict(row) for row in ROWS), triples(3), "dedup.exact", target=10, teacher=who,
        store=tmp_path,
    )  # fmt: skip
    assert again.ref == version.ref == "generated@v1"
    assert len(server.answered()) == asked


def test_or_answer_what_there_is(tmp_path, teacher):
    who, server = teacher
    known = Teacher(provider="openai", model="m", base_url=who["base_url"])
    first = dk.generate(ROWS, Distill(), teacher=known, store=tmp_path, name="answered")
    assert len(first) == 6 == len(server.answered())
    assert {each.output for each in first}.isdisjoint(row["output"] for row in ROWS)
    second = dk.generate(
        "answered@v1", "score.judge: {json_schema: false}", teacher=known, store=tmp_path,
        name="judged",
    )  # fmt: skip
    # The loopback server is no judge: what it cannot score is dropped with its reason.
    assert {drop["reason"] for _, drop in second.iter_dropped()} == {"unparsable"}


@pytest.mark.parametrize(
    ("steps", "target", "says"),
    [
        (["generate.distill"], 5, "no step makes records"),
        (["generate.self_instruct"], None, "say how many"),
        (["generate.nothing"], 5, "generate.nothing"),
        ([], None, "step"),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(tmp_path, teacher, steps, target, says):
    who, server = teacher
    with pytest.raises(InputError, match=says):
        dk.generate(ROWS, *steps, target=target, teacher=who, store=tmp_path / "d")
    assert server.answered() == []
    assert not (tmp_path / "d").exists()


def test_a_wrong_teacher_and_a_wrong_record_are_told(tmp_path):
    with pytest.raises(InputError, match="provider"):
        dk.generate(ROWS, "generate.distill", teacher={"provider": "nobody"}, store=tmp_path)
    with pytest.raises(InputError, match="instruction"):
        dk.generate([{"output": "x"}], "generate.distill", store=tmp_path)
