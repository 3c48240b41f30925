import json

from hypothesis import given
from hypothesis import strategies as st

from datakit.outcome import Drop
from datakit.record import Record
from datakit.running.spool import Spool

texts = st.text(st.characters(), max_size=30)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
own = st.dictionaries(
    texts.filter(lambda key: key not in ("instruction", "input", "output", "id", "meta")),
    values,
    max_size=3,
)
records = st.builds(
    Record, texts, texts, texts, texts, meta=st.dictionaries(texts, values, max_size=3), extra=own
)


@given(st.lists(records, max_size=5))
def test_what_goes_in_comes_out_as_often_as_one_likes(tmp_path_factory, given_records):
    spool = Spool(tmp_path_factory.mktemp("spool") / "a.jsonl")
    for at, record in enumerate(given_records):
        spool.append(record)
        assert len(list(spool)) == len(spool) == at + 1  # while it is still written
    spool.close()
    assert list(spool) == list(spool) == given_records


def test_two_readers_do_not_disturb_each_other(tmp_path):
    spool = Spool(tmp_path / "a.jsonl").extend(Record(str(n)) for n in range(5))
    pairs = [(a.instruction, b.instruction) for a in spool for b in spool]
    assert len(pairs) == 25
    spool.close()


def test_take_over(tmp_path):
    one, two = Spool(tmp_path / "one"), Spool(tmp_path / "two")
    one.append(Record("a"))
    two.append_dropped(Record("b"), "x.y", Drop("bad", of="1", score=0.5, why="é"))
    one.take_over(two)
    one.append(Record("c"))
    one.close()
    rows = [json.loads(line) for line in one.path.read_bytes().splitlines()]
    assert [row["instruction"] for row in rows] == ["a", "b", "c"]
    assert rows[1]["dropped"] == {
        "step": "x.y",
        "reason": "bad",
        "detail": {"why": "é"},
        "of": "1",
        "score": 0.5,
    }
    assert len(one) == 3
    assert not two.path.exists()
