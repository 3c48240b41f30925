import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.errors import InputError
from trainers.lift.budget import Budget, plan, sentence
from trainers.lift.draws import draw

row = st.tuples(st.integers(1, 50), st.integers(0, 5))
spot = st.floats(0, 1, exclude_max=True, allow_nan=False)
variant = st.lists(st.tuples(row, spot), min_size=1, max_size=30)
two = st.fixed_dictionaries({"a": variant, "b": variant})


def made(budget, variants, replicates=3, **more):
    lengths = {name: [length for length, _ in each] for name, each in variants.items()}
    places = {name: [place for _, place in each] for name, each in variants.items()}
    return plan(budget, lengths, places, replicates, **more), lengths, places


@given(two, st.integers(1, 9), st.integers(1, 5))
def test_equal_steps(variants, steps, batch):
    plans, lengths, places = made(Budget("steps", steps, batch), variants)
    for name, own in plans.items():
        for k, each in enumerate(own):
            assert each.indices == tuple(draw(places[name], k, steps * batch))
            assert each.steps == steps
            assert each.tokens == sum(lengths[name][at][0] for at in each.indices)
            assert each.answer_tokens == sum(lengths[name][at][1] for at in each.indices)


@given(two, st.integers(1, 5), st.none() | st.integers(1, 80))
def test_equal_examples(variants, batch, examples):
    plans, lengths, _ = made(Budget("examples", 3, batch, examples=examples), variants)
    size = examples or min(map(len, lengths.values()))
    for each in (*plans["a"], *plans["b"]):
        assert len(each.indices) == size
        assert each.steps == math.ceil(size / batch)


@given(two, st.integers(1, 5), st.integers(50, 2000))
def test_equal_tokens(variants, batch, tokens):
    plans, lengths, places = made(Budget("tokens", 3, batch, tokens=tokens), variants)
    for name, own in plans.items():
        longest = max(size for size, _ in lengths[name])
        for k, each in enumerate(own):
            assert tokens - longest < each.tokens <= tokens
            assert each.tokens == sum(lengths[name][at][0] for at in each.indices)
            assert each.steps == math.ceil(len(each.indices) / batch)
            assert each.indices == tuple(draw(places[name], k, len(each.indices)))


@given(two, st.integers(1, 4), st.sampled_from(["steps", "examples"]))
def test_more_replicates_keep_those_before(variants, replicates, match):
    budget = Budget(match, 3, 2)
    few, _, _ = made(budget, variants, replicates)
    many, _, _ = made(budget, variants, replicates + 3)
    assert all(many[name][:replicates] == few[name] for name in variants)


EVEN = {
    "short": [((10, 4), at / 100) for at in range(100)],
    "long": [((30, 9), at / 100) for at in range(100)],
}


def test_the_baseline_is_the_measure_of_tokens():
    plans, _, _ = made(Budget("tokens", 5, 4), EVEN)
    assert {each.tokens for each in plans["short"]} == {200}
    assert {(each.tokens, len(each.indices), each.steps) for each in plans["long"]} == {(180, 6, 2)}
    plans, _, _ = made(Budget("tokens", 5, 4), EVEN, baseline="long")
    assert {(each.tokens, each.steps) for each in plans["short"]} == {(600, 15)}


def test_no_long_record_is_skipped():
    rows = [((40, 1), 0.4), ((10, 1), 0.5), ((10, 1), 0.6)]
    plans, _, _ = made(Budget("tokens", 1, 1, tokens=45), {"a": rows}, 1)
    assert plans["a"][0].indices == (0,)


def test_tokens_for_several_passes():
    plans, _, _ = made(Budget("tokens", 1, 4, tokens=2555), {"a": EVEN["short"]}, 1)
    (each,) = plans["a"]
    assert (each.tokens, len(each.indices), each.steps) == (2550, 255, 64)


def test_too_few_tokens_for_one_record():
    with pytest.raises(InputError, match=r"long: a trial has 20 tokens.*longest has 30"):
        made(Budget("tokens", 1, 1, tokens=20), EVEN)


def test_a_variant_without_records():
    with pytest.raises(InputError, match="b: there is no record to train on"):
        made(Budget("steps", 1, 1), {"a": EVEN["short"], "b": []})


def test_places_for_other_records():
    with pytest.raises(ValueError, match="a: 1 lengths, 2 places"):
        plan(Budget("steps", 1, 1), {"a": [(1, 1)]}, {"a": [0.1, 0.2]}, 1)


@pytest.mark.parametrize("wrong", ["steps", "batch", "examples", "tokens"])
def test_nothing_to_spend(wrong):
    with pytest.raises(InputError, match=f"{wrong} must be 1 or more, not 0"):
        Budget(**{"match": "steps", "steps": 1, "batch": 1, wrong: 0})


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        (
            Budget("steps", 16, 4),
            "16 steps of 4 examples each: 64 examples, 640 to 1,920 tokens a trial",
        ),
        (Budget("steps", 1, 1), "1 step of 1 example each: 1 example, 10 to 30 tokens a trial"),
        (
            Budget("examples", 1, 4, examples=50),
            "50 examples each, in 13 steps of 4: 500 to 1,500 tokens a trial",
        ),
        (
            Budget("tokens", 1, 4, tokens=1000),
            "at most 1,000 tokens each: 990 to 1,000 tokens, 33 to 100 examples, "
            "9 to 25 steps of 4 a trial",
        ),
        (
            Budget("tokens", 3, 2),
            "at most as many tokens each as the baseline's first trial has: 60 tokens, "
            "2 to 6 examples, 1 to 3 steps of 2 a trial",
        ),
    ],
)
def test_in_words(budget, told):
    assert sentence(budget, made(budget, EVEN)[0]) == told
