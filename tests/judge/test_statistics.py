import math
import random

import pytest

from datakit.intervals import score_interval
from datakit.judge.statistics import average, kappa, lean, length_controlled, ordering, share


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


def coin(chance, p):
    return 1.0 if chance.random() < p else 0.0


def test_length_control_takes_from_a_length_loving_judge_its_advantage():
    chance = random.Random(1)
    # The answers are as good as the others', but longer in three of four cases.
    apart = [chance.gauss(200, 300) for _ in range(300)]
    values = [coin(chance, 1 / (1 + math.exp(-each / 100))) for each in apart]
    plain, controlled = share(values, range(300)), length_controlled(values, apart, range(300))
    assert plain.low > 0.6
    assert controlled.low < 0.5 < controlled.high
    strict = length_controlled([float(each > 0) for each in apart], apart, range(300))
    assert strict.low < 0.5 < strict.high, "also where length decides all"


def test_length_control_leaves_what_is_not_of_length():
    chance = random.Random(2)
    apart = [chance.gauss(200, 300) for _ in range(400)]
    values = [coin(chance, 0.7) for _ in apart]
    found = length_controlled(values, apart, range(400))
    assert found.low < 0.7 < found.high
    assert found.low > 0.5
    same = length_controlled(values, [0.0] * 400, range(400))
    assert same.value == pytest.approx(share(values, range(400)).value, abs=1e-3)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_length_control_has_an_end_where_all_verdicts_are_alike(value):
    found = length_controlled([value] * 40, [10.0 * n for n in range(40)], range(40))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert abs(found.value - value) < 0.02
    if value != 0.5:
        assert found.high - found.low > 0.05, "40 items are not certainty"
    alone = length_controlled([value], [5.0], [0])
    assert alone.high - alone.low > 0.5
    assert length_controlled([], [], []) is None


def test_length_control_counts_turns_of_one_question_once():
    chance = random.Random(3)
    apart = [chance.gauss(0, 300) for _ in range(60)]
    values = [coin(chance, 0.6) for _ in apart]
    alone = length_controlled(values, apart, range(60))
    twice = length_controlled(values * 2, apart * 2, [*range(60)] * 2)
    assert twice.high - twice.low > 0.95 * (alone.high - alone.low)
    assert twice.n == 120


@pytest.mark.parametrize(("level", "slope"), [(0.0, 0.0), (0.0, 2.0), (1.0, 1.0), (2.5, 0.0)])
def test_the_length_controlled_interval_covers_the_truth(level, slope):
    chance, within, studies = random.Random(4), 0, 120
    cut = 0.5

    def rate(z):
        return 1 / (1 + math.exp(-z))

    truth = (rate(level - cut) + 1 - rate(-level - cut)) / 2
    for _ in range(studies):
        apart = [chance.gauss(150, 300) for _ in range(50)]
        mean = sum(apart) / 50
        spread = math.sqrt(sum((each - mean) ** 2 for each in apart) / 50)
        values = []
        for each in apart:
            z, drawn = level + slope * math.tanh(each / spread), chance.random()
            won, lost = rate(z - cut), rate(-z - cut)
            values.append(1.0 if drawn < won else 0.0 if drawn > 1 - lost else 0.5)
        found = length_controlled(values, apart, range(50))
        within += found.low <= truth <= found.high
    # Of 120 studies at 95 %, fewer than 107 is a chance of one in 500.
    assert within >= 107


def test_grades_are_in_people_s_order():
    people = [1.0, 3.0, 5.0, 7.0]
    found = ordering([2.0, 4.0, 6.0, 8.0], people, range(4))
    assert (found.value, found.n) == (1, 6)
    assert (found.low, found.high) == score_interval(2, 0, 2), "two disjoint pairs tell no less"
    assert ordering([8.0, 6.0, 4.0, 2.0], people, range(4)).value == 0
    assert ordering([5.0] * 4, people, range(4)).value == 0.5
    assert ordering([1.0, 2.0], [4.0, 4.0], range(2)) is None
    assert ordering([], [], []) is None


def test_knowing_hard_questions_is_not_knowing_good_answers():
    # Two answers to each question; the judge's grade is that of the question.
    people = [grade for n in range(30) for grade in (n % 5 + 1.0, n % 5 + 3.0)]
    judged = [float(n % 5 + 2) for n in range(30) for _ in range(2)]
    found = ordering(judged, people, [n // 2 for n in range(60)])
    assert (found.value, found.n) == (0.5, 30)
    apart = ordering(judged, people, range(60))
    assert apart.value > 0.7, "across questions it would seem to know"


def test_the_interval_of_an_order_covers_the_truth():
    chance, within = random.Random(5), 0
    # Standard normal grades of which the judge sees two thirds of the variance.
    noise = math.sqrt(0.5)
    truth = 0.5 + math.asin(1 / math.sqrt(1 + noise**2)) / math.pi
    for _ in range(150):
        people = [chance.gauss(0, 1) for _ in range(30)]
        judged = [each + chance.gauss(0, noise) for each in people]
        found = ordering(judged, people, range(30))
        within += found.low <= truth <= found.high
    assert within >= 140


def test_an_average_is_of_items():
    found = average([1.0, 3.0, 1.0, 3.0], range(4))
    assert (found.value, found.n) == (2, 4)
    assert found.high - found.value == pytest.approx(3.182 * math.sqrt(4 / 3 / 4), rel=0.15)
    alike = average([1.0, 1.0, 3.0, 3.0], [0, 0, 1, 1])
    assert alike.high - alike.low > 2 * (found.high - found.low)
    assert average([1.0], [0]) is None
