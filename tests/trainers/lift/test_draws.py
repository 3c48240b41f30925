import itertools
import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datakit.record import Record
from trainers.lift.draws import circle, draw, overlap, places, ranked

MANY = [Record(f"question {at}", output=f"o{at}") for at in range(2000)]
PLACES = places(MANY, 0)

texts = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=40)
spots = st.lists(
    st.floats(0, 1, exclude_max=True, allow_nan=False) | st.sampled_from([0.25, 0.5]),
    min_size=1,
    max_size=60,
)


@given(texts, texts, st.integers(0, 3))
def test_one_prompt_has_one_place_in_all_variants(one, other, seed):
    a = [Record(text, output=f"a{at}", id=f"{at}") for at, text in enumerate(one)]
    b = [Record(text, output="b", meta={"x": 1}) for text in other]
    placed = dict(zip(one, places(a, seed), strict=True))
    for text, place in zip(other, places(b, seed), strict=True):
        assert 0 <= place < 1
        assert placed.get(text, place) == place


def test_prompts_that_differ_stand_apart():
    assert len(set(PLACES)) == len(MANY)
    assert max(PLACES) > 0.99 and min(PLACES) < 0.01
    tenths = Counter(int(10 * each) for each in PLACES)
    assert len(tenths) == 10 and all(140 < count < 260 for count in tenths.values())


def test_what_a_place_depends_on():
    def place(record, seed=0):
        return places([record], seed)[0]

    chat = [
        {"role": "user", "content": "Q"},
        {"role": "assistant", "content": "A"},
        {"role": "user", "content": "R"},
    ]
    base = Record("Q", "in", "a")
    assert place(base) == place(base.replace(output="b", id="x"))
    assert place(base) == place(base.replace(instruction=" q"))
    assert place(base) != place(base, seed=1)
    assert place(base) != place(base.replace(input="other"))
    assert place(base) != place(base.replace(extra={"system": "S"}))
    talk = Record("R", output="a", extra={"messages": chat})
    assert place(talk) != place(Record("R", output="a"))
    ended = [*chat, {"role": "assistant", "content": "Z"}]
    assert place(talk) == place(Record("R", output="Z", extra={"messages": ended}))


def test_a_system_text_is_no_question():
    one = Record("Q", output="a", extra={"system": "S"})
    other = Record("S\nQ", output="a")
    assert places([one], 0) != places([other], 0)


@given(spots, st.integers(0, 20))
def test_a_circle_has_everyone_once(spots, replicate):
    order = circle(spots, replicate)
    assert sorted(order) == list(range(len(spots)))
    around = [spots[at] for at in order]
    assert sum(a > b for a, b in itertools.pairwise(around)) <= 1


@given(spots, st.integers(0, 20), st.data())
def test_a_draw_is_what_comes_next(spots, replicate, data):
    size = data.draw(st.integers(0, len(spots)))
    drawn = draw(spots, replicate, size)
    assert sorted(drawn) == sorted(circle(spots, replicate)[:size])


@given(spots, st.integers(0, 5), st.integers(0, 200))
def test_passes_are_whole(spots, replicate, size):
    drawn = draw(spots, replicate, size)
    assert len(drawn) == size
    count = len(spots)
    for start in range(0, size - size % count, count):
        assert sorted(drawn[start : start + count]) == list(range(count))
    rest = drawn[size - size % count :]
    assert len(rest) == len(set(rest))


def test_each_pass_has_an_order_of_its_own():
    drawn = draw(PLACES[:50], 0, 150)
    assert len({tuple(drawn[start : start + 50]) for start in (0, 50, 100)}) == 3


def test_another_replicate_has_another_order():
    assert draw(PLACES[:50], 0, 50) != draw(PLACES[:50], 1, 50)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("replicates", [2, 3, 5, 8])
def test_few_draws_do_not_meet(replicates, seed):
    # Together half of the records.
    spots, size = places(MANY, seed), len(MANY) // replicates // 2
    assert overlap([draw(spots, k, size) for k in range(replicates)]) == 0


@pytest.mark.parametrize("seed", range(5))
def test_many_draws_spread_evenly(seed):
    # Twice as many as there are: at random, 1 in 10 would be in common.
    spots = places(MANY, seed)
    draws = [draw(spots, k, 200) for k in range(20)]
    counts = Counter(at for each in draws for at in each)
    assert len(counts) > 0.97 * len(MANY)
    assert max(counts.values()) <= 4
    assert overlap(draws) < 0.1


def test_a_part_shares_most_of_a_draw():
    whole, part = PLACES, PLACES[:1800]
    for replicate in range(5):
        one, other = set(draw(whole, replicate, 200)), set(draw(part, replicate, 200))
        assert len(one & other) >= 0.85 * 200


def test_the_order_is_common():
    part = [at for at in range(len(MANY)) if at % 10]
    spots = [PLACES[at] for at in part]
    for size in (100, 5000):
        whole = draw(PLACES, 3, size)
        own = [part[at] for at in draw(spots, 3, size)]
        if size > len(MANY):
            whole, own = whole[: len(MANY)], own[: len(part)]
        both = set(whole) & set(own)
        assert [at for at in whole if at in both] == [at for at in own if at in both]
        assert len(both) > 0.8 * len(own)


def test_copies_do_not_stand_together():
    spots = [place for place in PLACES[:64] for _ in range(4)]
    drawn = [at // 4 for at in draw(spots, 0, 256)]
    together = sum(a == b for a, b in itertools.pairwise(drawn))
    assert together < 15


def test_copies_leave_others_where_they_are():
    copied = [*PLACES[:100], *PLACES[:100]]
    first = [at for at in draw(copied, 0, 200) if at < 100]
    assert first == draw(PLACES[:100], 0, 100)


def test_the_hash_seed_of_python_does_not_count():
    code = (
        "from datakit.record import Record\n"
        "from trainers.lift.draws import draw, places, ranked\n"
        "many = [Record(f'q{at}', output='o') for at in range(40)]\n"
        "print(places(many, 7), draw(places(many, 7), 2, 70), ranked(many, 7, 'x'))\n"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    many = [Record(f"q{at}", output="o") for at in range(40)]
    spots = places(many, 7)
    assert said[0] == said[1] == f"{spots} {draw(spots, 2, 70)} {ranked(many, 7, 'x')}\n"


def test_the_order_of_records_does_not_count():
    back = MANY[:300][::-1]
    there, here = draw(PLACES[:300], 1, 64), draw(places(back, 0), 1, 64)
    assert [MANY[at] for at in there] == [back[at] for at in here]


@pytest.mark.parametrize(("spots", "size"), [([], 0), ([], 1), ([0.5], -1)])
def test_draws_that_are_none(spots, size):
    with pytest.raises(ValueError, match="cannot be drawn"):
        draw(spots, 0, size)


def test_overlap():
    assert overlap([[1, 2], [2, 3]]) == 0.5
    assert overlap([[1, 2], [1, 2], [3, 4]]) == pytest.approx(1 / 3)
    assert overlap([[1, 1, 2, 2], [1, 1]]) == pytest.approx(0.75)
    assert overlap([[1, 2]]) == overlap([]) == 0


@settings(max_examples=30)
@given(st.lists(st.sampled_from("abcde"), max_size=30), st.integers(0, 3))
def test_ranks(prompts, seed):
    records = [Record(each, output="o") for each in prompts]
    order = ranked(records, seed, "x")
    assert sorted(order) == list(range(len(records)))
    # Which prompts come first does not depend on how the records stand.
    back = ranked(records[::-1], seed, "x")
    assert [prompts[at] for at in order] == [prompts[::-1][at] for at in back]


def test_a_rank_has_a_seed_and_a_purpose():
    orders = {tuple(ranked(MANY[:50], *each)) for each in ((0, "x"), (1, "x"), (0, "y"))}
    assert len(orders) == 3
