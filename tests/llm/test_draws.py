import random
from collections import Counter

import pytest

from datakit.llm.draws import draw
from datakit.record import Record
from tests.teachers import Scripted, llm_of


def test_all_alike_is_what_it_always_was():
    drawn = draw(range(9), 4, random.Random(3), None)
    assert drawn == random.Random(3).sample(range(9), 4)


@pytest.mark.parametrize("weights", [None, [1, 2, 3]])
def test_none_twice_and_no_more_than_there_are(weights):
    assert sorted(draw("abc", 9, random.Random(0), weights)) == ["a", "b", "c"]
    assert draw("", 2, random.Random(0), None if weights is None else []) == []


def test_by_weight():
    rng = random.Random(5)
    counts = Counter(draw("abc", 1, rng, [6, 3, 1])[0] for _ in range(4000))
    for name, share in zip("abc", (0.6, 0.3, 0.1), strict=True):
        assert counts[name] / 4000 == pytest.approx(share, abs=0.03)
    # The second is drawn by weight among those that are left: 0.6 * 3/4 + 0.3 * 6/7 are ab or ba.
    pairs = Counter(frozenset(draw("abc", 2, rng, [6, 3, 1])) for _ in range(4000))
    assert pairs[frozenset("ab")] / 4000 == pytest.approx(0.707, abs=0.03)


class Ever:
    """Wants one record and one choice."""

    def of_record(self, id):
        return 1.0 if id == "r7" else 1e-9

    def of_choice(self, name, value):
        return 1.0 if (name, value) == ("a.b", "c") else 1e-9


def test_what_a_step_draws(tmp_path):
    records = [Record("", id=f"r{n}") for n in range(20)]
    llm = llm_of(Scripted(str), tmp_path, due=Ever())
    assert [each.id for each in llm.draw(records, 1)] == ["r7"]
    assert llm.choose("a.b", ["x", "c", "y"]) == "c"
    plain = llm_of(Scripted(str), tmp_path, seed=4)
    assert plain.draw(records, 3) == random.Random(4).sample(records, 3)
    plain = llm_of(Scripted(str), tmp_path, seed=4)
    assert plain.choose("a.b", ["x", "c", "y"]) == random.Random(4).choice(["x", "c", "y"])
