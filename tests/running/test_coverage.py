import itertools
import random

import pytest

from datakit.outcome import Drop, Rejected
from datakit.record import Record
from datakit.running.coverage import Coverage
from datakit.text import words

SEEDS = [Record(f"seed {n} of its own {n}{n}", output="", id=f"s{n}") for n in range(3)]
IDS = frozenset(seed.id for seed in SEEDS)


def record(id, text, *parents, **meta):
    return Record(text, id=id, meta={"parents": list(parents), **meta})


def watched(records, made=(), origin=None):
    coverage = Coverage(IDS)
    coverage.update({each.id: each for each in records}, made, origin or {})
    return coverage


def jaccard(a, b):
    one, other = (set(listed) | set(itertools.pairwise(listed)) for listed in (words(a), words(b)))
    return len(one & other) / len(one | other)


def test_unlike_records_are_those_of_the_formula():
    rng = random.Random(1)
    texts = [" ".join(rng.choices("abcdefgh", k=rng.randrange(1, 9))) for _ in range(40)]
    records = [record(str(n), text) for n, text in enumerate(texts)]
    alike = sum(jaccard(a, b) ** 2 for a in texts for b in texts)
    assert watched(records).point(0, 0).unlike == pytest.approx(len(texts) ** 2 / alike, abs=0.06)


def test_copies_are_one_record_and_strangers_are_many():
    copies = [record(str(n), "the same words again") for n in range(8)]
    strangers = [record(str(n), f"x{n} y{n} z{n}") for n in range(8)]
    assert watched(copies).point(0, 0).unlike == 1
    assert watched(strangers).point(0, 0).unlike == 8
    assert watched([]).point(0, 0).unlike == 0
    assert watched(strangers).point(0, 0).distinct == 1
    assert watched(copies).point(0, 0).distinct == 1 / 8


def test_in_steps_and_with_records_that_go_it_is_the_same():
    rng = random.Random(2)
    records = {
        str(n): record(str(n), " ".join(rng.choices("abcdef", k=5)), rng.choice(["s0", "s1", "s2"]))
        for n in range(60)
    }
    coverage = Coverage(IDS)
    for size in (10, 40, 60, 30, 60):
        chosen = rng.sample(sorted(records), size)
        coverage.update({id: records[id] for id in chosen}, [], {})
    last = {id: records[id] for id in chosen}
    whole = watched(last.values())
    assert coverage.point(5, 9) == whole.point(5, 9)
    assert [coverage.of_record(id) for id in last] == [whole.of_record(id) for id in last]


def test_what_is_crowded_is_due_less():
    crowd = [record(f"c{n}", f"how many boats are {word}") for n, word in enumerate("abcd")]
    alone = record("alone", "name a harbour")
    coverage = watched([*crowd, alone])
    assert coverage.of_record("alone") > 1.5 * coverage.of_record("c0")


def test_what_nothing_is_kept_of_is_due_less_and_less():
    weights = []
    for count in (0, 1, 5, 50):
        lost = [Rejected(record(f"m{n}", "refused", "s0"), Drop("refused")) for n in range(count)]
        weights.append(watched(SEEDS, lost).of_record("s0"))
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] < weights[0] / 100
    assert weights[0] == watched(SEEDS).of_record("s1")


def test_what_much_has_come_of_is_due_less():
    kept = [record(f"m{n}", f"word{n}", "s0", "s1") for n in range(9)]
    coverage = watched([*SEEDS, *kept], kept)
    assert coverage.of_record("s0") == coverage.of_record("s1") < coverage.of_record("s2")
    assert coverage.point(0, 9).seeds == 2
    assert coverage.point(0, 9).kept == 9
    assert coverage.point(0, 9).pool == 12


def test_a_revised_record_stands_for_what_it_was():
    made = [record("m0", "one, mended", "s0"), record("m1", "two", "s0")]
    revised = record("r0", "one, mended", "m0")
    origin = {"r0": "m0", "t0": "s0"}
    coverage = watched(
        [record("t0", SEEDS[0].instruction, "s0"), *SEEDS[1:], revised], made, origin
    )
    plain = watched([SEEDS[0], *SEEDS[1:], made[0]], made)
    assert coverage.of_record("t0") == plain.of_record("s0") < coverage.of_record("s1")
    assert coverage.point(0, 2).seeds == 1
    assert coverage.point(0, 2).kept == 1
    later = record("m2", "three", "r0")
    coverage.update({each.id: each for each in (revised, later)}, [later], origin)
    # One made after it, and that one kept: (2 / 3)^2 over one and the one that came of it.
    assert coverage.of_record("r0") == pytest.approx((2 / 3) ** 2 / 2)


def test_choices_are_due_by_what_came_of_them():
    made = [
        record(f"m{n}", f"word{n}", evolution={"operator": each})
        for n, each in enumerate(["deepen"] * 6 + ["breadth"] * 6 + ["concretize"] * 2)
    ]
    kept = [each for each in made if each.meta["evolution"]["operator"] != "breadth"]
    coverage = watched(kept, made)
    due = {
        each: coverage.of_choice("evolution.operator", each)
        for each in ("deepen", "breadth", "concretize", "reasoning")
    }
    assert due["reasoning"] == 1 / 4
    assert due["concretize"] > due["deepen"] > due["breadth"]
    # What has no such place, or another value in it, counts for nothing.
    odd = [record("a", "x", evolution="deepen"), record("b", "y", evolution={"operator": 3})]
    assert watched(odd, odd).of_choice("evolution.operator", "deepen") == 1 / 4
