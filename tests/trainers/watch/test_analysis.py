"""What is said of a training on preferences, on made-up figures."""

import math

import pytest

from trainers.watch.analysis import KL, LIMITS, report
from trainers.watch.pairs import Grown, Held, Reading, Side, wins

COUNT = 40
NOTHING = (0.0,) * COUNT
# Chosen is shorter in half of the pairs, so that length tells nothing.
CHOSEN = (10, 20) * (COUNT // 2)
REJECTED = (20, 10) * (COUNT // 2)


def spread(mean, width=0.2):
    """Returns values around a mean, half above and half below, whatever the lengths."""
    return tuple(mean + width * (1 if at % 4 < 2 else -1) for at in range(COUNT))


def side(scores):
    return Side(tuple(scores), NOTHING)


def held(**given):
    reference = Reading(0, side(NOTHING), side(NOTHING))
    given = {"beta": 0.1, "reference": reference} | given
    return Held(CHOSEN, REJECTED, **given)


def at(step, chosen, rejected, train=None):
    return Reading(step, side(chosen), side(rejected), train)


START = at(0, NOTHING, NOTHING)
GOOD = at(10, spread(2.0), spread(-5.0), 0.8)


def test_a_good_training_is_told_without_a_warning():
    told = report(held(), [START, GOOD], Grown((50, 60), (55, 60), 128))
    assert told["warnings"] == []
    start, end = told["points"]
    assert start["margin"] == 0 and start["accuracy"] == 0.5
    assert end["margin"] == pytest.approx(0.7) and end["accuracy"] == 1
    assert end["chosen_shift"] == pytest.approx(2) and end["rejected_shift"] == pytest.approx(-5)
    assert end["chosen_shift_per_token"] == pytest.approx(2 / 15)
    assert end["train_margin"] == 0.8
    assert told["end"]["margin"]["value"] == pytest.approx(0.7)
    assert told["end"]["shorter_wins"]["value"] == told["end"]["longer_wins"]["value"] == 0.5
    assert told["pairs"] == COUNT and told["kl"] == KL
    assert [each["pairs"] for each in told["by_length"]] == [COUNT // 2, COUNT // 2]
    assert told["greedy_answers"] == {
        "tokens_before": (50, 60),
        "tokens_after": (55, 60),
        "cut_at": 128,
    }


def test_k3_is_told_per_token_of_the_chosen_answers():
    half = Side(spread(-1.0), tuple(0.1 * tokens for tokens in CHOSEN))
    told = report(held(), [START, Reading(1, half, side(NOTHING))])
    assert told["points"][1]["kl"] == pytest.approx(0.1)


def test_both_become_less_likely():
    told = report(held(), [START, at(10, spread(-4.0), spread(-35.0), 3.0)])
    (warning,) = told["warnings"]
    assert "likelihood displacement" in warning and "4.0 nats" in warning and "3.10" in warning
    # Nearer than the limit, or not clearly off zero, it is not said.
    near = LIMITS["chosen_shift"].value + 0.01
    assert report(held(), [START, at(10, spread(near), spread(-35.0))])["warnings"] == []
    wide = at(10, spread(-1.5, width=20.0), spread(-35.0, width=20.0))
    assert report(held(), [START, wide])["warnings"] == []
    # Nor where the margin did not rise: then it is another trouble.
    worse = at(10, spread(-4.0), spread(-3.9))
    assert not any("displacement" in each for each in report(held(), [START, worse])["warnings"])


@pytest.mark.parametrize(("shorter", "name"), [(True, "shorter"), (False, "longer")])
def test_an_accuracy_that_length_explains(shorter, name):
    # Three quarters of the pairs go by length, and the model decides by nothing else.
    short = tuple(10 if (n % 4 < 3) == shorter else 20 for n in range(COUNT))
    long = tuple(30 - each for each in short)
    model = [1.0 if a < b else -1.0 for a, b in zip(short, long, strict=True)]
    model = model if shorter else [-each for each in model]
    like = Held(short, long, beta=0.1, reference=START)
    told = report(like, [START, at(10, [m + 2 for m in model], [2.0] * COUNT, 0.1)])
    (warning,) = told["warnings"]
    assert f"always choosing the {name} answer has 0.75" in warning and "Accuracy 0.75" in warning
    by_length = {each["lengths"]: each["accuracy"]["value"] for each in told["by_length"]}
    assert by_length["chosen is at most half as long"] == (1 if shorter else 0)
    assert by_length["chosen is at least twice as long"] == (0 if shorter else 1)


def test_training_and_held_out_pairs_part():
    best = at(10, spread(2.0), spread(-5.0), 0.8)
    end = at(20, spread(2.0), spread(-1.0), 2.0)
    (warning,) = report(held(), [START, best, end])["warnings"]
    assert "Since step 10" in warning and "0.80 to 2.00" in warning and "0.70 to 0.30" in warning
    # Not if both fell, nor if the change may be chance, nor at the best step.
    both = at(20, spread(2.0), spread(-1.0), 0.5)
    assert report(held(), [START, best, both])["warnings"] == []
    chance = [1.9 + (9 if n % 4 < 2 else -9) for n in range(COUNT)]
    noisy = at(20, chance, [each - 6.9 for each in chance[::-1]], 2.0)
    told = report(held(), [START, best, noisy])["warnings"]
    assert not any("overfitting" in each for each in told)
    assert report(held(), [START, end, best])["warnings"] == []


def test_a_margin_that_falls_from_the_start():
    told = report(held(), [START, at(10, spread(1.0), spread(2.0), 1.5)])["warnings"]
    assert any("Since step 0" in each for each in told)


@pytest.mark.parametrize(("after", "said"), [((63, 62), False), ((64, 62), True)])
def test_answers_that_grow(after, said):
    warnings = report(held(), [START, GOOD], Grown((50, 50), after, 128))["warnings"]
    assert bool(warnings) == said
    if said:
        assert "from 50 to 63 tokens (cut at 128)" in warnings[0]


def test_few_pairs_are_said_to_be_few():
    few = Held(
        (10,) * 5, (20,) * 5, beta=0.1, reference=Reading(0, Side((0.0,) * 5), Side((0.0,) * 5))
    )
    end = Reading(1, Side((1.0,) * 5, (0.0,) * 5), Side((-1.0,) * 5, (0.0,) * 5))
    warnings = report(few, [end])["warnings"]
    assert "Only 5 held-out pairs" in warnings[0]


def test_a_reward_model_has_no_reference():
    rewards = Held(CHOSEN, REJECTED)
    told = report(rewards, [Reading(0, Side(spread(1.0)), Side(spread(-1.0)), None)])
    assert told["points"] == [
        {"step": 0, "margin": pytest.approx(2.0), "accuracy": 1.0, "train_margin": None}
    ]
    assert "kl" not in told and "chosen_shift" not in told["end"]


def test_without_pairs_only_the_groups_are_compared():
    groups = Held((10,), (20, 20), paired=False, beta=0.1, reference=_groups(0.0, 0.0))
    told = report(groups, [_groups(2.0, -4.0)])
    (point,) = told["points"]
    assert point["margin"] == pytest.approx(0.6) and "accuracy" not in point
    assert told["pairs"] == 0 and "by_length" not in told and told["warnings"] == []


def _groups(chosen, rejected):
    return Reading(0, Side((chosen,), (0.0,)), Side((rejected,) * 2, (0.0,) * 2))


def test_ties_count_half():
    assert wins([0.5, -0.5, 0.0]) == [1.0, 0.0, 0.5]


def test_every_limit_has_a_reason():
    assert all(each.reason and math.isfinite(each.value) for each in LIMITS.values())
