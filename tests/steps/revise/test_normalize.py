import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.record import Record
from datakit.steps.revise.normalize import Normalize


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a", "a"),
        (" a \n", "a"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("cafe\u0301", "caf\u00e9"),
        ("\n  \n    return 1\n    # end\n\n", "    return 1\n    # end"),
        ("a\n\nb", "a\n\nb"),
        (" \n ", ""),
    ],
)
def test_normalize(text, clean):
    made = Normalize().revise(Record("q", "", text, id="old"))
    if text == clean:
        assert made is None
    else:
        assert (made.instruction, made.output, made.id) == ("q", clean, "")


def test_the_childs_meta_is_its_parents():
    meta = {"parents": ["x"], "scores": {"q": 1}, "source": "s", "license": "MIT"}
    record = Record(" q", "", "o", id="old", meta=meta, extra={"system": "s"})
    made = Normalize().revise(record)
    assert made.meta == {**meta, "parents": ["old"]}
    assert made.extra == {"system": "s"}


@given(st.text(), st.text())
def test_once_is_enough(instruction, output):
    record = Record(instruction, "", output)
    made = Normalize().revise(record) or record
    assert Normalize().revise(made) is None
