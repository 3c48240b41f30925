"""When two results are the same answer."""

import pytest

from datakit.sqlite.results import Expected, contains, group_rows, same_value


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        (0.1 + 0.2, 0.3, True),
        (1e300, 1e300 * (1 + 1e-12), True),
        (1e-15, 0, True),
        (100.0, 100.001, False),
        (2**62, 2**62 + 1, False),
        (None, None, True),
        (None, 0, False),
        (None, "", False),
        ("1", 1, False),
        ("a", "A", False),
        ("a", "a ", False),
        ("a", b"a", False),
        ("\udcff", "\udcff", True),
        (float("inf"), float("inf"), True),
        (float("inf"), 1e308, False),
    ],
)
def test_values(one, other, same):
    assert same_value(one, other) is same
    assert same_value(other, one) is same


def test_multisets_count_duplicates_and_allow_for_sums():
    rows = [(0.3, "a"), (0.1 + 0.2, "b"), (1, "a"), (1, "a")]
    assert contains(rows, [(1.0, "a"), (0.3, "b"), (0.1 + 0.2, "a"), (1, "a")])
    assert contains(rows, [(1, "a")])
    assert not contains(rows, [(1, "a")] * 3)
    assert not contains(rows, [(1, "a", None)])
    assert not contains([], [()])
    assert not contains([(float(at),) for at in range(500)], [(at + 1e-3,) for at in range(500)])


def test_groups_come_in_order_and_are_in_any_order_inside():
    rows = [("a", 3), ("b", 3), ("c", 2), ("d", 1), ("e", 1)]
    expected = Expected(group_rows(rows, (1,), 0), 0, 5)
    assert expected.accepts([("b", 3), ("a", 3), ("c", 2), ("e", 1), ("d", 1)])
    assert not expected.accepts([("c", 2), ("a", 3), ("b", 3), ("d", 1), ("e", 1)])
    assert not expected.accepts(rows[:4])
    assert not expected.accepts([*rows, ("f", 1)])


@pytest.mark.parametrize(
    ("skip", "count", "rows", "right"),
    [
        (0, 1, "b", True),
        (0, 1, "c", False),
        (0, 4, "abce", True),
        (0, 4, "abde", False),
        (1, 2, "ac", True),
        (1, 2, "bc", True),
        (1, 2, "cd", False),
        (3, 2, "ed", True),
        (4, 1, "d", True),
        (4, 2, "de", False),
        (0, 2, "aa", False),
    ],
)
def test_a_limit_may_cut_a_group(skip, count, rows, right):
    groups = group_rows([("a", 3), ("b", 3), ("c", 2), ("d", 1), ("e", 1)], (-1,), 1)
    assert Expected(groups, skip, count).accepts([(each,) for each in rows]) is right


def test_keys_that_differ_in_the_last_digits_are_one_group():
    assert len(group_rows([(0.3,), (0.1 + 0.2,), (None,), (None,), (0,)], (0,), 0)) == 3
    assert group_rows([], (0,), 0) == []
