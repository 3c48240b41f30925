import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.wording import Piece, word_changes


def marked(before, after):
    signs = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}
    return "".join(signs[each.kind].format(each.text) for each in word_changes(before, after))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("", "", ""),
        ("All of it.", "All of it.", "All of it."),
        ("", "New.", "{+New.+}"),
        ("Count red boats.", "Count the boats.", "Count [-red-]{+the+} boats."),
        ("a b c d", "a x y d", "a [-b c-]{+x y+} d"),
        ("over 5000", "over 6000", "over [-5000-]{+6000+}"),
        ("one\ntwo", "one two", "one[-\n-]{+ +}two"),
    ],
)
def test_pieces(before, after, said):
    assert marked(before, after) == said


@given(st.text("ab \n.", max_size=40), st.text("ab \n.", max_size=40))
def test_pieces_make_both_texts(before, after):
    pieces = word_changes(before, after)
    assert "".join(each.text for each in pieces if each.kind != "added") == before
    assert "".join(each.text for each in pieces if each.kind != "removed") == after
    assert all(each.text for each in pieces)


def test_long_texts_end_soon():
    before = " ".join(f"w{at}" for at in range(20_000))
    after = " ".join(f"x{at}" for at in range(20_000))
    assert word_changes(f"a {before} z", f"a {after} z") == [
        Piece("same", "a "), Piece("removed", before), Piece("added", after), Piece("same", " z")
    ]  # fmt: skip
