import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.text import (
    clip,
    collapse,
    covered,
    fold,
    grams,
    hash64,
    shingles,
    spans,
    tokens,
    word_hashes,
    words,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("?!…", []),
        ("Hello, World!", ["hello", "world"]),
        ("\uff26ull ﬁne", ["full", "fine"]),
        ("Cafe\u0301 STRASSE Straße", ["café", "strasse", "strasse"]),
        ("2+2 = 4.5", ["2", "2", "4", "5"]),
        ("snake_case don't", ["snake_case", "don", "t"]),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("What is 2+2?", "What is 2-2?", False),
        ("a < b", "a > b", False),
        ("C# or C", "C or C", False),
        ("5 - 3", "5 3", False),
        ("Well-known, isn't it?", "well known isn t it", True),
        ("Stop!", "stop", True),
    ],
)
def test_tokens_keep_operators_and_forget_punctuation(one, other, same):
    assert (tokens(one) == tokens(other)) is same


@given(st.text())
def test_spans_are_the_words_where_they_stand(text):
    found = spans(text)
    assert [word for word, _, _ in found] == words(text)
    assert all(0 <= start < end <= len(text) for _, start, end in found)
    assert all(a[1] <= b[1] and a[2] <= b[2] for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("text", "word", "piece"),
    [
        ("the ﬁne art", "fine", "ﬁne"),
        ("un cafe\u0301 noir", "café", "cafe\u0301"),
        ("ｶﾞｽ station", "ガス", "ｶﾞｽ"),
        ("… “quoted” text", "quoted", "quoted"),
        ("die Straße hier", "strasse", "Straße"),
        ("한글 text", "한글", "한글"),
    ],
)
def test_spans_point_into_the_text_as_written(text, word, piece):
    places = {w: text[start:end] for w, start, end in spans(text)}
    assert places[word] == piece


def test_hashes_are_the_same_in_every_process():
    code = "from datakit.text import hash64, shingles; print(hash64('word'), shingles('a b c', 2))"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1
    assert hash64("word") == 10776770685243991114


@given(st.lists(st.sampled_from("abc"), max_size=12), st.integers(1, 5))
def test_grams_are_equal_just_where_the_words_are(parts, size):
    found = grams(word_hashes(parts), size)
    expected = [tuple(parts[at : at + size]) for at in range(len(parts) - size + 1)]
    assert len(found) == len(expected)
    assert len(set(found.tolist())) == len(set(expected))


@pytest.mark.parametrize("kind", ["word", "char"])
def test_a_short_text_is_one_shingle_of_its_own(kind):
    assert len(shingles("", 5, kind)) == 1
    assert len(shingles("hi", 5, kind)) == 1
    assert shingles("yes", 5, kind) != shingles("no", 5, kind)
    assert shingles("???", 5, kind) != shingles("!!!", 5, kind)


@given(st.text(), st.sampled_from(["word", "char"]))
def test_shingles_are_a_sorted_set(text, kind):
    found = shingles(text, 3, kind)
    assert len(found) >= 1
    assert np.all(found[1:] > found[:-1])


def test_shingles_know_their_order():
    assert not np.array_equal(shingles("a b c d e", 5), shingles("e d c b a", 5))


@given(st.sets(st.integers(0, 20)), st.integers(1, 9))
def test_covered_marks_the_words_of_each_gram(starts, size):
    found = covered(np.array(sorted(starts), dtype=np.intp), size, 30)
    assert set(np.flatnonzero(found)) == {s + k for s in starts for k in range(size) if s + k < 30}


def test_small_ones():
    assert collapse("  a \n\t b ") == "a b"
    assert fold("\uff21B") == "ab"
    assert clip("abc", 3) == "abc"
    assert clip("abcd", 3) == "ab…"
