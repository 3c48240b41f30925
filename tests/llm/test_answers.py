"""Answers: what is read, what is mended, and what is not guessed at."""

import pytest

from datakit.llm.answers import read_answer, read_json
from datakit.llm.request import Sample
from datakit.outcome import Drop
from datakit.record import Record


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (' [1, "x"]\n', [1, "x"]),
        ('```json\n{"a": "`"}\n```', {"a": "`"}),
        ("```\n[1]\n```\n", [1]),
        ('Here you are:\n{"a": {"b": [2]}}\nI hope it helps.', {"a": {"b": [2]}}),
        ('{"a": [1, 2,], }', {"a": [1, 2]}),
        ('{"a": ",]", "b": "\\",}"}', {"a": ",]", "b": '",}'}),
        ('[Note] the answer: {"a": 1}', {"a": 1}),
        ("3.5", 3.5),
    ],
)
def test_what_can_be_read_in_one_way_is(text, value):
    assert read_json(text) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1} {"a": 2}', "2 JSON values"),
        ('{"a": [1, 2', "not JSON"),
        ('so {"a": "cut off', "not JSON"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": NaN}', "NaN"),
        ("plain words", "not JSON"),
        ("", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_can_not_is_refused(text, says):
    with pytest.raises(ValueError, match=says):
        read_json(text)


def test_a_sample_is_read_or_has_a_reason():
    assert read_answer(Sample("[1]"), read_json).value == [1]
    assert read_answer(Sample("no", "refused"), read_json).drop == Drop("refused")
    assert read_answer(Sample("[1", "length"), read_json).drop == Drop("cut_short", chars=2)
    unread = read_answer(Sample("[1"), read_json)
    assert (unread.drop.reason, unread.value) == ("unparsable", None)
    parent = Record("q", id="p")
    refused = unread.rejected([parent])
    assert (refused.record.output, refused.record.parents) == ("[1", ("p",))
    assert unread.rejected([], Drop("other")).drop.reason == "other"
    with pytest.raises(ValueError, match="can be used"):
        read_answer(Sample("[1]"), read_json).rejected([parent])
