from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.topics import cell, leaves, read_personas, read_topics


@given(st.integers(1, 12), st.integers(1, 20), st.integers(0, 5))
def test_every_cell_has_its_turn_before_one_comes_again(topics, pairs, times):
    whole = topics * pairs
    for time in range(times):
        seen = [cell(time * whole + at, topics, pairs) for at in range(whole)]
        assert set(seen) == {(topic, pair) for topic in range(topics) for pair in range(pairs)}


def test_every_topic_comes_once_in_each_turn_and_the_order_is_shuffled():
    for turn in range(20):
        seen = [cell(turn * 9 + at, 9, 7)[0] for at in range(9)]
        assert sorted(seen) == list(range(9))
        assert seen != sorted(seen)
    orders = {tuple(cell(turn * 63 + at, 9, 7) for at in range(63)) for turn in range(4)}
    assert len(orders) == 4, "each time round in another order"
    assert max(Counter(cell(at, 9, 7)[1] for at in range(9)).values()) < 5


def test_the_order_never_changes():
    assert [cell(at, 4, 6) for at in range(6)] == ORDER


def test_a_huge_grid_costs_nothing():
    assert 0 <= cell(10**6, 1000, 10**10)[1] < 10**10


def test_leaves():
    tree = {"SQL": ["joins", {"windows": ["ranks", "sums"]}], "years": {1984: None}, "empty": []}
    assert leaves(tree) == (
        *("SQL > joins", "SQL > windows > ranks", "SQL > windows > sums"),
        *("years > 1984", "empty"),
    )
    assert leaves(["a", " b  c\n", "a", 3]) == ("a", "b c", "3")


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ([], "no topic"),
        ({}, "no topic"),
        ([""], "not an empty text"),
        ([None], "not null"),
        ({"a": False}, "not true or false; put it in quotes"),
        ({"a": {True: "b"}}, "put it in quotes"),
    ],
)
def test_leaves_that_are_none(tree, words):
    with pytest.raises(ValueError, match=words):
        leaves(tree)


def test_a_tree_that_is_too_deep():
    tree = "x"
    for _ in range(30):
        tree = {"a": tree}
    with pytest.raises(ValueError, match="20 deep"):
        leaves(tree)


@pytest.mark.parametrize(
    ("name", "text", "topics"),
    [
        ("t.yaml", "a: [b, {c: d}]\n", ("a > b", "a > c > d")),
        ("t.yml", "- a\n- b\n", ("a", "b")),
        ("t.json", '{"a": ["b"]}', ("a > b",)),
        ("t.txt", "\ufeffa\n\n b \r\na\n# C\n", ("a", "b", "# C")),
    ],
)
def test_files_of_topics(tmp_path, name, text, topics):
    (tmp_path / name).write_text(text)
    assert read_topics(str(tmp_path / name)) == topics


def test_files_are_read_again_when_they_change(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("a")
    assert read_topics(str(path)) == ("a",)
    path.write_text("a\nb")
    assert read_topics(str(path)) == ("a", "b")


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("t.yaml", b"a: [b", r"t\.yaml: not YAML: .* line 1"),
        ("t.json", b'{"a": 1,\n}', r"t\.json:2:1: not JSON"),
        ("t.txt", b"\xff", r"t\.txt: not UTF-8"),
        ("t.txt", b"\n\n", r"t\.txt: there is no topic"),
        ("t.yaml", b"[a, no]", r"t\.yaml: a topic is a text, not true or false"),
        ("none.txt", None, r"none\.txt: cannot be read"),
    ],
)
def test_files_of_topics_that_are_wrong(tmp_path, name, raw, words):
    if raw is not None:
        (tmp_path / name).write_bytes(raw)
    with pytest.raises(ValueError, match=words):
        read_topics(str(tmp_path / name))


def test_personas(tmp_path):
    (tmp_path / "p.txt").write_text("A nurse.\n\nA pilot.\nA nurse.\n")
    assert read_personas(str(tmp_path / "p.txt")) == ("A nurse.", "A pilot.")
    (tmp_path / "p.jsonl").write_text('{"persona": " A  nurse. ", "id": 1}\n{"persona": "B"}\n')
    assert read_personas(str(tmp_path / "p.jsonl")) == ("A nurse.", "B")
    (tmp_path / "q.jsonl").write_text('{"persona": "A"}\n{"description": "B"}\n')
    with pytest.raises(ValueError, match=r'q\.jsonl:2: has no text "persona"'):
        read_personas(str(tmp_path / "q.jsonl"))
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"empty\.txt: there is no persona"):
        read_personas(str(tmp_path / "empty.txt"))


ORDER = [(2, 5), (0, 0), (3, 5), (1, 2), (1, 1), (0, 1)]
