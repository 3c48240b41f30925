"""Variance components: by hand, on average, and with weights."""

import numpy as np
import pytest

from tests.benchmarks.coverage import MEASURED, Spread, tables
from trainers.lift.variance import Components, components, covariance, linear, worth


def test_components_by_hand():
    # Rows 2 and 5 around 3.5, columns 2, 4, 4.5; what is left of each cell is 0.5 or nought.
    table = np.array([[1.0, 2.0, 3.0], [3.0, 6.0, 6.0]])
    rows = 3 * (1.5**2 + 1.5**2) / 1
    columns = 2 * (1.5**2 + 0.5**2 + 1.0**2) / 2
    rest = 2 * (0.5**2 + 0.5**2) / 2
    found = components(table)
    assert found.rest == pytest.approx(rest)
    assert found.replicates == pytest.approx((rows - rest) / 3)
    assert found.items == pytest.approx((columns - rest) / 2)
    assert found.error(2, 3) ** 2 == pytest.approx((rows + columns - rest) / 6)


def test_components_are_right_on_average():
    rng = np.random.default_rng(0)
    found = [components(each) for each in tables(rng, MEASURED, (2000, 5, 40))]
    for name in ("replicates", "items", "rest"):
        mean = np.mean([getattr(each, name) for each in found])
        assert mean == pytest.approx(getattr(MEASURED, name) ** 2, rel=0.06)


def test_the_error_is_never_below_that_of_replicates_or_items_alone():
    rng = np.random.default_rng(1)
    for table in tables(rng, Spread(items=0.0, replicates=0.0, rest=1.0), (300, 3, 4)):
        error = components(table).error(3, 4)
        assert error >= (1 - 1e-12) * table.mean(axis=1).std(ddof=1) / 3**0.5
        assert error >= (1 - 1e-12) * table.mean(axis=0).std(ddof=1) / 4**0.5


def test_no_spread_is_no_error():
    found = components(np.full((5, 4), 0.25))
    assert found == Components(0.0, 0.0, 0.0)
    assert found.error(5, 4) == 0.0


def test_a_difference_has_no_less_variance_in_the_covariance_than_alone():
    rng = np.random.default_rng(2)
    for _ in range(200):
        three = tables(rng, Spread(items=0.3, replicates=0.3, rest=1.0), (3, 3, 6))
        spread = covariance(three)
        assert np.linalg.eigvalsh(spread).min() > -1e-12
        for a, b in ((0, 1), (0, 2), (1, 2)):
            alone = components(three[a] - three[b]).error(3, 6) ** 2
            assert spread[a, a] + spread[b, b] - 2 * spread[a, b] >= alone * (1 - 1e-9)


def test_a_covariance_of_one_score_is_its_error():
    table = tables(np.random.default_rng(3), MEASURED, (5, 40))
    assert covariance(table[None])[0, 0] == pytest.approx(components(table).error(5, 40) ** 2)


def test_a_replicate_s_plain_mean_is_its_weighted_one():
    scores = np.array([[1.0, 2.0, 6.0], [0.0, 4.0, 5.0]])
    found = linear(scores, np.array([1.0, 2.0, 1.0]))
    assert found.mean(axis=1) == pytest.approx([2.75, 3.25])


def test_equal_weights_change_nothing():
    scores = np.random.default_rng(0).normal(size=(3, 4, 5))
    assert linear(scores, np.full(5, 7.0)) == pytest.approx(scores)
    assert linear(scores, None) is scores


def test_a_replicate_s_level_is_no_rest():
    # All items of a replicate lie alike: whatever the weights, nothing is left of single items.
    scores = np.array([[1.0], [3.0], [8.0]]) + np.zeros((3, 6))
    found = components(linear(scores, np.array([1.0, 9.0, 2.0, 0.0, 4.0, 1.0])))
    assert found.rest == pytest.approx(0.0, abs=1e-12)
    assert found.items == pytest.approx(0.0, abs=1e-12)
    assert found.replicates == pytest.approx(13.0)


@pytest.mark.parametrize(
    "weights",
    [
        np.arange(1.0, 6.0),
        np.r_[39.0, np.ones(39)],
        np.r_[351.0, np.ones(39)],
        np.r_[np.zeros(20), np.ones(20)],
        np.array([0.9, 0.1]),
    ],
    ids=["rising", "half", "nine tenths", "some without", "two"],
)
def test_weights_leave_the_variance_right_on_average(weights):
    rng = np.random.default_rng(4)
    n = len(weights)
    drawn = tables(rng, Spread(items=1.0, replicates=0.5, rest=0.5), (3000, 4, n))
    squared = np.mean([components(each).error(4, n) ** 2 for each in linear(drawn, weights)])
    share = weights / weights.sum()
    true = 0.5**2 / 4 + (1 + 0.5**2 / 4) * np.square(share).sum()
    assert squared == pytest.approx(true, rel=0.1)


def test_one_item_with_all_the_weight_has_no_spread_over_items():
    scores = np.array([[1.0, 2.0], [3.0, 9.0]])
    assert linear(scores, np.array([0.0, 5.0])).tolist() == [[2.0, 2.0], [9.0, 9.0]]


def test_weights_are_worth_as_many_items_as_they_are():
    assert worth(np.full(7, 3.0)) == pytest.approx(7)
    assert worth(np.array([1.0, 0.0, 0.0])) == pytest.approx(1)
    assert worth(np.array([1.0, 2.0, 3.0])) == pytest.approx(36 / 14)
