import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.errors import InputError
from datakit.families import families
from datakit.record import Record
from trainers.data import holdout


def record(id, *parents, text="", **extra):
    meta = {"parents": list(parents)} if parents else {}
    return Record(text or f"question {id}", output="o", id=id, meta=meta, extra=extra)


MANY = [record(f"r{at}") for at in range(200)]


def ids(records):
    return [each.id for each in records]


@pytest.mark.parametrize(("options", "size"), [({"share": 0.1}, 20), ({"count": 7}, 7)])
def test_sizes_and_order(options, size):
    train, test = holdout(MANY, **options)
    assert (len(train), len(test)) == (200 - size, size)
    order = ids(MANY)
    assert sorted(ids(train), key=order.index) == ids(train)
    assert sorted(ids(test), key=order.index) == ids(test)
    assert {*ids(train), *ids(test)} == {*order}


def test_the_seed_decides():
    draws = [ids(holdout(MANY, count=50, seed=seed)[1]) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_another_record_moves_few():
    before = {*ids(holdout(MANY, count=50)[1])}
    after = {*ids(holdout([record("new"), *MANY], count=50)[1])}
    assert len(before - after) <= 1


def test_one_opening_is_one_family():
    talk = [{"role": "system", "content": "s"}, {"role": "user", "content": "Hello"}]
    same = [
        record("a", messages=[*talk, {"role": "assistant", "content": "x"}]),
        record("b", text="Hello"),
        record("c", messages=talk[1:]),
    ]
    for seed in range(20):
        train, test = holdout([*same, *MANY[:9]], count=4, seed=seed)
        assert {"a", "b", "c"} <= {*ids(train)} or {"a", "b", "c"} <= {*ids(test)}


def test_turns_by_other_names_open_a_chat_too():
    chat = [
        {"from": "system", "value": "s"},
        {"from": "human", "value": "Hello"},
        {"from": "gpt", "value": "x"},
        {"from": "human", "value": "Another one?"},
    ]
    later = [*chat[:3], {"role": "user", "content": [{"type": "text"}]}]
    same = [
        record("a", text="Another one?", messages=chat),
        record("b", text="Hello"),
        record("c", text="Yet another?", messages=later),
    ]
    for seed in range(20):
        train, test = holdout([*same, *MANY[:9]], count=4, seed=seed)
        assert {"a", "b", "c"} <= {*ids(train)} or {"a", "b", "c"} <= {*ids(test)}


def test_messages_that_are_no_messages():
    odd = [record(f"x{at}", messages=each) for at, each in enumerate(["x", [1], [{}], {}])]
    train, test = holdout([*odd, *MANY[:4]], count=2)
    assert (len(train), len(test)) == (6, 2)


def test_records_without_ids():
    rows = [Record(f"q{at}", output="o") for at in range(10)]
    train, test = holdout(rows, share=0.3)
    assert (len(train), len(test)) == (7, 3)


@given(
    st.lists(
        st.tuples(st.booleans(), st.lists(st.integers(0, 14), max_size=2)), min_size=2, max_size=15
    ),
    st.integers(0, 3),
)
def test_no_family_is_on_both_sides(rows, seed):
    every = [
        record(f"r{at}", *(f"r{each}" for each in parents if each < at))
        for at, (_, parents) in enumerate(rows)
    ]
    kept = [each for each, (stays, _) in zip(every, rows, strict=True) if stays]
    gone = [each for each, (stays, _) in zip(every, rows, strict=True) if not stays]
    try:
        train, test = holdout(kept, share=0.5, seed=seed, gone=gone)
    except InputError:
        return
    assert len(test) <= max(1, round(len(kept) / 2))
    sides = [{*ids(train)}, {*ids(test)}]
    for family in families(kept, gone):
        assert sum(not side.isdisjoint(ids(family)) for side in sides) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give either a share or a count"),
        ({"share": 0.1, "count": 1}, "give either a share or a count"),
        ({"share": 0.0}, "share must be between 0 and 1, not 0.0"),
        ({"share": 1.0}, "share must be between 0 and 1"),
        ({"share": float("nan")}, "share must be between 0 and 1"),
        ({"count": 0}, "count must be from 1 to 199, not 0"),
        ({"count": 200}, "count must be from 1 to 199, not 200"),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(InputError, match=message):
        holdout(MANY, **options)


def test_one_large_family():
    line = [record("r0"), *(record(f"r{at}", "r0") for at in range(1, 10))]
    with pytest.raises(InputError, match=r"1 of 10 records cannot .* 1 groups has 10"):
        holdout(line, share=0.1)
    with pytest.raises(InputError, match="1 of 0 records"):
        holdout([], share=0.1)
