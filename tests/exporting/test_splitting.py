import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.errors import InputError
from datakit.exporting.splitting import alike, parse_shares, split
from datakit.record import Record


def made(n, parents=(), topic="t"):
    meta = {"parents": list(parents), "topic": topic}
    return Record(f"question {n}", output="So.", id=f"r{n}", meta=meta)


@pytest.mark.parametrize("text", ["0.9/0.1", "90/10", " 0.9 / 0.1 "])
def test_shares(text):
    assert [float(each) for each in parse_shares(text).values] == [0.9, 0.1]
    assert parse_shares("80/10/10").names == ("train", "validation", "test")


@pytest.mark.parametrize(
    "text", ["", "1", "0.9", "0.9/0.2", "1/0", "-1/2", "a/b", "1/0/0", "nan/1"]
)
def test_no_shares(text):
    with pytest.raises(InputError, match="--split"):
        parse_shares(text)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc")), min_size=1, max_size=60),
    st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=8),
    st.sampled_from(["0.9/0.1", "0.5/0.5", "0.6/0.2/0.2"]),
)
def test_what_belongs_together_stays_and_nothing_is_lost(rows, near, shares):
    records = [made(n, [f"s{seed}"], topic) for n, (seed, topic) in enumerate(rows)]
    near = [(a, b) for a, b in near if a < len(records) and b < len(records)]
    parts = split(records, [], parse_shares(shares), near)
    place = {record.id: at for at, part in enumerate(parts) for record in part}
    assert sorted(place) == sorted(record.id for record in records)
    seeds = {}
    for record in records:
        assert seeds.setdefault(record.parents, place[record.id]) == place[record.id]
    assert all(place[records[a].id] == place[records[b].id] for a, b in near)
    assert [[r.id for r in part] for part in split(records, [], parse_shares(shares), near)] == [
        [r.id for r in part] for part in parts
    ]


def test_each_topic_has_its_share():
    records = [made(n, topic="abcd"[n % 4]) for n in range(400)]
    train, test = split(records, [], parse_shares("0.9/0.1"))
    assert (len(train), len(test)) == (360, 40)
    assert {
        topic: sum(r.meta["topic"] == topic for r in test) for topic in "abcd"
    } == dict.fromkeys("abcd", 10)


def test_questions_that_are_nearly_the_same_belong_together():
    pytest.importorskip("rensa")
    asked = "How many red boats lie in the old harbour on the first Sunday of {} in the morning?"
    records = [Record(asked.format(month), id=month) for month in ("June", "July")]
    records.append(Record("Name a colour.", id="other"))
    assert alike(records) == [(1, 0)]
    assert alike(records[:1]) == []
