"""Judged tasks: what they read, and what they have a model answer."""

import json

import pytest

from datakit.errors import InputError
from tests.trainers.evaluate.fakes import Fake
from trainers.evaluate import TaskOptions, parse_task


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def question(at, **more):
    return {"question_id": at, "category": "math", "turns": [f"q{at}", f"r{at}"], **more}


@pytest.fixture
def mt(tmp_path):
    return write(
        tmp_path / "mt.jsonl",
        [question(at, reference=["x", "y"] if at else None) for at in range(20)],
    )


def test_the_second_turn_is_asked_in_the_light_of_the_first_answer(mt):
    task = parse_task(f"mt-bench-lite:{mt}")
    answers = {f"q{at}": f"a{at}" for at in range(20)} | {f"r{at}": f"b{at}" for at in range(20)}
    subject = Fake(answers)
    items = task.run(subject, lambda text: None)
    assert items.ids[:3] == ("0/1", "0/2", "1/1") and items.answers[:3] == ("a0", "b0", "a1")
    assert items.scores == {}
    assert [(each["role"], each["content"]) for each in subject.asked[20][0]] == [
        ("user", "q0"), ("assistant", "a0"), ("user", "r0")
    ]  # fmt: skip
    (note,) = items.notes
    assert note.startswith("1 of 20 questions of math, reasoning, coding lack a reference")
    assert task.questions[1].guide == ("x", "First turn:\nx\n\nSecond turn:\ny")
    assert task.questions[0].guide == ("", "")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"question_id": None}, ':21: "question_id" must be a number or a text, not null.'),
        ({"question_id": 3}, ':21: "question_id" 3 is there twice.'),
        ({"category": 1}, ':21: "category" must be a text'),
        ({"turns": ["one"]}, ':21: "turns" must be a list of two texts'),
        ({"turns": ["one", " "]}, ':21: "turns" must be a list of two texts'),
        ({"turns": "one"}, ':21: "turns" must be'),
        ({"reference": "x"}, ':21: "reference" must be a list of two texts'),
        ({"reference": [1, 2]}, ':21: "reference" must be'),
    ],
)
def test_what_is_no_question_is_told(tmp_path, row, says):
    path = write(tmp_path / "mt.jsonl", [*map(question, range(20)), {**question(20), **row}])
    with pytest.raises(InputError) as error:
        parse_task(f"mt-bench-lite:{path}")
    assert says in str(error.value)


def test_fewer_than_twenty_questions_are_too_few(mt):
    path = write(mt.parent / "few.jsonl", map(question, range(19)))
    with pytest.raises(InputError, match="has 19 questions; mt-bench-lite needs 20 or more"):
        parse_task(f"mt-bench-lite:{path}")
    with pytest.raises(InputError, match="has 7 questions with --limit 7"):
        parse_task(f"mt-bench-lite:{mt}", TaskOptions(limit=7))


def test_instructions_come_with_or_without_answers(tmp_path):
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    path = write(
        tmp_path / "held.jsonl",
        [
            {"instruction": "Q", "input": "i", "output": "O", "label": False},
            {"instruction": "Q2"},
            {"messages": chat},
            {"messages": [*chat, {"role": "user", "content": "Go on."}]},
        ],
    )
    task = parse_task(f"pairwise:{path}")
    assert [each.output for each in task.instructions] == ["O", "", "Hello", ""]
    assert task.missing() == 2
    assert [each.prompt[-1]["content"] for each in task.instructions] == [
        "Q\ni", "Q2", "Hi", "Go on."
    ]  # fmt: skip
    assert task.instructions[3].text == "User: Hi\n\nAssistant: Hello\n\nUser: Go on."
    with pytest.raises(InputError, match="there are no records in it"):
        parse_task(f"pairwise:{write(tmp_path / 'none.jsonl', [])}")
