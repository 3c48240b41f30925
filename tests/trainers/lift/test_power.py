"""What a study can see: against known values and by simulation; what looks cost."""

import math

import numpy as np
import pytest

from tests.benchmarks.coverage import MEASURED, SEEDS, errors, power, tables
from trainers.lift.family import critical
from trainers.lift.power import MOST, hardest, level, looks, needed, risk, smallest_effect
from trainers.lift.variance import Components
from trainers.stats import t_quantile

ONE = Components(1.0, 0.0, 0.0)
PARTS = MEASURED.components


def test_the_smallest_effect_is_that_of_a_t_test():
    # From tables for one sample (two-sided 5 %, power 80 %): n 5 takes 1.682 standard deviations,
    # n 10 takes 0.996.
    assert smallest_effect(ONE, 5, 40) == pytest.approx(1.682, abs=1e-3)
    assert smallest_effect(ONE, 10, 40) == pytest.approx(0.996, abs=1e-3)


def test_the_smallest_effect_agrees_with_the_noncentral_t():
    stats = pytest.importorskip("scipy.stats")
    for k in (2, 3, 5, 30):
        for share in (0.5, 0.95):
            shift = smallest_effect(ONE, k, 1000, power=share) * k**0.5
            limit = t_quantile(0.975, k - 1)
            assert stats.nct.sf(limit, k - 1, shift) == pytest.approx(share, abs=1e-3)


def test_many_of_both_are_normal():
    found = smallest_effect(Components(1.0, 1.0, 0.0), 1000, 1000)
    assert found == pytest.approx(2.80 * math.sqrt(2 / 1000), rel=0.01)


@pytest.mark.parametrize("spread", [MEASURED, SEEDS], ids=["measured", "seeds"])
@pytest.mark.parametrize(("k", "n"), [(3, 40), (5, 40), (10, 300)])
def test_the_smallest_effect_is_found_in_80_percent_of_studies(spread, k, n):
    _, found = power(spread, k, n, 700)
    below, above = (3.3 * math.sqrt(0.16 / 700), 0.06 if spread is MEASURED else 0.0)
    assert 0.8 - below <= found <= 0.8 + below + above


def test_what_is_known_of_the_family_is_used():
    assert smallest_effect(PARTS, 5, 40, variants=4) == smallest_effect(
        PARTS, 5, 40, critical=critical(4, 4)
    )
    assert smallest_effect(PARTS, 5, 40, variants=4) > smallest_effect(PARTS, 5, 40)
    assert smallest_effect(PARTS, 5, 40, confidence=0.975) > smallest_effect(PARTS, 5, 40)


def test_few_items_count_as_few_degrees_of_freedom():
    items = Components(0.0, 1.0, 0.0)
    assert smallest_effect(items, 10, 2) == pytest.approx(smallest_effect(items, 2, 2))
    # The same from weights that leave items worth as few.
    few = smallest_effect(items, 10, 40, freedom=1)
    assert few == pytest.approx(16.334 / 40**0.5, rel=1e-4)


@pytest.mark.parametrize("arguments", [(1, 40), (5, 1)])
def test_no_study(arguments):
    with pytest.raises(ValueError, match="2 of each"):
        smallest_effect(PARTS, *arguments)
    with pytest.raises(ValueError, match="power"):
        smallest_effect(PARTS, 5, 40, power=1.0)


@pytest.mark.parametrize("variants", [2, 3])
def test_what_is_needed_is_the_least_that_does(variants):
    found = needed(PARTS, 0.019, replicates=5, items=40, variants=variants)

    def seen(k, n):
        return smallest_effect(PARTS, k, n, variants=variants)

    assert found.smallest == seen(5, 40) > 0.019
    k, n = found.more_replicates, found.more_items
    assert seen(k, 40) <= 0.019 < seen(k - 1, 40)
    assert seen(5, n) <= 0.019 < seen(5, n - 1)
    assert f"{k} replicates on the same items, or {n} items" in found.sentence()


def test_a_floor_is_said():
    found = needed(PARTS, 0.005, replicates=5, items=40)
    assert (found.more_replicates, found.more_items) == (None, None)
    # With all the replicates there are, 40 items are left, and t with 39 degrees of freedom.
    assert found.floor_replicates == pytest.approx(2.873 * 0.024 / 40**0.5, rel=0.001)
    assert found.floor_items == pytest.approx(3.7611 * 0.008 / 5**0.5, rel=0.01)
    said = found.sentence(lambda value: f"{value:.4f} nats")
    assert said == (
        "5 replicates on 40 items find 0.0203 nats or more; 0.0050 nats takes more of both: "
        f"replicates alone end at {found.floor_replicates:.4f} nats, items alone at 0.0135 nats."
    )


def test_one_way_may_do_where_the_other_does_not():
    found = needed(PARTS, 0.012, replicates=5, items=40)
    assert found.more_items is None and 5 < found.more_replicates < MOST
    assert found.sentence().endswith(f"takes {found.more_replicates} replicates on the same items.")


def test_a_study_that_is_large_enough():
    found = needed(PARTS, 0.03, replicates=5, items=40)
    assert found.sentence() == "5 replicates on 40 items find 0.0203 or more: enough for 0.03."
    assert found.more_replicates <= 5 and found.more_items <= 40
    with pytest.raises(ValueError, match="not over 0"):
        needed(PARTS, 0.0, replicates=5, items=40)


def test_levels_of_looks():
    assert [level(each) for each in (1, 2, 3)] == pytest.approx([0.95, 0.975, 0.9875])
    assert [level(each, 2) for each in (1, 2, 3, 4)] == pytest.approx([0.975, 0.975, 0.975, 0.9875])
    assert level(1, confidence=0.9) == pytest.approx(0.9)
    with pytest.raises(ValueError, match="start at 1"):
        level(0)


def test_declared_looks_share_and_others_never_double():
    assert risk(3, 3) == pytest.approx(0.05)
    assert risk(2) == pytest.approx(0.075)
    for declared in (1, 3):
        assert 0.0999 < risk(declared + 15, declared) < 0.1


def test_looks_in_words():
    assert looks(1) == "One look, declared beforehand: the intervals are at 95 %."
    assert "each are at 98.33 %, and all looks together" in looks(2, 3)
    assert "up to 5 % of studies" in looks(2, 3)
    late = looks(2)
    assert "look 2, the study declared 1 look" in late
    assert "at 97.5 %" in late and "up to 7.5 %" in late


def test_looks_err_no_more_often_than_they_say():
    # After each look that finds nothing, 3 replicates are added, up to 4 looks.
    count = 1500
    drawn = tables(np.random.default_rng(0), SEEDS, (count, 14, 10))
    stages = (5, 8, 11, 14)

    def wrong(levels):
        found = np.zeros(count, dtype=bool)
        for k, at in zip(stages, levels, strict=True):
            part = drawn[:, :k]
            limit = t_quantile((1 + at) / 2, k - 1)
            found |= abs(part.mean(axis=(1, 2))) > limit * errors(part)
        return found.mean()

    off = 3.3 * math.sqrt(0.05 * 0.95 / count)
    assert wrong([level(each) for each in (1, 2, 3, 4)]) <= risk(4) + off
    assert wrong([level(each, 4) for each in (1, 2, 3, 4)]) <= 0.05 + off
    # The same looks at 95 % each err too often: that is what the levels are for.
    assert wrong([0.95] * 4) > 0.05 + off


def test_the_next_look_is_judged_more_strictly():
    parts = Components(0.01**2, 0.02**2, 0.02**2)
    plain = needed(parts, 0.015, replicates=5, items=300)
    stricter = needed(parts, 0.015, replicates=5, items=300, again=level(2))
    assert stricter.smallest == plain.smallest
    assert stricter.more_replicates > plain.more_replicates


def test_the_hardest_of_several_differences_is_planned_for():
    easy, hard = (
        needed(Components(s**2, s**2, s**2), 0.02, replicates=5, items=40) for s in (0.01, 0.02)
    )
    both = hardest([easy, hard])
    assert both.smallest == hard.smallest
    assert both.more_replicates == hard.more_replicates
