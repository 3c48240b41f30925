import itertools
import math
from fractions import Fraction

import pytest

from datakit.curate import Answer, win_rate
from datakit.intervals import _Z, score_interval, sign_test
from tests.curate.sheets import NAMES, pairs


def wilson(wins, n):
    share, z2 = wins / n, _Z * _Z
    middle = (share + z2 / 2 / n) / (1 + z2 / n)
    half = _Z * math.sqrt(share * (1 - share) / n + z2 / 4 / n / n) / (1 + z2 / n)
    return middle - half, middle + half


def usual(wins, losses, n):
    """Mean and standard error."""
    middle = 0.5 + (wins - losses) / 2 / n
    spread = (wins + losses) / n - ((wins - losses) / n) ** 2
    half = _Z * math.sqrt(max(spread, 0) / n) / 2
    return middle - half, middle + half


def outcomes(n, win, loss):
    """Yields all counts of wins and losses with their chance."""
    for wins in range(n + 1):
        for losses in range(n + 1 - wins):
            ways = math.comb(n, wins) * math.comb(n - wins, losses)
            tie = (1 - win - loss) ** (n - wins - losses)
            yield wins, losses, ways * win**wins * loss**losses * tie


GRID = list(itertools.product((0.0, 0.2, 0.4, 0.6, 0.8), (0.5, 0.6, 0.7, 0.8, 0.9)))


def coverage(n, intervals):
    """Returns the chance that an interval has the true rate, for each true rate of the grid."""
    found = []
    for ties, share in GRID:
        win, loss = (1 - ties) * share, (1 - ties) * (1 - share)
        true = 0.5 + (win - loss) / 2
        chances = (
            chance
            for wins, losses, chance in outcomes(n, win, loss)
            if intervals[wins, losses][0] <= true <= intervals[wins, losses][1]
        )
        found.append(sum(chances))
    return found


@pytest.mark.parametrize("n", [10, 20, 40])
def test_the_interval_covers_the_true_rate_as_often_as_it_says(n):
    """Exactly, over all outcomes; the usual interval falls to 0.65 at n = 10."""
    counts = [(wins, losses) for wins in range(n + 1) for losses in range(n + 1 - wins)]
    ours = coverage(n, {each: score_interval(*each, n) for each in counts})
    plain = coverage(n, {each: usual(*each, n) for each in counts})
    assert min(ours) > 0.92
    assert 0.945 < sum(ours) / len(ours) < 0.97
    assert min(plain) < min(ours) - 0.02
    assert sum(plain) / len(plain) < 0.94


def test_without_ties_it_is_wilsons():
    for n in (1, 7, 40):
        for wins in range(n + 1):
            assert score_interval(wins, n - wins, n) == pytest.approx(wilson(wins, n), abs=1e-9)


def test_with_nothing_but_ties_it_is_not_nothing():
    low, high = score_interval(0, 0, 10)
    reach = _Z**2 / (10 + _Z**2)
    assert (low, high) == pytest.approx(((1 - reach) / 2, (1 + reach) / 2))


def test_ties_make_it_narrower():
    def width(wins, losses):
        low, high = score_interval(wins, losses, 40)
        return high - low

    assert width(0, 0) < width(5, 5) < width(10, 10) < width(20, 20)


def test_it_ends_where_the_score_of_the_constrained_likelihood_says():
    """The ends solve Tango's equation, with the likeliest share of losses found by search."""
    wins, losses, n = 11, 4, 25

    def score(difference):
        def likelihood(share):
            shares = (share + difference, share, 1 - difference - 2 * share)
            if min(shares) <= 0:
                return -math.inf
            weights = (wins, losses, n - wins - losses)
            return sum(count * math.log(each) for count, each in zip(weights, shares, strict=True))

        best = max((step / 40_000 for step in range(40_000)), key=likelihood)
        spread = n * (2 * best + difference - difference**2)
        return (wins - losses - n * difference) / math.sqrt(spread)

    low, high = score_interval(wins, losses, n)
    assert score(2 * low - 1) == pytest.approx(_Z, abs=2e-3)
    assert score(2 * high - 1) == pytest.approx(-_Z, abs=2e-3)


@pytest.mark.parametrize("n", [1, 10, 33])
def test_it_is_symmetric_and_holds_the_value(n):
    for wins in range(n + 1):
        for losses in range(n + 1 - wins):
            low, high = score_interval(wins, losses, n)
            mirrored = score_interval(losses, wins, n)
            assert (1 - high, 1 - low) == pytest.approx(mirrored)
            assert 0 <= low <= 0.5 + (wins - losses) / 2 / n <= high <= 1


def test_the_sign_test_is_exact():
    assert sign_test(0, 0) == 1
    assert sign_test(5, 5) == 1
    assert sign_test(9, 1) == pytest.approx(float(Fraction(22, 1024)))
    assert sign_test(2000, 1000) < 1e-9


@pytest.mark.parametrize("n", [10, 20, 40])
def test_equal_makers_are_rarely_called_different(n):
    """Over all outcomes, whatever the share of ties."""
    for ties in (0.0, 0.2, 0.4, 0.6, 0.8):
        each = (1 - ties) / 2
        found = outcomes(n, each, each)
        assert (
            sum(chance for wins, losses, chance in found if sign_test(wins, losses) < 0.05) < 0.05
        )


def rated(choices, count=None, **options):
    """Rates pairs by what is to happen to the first maker: win, loss, or a choice."""
    made = pairs(count or len(choices), **options)
    sides = ("left", "right")
    answers = {}
    for pair, choice in zip(made.shown, choices, strict=False):
        if choice in ("win", "loss"):
            choice = sides[(pair.left == 0) == (choice == "loss")]
        answers[pair.id] = Answer(choice)
    return win_rate(answers, made.items)


def test_counts_whatever_the_sides():
    rate = rated(["win"] * 5 + ["loss"] * 2 + ["tie"] * 3 + ["both_bad"] * 2 + ["skip"], 16)
    assert (rate.wins, rate.losses, rate.ties, rate.both_bad) == (5, 2, 3, 2)
    assert (rate.n, rate.skipped, rate.open, rate.total) == (12, 1, 3, 16)
    assert rate.value == pytest.approx((5 + 2.5) / 12)


def test_equal_outputs_are_ties_that_nobody_is_asked():
    rate = rated(["win"] * 8, 12, same=4)
    assert (rate.n, rate.ties, rate.same, rate.open) == (12, 4, 4, 0)
    assert "4 pairs have the same text on both sides: a tie, not shown." in rate.sentences(NAMES)


def test_all_wins_are_a_verdict():
    rate = rated(["win"] * 10)
    assert rate.verdict == "first"
    assert rate.sentences(NAMES)[:2] == [
        "maker-one is preferred in 100 % (72 to 100) of 10 pairs.",
        "maker-one is better (sign test p = 0.002).",
    ]
    assert rated(["loss"] * 10).verdict == "second"
    assert rated(["loss"] * 10).sentences(NAMES)[0].startswith("maker-two is preferred in 100 %")


def test_an_unclear_result_says_so():
    rate = rated(["win"] * 25 + ["loss"] * 15)
    assert rate.verdict == "none"
    assert rate.sentences(NAMES)[:2] == [
        "maker-one is preferred in 63 % (47 to 76) of 40 pairs.",
        "The two cannot be told apart at this size (sign test p = 0.15).",
    ]


def test_under_ten_there_is_no_verdict_however_clear():
    rate = rated(["win"] * 9)
    assert rate.verdict == "too_few"
    assert rate.sign_p < 0.05
    assert "too few for a verdict" in rate.sentences(NAMES)[1]


def test_nothing_rated_is_no_rate():
    rate = rated([], 3)
    assert (rate.value, rate.low, rate.high, rate.n) == (None, 0, 1, 0)
    assert rate.sentences(NAMES) == ["Nothing is rated yet, of 3 pairs."]


def test_a_habit_of_choosing_one_side_is_told():
    rate = rated(["left"] * 20)
    assert rate.left_share == 1
    assert rate.value == 0.5
    assert any("left side was chosen in 100 %" in text for text in rate.sentences(NAMES))
    even = rated(["win"] * 20)
    assert even.left_share == 0.5
    assert not any("left side" in text for text in even.sentences(NAMES))


def test_the_figures_as_json():
    told = rated(["win"] * 10).to_json()
    assert told["verdict"] == "first"
    assert {"value", "low", "high", "n", "left_share", "sign_p"} < set(told)
