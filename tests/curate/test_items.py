import json
from collections import Counter

import pytest

from datakit.curate import make_pairs, read_pairs, write_pairs
from datakit.errors import InputError
from tests.curate.sheets import NAMES, asked, pairs


def test_the_same_seed_gives_the_same_pairs_and_another_one_others():
    assert pairs(20) == pairs(20)
    assert [pair.id for pair in pairs(20).items] != [pair.id for pair in pairs(20, seed=1).items]
    assert {pair.id for pair in pairs(20).items} == {pair.id for pair in pairs(20, seed=1).items}


@pytest.mark.parametrize("seed", range(8))
def test_each_maker_stands_left_equally_often_among_the_pairs_that_are_shown(seed):
    made = pairs(25, same=5, seed=seed)
    assert len(made.shown) == 20
    assert Counter(pair.left for pair in made.shown) == {0: 10, 1: 10}
    sides = [pair.left for pair in made.shown]
    assert sides != sorted(sides)


def test_order_and_side_have_nothing_to_do_with_each_other():
    """No pair stands on one side for all seeds, and none comes first for all."""
    made = [pairs(6, seed=seed) for seed in range(40)]
    lefts = {
        pair.id: {each.left for m in made for each in m.items if each.id == pair.id}
        for pair in made[0].items
    }
    assert set(map(frozenset, lefts.values())) == {frozenset({0, 1})}
    assert len({each.items[0].id for each in made}) > 3


def test_the_winner_of_a_side():
    for pair in pairs(6).items:
        assert pair.outputs[pair.winner("left")] == pair.outputs[pair.left]
        assert pair.winner("right") == 1 - pair.winner("left")
        assert pair.winner("tie") is None
        assert pair.winner("skip") is None


def test_equal_texts_have_ids_of_their_own():
    made = make_pairs(asked(1) * 3, ["a"] * 3, ["b"] * 3, names=NAMES, seed=0)
    assert len({pair.id for pair in made.items}) == 3


def test_a_file_of_pairs_comes_back_as_it_was(tmp_path):
    odd = ["</script>\u202e\ud800", "line\nline\r\u2028line", "", "\x00"]
    made = make_pairs(asked(2), odd[:2], odd[2:], names=NAMES, seed=3, key={"seed": 3})
    write_pairs(tmp_path / "items.jsonl", made)
    assert read_pairs(tmp_path / "items.jsonl") == made
    assert [path.name for path in tmp_path.iterdir()] == ["items.jsonl"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lines: lines[1:], r"items.jsonl:1: is not a file of pairs"),
        (lambda lines: [], r"items.jsonl:1: is not a file of pairs"),
        (lambda lines: [lines[0], "{}"], r"items.jsonl:2: is not a pair"),
        (lambda lines: [lines[0], lines[1].replace('"left": ', '"left": 2')], r":2: is not a pair"),
        (lambda lines: [*lines[:2], "{"], r"items.jsonl:3:2: not JSON"),
        (lambda lines: [lines[0].replace('"maker-two"', "2")], r':1: "names" must be two texts'),
    ],
)
def test_a_file_that_is_something_else_is_an_error_with_its_place(tmp_path, change, told):
    path = tmp_path / "items.jsonl"
    write_pairs(path, pairs(2))
    path.write_text("\n".join(change(path.read_text().splitlines())))
    with pytest.raises(InputError, match=told):
        read_pairs(path)


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        write_pairs(tmp_path / "no" / "items.jsonl", pairs(2))
    assert list(tmp_path.iterdir()) == []


def test_the_makers_are_told_in_the_first_line_alone(tmp_path):
    path = tmp_path / "items.jsonl"
    write_pairs(path, pairs(2))
    head, *lines = path.read_text().splitlines()
    assert json.loads(head)["names"] == list(NAMES)
    assert "maker" not in "".join(lines)
