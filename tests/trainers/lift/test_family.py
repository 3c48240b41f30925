"""The largest |t| of a family: known values, p that agrees, and the error of all pairs together."""

import math

import numpy as np
import pytest

from tests.benchmarks.coverage import MEASURED, SEEDS, Spread, largest_t, plugged, tables
from trainers.lift.family import critical, largest, p_value
from trainers.stats import t_quantile


def test_two_variants_are_student_s_t():
    for freedom in (1, 4, 9, 300):
        assert critical(2, freedom) == t_quantile(0.975, freedom)


def test_p_of_two_variants_is_student_s():
    # From tables: t(1) beyond 1 is one half, t(4) beyond 2.7764 and 4.6041.
    assert p_value(1.0, 2, 1) == pytest.approx(0.5)
    assert p_value(2.776445, 2, 4) == pytest.approx(0.05, abs=1e-7)
    assert p_value(-4.604095, 2, 4) == pytest.approx(0.01, abs=1e-7)
    assert p_value(0.0, 2, 4) == 1.0
    assert p_value(math.inf, 2, 4) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("variants", [2, 3, 5])
@pytest.mark.parametrize("confidence", [0.95, 0.975, 0.9])
def test_p_is_below_alpha_exactly_over_the_critical_value(variants, confidence):
    limit = critical(variants, 4, confidence)
    alpha = 1 - confidence
    assert p_value(limit * (1 - 1e-9), variants, 4) >= alpha - 1e-9
    assert p_value(limit * (1 + 1e-9), variants, 4) < alpha


def test_p_is_never_nought_nor_over_one():
    assert p_value(math.inf, 4, 4) == pytest.approx(1e-5)
    assert p_value(0.0, 4, 4) == 1.0


def test_a_family_is_between_one_pair_and_bonferroni():
    for variants, freedom in ((3, 4), (4, 2), (4, 9), (6, 4)):
        pairs = variants * (variants - 1) // 2
        found = critical(variants, freedom)
        assert t_quantile(0.975, freedom) < found < t_quantile(1 - 0.025 / pairs, freedom)
        assert found > 0.95 * t_quantile(1 - 0.025 / pairs, freedom)


def test_many_degrees_of_freedom_are_tukey_s_range():
    # From tables, the studentized range of 3 and 4 without limit on freedom: 3.314 and 3.633.
    assert critical(3, 2000) == pytest.approx(3.314 / math.sqrt(2), rel=0.01)
    assert critical(4, 2000) == pytest.approx(3.633 / math.sqrt(2), rel=0.01)


def test_both_ways_to_draw_a_spread_agree():
    # With 3 degrees of freedom 3 variants are drawn one way, 4 the other: of 4, any 3 are 3.
    three, four = largest(3, 3), largest(4, 3)
    assert np.quantile(three, 0.5) == pytest.approx(1.45, abs=0.05)
    assert np.quantile(four, 0.5) == pytest.approx(2.0, abs=0.05)


def test_the_same_question_has_the_same_answer():
    first = critical(3, 4, draws=2000)
    largest.cache_clear()
    assert critical(3, 4, draws=2000) == first


@pytest.mark.parametrize("k", [3, 5, 10])
def test_variants_that_do_not_differ_are_told_apart_in_one_study_of_20(k):
    # Where replicates are all there is the rate is met, neither more nor less.
    drawn = tables(np.random.default_rng(k), Spread(0.0, 0.02, 0.0), (1000, 4, k, 2))
    found = (largest_t(drawn) > critical(4, k - 1)).mean()
    assert found == pytest.approx(0.05, abs=3.3 * math.sqrt(0.05 * 0.95 / 1000))


def test_and_in_fewer_where_items_differ_too():
    drawn = tables(np.random.default_rng(0), MEASURED, (500, 4, 5, 40))
    assert (largest_t(drawn) > critical(4, 4)).mean() < 0.03


def test_unequal_variants_do_not_raise_the_error():
    drawn = tables(np.random.default_rng(0), Spread(0.0, 0.02, 0.0), (1000, 4, 5, 2))
    drawn = drawn * np.array([1.0, 1.0, 2.0, 6.0])[:, None, None]
    assert (largest_t(drawn) > critical(4, 4)).mean() <= 0.05 + 3.3 * math.sqrt(0.0475 / 1000)


def test_one_error_common_to_all_pairs_would_be_too_low():
    drawn = tables(np.random.default_rng(0), SEEDS, (500, 4, 5, 40))
    most = largest_t(drawn)
    assert (most > plugged(drawn, 1000)).mean() > 0.07
    assert (most > critical(4, 4)).mean() <= 0.05 + 3.3 * math.sqrt(0.0475 / 500)
