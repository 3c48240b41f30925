import math
import random

import pytest

from datakit.intervals import score_interval
from datakit.judge.statistics import kappa, lean, share


def test_a_share_of_items_of_their_own_has_tango_s_interval():
    found = share([1.0] * 8 + [0.5] * 4 + [0.0] * 3, range(15))
    assert found.value == pytest.approx(10 / 15)
    assert (found.low, found.high) == score_interval(8, 3, 15)
    assert found.n == 15
    assert share([], []) is None


def test_pairs_of_one_question_count_less():
    values = [1.0, 0.0] * 20
    alone = share(values, range(40))
    # Whoever is right once is so with all four pairs of a question.
    alike = share([each for each in values[:10] for _ in range(4)], [n // 4 for n in range(40)])
    apart = share(values, [n // 2 for n in range(40)])
    assert alike.value == alone.value == 0.5
    assert alike.high - alike.low > 1.7 * (alone.high - alone.low)
    assert (apart.low, apart.high) == (alone.low, alone.high), "never more than there are"
    same = share([1.0] * 40, [n // 8 for n in range(40)])
    assert same.low == pytest.approx(share([1.0] * 5, range(5)).low)


def test_kappa_of_cohen_s_formula():
    # 20 and 15 equal, 5 and 10 not: the textbook's table, kappa 0.4.
    one = ["a"] * 25 + ["b"] * 25
    other = ["a"] * 20 + ["b"] * 5 + ["a"] * 10 + ["b"] * 15
    found = kappa(one, other, range(50))
    assert found.value == pytest.approx(0.4)
    half = 1.96 * math.sqrt(0.7 * 0.3 / 50) / 0.5
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)
    assert kappa(["a"] * 3, ["a"] * 3, range(3)) is None
    assert kappa([], [], []) is None


def test_lean_is_the_difference_of_two_kinds_of_mistakes():
    # The longer wins 3 of the 4 that people give to the shorter, and all 4 of its own; 1 of 2 ties.
    people = [0.0] * 4 + [0.5] * 2 + [1.0] * 4
    judged = [1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    found = lean(judged, people, range(10))
    assert found.value == pytest.approx(0.8 * (3 / 4 - 0) + 0.2 * 0)
    assert found.low < found.value < found.high
    assert found.n == 10
    mirrored = lean([1 - each for each in judged], [1 - each for each in people], range(10))
    assert mirrored.value == pytest.approx(-found.value)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))
    assert lean([1.0] * 10, people, range(10)).value == 1
    assert lean(judged[:4], people[:4], range(4)) is None
    assert lean(judged[:6], people[:6], range(6)).n == 2, "the shorter alone tell nothing"


@pytest.mark.parametrize("skill", [0.0, 0.6, 1.0])
def test_a_judge_without_a_leaning_has_none_however_good_it_is(skill):
    chance, covered, values = random.Random(1), 0, []
    for _ in range(200):
        people = chance.choices([0.0, 0.5, 1.0], [2, 2, 6], k=120)
        judged = [
            each if each != 0.5 and chance.random() < skill else chance.choice([0.0, 0.5, 1.0])
            for each in people
        ]
        found = lean(judged, people, range(120))
        covered += found.low <= 0 <= found.high
        values.append(found.value)
    assert abs(sum(values) / 200) < 0.02
    assert covered >= 184
