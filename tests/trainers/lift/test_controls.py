import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.errors import InputError
from datakit.exchange import exchange
from datakit.record import Record
from trainers.lift.controls import duplicated, equal_tokens, shuffled, thinned
from trainers.lift.draws import draw, places
from trainers.lift.variants import Variant


def variant(*answers, name="v"):
    listed = [Record(f"q{at}", output=each, id=f"r{at}") for at, each in enumerate(answers)]
    return Variant(name, tuple(listed), gone=(Record("", id="g"),))


MANY = variant(*(f"a{at}" for at in range(100)))


def outputs(variant):
    return [each.output for each in variant.records]


@given(st.integers(2, 60), st.floats(0.01, 1), st.integers(0, 5))
def test_nobody_keeps_his_own(count, share, seed):
    base = variant(*(f"a{at}" for at in range(count)))
    wanted = int(share * count + 0.5)
    if wanted < 2:
        with pytest.raises(InputError, match=f" is {wanted}; at least 2 are needed"):
            shuffled(base, share, seed)
        return
    made = shuffled(base, share, seed)
    changed = sum(a != b for a, b in zip(outputs(base), outputs(made), strict=True))
    assert changed == wanted
    assert sorted(outputs(made)) == sorted(outputs(base))
    for before, after in zip(base.records, made.records, strict=True):
        assert after == before.replace(output=after.output)


@given(st.lists(st.sampled_from(["x", "y", "z ", "z"]), min_size=2, max_size=40), st.integers(0, 3))
def test_equal_answers_are_avoided(answers, seed):
    base = variant(*answers)
    most = max(Counter(each.strip() for each in answers).values())
    if most == len(answers):
        with pytest.raises(InputError, match="all equal, so that nothing would change"):
            shuffled(base, 1, seed)
        return
    made = shuffled(base, 1, seed)
    pairs = zip(answers, outputs(made), strict=True)
    same = sum(a.strip() == b.strip() for a, b in pairs)
    assert same == max(0, 2 * most - len(answers))
    assert sorted(outputs(made)) == sorted(answers)
    assert (f"for {same} of these it reads the same" in made.control) == (same > 0)


def test_half_the_answers():
    made = shuffled(MANY, 0.5, 0)
    assert made.name == "v (half the answers shuffled)"
    assert made.control == "50 of 100 records have the answer of another one of them."
    assert made.gone == MANY.gone
    assert shuffled(MANY, 1, 0).name == "v (all answers shuffled)"
    assert shuffled(MANY, 0.25, 0).name == "v (25 % of the answers shuffled)"


def moved(share, seed, base=MANY):
    after = shuffled(base, share, seed).records
    return {a.id for a, b in zip(base.records, after, strict=True) if a.output != b.output}


def test_a_smaller_share_is_in_a_larger_one():
    assert moved(0.2, 0) < moved(0.5, 0) < moved(1, 0)
    assert moved(0.5, 0) == moved(0.5, 0) != moved(0.5, 1)
    turned = Variant("t", MANY.records[::-1])
    assert moved(0.5, 0, turned) == moved(0.5, 0)


def test_shuffled_answers_are_drawn_as_before():
    made = shuffled(MANY, 0.5, 0)
    one, other = (draw(places(each.records, 3), 1, 30) for each in (MANY, made))
    assert one == other
    # Those chosen have nothing to do with those drawn, though the seed is the same.
    chosen = {at for at, each in enumerate(MANY.records) if each.id in moved(0.5, 3)}
    shares = [len(chosen & set(draw(places(MANY.records, 3), k, 30))) / 30 for k in range(5)]
    assert min(shares) > 0.2 and max(shares) < 0.8


def test_of_a_chat_the_last_answer_alone():
    def chat(at, names=("role", "content"), ended=True):
        said = [("user", f"q{at}"), ("assistant", f"early {at}"), ("user", f"r{at}")]
        said += [("assistant", f"last {at}")] if ended else []
        messages = [dict(zip(names, each, strict=True)) for each in said]
        return Record(f"r{at}", output=f"last {at}", extra={"messages": messages, "x": 1})

    base = Variant(
        "v", (chat(0), chat(1, ("from", "value")), chat(2, ended=False), MANY.records[0])
    )
    before = json.dumps([each.to_json() for each in base.records])
    made = shuffled(base, 1, 0)
    assert json.dumps([each.to_json() for each in base.records]) == before
    for old, new in zip(base.records, made.records, strict=True):
        assert exchange(new)[0] == exchange(old)[0]
        assert exchange(new)[1] == new.output != old.output
        assert new.extra.get("x") == old.extra.get("x")
        messages = new.extra.get("messages", [])
        if len(messages) == 4:
            assert new.output in messages[-1].values()


def test_records_without_an_answer_are_left_alone():
    base = Variant("v", (*MANY.records[:4], Record("none"), Record("", output="lost")))
    made = shuffled(base, 1, 0)
    assert made.records[4:] == base.records[4:]
    assert made.control.startswith("4 of 4 records ")
    assert {each.output for each in made.records[:4]} == {"a0", "a1", "a2", "a3"}


@pytest.mark.parametrize("share", [0, -0.1, 1.1, float("nan")])
def test_shares_that_are_none(share):
    with pytest.raises(InputError, match="must be over 0 and up to 1"):
        shuffled(MANY, share, 0)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40), st.integers(2, 6))
def test_as_many_as_before(answers, times):
    base = Variant(
        "v", tuple(Record(each, output="o", id=f"{at}") for at, each in enumerate(answers))
    )
    made = duplicated(base, times, 0)
    assert len(made) == len(base)
    counts = Counter(each.instruction for each in made.records)
    distinct = len(set(answers))
    assert len(counts) == min(distinct, -(-len(answers) // times))
    assert max(counts.values()) - min(counts.values()) <= 1
    ids = [each.id for each in made.records]
    assert len(ids) == len(set(ids))


def test_each_four_times():
    made = duplicated(MANY, 4, 0)
    assert set(Counter(outputs(made)).values()) == {4}
    assert made.name == "v (each record 4 times)"
    assert made.control == "25 distinct records, each up to 4 times: 100, as many as before."
    assert {each.id.partition("#")[2] for each in made.records} == {"", "2", "3", "4"}
    assert outputs(made) != outputs(duplicated(MANY, 4, 1))
    assert {len(Counter(draw(places(made.records, 0), k, 40))) for k in range(3)} == {40}


def test_nothing_to_duplicate():
    with pytest.raises(InputError, match="times must be 2 or more, not 1"):
        duplicated(MANY, 1, 0)
    with pytest.raises(InputError, match="v: there are no records in it"):
        duplicated(variant(), 2, 0)


def test_a_thinned_variant_is_a_part():
    small, large = thinned(MANY, 10, 0), thinned(MANY, 30, 0)
    order = [each.id for each in MANY.records]
    for made in (small, large):
        ids = [each.id for each in made.records]
        assert ids == sorted(ids, key=order.index)
    assert {each.id for each in small.records} < {each.id for each in large.records}
    assert (len(small), small.name) == (10, "v (10 records)")
    assert small.control == "10 records of 100, drawn at random."
    assert small.records != thinned(MANY, 10, 1).records
    assert thinned(MANY, 100, 0).records == MANY.records


@pytest.mark.parametrize("size", [0, 101])
def test_sizes_that_are_none(size):
    with pytest.raises(InputError, match=f"v: {size} records cannot be kept of 100"):
        thinned(MANY, size, 0)


@given(st.integers(20, 3000), st.integers(0, 5))
def test_equal_tokens(most, seed):
    def size(record):
        return 1 + int(record.id[1:]) % 20

    made = equal_tokens(MANY, size, most, seed)
    total = sum(map(size, made.records))
    assert total <= most
    assert total > most - 20 or len(made) == 100
    assert made.records == thinned(MANY, len(made), seed).records
    assert f"{total:,} tokens of at most {most:,}." in made.control


def test_tokens_that_fit_exactly():
    assert len(equal_tokens(MANY, lambda record: 5, 50, 0)) == 10


def test_too_few_tokens():
    with pytest.raises(InputError, match="v: 4 tokens are too few for one of its records"):
        equal_tokens(MANY, lambda record: 5, 4, 0)
