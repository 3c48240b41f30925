import pytest

from datakit.report.lineage import Lineage
from datakit.report.reservoir import Reservoir, Strata, Tally


def test_reservoir_keeps_all_while_there_is_room_and_the_order():
    sample = Reservoir(10)
    for n in range(1_000):
        sample.offer(lambda n=n: n)
    found = list(sample)
    assert len(found) == 10 and found == sorted(found)
    assert sample.seen == 1_000


def test_reservoir_makes_only_what_it_takes():
    made = []
    sample = Reservoir(5)
    for n in range(10_000):
        sample.offer(lambda n=n: made.append(n))
    assert len(made) < 100


def test_strata_show_rare_kinds():
    sample = Strata(20)
    for n in range(1_000):
        sample.offer("rare" if n in (500, 700) else "common", lambda n=n: n)
    found = sample.take()
    assert len(found) == 20 and {500, 700} <= set(found)


def test_strata_use_the_whole_sample():
    sample = Strata(20)
    for n in range(100):
        sample.offer(n % 3, lambda n=n: n)
    assert len(sample.take()) == 20


def test_strata_of_too_many_kinds_are_bounded():
    sample = Strata(200)
    for n in range(5_000):
        sample.offer(n, lambda n=n: n)
    assert 64 <= len(sample.take()) <= 200


def test_samples_repeat():
    def draw():
        sample = Strata(7)
        for n in range(500):
            sample.offer(n % 2, lambda n=n: n)
        return sample.take()

    assert draw() == draw()


def test_tally_forgets_only_what_is_rare(monkeypatch):
    monkeypatch.setattr("datakit.report.reservoir._TALLIED", 50)
    tally = Tally()
    for n in range(2_000):
        tally.add("often" if n % 4 == 0 else f"once {n}")
    assert tally.total == 2_000
    assert tally.top(1) == (("often", 500),)


def test_a_record_is_shared_among_its_parents():
    lineage = Lineage()
    lineage.add("a", ["s1", "s2"])
    lineage.add("b", ["a", "s1"])
    assert lineage.roots(["a", "b"]) == {"s1": 0.5 + 0.5 + 0.25, "s2": 0.5 + 0.25}


def test_dropped_ancestors_pass_their_shares_on():
    lineage = Lineage()
    lineage.add("gone", ["s1"])
    lineage.add("kept", ["gone"])
    assert lineage.roots(["kept"]) == {"s1": 1}
    assert lineage.ancestors("kept") == ["s1"]


@pytest.mark.parametrize("loop", [[("a", ["a"])], [("a", ["b"]), ("b", ["a"])]])
def test_loops_end(loop):
    lineage = Lineage()
    for id, parents in loop:
        lineage.add(id, parents)
    lineage.roots(["a", "b"])
    assert len(lineage.ancestors("a")) <= 2
