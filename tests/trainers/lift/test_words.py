"""What may be said, and in which words."""

import numpy as np
import pytest

from trainers.lift.estimate import compare
from trainers.lift.words import Unit, unit_of, verdicts

POINTS = Unit("right", share=True)
NATS = Unit("nll", share=False)


def study(shifts, *, replicates=5, items=60, lower=False, seed=0, spread=0.002):
    rng = np.random.default_rng(seed)
    common = rng.normal(0.5, 0.3, items)
    tables = {
        name: common
        + shift
        + rng.normal(0, spread, (replicates, 1))
        + rng.normal(0, spread, (replicates, items))
        for name, shift in shifts.items()
    }
    return compare(tables, lower_is_better=lower)


@pytest.mark.parametrize("replicates", [1, 2, 4])
def test_few_replicates_allow_no_verdict(replicates):
    it = study({"a": 0.0, "b": 9.0}, replicates=replicates)
    (said,) = verdicts(it, "a", NATS)
    assert said.startswith(f"No verdict: {replicates} replicate")
    assert "beats" not in said


def test_the_better_one_is_named_first_whichever_way_the_metric_goes():
    high = verdicts(study({"a": 0.0, "b": 0.1}), "a", POINTS)
    low = verdicts(study({"a": 0.0, "b": 0.1}, lower=True), "a", NATS)
    assert high[0].startswith("b beats a by 10.")
    assert " points (" in high[0]
    assert low[0].startswith("a beats b by 0.")
    assert " nats per token (" in low[0]


def test_what_cannot_be_told_apart_is_said_with_what_is_ruled_out():
    found = study({"a": 0.0, "b": 0.0})
    (said,) = verdicts(found, "a", POINTS)
    assert "cannot be told apart at this size (" in said
    it = found.difference("b", "a")
    widest = 100 * max(abs(it.low), abs(it.high))
    assert said.endswith(f"; a difference over {widest:.1f} points is ruled out.")


def test_of_several_the_best_two_come_first_and_each_is_held_to_the_baseline():
    it = study({"base": 0.0, "b": 0.1, "c": 0.2})
    said = verdicts(it, "base", POINTS)
    assert [each.split(" by ")[0] for each in said] == ["c beats b", "c beats base", "b beats base"]


def test_a_baseline_that_is_best_is_said_to_be():
    said = verdicts(study({"base": 0.3, "b": 0.1}), "base", POINTS)
    assert said == [said[0]]
    assert said[0].startswith("base beats b")


@pytest.mark.parametrize(
    ("tables", "share"),
    [([[0.0, 1.0]], True), ([[0.0, 0.5]], True), ([[0.2]], True), ([[1.0], [2.0]], False)],
)
def test_scores_of_right_and_wrong_are_points(tables, share):
    assert unit_of("m", tables).share is share
    assert not unit_of("nll", tables).share


def test_units():
    assert POINTS.value(0.279) == "27.9 %"
    assert POINTS.signed(0.051) == "+5.1"
    assert NATS.signed(-0.0384) == "-0.038"
    assert NATS.amount(-0.0384) == "0.038 nats per token"
    assert Unit("other", share=False).amount(1.5) == "1.500 of other"
