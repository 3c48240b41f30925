"""Length control, by simulation against what is true."""

import numpy as np
import pytest

from datakit.judge.statistics import length_controlled, share


def drawn(rng, count, truth, slope):
    """Draws wins of a model whose answers are longer, by a judge that likes length."""
    apart = rng.normal(150, 200, count)
    lean = np.log(truth / (1 - truth)) + slope * np.tanh(apart / apart.std())
    return (rng.random(count) < 1 / (1 + np.exp(-lean))).astype(float), apart


def test_what_a_judge_gives_to_length_is_taken_out():
    rng = np.random.default_rng(1)
    wins, apart = drawn(rng, 2000, 0.5, 2.0)
    plain = share(list(wins), range(2000))
    found = length_controlled(list(wins), list(apart), range(2000))
    assert plain.low > 0.6
    assert found.low < 0.5 < found.high


def test_a_better_model_stays_better():
    rng = np.random.default_rng(2)
    wins, apart = drawn(rng, 600, 0.7, 1.0)
    found = length_controlled(list(wins), list(apart), range(600))
    assert 0.5 < found.low < 0.7 < found.high


@pytest.mark.parametrize(("truth", "slope", "count"), [(0.5, 1.5, 40), (0.8, 1.0, 80)])
def test_the_interval_holds_what_is_true(truth, slope, count):
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        wins, apart = drawn(rng, count, truth, slope)
        found = length_controlled(list(wins), list(apart), range(count))
        held += found.low <= truth <= found.high
    # 95 % of 200 is 190; fewer than 180 would be a coverage below 0.95 with certainty.
    assert held >= 180


def test_without_verdicts_there_is_nothing():
    assert length_controlled([], [], []) is None
    same = length_controlled([0.5] * 10, [0.0] * 10, range(10))
    assert same.value == pytest.approx(0.5)
