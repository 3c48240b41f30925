import pytest

from datakit.record import Record
from datakit.steps.filter.web import Web

PAGE = (
    "The river runs from the mountains to the sea, and it passes many towns that have stood for "
    "a long time. People build bridges over it with stone and steel. In spring it rises high.\n"
    "Boats of every kind carry goods along its course, which saves the roads a great many trucks."
)


def broken(text, *rules):
    drop = Web(rules=rules).check(Record("q", output=text))
    return drop and drop.reason


def test_a_page_passes_them_all():
    assert broken(PAGE, "gopher", "gopher_repetition", "c4", "fineweb") is None


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        ("gopher", "The Rhine.", "gopher_words"),
        ("gopher", "a b " * 60, "gopher_word_length"),
        ("gopher", PAGE + " #river" * 20, "gopher_symbols"),
        ("gopher", "\n".join(f"- {word} and the rest" for word in PAGE.split()), "gopher_bullets"),
        ("gopher", "\n".join(f"{word} and the rest..." for word in PAGE.split()), "gopher_symbols"),
        ("gopher", PAGE + " 12345" * 30, "gopher_letters"),
        ("gopher", "Tannen wachsen langsam heran " * 20, "gopher_stop_words"),
        ("gopher_repetition", PAGE + ("\n" + PAGE.splitlines()[1]) * 3, "gopher_duplicate"),
        ("gopher_repetition", "one two three four five six seven " * 9, "gopher_top_ngram"),
        ("c4", "def f(): { return 1; }", "c4_curly_bracket"),
        ("c4", PAGE + " Lorem ipsum.", "c4_lorem_ipsum"),
        ("c4", "The Rhine is a river. Yes.", "c4_sentences"),
        ("fineweb", "one\ntwo\nthree", "fineweb_line_ends"),
        ("fineweb", "It is one.\nIt is two.\nIt is three.", "fineweb_short_lines"),
        ("fineweb", "\n".join([PAGE.splitlines()[0]] * 3), "fineweb_duplicate_lines"),
    ],
)
def test_each_rule_finds_what_it_is_for(rule, text, reason):
    assert broken(text, rule) == reason


def test_the_field_is_named():
    assert Web(rules=["c4"], field="input").check(Record("q", PAGE, "no")) is None
    assert Web(rules=["c4"], field="input").check(Record("q", "no", PAGE)).reason == "c4_sentences"


@pytest.mark.parametrize("rule", ["gopher", "gopher_repetition", "c4", "fineweb"])
def test_an_empty_text_is_no_error(rule):
    Web(rules=[rule]).check(Record("q", output=""))
