import time

import pytest

from datakit.errors import InputError
from datakit.overlap import Item, Overlap
from datakit.record import Record

SHORT = "Who wrote the first novel"
MIDDLE = "What is the airspeed velocity of an unladen swallow in summer"
LONG = (
    "A farmer sells sixteen eggs a day at the market for two dollars each and eats three of them "
    "for breakfast so how many dollars does he make"
)
SCHEMA = "CREATE TABLE staff (id INTEGER PRIMARY KEY, name TEXT, wage REAL, team TEXT, since DATE)"


def sides(item, record):
    return {match.side: match.score for match in Overlap([item]).matches(record)}


def cut(text, start, end):
    return " ".join(text.split()[start:end])


@pytest.mark.parametrize(
    ("question", "text", "share"),
    [
        (LONG, f"Solve this. {LONG}? Thanks.", 1.0),
        (LONG, LONG.upper().replace(" ", "\n"), 1.0),
        # Four fifths of the words, and four fifths of those that are there.
        (LONG, cut(LONG, 0, 23), round(23 / 28, 4)),
        (LONG, cut(LONG, 0, 22), None),
        (LONG, f"{cut(LONG, 0, 12)} and then so {cut(LONG, 12, 28)}", 1.0),
        (LONG, f"{cut(LONG, 0, 12)} {'and ' * 8} {cut(LONG, 12, 28)}", None),
        (LONG, f"{cut(LONG, 0, 10)} {cut(LONG, 12, 18)} {cut(LONG, 20, 28)}", round(24 / 28, 4)),
        # A word that stands far off counts for nothing, and spoils nothing.
        (LONG, f"A big or small {LONG}", 1.0),
        # Of 40 words half are enough, if nothing is between them.
        (f"{LONG} {LONG}", cut(LONG, 0, 28), 0.5),
        (f"{LONG} {MIDDLE} it is", cut(LONG, 0, 19), None),
        (MIDDLE, f"Tell me: {MIDDLE}!", 1.0),
        (MIDDLE, cut(MIDDLE, 0, 10), round(10 / 11, 4)),
        (MIDDLE, f"{cut(MIDDLE, 0, 4)} {cut(MIDDLE, 5, 11)}", round(10 / 11, 4)),
        (MIDDLE, cut(MIDDLE, 0, 9), None),
        (MIDDLE, MIDDLE.replace("unladen", "laden"), round(10 / 11, 4)),
        # Of 9 words and fewer another word makes another question.
        (cut(MIDDLE, 0, 9), cut(MIDDLE.replace("unladen", "laden"), 0, 9), None),
        (SHORT, f"{SHORT}?", 1.0),
        (SHORT, cut(SHORT, 0, 4), None),
        ("Who was it", "Who was it", None),
        (LONG, "", None),
    ],
)
def test_how_much_of_a_question_must_be_there(question, text, share):
    found = sides(Item("b/1", (question,)), Record(text, output="42"))
    assert found == ({} if share is None else {"question": share})


def test_a_short_question_needs_its_answer():
    item = Item("b/1", (SHORT,), answer="Murasaki Shikibu")
    assert sides(item, Record(SHORT, output="Miguel de Cervantes")) == {}
    assert sides(item, Record(SHORT, output="It was Murasaki Shikibu.")) == {"question": 1.0}


def test_an_answer_is_found_apart_and_only_if_it_is_long():
    item = Item("b/1", (LONG,), answer=f"Because {MIDDLE}", choices=MIDDLE)
    assert sides(item, Record("Why?", output=f"Because {MIDDLE}")) == {
        "answer": 1.0,
        "choices": 1.0,
    }
    assert sides(Item("b/1", (LONG,), answer="It is 42"), Record("Why?", output="It is 42")) == {}


def test_a_shared_input_is_no_contamination():
    item = Item("b/1", ("Which team pays the highest wage on average", SCHEMA))
    assert sides(item, Record("List the names of all staff members by wage", SCHEMA)) == {}
    assert sides(item, Record("Which team pays the highest wage on average?", SCHEMA)) == {
        "question": 1.0
    }


def test_a_shared_instruction_is_no_contamination():
    item = Item("b/1", ("Rewrite the following sentence in the passive voice please", LONG))
    asked = "Rewrite the following sentence in the passive voice please"
    assert sides(item, Record(asked, MIDDLE)) == {}
    assert sides(item, Record("Rephrase.", LONG)) == {}
    assert sides(item, Record("Do: " + asked, "Text: " + LONG)) == {"question": 1.0}


def test_a_question_may_go_on_in_the_next_field():
    record = Record(cut(LONG, 0, 10), cut(LONG, 10, 28))
    assert sides(Item("b/1", (LONG,)), record) == {"question": 1.0}


def test_the_span_is_the_longest_piece_in_the_users_text():
    text = f"“Caf\u00e9” … {cut(LONG, 0, 9)} -- {cut(LONG, 10, 25).upper()}, they say"
    (match,) = Overlap([Item("eggs/7", (LONG,))]).matches(Record("x", "", text))
    assert (match.of, match.side, match.rule) == ("eggs/7", "question", "by_length")
    span = match.span
    assert span.field == "output"
    assert text[span.start : span.end] == span.text == cut(LONG, 10, 25).upper()


def test_questions_come_before_answers_and_the_surest_first():
    items = [
        Item("b/1", ("unrelated words only here",), answer=MIDDLE),
        Item("b/2", (LONG,)),
        Item("b/3", (MIDDLE,)),
    ]
    matches = Overlap(items).matches(Record(f"{MIDDLE} {cut(LONG, 0, 24)}"))
    assert [match.of for match in matches] == ["b/3", "b/2", "b/1"]


def test_what_is_too_short_is_said():
    overlap = Overlap([Item("b/1", ("Who was it",)), Item("b/2", (SHORT,)), Item("b/3", ("?",))])
    assert overlap.uncheckable == ["b/1", "b/3"]
    assert len(overlap) == 3
    assert Overlap([]).matches(Record(LONG)) == []


@pytest.mark.parametrize("count", [500, 8_000])
def test_text_that_repeats_itself_is_looked_up_as_fast_as_any(count):
    overlap = Overlap([Item(f"b/{at}", ("0 " * 120,)) for at in range(5)])
    record = Record("0 " * count)
    start = time.process_time()
    matches = overlap.matches(record)
    assert time.process_time() - start < 2
    assert [(match.of, match.score) for match in matches] == [(f"b/{at}", 1.0) for at in range(5)]
    assert {(match.span.field, match.span.end) for match in matches} == {("instruction", 239)}


def test_of_several_copies_the_first_is_shown():
    record = Record("so", f"{MIDDLE} {MIDDLE}", MIDDLE)
    (match,) = Overlap([Item("b/1", (MIDDLE,))]).matches(record)
    assert (match.span.field, match.span.start) == ("input", 0)


def test_a_copy_after_scattered_words_of_it_is_found():
    scattered = " and so on it goes ".join(cut(LONG, at, at + 4) for at in range(0, 24, 4))
    assert sides(Item("b/1", (LONG,)), Record(f"{scattered}. {LONG}")) == {"question": 1.0}


def test_what_all_items_share_tells_nothing_but_hides_nothing():
    stem = "Write a function in the Python language to find the"
    things = [f"{stem} {word}{at} of it" for at in range(100) for word in ("sum", "mean")]
    overlap = Overlap(Item(f"b/{at}", (text,)) for at, text in enumerate(things))
    assert [match.of for match in overlap.matches(Record(things[7] + "!"))] == ["b/7"]
    assert overlap.matches(Record(f"{stem} median of it")) == []
    # Nothing of these is rare, and each is found.
    overlap = Overlap(Item(f"b/{at}", (f"{stem} x" if at else stem,)) for at in range(100))
    assert len(overlap.matches(Record(f"{stem} x"))) == 100


@pytest.mark.parametrize(
    ("rule", "text", "share"),
    [
        ("gpt3", cut(LONG, 3, 16), round(13 / 28, 4)),
        ("gpt3", cut(LONG, 3, 15), None),
        ("any_8", cut(LONG, 3, 11), round(8 / 28, 4)),
        ("any_8", cut(LONG, 3, 10), None),
        ("tulu3", cut(LONG, 0, 15), round(15 / 28, 4)),
        ("tulu3", cut(LONG, 0, 14), None),
        ("tulu3", f"{cut(LONG, 0, 8)} and then {cut(LONG, 20, 28)}", round(16 / 28, 4)),
    ],
)
def test_rules_that_were_published(rule, text, share):
    found = Overlap([Item("b/1", (LONG,)), Item("b/2", (SHORT,))], rule).matches(Record(text))
    assert [(each.score, each.rule) for each in found] == ([(share, rule)] if share else [])


def test_a_rule_that_is_not_there():
    with pytest.raises(InputError, match='no rule "tulu" of contamination; did you mean "tulu3"'):
        Overlap([], "tulu")
