"""From a judge's words to figures and a verdict."""

import pytest

from datakit.judge import Comparison, Grade, Standing
from datakit.outcome import Drop
from trainers.evaluate.judged import Cost, Said
from trainers.evaluate.verdicts import graded, won

SURE, NONE = Standing("calibrated", True), Standing()
WON, LOST, TIE = (Comparison((each, each)) for each in ("a", "b", "tie"))
FLIP = Comparison(("a", "b"))


def said(*outcomes, lengths=(5, 5)):
    return [Said(f"q{at}", f"q{at}", each, lengths) for at, each in enumerate(outcomes)]


def found(rows, standing=SURE, **more):
    given = {"model": "new", "opponent": "old", "judge": {"provider": "p", "model": "m"}}
    return won(rows, standing=standing, cost=Cost(), **given, **more)


def test_counts_and_figures():
    rows = said(*[WON] * 6, *[LOST] * 2, *[FLIP] * 3, TIE, None, Drop("refused"))
    judged = found(rows)
    counts = {"judged": 13, "wins": 6, "losses": 2, "ties": 5, "flips": 3, "same": 1}
    assert judged.counts == counts
    assert judged.failed == {"refused": 1}
    assert judged.figures["win_rate"].value == pytest.approx((6 + 2.5) / 13)
    told = list(judged.sentences())
    assert "6 wins, 2 lost, 5 ties; the order of the answers changes 3 of the verdicts" in told
    assert "left out, without a usable verdict: refused 1" in told
    rows = [each.to_json() for each in judged.rows]
    assert rows[0]["winner"] == "model" and rows[6]["winner"] == "other"
    assert rows[-2] == {"id": "q12", "winner": "tie", "same": True}
    assert rows[-1] == {"id": "q13", "dropped": "refused"}


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        (said(*[WON] * 40, *[LOST] * 10), "new beats old"),
        (said(*[WON] * 10, *[LOST] * 40), "old beats new"),
        (said(*[WON] * 10, *[LOST] * 10), "new and old cannot be told apart"),
        (said(Drop("refused")), "nothing was judged: no verdict"),
        (said(WON), "new and old cannot be told apart"),
    ],
)
def test_the_verdict(rows, verdict):
    assert found(rows).verdict == verdict
    assert found(rows, NONE).verdict == "not calibrated: no verdict"


def test_a_win_by_length_is_no_win():
    rows = [
        Said(
            f"q{at}", f"q{at}", LOST if at % 5 == 0 else WON, (5, 300) if at % 5 == 0 else (300, 5)
        )
        for at in range(60)
    ]
    judged = found(rows)
    assert judged.figures["win_rate"].low > 0.5
    text = "new and old cannot be told apart once the length of the answers is taken out"
    assert judged.verdict == text


def turns(*grades, category="math"):
    return [
        Said(f"{at}", f"{at}/{turn}", Grade(each, "r", (each,)), (5,), category)
        for at, both in enumerate(grades)
        for turn, each in zip((1, 2), both, strict=True)
    ]


def grade(mine, theirs=(), standing=SURE):
    return graded(
        mine, theirs, model="new", opponent="old" if theirs else "", standing=standing,
        judge={"provider": "p", "model": "m"}, cost=Cost(),
    )  # fmt: skip


def test_grades_of_two_turns():
    judged = grade(turns((4, 8), (2, 6)))
    assert {name: each.value for name, each in judged.figures.items()} == {
        "grade": 5, "grade_turn_1": 3, "grade_turn_2": 7
    }  # fmt: skip
    assert judged.categories["math"].value == 5
    assert judged.verdict == "calibrated", "one grade compares nothing"


def test_a_question_with_one_grade_is_left_out():
    rows = turns((4, 8), (2, 6))
    rows[3] = Said("1", "1/2", Drop("unparsable"), (5,), "math")
    judged = grade(rows)
    assert judged.figures["grade"].value == 6 and judged.counts["judged"] == 1
    assert judged.failed == {"unparsable": 1}
    assert grade([Said("1", "1/1", Drop("refused"), (5,))]).figures == {}


def test_a_gain_is_paired():
    hard = [(at % 7 + 1, at % 5 + 2) for at in range(30)]
    better = [(one + 1, other + 1 + at % 2) for at, (one, other) in enumerate(hard)]
    judged = grade(turns(*better), turns(*hard))
    assert judged.figures["gain"].value == pytest.approx(1.25)
    assert judged.figures["gain"].low > 1
    assert judged.verdict == "new beats old by 1.25 in grade"
    assert grade(turns(*hard), turns(*better)).verdict.startswith("old beats new by 1.25")
    same = grade(turns(*hard), turns(*hard))
    assert same.verdict == "new and old cannot be told apart by their grades"
    assert grade(turns(*better), turns(*hard), NONE).verdict == "not calibrated: no verdict"
