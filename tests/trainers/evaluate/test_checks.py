import time

import pytest

from trainers.evaluate import counting
from trainers.evaluate.checks import CHECKS
from trainers.evaluate.constraints import KINDS, parse

# For each kind: arguments, answers that meet it, and answers that do not.
CASES = {
    "change_case:capital_word_frequency": (
        {"capital_frequency": 2, "capital_relation": "at least"},
        ["GO HOME now", "I say NO"],
        ["GO home", "lower"],
    ),
    "change_case:english_capital": ({}, ["ALL OF IT.", "A 1"], ["All of it.", "123"]),
    "change_case:english_lowercase": ({}, ["all of it.", "a 1"], ["All of it.", "123"]),
    "combination:repeat_prompt": (
        {"prompt_to_repeat": "Say this. "},
        ["Say this. Done.", "  SAY THIS.\nDone"],
        ["I say: Say this.", '"Say this." Done'],
    ),
    "combination:two_responses": (
        {},
        ["a******b", "******a******b******", "a\n******\nb"],
        ["a", "a******a", "a***b", "a******b******c", "a************b"],
    ),
    "detectable_content:number_placeholders": (
        {"num_placeholders": 2},
        ["[a] [b]", "[a][b][c]"],
        ["[a]", "[a\n] [b]"],
    ),
    "detectable_content:postscript": (
        {"postscript_marker": "P.P.S"},
        ["Bye.\nP.P.S. Wait", "Bye. p. p. s"],
        ["Bye. P.S. Wait", "Bye. PPS"],
    ),
    "detectable_format:constrained_response": (
        {},
        ["My answer is yes.", "So: My answer is maybe. Or not."],
        ["my answer is no.", "My answer is no"],
    ),
    "detectable_format:json_format": (
        {},
        ['{"a": [1]}', '```json\n{"a": 1}\n```', "```\n[]\n```", "5"],
        ["Sure: {}", "{'a': 1}", "```json", "[" * 100_000],
    ),
    "detectable_format:multiple_sections": (
        {"section_spliter": "SECTION", "num_sections": 2},
        ["SECTION 1\na\nSECTION 2\nb", "SECTION1 SECTION2 SECTION3"],
        ["Section 1 Section 2", "SECTION 1 SECTION two"],
    ),
    "detectable_format:number_bullet_lists": (
        {"num_bullets": 2},
        ["* a\n* b", "Here:\n - a\n * b\nend"],
        ["* a", "* a\n* b\n* c", "+ a\n+ b"],
    ),
    "detectable_format:number_highlighted_sections": (
        {"num_highlights": 2},
        ["*a* b **c**", "*a* *b* *c*"],
        ["*a*", "*a\nb* **"],
    ),
    "detectable_format:title": ({}, ["<<a>>", "x <<a>> y"], ["<a>", "<<>>", "<<a\n>>"]),
    "keywords:existence": (
        {"keywords": ["c++", "Boats"]},
        ["C++ and boats", "boatsc++"],
        ["ccc boats", "c++"],
    ),
    "keywords:forbidden_words": (
        {"forbidden_words": ["bad", "c++"]},
        ["badly", "cc", "good"],
        ["so Bad!", "in C++."],
    ),
    "keywords:frequency": (
        {"keyword": " story", "frequency": 2, "relation": "less than"},
        ["one Story", "none"],
        ["a story of history", "storystory"],
    ),
    "keywords:letter_frequency": (
        {"letter": "#", "let_frequency": 2, "let_relation": "at least"},
        ["# and #", "###"],
        ["#", "none"],
    ),
    "language:response_language": ({"language": "de"}, ["Ja", "12"], ["да"]),
    "length_constraints:nth_paragraph_first_word": (
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"},
        ["First.\n\nthen, it", 'First.\n\n"THEN" it', "First.\n\nThen's it\n\n"],
        ["First.\n\nAnd then", "First.\n\nThen\n\nlast", "Then", "First.\n\n\n\nThen"],
    ),
    "length_constraints:number_paragraphs": (
        {"num_paragraphs": 2},
        ["a\n***\nb", "***\na***b\n***"],
        ["a\n\nb", "a***b***c", "a*** ***b", "a"],
    ),
    "length_constraints:number_sentences": (
        {"num_sentences": 2, "relation": "at least"},
        ["One. Two.", "One! Two? Three"],
        ["One", "Mr. One."],
    ),
    "length_constraints:number_words": (
        {"num_words": 3, "relation": "less than"},
        ["two words", "one"],
        ["now three words", "don't go"],
    ),
    "punctuation:no_comma": ({}, ["a; b", "a\uff0c b"], ["a, b", ","]),
    "startend:end_checker": (
        {"end_phrase": "That is all. "},
        ["So. that is ALL.\n", '"That is all."'],
        ["That is all. Bye.", "That is all"],
    ),
    "startend:quotation": ({}, ['"a"', ' "a"\n', '""'], ['"', "'a'", '"a" b']),
}


def test_every_kind_has_a_case():
    assert set(CASES) == set(CHECKS) == set(KINDS)
    assert len(KINDS) == 25


@pytest.mark.parametrize("kind", sorted(CASES))
def test_a_check(monkeypatch, kind):
    class Silent:
        def detect(self, text):
            return "und", 0.0

    monkeypatch.setattr(counting, "detector", Silent)
    arguments, good, bad = CASES[kind]
    constraint = parse(kind, arguments, "here:1")
    assert [answer for answer in good if not constraint.met(answer)] == []
    assert [answer for answer in bad if constraint.met(answer)] == []


@pytest.mark.parametrize("kind", sorted(CASES))
@pytest.mark.parametrize("piece", ["p. ", "*", "\n\n", "Section1", "'\"", '"'])
def test_a_hostile_answer_takes_no_long_time(monkeypatch, kind, piece):
    monkeypatch.setattr(counting, "is_language", lambda *_: True)
    constraint = parse(kind, CASES[kind][0], "here:1")
    start = time.process_time()
    constraint.met(piece * 20_000)
    assert time.process_time() - start < 1
