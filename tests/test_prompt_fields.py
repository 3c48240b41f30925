import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datakit.prompts import fill, places, read_text
from datakit.prompts.fields import as_lines, value_of
from datakit.record import Record

RECORD = Record(
    "Q",
    output="A",
    meta={"lang": "de", "evolution": {"round": 2}, "scores": {"quality": 0.5}},
    extra={
        "topic": "boats",
        "n": 3,
        "tags": ["a", "ü"],
        "none": None,
        "a.b": "dotted",
        "yes": True,
    },
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{instruction} {Topic-2} {meta.lang} {ö}", {"instruction", "Topic-2", "meta.lang", "ö"}),
        ('{"a": 1} { x } {} {1} {a b} {a.} {.a} {a..b}', set()),
        ("{{topic}} {topic", set()),
        ("{{topic}} {lang}", {"lang"}),
    ],
)
def test_places_of_any_field(text, found):
    assert places(text, any_field=True) == found


def test_only_places_are_filled():
    text = '{"a": {topic}} {{topic}} {{{topic}} {meta.lang}'
    values = {"topic": "{meta.lang} {{x}}", "meta.lang": "de"}
    filled = fill(text, values, any_field=True)
    assert filled == '{"a": {meta.lang} {{x}}} {topic} {{topic} de'
    # Our own prompts have simple places only.
    assert places("{{topic}} {meta.lang}") == {"topic"}
    with pytest.raises(KeyError):
        fill("{a}", {}, any_field=True)


@settings(deadline=None)
@given(st.text(st.sampled_from("{}ab. \n"), max_size=30), st.text(max_size=9))
def test_a_value_never_makes_a_place(text, value):
    names = places(text, any_field=True)
    marks = fill(text, dict.fromkeys(names, "\0"), any_field=True)
    assert fill(text, dict.fromkeys(names, value), any_field=True) == marks.replace("\0", value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("instruction", "Q"),
        ("input", ""),
        ("topic", "boats"),
        ("n", "3"),
        ("yes", "true"),
        ("tags", '["a", "ü"]'),
        ("a.b", "dotted"),
        ("meta.lang", "de"),
        ("meta.evolution.round", "2"),
        ("meta.evolution", '{"round": 2}'),
        ("scores.quality", "0.5"),
        ("none", None),
        ("nothing", None),
        ("meta.nothing", None),
        ("topic.x", None),
        ("lang", None),
    ],
)
def test_values_of_a_record(name, value):
    assert value_of(RECORD, name) == value


def test_lines():
    line = '{"instruction": "Q", "input": "", "output": "A"}'
    assert as_lines([RECORD, RECORD]) == f"{line}\n{line}"
    assert as_lines([]) == ""


def test_a_file_is_read_again_when_it_has_changed(tmp_path):
    path = tmp_path / "p.txt"
    path.write_text("one")
    assert read_text(path) == "one"
    path.write_text("another")
    assert read_text(path) == "another"
    path.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="not UTF-8"):
        read_text(path)
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        read_text(tmp_path / "none.txt")
