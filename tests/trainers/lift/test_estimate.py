"""Comparisons: by hand, degenerate ones, coverage by simulation, and who is best."""

import math

import numpy as np
import pytest

from tests.benchmarks.coverage import (
    MEASURED,
    SEEDS,
    Spread,
    bootstrap,
    errors,
    right_or_wrong,
    tables,
    weighted,
)
from tests.benchmarks.luck import by_lot, in_families
from trainers.lift.estimate import compare
from trainers.stats import t_quantile


def off(count, rate=0.95):
    """Half of a 99.9 % interval of a share."""
    return 3.3 * math.sqrt(rate * (1 - rate) / count)


def some(k=5, n=40, variants="ab", seed=0):
    rng = np.random.default_rng(seed)
    common = rng.normal(1.0, 0.34, (1, n))
    drawn = tables(rng, MEASURED, (len(variants), k, n))
    return {name: common + each for name, each in zip(variants, drawn, strict=True)}


def test_two_replicates_by_hand():
    # Differences of 1, 3 and 2, 6 by replicate: mean 3, rows 2 and 4, columns 1.5 and 4.5.
    found = compare({"a": np.zeros((2, 2)), "b": [[1, 3], [2, 6]]})
    one = found.differences[0]
    assert (one.variant, one.over, one.value) == ("b", "a", 3.0)
    assert one.by_replicate == (2.0, 4.0)
    # Mean squares 4, 9 and 1: the error is sqrt((4 + 9 - 1) / 4), and t(1) is 12.7062.
    assert one.error == pytest.approx(math.sqrt(3))
    assert (one.low, one.high) == pytest.approx((3 - 12.7062 * 3**0.5, 3 + 12.7062 * 3**0.5), 1e-5)
    assert one.p == pytest.approx(1 / 3)
    assert (found.freedom, found.enough, one.clear) == (1, False, False)


def test_a_difference_can_be_turned():
    found = compare(some())
    there, back = found.difference("b", "a"), found.difference("a", "b")
    assert (back.value, back.low, back.high) == (-there.value, -there.high, -there.low)
    assert back.by_replicate == tuple(-each for each in there.by_replicate)
    assert (back.p, back.error, back.components) == (there.p, there.error, there.components)
    with pytest.raises(KeyError, match="c over a"):
        found.difference("c", "a")


def test_one_replicate_has_no_interval():
    found = compare(some(k=1, variants="abc"))
    assert (found.critical, found.best, found.freedom, len(found.differences)) == (None, {}, 0, 3)
    one = found.differences[0]
    assert (one.low, one.high, one.p, one.error, one.components) == (None,) * 5
    assert not one.clear and one.by_replicate == (one.value,)
    assert found.difference("a", "b").low is None


def test_one_item_with_all_the_weight_has_no_interval():
    found = compare(some(k=5, n=3), weights=[0, 2, 0])
    one = found.differences[0]
    assert (found.critical, one.low, one.high, one.p) == (None,) * 4
    assert len(one.by_replicate) == 5


@pytest.mark.parametrize(("k", "enough"), [(2, False), (4, False), (5, True)])
def test_a_verdict_takes_five_replicates(k, enough):
    assert compare(some(k=k)).enough is enough


def test_few_items_have_few_degrees_of_freedom():
    assert compare(some(k=5, n=2)).freedom == 1
    assert compare(some(k=5, n=40), weights=np.r_[39.0, np.ones(39)]).freedom == 2
    assert compare(some(k=5, n=40), weights=np.r_[900.0, np.ones(39)]).freedom == 1
    assert compare(some(k=5, n=40), weights=np.arange(1, 41)).freedom == 4


@pytest.mark.parametrize("variants", ["ab", "abc", "abcd"])
def test_p_is_below_5_percent_exactly_where_nought_is_outside(variants):
    seen = set()
    for seed in range(60):
        scores = some(k=4, n=10, variants=variants, seed=seed)
        scores["b"] = scores["b"] + 0.003 * (seed % 20)
        for each in compare(scores, draws=4999).differences:
            assert each.clear is (each.p < 0.05)
            seen.add(each.clear)
    assert seen == {True, False}


def test_identical_variants_do_not_differ():
    same = some(k=5, variants="abc")
    same["b"] = same["a"]
    found = compare(same)
    one = found.difference("b", "a")
    assert (one.value, one.low, one.high, one.p, one.clear) == (0, 0, 0, 1, False)
    assert found.best["a"] == found.best["b"]
    assert sum(found.best.values()) == pytest.approx(1)


def test_rounding_is_no_difference():
    a = some(k=5)["a"]
    one = compare({"a": a, "b": a * 3 / 3 + 1e-16}).differences[0]
    assert (one.value, one.error, one.clear) == (0, 0, False)


def test_a_shift_that_never_varies_is_clear():
    one = compare({"a": np.zeros((5, 3)), "b": np.full((5, 3), 0.3)}).differences[0]
    assert one.clear and one.value == pytest.approx(0.3)
    assert one.p < 1e-9


@pytest.mark.parametrize("right", [0.0, 0.5, 1.0])
def test_right_and_wrong_without_a_change_have_a_width(right):
    same = np.full((5, 40), right)
    found = compare({"a": same, "b": same, "c": same})
    one = found.differences[0]
    # Two items more, one won and one lost: variance 2 / 41 over items.
    assert one.error == pytest.approx(math.sqrt(2 / 41 / 40))
    assert one.high == pytest.approx(found.critical * one.error) == -one.low
    assert one.components.items > 0
    assert found.best == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, abs=0.01)


def test_right_and_wrong_do_not_leave_their_range():
    a, b = np.zeros((2, 40)), np.ones((2, 40))
    one = compare({"a": a, "b": b}).differences[0]
    assert (one.value, one.high) == (1.0, 1.0)
    assert 0 < one.low < 1


def test_one_change_in_one_replicate_has_no_narrower_interval_than_none():
    a = np.zeros((5, 40))
    b = a.copy()
    b[2, 7] = 1.0
    none, once = (compare({"a": a, "b": each}).differences[0].error for each in (a, b))
    assert once >= none


def test_weights_are_those_of_a_ratio():
    a, b = np.zeros((5, 3)), np.tile([1.0, 2.0, 6.0], (5, 1)) + np.arange(5)[:, None]
    one = compare({"a": a, "b": b}, weights=[1, 2, 1]).differences[0]
    assert one.value == pytest.approx(2.75 + 2)
    assert one.by_replicate == pytest.approx([2.75, 3.75, 4.75, 5.75, 6.75])


def test_items_of_one_cluster_are_one_item():
    scores = some(variants="abc", n=20)
    twice = {name: np.repeat(each, 3, axis=1) for name, each in scores.items()}
    names = [f"family {at // 3}" for at in range(60)]
    plain, one = compare(scores), compare(twice, clusters=names)
    assert (one.items, one.freedom) == (20, plain.freedom)
    for a, b in zip(plain.differences, one.differences, strict=True):
        assert (a.value, a.low, a.high, a.p) == pytest.approx((b.value, b.low, b.high, b.p))
    alike = compare(twice).differences[0]
    assert alike.high - alike.low < one.differences[0].high - one.differences[0].low
    with pytest.raises(ValueError, match="of one cluster"):
        compare(scores, clusters=[0] * 20)


def test_a_cluster_counts_by_the_weight_of_its_items():
    a, b = np.zeros((2, 3)), np.array([[1.0, 4.0, 5.0], [1.0, 4.0, 7.0]])
    it = compare({"a": a, "b": b}, weights=[3, 1, 4], clusters=["x", "x", "y"]).differences[0]
    assert it.value == pytest.approx((3 + 4 + 24) / 8)
    assert it.by_replicate == pytest.approx([27 / 8, 35 / 8])
    of_none = compare({"a": a, "b": b}, weights=[0, 0, 4], clusters=["x", "x", "y"])
    assert of_none.differences[0].low is None


def test_families_as_items_hold_where_items_do_not():
    plain, counted = in_families(0.5, MEASURED, 10, 300, 20, 400)
    assert plain < 0.95 - off(400) < counted


def test_an_error_is_at_least_what_is_asked():
    scores = some()
    plain, wide = compare(scores).differences[0], compare(scores, least=0.5).differences[0]
    assert (wide.value, wide.error) == (plain.value, 0.5)
    assert wide.components.error(5, 40) == pytest.approx(0.5)
    assert wide.sees / plain.sees == pytest.approx(0.5 / plain.error)
    assert compare(scores, least=plain.error / 2).differences[0] == plain


@pytest.mark.parametrize(("k", "n"), [(5, 300), (10, 300)])
def test_a_choice_by_lot_is_not_told_from_others(k, n):
    plain, allowed = by_lot(0.016, MEASURED, k, n, 400)
    assert plain > 0.15
    assert allowed < 0.05 + off(400)


def test_weights_that_are_equal_change_nothing():
    scores = some(variants="abc")
    plain, heavy = compare(scores), compare(scores, weights=np.full(40, 9.0))
    for one, other in zip(plain.differences, heavy.differences, strict=True):
        assert (one.low, one.high, one.p) == pytest.approx((other.low, other.high, other.p))


@pytest.mark.parametrize(
    ("scores", "weights", "match"),
    [
        ({"a": [[1, 2]]}, None, "2 variants"),
        ({"a": [[1, 2]], "b": [[1, 2, 3]]}, None, "not all replicates by items"),
        ({"a": [[1]], "b": [[2]]}, None, "2 items"),
        ({"a": [[1, 2]], "b": [[1, math.nan]]}, None, "finite"),
        ({"a": [[1, 2]], "b": [[1, 2]]}, [1], "shape"),
        ({"a": [[1, 2]], "b": [[1, 2]]}, [1, -1], "negative"),
        ({"a": [[1, 2]], "b": [[1, 2]]}, [0, 0], "all 0"),
    ],
)
def test_what_cannot_be_compared(scores, weights, match):
    with pytest.raises(ValueError, match=match):
        compare(scores, weights=weights)


def test_best_of_two_is_one_sided_p():
    scores = some()
    scores["b"] = scores["b"] + 0.004
    found = compare(scores)
    one = found.differences[0]
    assert one.value > 0
    assert found.best["b"] == pytest.approx(1 - one.p / 2, abs=0.006)
    low = compare(scores, lower_is_better=True)
    assert low.best["a"] == pytest.approx(found.best["b"], abs=0.006)


def test_best_is_no_surer_than_the_intervals():
    # Nothing but rest: the variance components may be nought, the error is not.
    rng = np.random.default_rng(0)
    sure = 0
    for _ in range(200):
        rest = {name: rng.standard_normal((5, 6)) for name in "abc"}
        sure += max(compare(rest, draws=999).best.values()) > 0.99
    assert sure <= 8


@pytest.mark.parametrize("spread", [MEASURED, SEEDS], ids=["measured", "seeds"])
@pytest.mark.parametrize("tail", [0, 5], ids=["normal", "heavy"])
@pytest.mark.parametrize(("k", "n"), [(3, 40), (5, 40), (10, 40), (3, 300), (5, 300), (10, 300)])
def test_intervals_hold(spread, tail, k, n):
    count = 800
    drawn = tables(np.random.default_rng(0), spread, (count, k, n), tail)
    held = (abs(drawn.mean(axis=(1, 2))) <= t_quantile(0.975, k - 1) * errors(drawn)).mean()
    assert held >= 0.945 - off(count)
    if spread is SEEDS and not tail:
        # Neither do they hold too often: the error of a mean over replicates is met.
        assert held <= 0.95 + off(count)


@pytest.mark.parametrize(("k", "n"), [(3, 40), (10, 100)])
def test_intervals_of_right_and_wrong_hold(k, n):
    assert right_or_wrong(k, n, 250) >= 0.95 - off(250)
    assert right_or_wrong(k, n, 250, rare=True) >= 0.95 - off(250)


@pytest.mark.parametrize(("k", "n"), [(3, 40), (10, 100)])
@pytest.mark.parametrize("spread", [MEASURED, SEEDS], ids=["measured", "seeds"])
def test_intervals_of_nats_per_token_hold(spread, k, n):
    assert weighted(spread, k, n, 250) >= 0.945 - off(250)


@pytest.mark.parametrize("k", [3, 5])
def test_a_percentile_bootstrap_over_replicates_is_too_narrow(k):
    drawn = tables(np.random.default_rng(0), SEEDS, (1000, k, 40))
    low, high = bootstrap(drawn, np.random.default_rng(1))
    assert ((low <= 0) & (high >= 0)).mean() < 0.87


def test_intervals_of_few_items_hold():
    # With K - 1 = 9 degrees of freedom, those of 3 items would hold in 85 % of studies.
    drawn = tables(np.random.default_rng(0), Spread(1.0, 0.0, 0.1), (800, 10, 3))
    away = abs(drawn.mean(axis=(1, 2))) / errors(drawn)
    freedom = compare({"a": drawn[0], "b": drawn[1]}).freedom
    assert (away <= t_quantile(0.975, freedom)).mean() >= 0.95 - off(800)
    assert (away <= t_quantile(0.975, 9)).mean() < 0.9


def test_parts_of_an_item_have_a_width_too():
    whole = [[1.0, 1.0, 1.0, 1.0]] * 5
    for weights in (None, [1.0, 2.0, 3.0, 2.0]):
        it = compare({"a": whole, "b": whole}, weights=weights, bounded=True).differences[0]
        assert it.low < 0 < it.high
    assert compare({"a": whole, "b": whole}, bounded=False).differences[0].high == 0
