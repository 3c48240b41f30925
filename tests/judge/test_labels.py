import pytest

from datakit.errors import RecordError
from datakit.judge import LabelledPair, graded, labelled, question_of
from datakit.reading import identified
from datakit.record import Record


def pairs(*rows):
    numbered = [(f"f:{at}", row) for at, row in enumerate(rows, 1)]
    records = identified(iter(numbered), "f")
    return list(
        labelled((where, each) for (where, _), each in zip(numbered, records, strict=False))
    )


def test_pairs_with_a_label():
    row = {"instruction": "Q", "input": "i", "output_a": "x", "output_b": "", "label": "a"}
    models = {"model_a": "m1", "model_b": None, "label": " Tie "}
    assert pairs(row, {**row, **models}) == [
        LabelledPair("Q\ni", "x", "", "a"),
        LabelledPair("Q\ni", "x", "", "tie", ("m1", "")),
    ]


def test_the_label_does_not_change_what_is_asked():
    one, other = LabelledPair("Q", "x", "y", "a"), LabelledPair("Q", "x", "y", "b", ("m", "n"))
    assert one.key == other.key != LabelledPair("Q", "y", "x", "a").key


def test_of_preferences_either_side_is_the_preferred_one():
    rows = [{"prompt": f"Q{n}", "chosen": "good", "rejected": "bad"} for n in range(40)]
    found = pairs(*rows)
    assert {(each.a, each.label) for each in found} == {("good", "a"), ("bad", "b")}
    assert 10 < sum(each.label == "a" for each in found) < 30
    assert found == pairs(*rows)


def test_a_chat_is_asked_about_as_a_whole():
    said = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Go on.")]
    messages = [{"role": role, "content": text} for role, text in said]
    row = {"prompt": messages, "chosen": "x", "rejected": "y"}
    whole = "System: Be brief.\n\nUser: Hi\n\nAssistant: Hello\n\nUser: Go on."
    assert pairs(row)[0].question == whole
    assert question_of(Record("Q", extra={"system": "Be brief."})) == "System: Be brief.\n\nQ"


def test_all_mistakes_are_told_with_their_places():
    row = {"instruction": "Q", "output_a": "x", "output_b": "y", "label": "a"}
    with pytest.raises(RecordError) as caught:
        pairs(
            {**row, "label": "c"},
            {**row, "output_b": 3},
            {"instruction": "Q", "output_a": "x", "label": "a"},
            row,
            {"instruction": "Q", "output": "x"},
            {**row, "label": None, "model_a": 1},
            {**row, "label": 1},
        )
    found = caught.value.problems
    assert [each.partition(" is ")[0].partition(" must ")[0] for each in found] == [
        'f:1: "label"', 'f:2: "output_b"', 'f:3: "output_b"', "f:5: there", 'f:6: "label"',
        'f:6: "model_a"', 'f:7: "label"',
    ]  # fmt: skip
    assert found[0] == 'f:1: "label" must be a, b or tie, not "c".'
    assert "chosen and rejected" in found[3]


def test_graded_answers_are_read():
    rows = [
        {"instruction": "Q", "output": "A", "label": 7, "reference": "R"},
        {"instruction": "Q", "output": "A", "label": "2.5"},
    ]
    records = identified(((f"f:{at}", row) for at, row in enumerate(rows, 1)), "f")
    one, other = graded((f"f:{at}", record) for at, record in enumerate(records, 1))
    assert (one.grade, one.reference, other.grade) == (7, "R", 2.5)
    assert one.key != other.key, "with a reference it is another question"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, 'f:1: "label" is missing: it is people\'s grade'),
        ({"label": 11}, 'f:1: "label" is none: it is people\'s grade of the answer, a number from'),
        ({"label": "good"}, "is none"),
        ({"label": True}, "is none"),
        ({"label": 5, "output": " "}, 'f:1: "output" is missing'),
        ({"label": 5, "reference": ["x"]}, 'f:1: "reference" must be a text.'),
    ],
)
def test_what_is_no_graded_answer_is_told(row, message):
    given = {"instruction": "Q", "output": "A", **row}
    (record,) = identified(iter([("f:1", given)]), "f")
    with pytest.raises(RecordError) as error:
        list(graded([("f:1", record)]))
    assert message in str(error.value)
