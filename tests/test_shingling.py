import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from datakit import shingling, units
from datakit.shingling import joined, shingled
from datakit.text import shingles

# Letters with and without case, digits of several scripts, signs, hyphens, marks that compose.
ODD = st.text("aB_-1\u0663\u00bd\u0301\u00e9\ufb01+=$ \n!\u65e5\ud800\u0130\u212a", max_size=30)


def ours(texts, size, kind):
    made = shingled(texts, size, kind)
    return [set(made.hashes[a:b].tolist()) for a, b in itertools.pairwise(made.offsets)]


def theirs(texts, size, kind):
    return [set(shingles(text, size, kind).tolist()) for text in texts]


def alike(one, other):
    """Tells whether two lists of sets are the same but for the names of their members."""
    if [len(each) for each in one] != [len(each) for each in other]:
        return False
    pairs = itertools.combinations(range(len(one)), 2)
    return all(len(one[a] & one[b]) == len(other[a] & other[b]) for a, b in pairs)


@pytest.mark.parametrize("kind", ["word", "char"])
@pytest.mark.parametrize("size", [1, 2, 5])
@given(texts=st.lists(ODD | st.text(max_size=20), max_size=8))
@example(texts=["a-b", "a - b", "1-2", "12", "--", "-", "- -", "", "!", "?!", " ", "x-1", "a\n-b"])
@example(texts=["x" * 63 + "a", "x" * 64, "x" * 65, "x" * 66, "x" * 65, "\u00e9" * 32])
@example(texts=["caf\u00e9", "cafe\u0301", "\ufb01ne", "fine", "FINE", "stra\u00dfe", "STRASSE"])
def test_they_are_those_of_each_text(texts, size, kind):
    assert alike(ours(texts, size, kind), theirs(texts, size, kind))


@given(texts=st.lists(ODD, min_size=1, max_size=12))
def test_windows_change_nothing(texts):
    whole = shingled(texts, 2)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shingling, "_WINDOW", 3)
        parts = shingled(texts, 2)
    assert np.array_equal(whole.hashes, parts.hashes)
    assert np.array_equal(whole.offsets, parts.offsets)


def test_a_long_text_is_cut_where_no_word_is(monkeypatch):
    text = "".join(f"word{at}-x {'y' * (at % 30)}\n" for at in range(500))
    whole = shingled(["a b c", text, "d"], 5)
    monkeypatch.setattr(units, "_PIECE", 64)
    parts = shingled(["a b c", text, "d"], 5)
    assert np.array_equal(whole.hashes, parts.hashes)
    assert np.array_equal(whole.offsets, parts.offsets)


def test_a_word_without_end_is_cut_alike(monkeypatch):
    monkeypatch.setattr(units, "_PIECE", 64)
    one, other = ours(["a" * 1000, "a" * 1000 + " b"], 1, "word")
    assert one < other


def test_some_of_them_and_fields_together():
    texts = ["one two three", "", "four five six seven", "one two"]
    made = shingled(texts, 2)
    some = made.of(np.array([3, 1, 2]))
    assert ours([texts[at] for at in (3, 1, 2)], 2, "word") == [
        set(some.hashes[a:b].tolist()) for a, b in itertools.pairwise(some.offsets)
    ]
    both = joined([made, made.tagged(1)])
    assert np.array_equal(np.diff(both.offsets), 2 * np.diff(made.offsets))
    for at, (start, end) in enumerate(itertools.pairwise(both.offsets)):
        own = set(made.hashes[made.offsets[at] : made.offsets[at + 1]].tolist())
        assert len(set(both.hashes[start:end].tolist())) == 2 * len(own)


def test_sets_have_each_shingle_once():
    made = shingled(["a b a b a b", "b a", "c"], 2)
    numbers, offsets, count = made.sets()
    sets = [numbers[a:b].tolist() for a, b in itertools.pairwise(offsets)]
    assert [len(each) for each in sets] == [2, 1, 1]
    assert sets[1][0] in sets[0]
    assert count == 3
    assert all(each == sorted(each) for each in sets)


def test_no_texts():
    assert len(shingled([])) == 0
