import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.documents import Document, cut

WORDS = st.text("abcé.!?-*,;\u3002\u4e2d", min_size=1, max_size=30)
GAPS = st.sampled_from([" ", " ", " ", "  ", "\n", "\t", "\n\n", " \n \n", "\r\n\r\n", "\u00a0"])
TEXTS = st.lists(st.tuples(WORDS, GAPS), max_size=80).map(
    lambda parts: "".join(word + gap for word, gap in parts)
)
SIZES = st.tuples(st.integers(10, 120), st.integers(0, 60)).map(
    lambda both: (both[0], min(both[1], both[0] // 2))
)


def texts(text, size, overlap=0, **more):
    return [chunk.text for chunk in cut(Document("d", text, **more), size, overlap)]


@given(TEXTS, SIZES)
def test_chunks_hold_all_text_in_its_order_and_are_no_longer_than_they_may(text, sizes):
    size, overlap = sizes
    chunks = cut(Document("d", text), size, overlap)
    held = set()
    for chunk in chunks:
        assert 0 < chunk.end - chunk.start <= size
        assert chunk.text == text[chunk.start : chunk.end] == chunk.text.strip()
        held.update(range(chunk.start, chunk.end))
    assert {at for at, letter in enumerate(text) if not letter.isspace()} <= held
    assert all(text[at].isspace() for at in range(len(text)) if at not in held)


@given(TEXTS, SIZES)
def test_a_chunk_repeats_no_more_than_it_may_and_always_goes_on(text, sizes):
    size, overlap = sizes
    chunks = cut(Document("d", text), size, overlap)
    for one, two in itertools.pairwise(chunks):
        assert one.start < two.start
        assert one.end < two.end
        assert one.end - two.start <= overlap
        assert not text[one.end : max(one.end, two.start)].strip()


@given(TEXTS, SIZES)
def test_only_a_word_that_is_longer_than_a_chunk_is_cut(text, sizes):
    size, overlap = sizes
    words = [found.span() for found in re.finditer(r"\S+", text)]
    for chunk in cut(Document("d", text), size, overlap):
        for edge in (chunk.start, chunk.end):
            for start, end in words:
                if start < edge < end:
                    # Between Chinese sentences there is no space.
                    assert end - start > size or "\u3002" in text[start:edge]


def test_paragraphs_then_sentences_then_words():
    text = "One two three. Four five six.\n\nSeven eight nine ten. Eleven twelve thirteen."
    assert texts(text, 56) == [
        "One two three. Four five six.",
        "Seven eight nine ten. Eleven twelve thirteen.",
    ]
    # A paragraph that fills less than half of a chunk does not end it.
    assert texts("Hi.\n\nSeven eight nine ten. Eleven twelve thirteen.", 30) == [
        "Hi.\n\nSeven eight nine ten.",
        "Eleven twelve thirteen.",
    ]
    assert texts("one two three four five six seven", 14) == [
        "one two three",
        "four five six",
        "seven",
    ]
    assert texts("abc" * 5, 10) == ["abcabcabca", "bcabc"]


def test_a_sentence_ends_before_its_closing_marks_and_with_a_list_item():
    assert texts("He said \u201cno more.\u201d Then he left the room.", 30)[0] == (
        "He said \u201cno more.\u201d"
    )
    assert texts("- first item here\n- second item there now", 30) == [
        "- first item here",
        "- second item there now",
    ]
    chinese = "\u4e2d\u6587\u53e5\u5b50\u3002" * 6
    assert texts(chinese, 12) == [chinese[:10]] * 3


def test_overlap_repeats_whole_sentences_or_else_whole_words():
    text = "A first sentence. A second one. A third one here. The fourth is this."
    one, two, *_ = texts(text, 40, 20)
    assert one == "A first sentence. A second one."
    assert two.startswith("A second one. A third")
    one, two = texts("alpha beta gamma delta epsilon", 20, 9)
    assert (one, two) == ("alpha beta gamma", "gamma delta epsilon")


def test_nothing_in_nothing_out_and_the_content_begins_where_it_begins():
    assert texts("", 10) == texts(" \n\t ", 10) == []
    document = Document("d", "---\na: b\n---\nText of it.", begin=13)
    (chunk,) = cut(document, 100, 0)
    assert (chunk.text, chunk.start) == ("Text of it.", 13)


@pytest.mark.parametrize(("size", "overlap"), [(10, 6), (10, -1), (0, 0)])
def test_sizes_that_cannot_be_kept(size, overlap):
    with pytest.raises(ValueError, match="at most half"):
        cut(Document("d", "text"), size, overlap)
