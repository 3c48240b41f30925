"""Held-out pairs: which answer is likelier, by hand."""

import pytest

from tests.trainers.evaluate.fakes import Fake
from trainers.evaluate.preference import Preference
from trainers.examples import Pair

ASK = ({"role": "user", "content": "?"},)
PAIRS = (
    Pair("p1", ASK, "good", "a long bad one"),
    Pair("p2", ASK, "a longer good", "bad"),
    Pair("p3", ASK, "same", "tied"),
)
# (nats, tokens)
NATS = {
    "good": (10.0, 2),
    "a long bad one": (12.0, 4),
    "a longer good": (9.0, 3),
    "bad": (4.0, 1),
    "same": (5.0, 2),
    "tied": (5.0, 2),
}


def test_scores_by_hand():
    subject = Fake(nats=NATS)
    items = Preference("preference:x", PAIRS).run(subject, lambda text: None)
    assert subject.last
    assert items.ids == ("p1", "p2", "p3")
    assert items.scores["accuracy"] == (1.0, 0.0, 0.5)
    # 5 against 3 nats a token; 3 against 4; a tie.
    assert items.scores["accuracy_per_token"] == (0.0, 1.0, 0.5)
    assert items.scores["chosen_logp"] == (-10.0, -9.0, -5.0)
    assert items.scores["rejected_logp"] == (-12.0, -4.0, -5.0)
    assert items.scores["shorter_wins"] == (1.0, 0.0, 0.5)
    assert items.scores["longer_wins"] == (0.0, 1.0, 0.5)
    assert items.fixed == {"shorter_wins", "longer_wins"}
    assert items.notes == (
        "accuracy by length of the chosen answer: under 1/1.5 of the other's length: 100% of 1; "
        "of like length: 50% of 1; over 1.5 times the other's length: 0% of 1.",
    )


def test_against_the_base_by_hand():
    task = Preference("preference:x", PAIRS)
    after = task.run(Fake(nats=NATS), lambda text: None)
    # The base: chosen of p1 was at -11 (rose by 1), rejected at -10 (fell by 2), and so on.
    base = Fake(nats=NATS | {"good": (11.0, 2), "a long bad one": (10.0, 4), "bad": (7.0, 1)})
    found = task.against(after, task.run(base, lambda text: None))
    assert found["margin"] == pytest.approx((3.0, -3.0, 0.0))
    assert found["reward_accuracy"] == (1.0, 0.0, 0.5)
