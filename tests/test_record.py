import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.reading import identified, parse_object
from datakit.record import Record, canonical, digest

ANY = st.text(st.characters())
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**4000), 10**4000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY, inner, max_size=3),
    max_leaves=10,
)
OURS = ("instruction", "input", "output", "id", "meta", "dropped")
KEYS = ANY.filter(lambda key: key not in OURS) | st.sampled_from(
    [
        "system",
        "rejected",
        "label",
        "messages",
        "tools",
        "no",
        "",
        "Instruction",
        "\u202e",
        "\ud800",
    ]
)
META = st.dictionaries(ANY.filter(lambda key: key not in ("parents", "scores")), JSON, max_size=4)
LINES = st.fixed_dictionaries(
    {"instruction": ANY, "input": ANY, "output": ANY, "id": ANY, "meta": META}
)


@given(LINES, st.dictionaries(KEYS, JSON, max_size=5))
def test_what_a_user_brings_survives(row, extra):
    whole = {**row, **extra}
    record = Record.from_json(parse_object(Record.from_json(whole).to_line(), "x"))
    again = record.to_json()
    assert again == whole
    # A number's type and a key's place are part of it: 1 is not 1.0 is not true.
    assert json.dumps(again["meta"]) == json.dumps(row["meta"])
    assert json.dumps({key: again[key] for key in extra}) == json.dumps(extra)
    assert [key for key in again if key in extra] == list(extra)
    assert record.to_line() == Record.from_json(whole).to_line()


@given(LINES, st.dictionaries(KEYS, JSON, max_size=3))
def test_a_line_is_one_line_of_utf8(row, extra):
    line = Record.from_json({**row, **extra}).to_line(more=1)
    assert line.count(b"\n") == 1
    assert line.endswith(b"}\n")
    assert list(json.loads(line.decode()))[:3] == ["instruction", "input", "output"]
    assert list(json.loads(line))[-1] == "more"


@given(LINES, st.dictionaries(KEYS, JSON, max_size=3))
def test_reading_and_writing_again_changes_nothing(row, extra):
    whole = {**row, **extra, "instruction": row["instruction"] + "x"}
    (first,) = identified([("", dict(whole))], "x")
    (second,) = identified([("", parse_object(first.to_line(), "x"))], "x")
    assert second == first
    assert first.extra == extra


@given(JSON)
def test_canonical_forgets_the_order_of_keys_alone(value):
    text = json.dumps(value, ensure_ascii=False)

    def turned(each):
        if isinstance(each, dict):
            return {key: turned(each[key]) for key in reversed(each)}
        return [turned(one) for one in each] if isinstance(each, list) else each

    assert canonical(turned(json.loads(text))) == canonical(value)
    assert json.dumps(json.loads(canonical(value)), sort_keys=True) == json.dumps(
        value, sort_keys=True
    )


@pytest.mark.parametrize(
    ("left", "right"), [(1, 1.0), (1, True), ("1", 1), ([], {}), (None, ""), ("e\u0301", "é")]
)
def test_digest_tells_apart(left, right):
    assert digest(left) != digest(right)
    assert len(digest(left)) == 16
    assert len(digest(left, size=4)) == 8


def test_nan_is_refused():
    with pytest.raises(ValueError, match="JSON compliant"):
        digest(float("nan"))
    with pytest.raises(ValueError, match="JSON compliant"):
        Record("a", meta={"x": float("inf")}).to_line()


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"instruction": "b"}, False),
        ({"input": "b"}, False),
        ({"output": "b"}, False),
        ({"extra": {"rejected": "b"}}, False),
        ({"extra": {"label": False}}, False),
        ({"extra": {"messages": []}}, False),
        ({"extra": {"note": "b"}}, True),
        ({"meta": {"source": "b"}}, True),
        ({"id": "b"}, True),
    ],
)
def test_content_hash_is_of_what_a_model_learns_from(change, same):
    record = Record("a", "i", "o", id="x")
    assert (record.replace(**change).content_hash == record.content_hash) is same


def test_fields_do_not_run_into_each_other():
    assert Record("ab", "", "c").content_hash != Record("a", "", "bc").content_hash
    assert Record("a", "b").content_hash != Record("b", "a").content_hash


def test_prompt():
    assert Record("a").prompt == "a"
    assert Record("a", "b").prompt == "a\nb"


def test_a_record_never_changes():
    record = Record("a", meta={"k": 1})
    with pytest.raises(AttributeError):
        record.instruction = "b"
    other = record.with_meta(l=2).annotated({"s": 1, "lang": "en"})
    assert record.meta == {"k": 1}
    assert other.meta == {"k": 1, "l": 2, "scores": {"s": 1}, "lang": "en"}
    assert other.annotated({"t": 2}).scores == {"s": 1, "t": 2}
    assert record.annotated({}).meta == record.meta


def test_children():
    record = Record(
        "a", "i", "o", id="p", meta={"license": "CC0-1.0", "source": "me", "scores": {"s": 1}}
    )
    child = record.child(output="new")
    assert (child.id, child.parents, child.output, child.input) == ("", ("p",), "new", "i")
    assert child.meta == {"parents": ["p"], "license": "CC0-1.0"}
    both = Record.from_parents([record, Record("b", id="q")], instruction="x")
    assert both.parents == ("p", "q")
