import pytest

from datakit.errors import InputError
from trainers.evaluate.constraints import Constraint, loosely, parse, strictly

WORDS = "length_constraints:number_words"


def test_parse_checks_and_keeps_the_arguments():
    given = {"num_words": 3, "relation": "at least", "keywords": None, "letter": None}
    found = parse(WORDS, given, "a.jsonl:1")
    assert found == Constraint(WORDS, {"num_words": 3, "relation": "at least"})
    assert parse("punctuation:no_comma", {}, "a.jsonl:1").arguments == {}
    listed = parse("keywords:existence", {"keywords": ["a", "b"]}, "a.jsonl:1")
    assert listed.arguments == {"keywords": ("a", "b")}


@pytest.mark.parametrize(
    ("kind", "arguments", "text"),
    [
        ("length_constraints:number_word", {}, f'did you mean "{WORDS}"'),
        (None, {}, "unknown instruction null."),
        (WORDS, [], "its arguments must be an object"),
        (WORDS, {"num_words": 3}, 'the argument "relation" is missing'),
        (WORDS, {"num_words": 3, "relation": None}, 'the argument "relation" is missing'),
        (WORDS, {"num_word": 3, "relation": "at least"}, 'did you mean "num_words"'),
        (WORDS, {"num_words": "3", "relation": "at least"}, "num_words: .*whole number"),
        (WORDS, {"num_words": -1, "relation": "at least"}, "num_words: .*at least 0"),
        (WORDS, {"num_words": 3, "relation": "at most"}, "relation: .*at least"),
        ("keywords:existence", {"keywords": []}, "keywords"),
        ("keywords:existence", {"keywords": "word"}, "keywords: .*list"),
        ("keywords:letter_frequency",
         {"letter": "ab", "let_frequency": 1, "let_relation": "at least"}, "letter: "),
        ("length_constraints:nth_paragraph_first_word",
         {"num_paragraphs": 1, "nth_paragraph": 0, "first_word": "a"}, "nth_paragraph: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(kind, arguments, text):
    with pytest.raises(InputError, match=text) as caught:
        parse(kind, arguments, "a.jsonl:7")
    assert str(caught.value).startswith("a.jsonl:7: ")


def test_a_kind_tells_whether_it_needs_a_language():
    assert parse("change_case:english_capital", {}, "x").needs_language
    assert parse("language:response_language", {"language": "de"}, "x").needs_language
    frequency = {"capital_frequency": 1, "capital_relation": "at least"}
    assert not parse("change_case:capital_word_frequency", frequency, "x").needs_language


def test_a_blank_answer_meets_nothing():
    constraint = parse("punctuation:no_comma", {}, "x")
    assert not constraint.met(" \n")
    assert constraint.met("a")
    assert loosely([constraint], "\n \n") == [False]


@pytest.mark.parametrize(
    ("answer", "strict", "loose"),
    [
        ('"quoted"', True, True),
        ('Sure, here you are:\n"quoted"', False, True),
        ('"quoted"\nAnything else?', False, True),
        ('Sure:\n"quoted"\nAnything else?', False, True),
        ('**"quoted"**', False, True),
        ('Sure:\n\n*"quoted"*\n\nBye', False, True),
        ('Sure:\nhere:\n"quoted"', False, False),
    ],
)
def test_loosely_takes_lines_and_asterisks_away(answer, strict, loose):
    constraint = parse("startend:quotation", {}, "x")
    assert strictly([constraint], answer) == [strict]
    assert loosely([constraint], answer) == [loose]


def test_each_constraint_may_be_met_by_another_form():
    bullets = parse("detectable_format:number_bullet_lists", {"num_bullets": 1}, "x")
    quoted = parse("startend:quotation", {}, "x")
    assert loosely([bullets, quoted], '* point\n"b"') == [True, True]
    assert loosely([bullets, quoted], 'no point\n"b"') == [False, True]
