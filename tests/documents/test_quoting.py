import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.documents import find_quote, paragraphs_around, plain

TEXT = st.text("ab cd\n\t-'\"\u201c\u2014\u00e9e\u0301\ufb01\u00ad\u4e2d", max_size=60)


@given(TEXT, st.data())
def test_every_part_of_a_text_is_found_in_it_and_the_span_says_the_same(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    quote = text[start:end]
    # An accent without its letter, and half a line break after a hyphen, are no parts.
    if not plain(quote) or "\u0301" in quote[:1] + text[end : end + 1] or "\n" in text:
        return
    found = find_quote(quote, text)
    assert found is not None
    # A mark that cannot be a part of its letter comes with it.
    assert plain(text[slice(*found)]).startswith(plain(quote))


@given(TEXT, TEXT)
def test_what_is_found_says_the_same_whatever_it_is(quote, text):
    found = find_quote(quote, text)
    if found is not None:
        assert 0 <= found[0] < found[1] <= len(text)
    if plain(quote) and plain(quote) in plain(text):
        assert found is not None


@pytest.mark.parametrize(
    ("quote", "text", "span"),
    [
        ("the cat sat", "So the  cat\n\tsat.", "the  cat\n\tsat"),
        (
            '"a b" - it\'s',
            "x \u201ca\u00a0b\u201d \u2014 it\u2019s",
            "\u201ca\u00a0b\u201d \u2014 it\u2019s",
        ),
        ("\u00abnon\u00bb", 'say "non" now', '"non"'),
        ("of fine fish", "of \ufb01ne \ufb01sh", "of \ufb01ne \ufb01sh"),
        ("caf\u00e9 au lait", "un cafe\u0301 au lait", "cafe\u0301 au lait"),
        ("cooperate", "co\u00adoper\u200bate", "co\u00adoper\u200bate"),
        ("and so on...", "and so on\u2026", "and so on\u2026"),
        ("two generations", "two gen-\nerations", "two gen-\nerations"),
        ("two gen-erations", "two gen-\n  erations", "two gen-\n  erations"),
        ("two gen- erations", "two gen-\nerations", "two gen-\nerations"),
        ("two gen-\nerations", "two gen-\nerations", "two gen-\nerations"),
        ("a well-known gen", "a well-known gen-\nius", "a well-known gen"),
        (".*", "a .* b", ".*"),
    ],
)
def test_forms_of_the_same(quote, text, span):
    start, end = find_quote(quote, text)
    assert text[start:end] == span


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("The cat", "the cat"),
        ("the cat", "the cats"[:6]),
        ("thecat", "the cat"),
        ("the ... cat", "the black cat"),
        ("", "text"),
        (" \n", "text \n text"),
        ("re-sign", "resign"),
        ("a.c", "abc gen-\neration"),
    ],
)
def test_what_is_not_there(quote, text):
    assert find_quote(quote, text) is None


def test_paragraphs_around():
    text = "First one.\n\nSecond one,\nof two lines.\n \nThird one."
    at = text.index("two")
    assert paragraphs_around(text, at, at + 3) == "Second one,\nof two lines."
    assert paragraphs_around(text, 0, 5) == "First one."
    assert paragraphs_around(text, 6, at) == "First one.\n\nSecond one,\nof two lines."
    assert paragraphs_around(text, len(text) - 3, len(text)) == "Third one."
