"""Intervals: known values, coverage by simulation, and what is degenerate."""

import numpy as np
import pytest

from trainers.stats import Interval, difference, mean, paired, ratio, t_quantile


@pytest.mark.parametrize(
    ("p", "df", "table"),
    [
        (0.975, 1, 12.7062),
        (0.975, 2, 4.3027),
        (0.975, 5, 2.5706),
        (0.975, 10, 2.2281),
        (0.995, 29, 2.7564),
        (0.95, 30, 1.6973),
        (0.975, 1000, 1.9623),
    ],
)
def test_t_quantiles_are_those_of_the_tables(p, df, table):
    assert t_quantile(p, df) == pytest.approx(table, abs=6e-5)


def test_t_quantiles_agree_where_the_two_ways_meet():
    stats = pytest.importorskip("scipy.stats")
    for df in (1, 2, 3, 4, 7, 50, 199, 200, 201, 500):
        for p in (0.6, 0.9, 0.975, 0.9995):
            assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-8)


@pytest.mark.parametrize(("p", "df"), [(0.5, 3), (1.0, 3), (0.975, 0)])
def test_no_quantile(p, df):
    with pytest.raises(ValueError, match="no quantile"):
        t_quantile(p, df)


def test_a_mean_by_hand():
    # Mean 3, standard deviation sqrt(2.5), t(4) = 2.7764: half a width of 1.9633.
    found = mean([1, 2, 3, 4, 5])
    assert (found.value, found.n) == (3.0, 5)
    assert (found.low, found.high) == pytest.approx((1.0367, 4.9633), abs=1e-4)


def test_a_share_by_hand():
    # Wilson's interval of 8 of 10, as printed in textbooks: 0.490 to 0.943.
    found = mean([1] * 8 + [0] * 2)
    assert (found.low, found.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_a_share_of_all_or_nothing_has_a_width():
    none, every = mean([0] * 20), mean([1] * 20)
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(0.1611, abs=1e-4)
    assert (every.value, every.high) == (1.0, 1.0)
    assert every.low == pytest.approx(1 - 0.1611, abs=1e-4)


def test_a_ratio_by_hand():
    # 9 / 6 = 1.5. Without each item it is 7/5, 5/4, 6/3: the jackknife's error is
    # sqrt(2/3 * sum of squares around 1.5), and t has int(36 / 14 - 1) = 1 degree of freedom.
    found = ratio([2, 4, 3], [1, 2, 3])
    left_out = [7 / 5, 5 / 4, 6 / 3]
    error = (2 / 3 * sum((each - 1.5) ** 2 for each in left_out)) ** 0.5
    assert found.value == 1.5
    assert found.high - found.value == pytest.approx(12.7062 * error, abs=1e-3)


def test_one_item_with_all_the_weight_allows_no_interval():
    found = ratio([2.0, 300.0, 1.0], [0, 200, 0])
    assert (found.low, found.high, found.n) == (None, None, 3)


def test_a_ratio_with_equal_denominators_is_a_mean():
    values = [0.3, 1.7, 2.9, 0.4, 1.1]
    for size in (1, 3):
        found = ratio([size * each for each in values], [size] * 5)
        assert (found.low, found.high) == pytest.approx((mean(values).low, mean(values).high))


def test_paired_is_narrower_than_the_items_are_spread():
    before = [float(at) for at in range(30)]
    after = [each + 0.5 + 0.01 * (at % 3) for at, each in enumerate(before)]
    found = paired(before, after)
    assert found.value == pytest.approx(0.51)
    assert 0.50 < found.low < found.high < 0.52


def test_paired_shares_by_hand():
    # 2 gained, 0 lost of 8: (3/10, 1/10), middle 0.2, error sqrt((0.4 - 0.04) / 10) = 0.18974.
    found = paired([0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 0, 0, 1, 1, 1, 1])
    assert found.value == 0.25
    assert (found.low, found.high) == pytest.approx(
        (0.2 - 1.95996 * 0.18974, 0.2 + 1.95996 * 0.18974), abs=1e-4
    )


def test_no_change_of_shares_is_not_certainty():
    found = paired([0, 1] * 10, [0, 1] * 10)
    assert found.value == 0 and found.low < -0.05 and found.high > 0.05


def test_a_difference_of_ratios():
    same = difference(([2, 4], [1, 3]), ([2, 4], [1, 3]))
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
    # With equal denominators it is the ratio of the differences.
    found = difference(([2, 4, 9], [1, 3, 4]), ([3, 4, 8], [1, 3, 4]))
    assert found.value == pytest.approx(0.0)
    assert found.low == pytest.approx(ratio([1, 0, -1], [1, 3, 4]).low) and found.low < 0


def test_one_item_has_no_interval():
    for found in (mean([1]), mean([2.5]), paired([0], [1]), paired([0.1], [2.0]), ratio([3], [2])):
        assert (found.low, found.high, found.n) == (None, None, 1)
    assert mean([2.5]).map(lambda x: 2 * x) == Interval(5.0, None, None, 1)


def test_equal_values_have_no_width():
    assert mean([2.5] * 4) == Interval(2.5, 2.5, 2.5, 4)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: mean([]), "no items"),
        (lambda: mean([1, float("nan")]), "not a finite number"),
        (lambda: paired([1, 2], [1]), "2 items before, 1 after"),
        (lambda: ratio([1, 2], [1]), "2 numerators, 1 denominators"),
        (lambda: ratio([1, 2], [0, 0]), "denominators"),
        (lambda: ratio([1, 2], [3, -1]), "denominators"),
        (lambda: difference(([1], [1]), ([1, 2], [1, 2])), "1 items before, 2 after"),
    ],
)
def test_what_has_no_answer(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def coverage(draw, truth, runs=2000, seed=0):
    """The share of intervals that hold the truth; its own standard error is half a point."""
    rng = np.random.default_rng(seed)
    found = [draw(rng) for _ in range(runs)]
    return sum(each.low <= truth <= each.high for each in found) / runs


@pytest.mark.parametrize("n", [5, 40])
def test_means_cover(n):
    assert 0.935 < coverage(lambda rng: mean(rng.normal(2, 3, n)), 2) < 0.965


@pytest.mark.parametrize(("n", "share"), [(20, 0.1), (40, 0.5), (100, 0.9)])
def test_shares_cover(n, share):
    assert 0.93 < coverage(lambda rng: mean(rng.binomial(1, share, n)), share) < 0.98


@pytest.mark.parametrize("n", [20, 60])
def test_paired_shares_cover(n):
    def draw(rng):
        # Gained by 15 %, lost by 5 %.
        kind = rng.choice(3, n, p=[0.15, 0.05, 0.8])
        before = np.where(kind == 0, 0, np.where(kind == 1, 1, rng.binomial(1, 0.4, n)))
        after = np.where(kind == 0, 1, np.where(kind == 1, 0, before))
        return paired(before, after)

    assert 0.93 < coverage(draw, 0.10) < 0.985


@pytest.mark.parametrize("n", [5, 10, 40])
def test_ratios_cover_with_items_as_clusters(n):
    def items(rng):
        # Lengths like those of answers; each item has a level of its own, so tokens are dependent.
        tokens = 5 + rng.geometric(1 / 60, n)
        return tokens * (1.4 + 0.5 * rng.normal(size=n)), tokens

    found = coverage(lambda rng: ratio(*items(rng)), 1.4)
    assert 0.93 < found < 0.99

    def naive(rng):
        # As if every token were an item: what the clusters are there to prevent.
        nats, tokens = items(rng)
        each = nats / tokens
        spread = np.sqrt((tokens * (each - 1.4) ** 2).sum() / tokens.sum() / tokens.sum())
        value = nats.sum() / tokens.sum()
        return Interval(value, value - 1.96 * spread, value + 1.96 * spread, n)

    assert coverage(naive, 1.4) < 0.6


def test_differences_of_ratios_cover():
    def draw(rng):
        tokens = 5 + rng.geometric(1 / 60, 30)
        level = 1.4 + 0.5 * rng.normal(size=30)
        after = level - 0.1 + 0.05 * rng.normal(size=30)
        # The second model splits texts into other tokens.
        more = tokens + rng.binomial(10, 0.5, 30)
        return difference((tokens * level, tokens), (tokens * after, more))

    # The truth of the second ratio: the same nats over E[tokens] + 5.
    mean_tokens = 65.0
    truth = 1.3 * mean_tokens / (mean_tokens + 5) - 1.4
    assert 0.93 < coverage(draw, truth) < 0.975
