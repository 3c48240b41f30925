import random

from hypothesis import given
from hypothesis import strategies as st

from datakit.families import families, split
from datakit.record import Record


def record(id, parents=(), text="x"):
    return Record(text, id=id, meta={"parents": list(parents)} if parents else {})


def groups(*args, **named):
    return [[each.id for each in family] for family in families(*args, **named)]


@st.composite
def generations(draw):
    """Records with parents among those before them, some of which are dropped."""
    count = draw(st.integers(1, 25))
    every = []
    for at in range(count):
        parents = draw(st.lists(st.integers(0, max(0, at - 1)), max_size=2)) if at else []
        every.append(
            (record(f"r{at}", parents=[f"r{each}" for each in parents]), draw(st.booleans()))
        )
    return every


@given(generations(), st.sampled_from([(0.9, 0.1), (0.5, 0.5), (8, 2), (1, 0), (0, 1)]))
def test_a_split_keeps_families_together(every, shares):
    kept = [each for each, stays in every if stays]
    gone = [each for each, stays in every if not stays]
    left, right = split(kept, gone, shares)
    assert sorted(each.id for each in [*left, *right]) == sorted(each.id for each in kept)
    assert len(right) <= len(kept) * shares[1] / sum(shares)
    sides = {each.id: 0 for each in left} | {each.id: 1 for each in right}
    roots = {}
    for each, _ in every:
        group = {each.id}.union(*(roots.get(parent, {parent}) for parent in each.parents))
        for member in group:
            roots[member] = group
    for group in roots.values():
        assert len({sides[member] for member in group if member in sides}) <= 1


def test_a_long_line_of_children_is_no_trouble():
    line = [record("r0"), *(record(f"r{at}", parents=[f"r{at - 1}"]) for at in range(1, 50_000))]
    random.Random(0).shuffle(line)
    left, right = split(line, [], (0.5, 0.5))
    assert (len(left), len(right)) == (50_000, 0)


def test_families_and_their_order():
    rows = [record("a"), record("b"), record("c", ["a"]), record("d", ["gone"]), record("e", ["b"])]
    assert groups(rows) == [["a", "c"], ["b", "e"], ["d"]]
    assert groups(rows, [record("gone", ["e"])]) == [["a", "c"], ["b", "d", "e"]]
    # A parent that nobody has seen is an ancestor all the same.
    assert groups([record("x", ["seed"]), record("y", ["seed"])]) == [["x", "y"]]


def test_records_without_an_id_are_no_family():
    rows = [record(""), record(""), record("", ["p"]), record("", ["p"])]
    assert [len(family) for family in families(rows)] == [1, 1, 2]


def test_a_key_joins_families():
    rows = [record("a", text="q"), record("b", text="r"), record("c", text="q"), record("d", ["b"])]
    assert groups(rows, key=lambda each: each.instruction) == [["a", "c"], ["b", "d"]]
    # Ids and values of the key are not mixed up.
    assert groups([record("q"), record("z", text="q")], key=lambda each: each.instruction) == [
        ["q"],
        ["z"],
    ]
