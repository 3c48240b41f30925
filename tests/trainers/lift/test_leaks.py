import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datakit.overlap import Item, Overlap
from datakit.record import Record
from trainers.lift.leaks import Sought, leaks, shown

LONG = " ".join(f"word{at}" for at in range(24))
MIDDLE = " ".join(f"mid{at}" for at in range(10))

# Texts of few words, so that runs of them meet.
word = st.sampled_from(["a", "b", "c"])
text = st.one_of(
    st.lists(word, max_size=30).map(" ".join),
    st.sampled_from([LONG, MIDDLE, f"x {LONG} y", " ".join(LONG.split()[:14]), "one two three"]),
    st.sampled_from(["who is it there now", "is it"]),
)
record = st.builds(Record, text, text, text)


def by_overlap(sought, looked):
    """What `datakit.overlap` finds, item by item."""
    items = [
        Item(f"{at}", tuple(part for part in (each.instruction, each.input) if part), each.output)
        for at, each in enumerate(sought)
    ]
    found = Overlap(items).matches(looked)
    return sorted(int(each.of) for each in found if each.side == "question")


@settings(max_examples=300)
@given(st.lists(record, max_size=6), record)
def test_the_rule_is_that_of_overlap(sought, looked):
    texts = [looked.instruction, looked.input, looked.output]
    # An answer is trained on only where there is a question.
    sought = [each for each in sought if each.prompt.strip()]
    assert sorted(Sought(sought).inside(texts)) == by_overlap(sought, looked)


@pytest.mark.parametrize(
    ("length", "common", "there"),
    [(20, 15, False), (20, 16, True), (10, 8, False), (10, 9, True), (7, 6, False), (7, 7, True)],
)
def test_how_much_must_be_there(length, common, there):
    asked = [f"w{at}" for at in range(length)]
    sought, said = Record(" ".join(asked)), " ".join(asked[:common])
    assert list(Sought([sought]).inside(["so", said])) == [0] * there
    assert by_overlap([sought], Record("so", said)) == [0] * there


def test_what_stands_in_two_texts_stands_in_none():
    sought = Sought([Record("one two three four five six")])
    assert list(sought.inside(["one two three", "four five six"])) == []
    assert list(sought.inside(["one two three four five six", "x"])) == [0]


def rules(records, items):
    return {(each.item, each.record, each.rule) for each in leaks([records], items)[0]}


def test_both_directions():
    items = [Record(MIDDLE, output="x"), Record(f"Well: {LONG}, is it?", output="x"), Record("Q")]
    records = [
        Record("Tell.", output=f"He asked: {MIDDLE}"),
        Record(LONG, output="y"),
        Record("q ", output="z"),
        Record("Nothing of it.", output="z"),
    ]
    assert rules(records, items) == {
        (0, 0, "item_in_record"),
        (1, 1, "item_in_record"),
        (2, 2, "same_prompt"),
    }
    # Of a long item half is enough, so that both directions find it; a middle one must be whole.
    items = [Record(f"Well: {MIDDLE}, and so on and on and on and on and on", output="x")]
    assert rules([Record(MIDDLE, output="y")], items) == {(0, 0, "record_in_item")}


def test_what_is_shown():
    items = [Record(f"Well: {MIDDLE}, and so on and on and on and on and on", output="x")]
    (found,) = leaks([[Record(MIDDLE, output="y")]], items)[0]
    assert found.text == MIDDLE
    assert shown(Record("a\n b " + "c" * 300)).startswith("a b ccc")
    assert len(shown(Record("c" * 300))) == 200
    assert shown(Record("", extra={"messages": [{"role": "user", "content": "Hi"}]})) == ""


def test_a_common_part_is_no_leak():
    items = [Record(f"What is {at} of the ones that are there?", LONG, "x") for at in "ab"]
    records = [Record(f"What is {at} of the ones that are there?", LONG, "y") for at in "bc"]
    assert rules(records, items) == {(1, 0, "same_prompt")}


def test_a_short_question_counts_with_its_answer():
    items = [Record("What is the capital of Chad?", output="N'Djamena")]
    with_answer = Record("Tell.", output="What is the capital of Chad? It is N'Djamena.")
    without = Record("Tell.", output="What is the capital of Chad? Nobody knows.")
    assert rules([with_answer, without], items) == {(0, 0, "item_in_record")}


def chat(*said):
    roles = ("user", "assistant")
    turns = [{"role": roles[at % 2], "content": each} for at, each in enumerate(said)]
    return Record(said[-2], output=said[-1], extra={"messages": turns})


def test_chats_are_looked_at_from_their_first_turn():
    items = [Record(MIDDLE, output="x")]
    assert rules([chat(MIDDLE, "a", "Go on.", "b")], items) == {(0, 0, "item_in_record")}
    assert rules([chat("Hello", MIDDLE, "Go on.", "b")], items) == {(0, 0, "item_in_record")}
    # Of a chat all questions must be there, and a chat is another prompt than its last question.
    items = [chat(MIDDLE, "a", LONG, "b")]
    assert rules([Record(LONG, output="x")], items) == {(0, 0, "record_in_item")}
    assert (0, 0, "item_in_record") in rules([Record(LONG, MIDDLE, "x")], items)


def test_of_one_item_five_records_are_named():
    records = [Record(MIDDLE, output=f"{at}") for at in range(8)]
    records += [Record("Tell.", output=f"{at} {MIDDLE}") for at in range(8)]
    found = leaks([records], [Record(MIDDLE, output="x"), Record(LONG)])[0]
    assert [(each.item, each.record) for each in found] == [(0, at) for at in range(5)]
    assert {each.rule for each in found} == {"same_prompt"}
    found = leaks([[*records[6:]]], [Record(MIDDLE, output="x")])[0]
    assert [each.rule for each in found] == ["same_prompt"] * 2 + ["item_in_record"] * 3


def test_variants_that_share_records():
    one, other = Record(MIDDLE, output="x"), Record(LONG, output="x")
    found = leaks([[one, other], [other], [Record("none")]], [Record(LONG, output="z")])
    assert [[each.record for each in own] for own in found] == [[1], [0], []]


@pytest.mark.parametrize(("records", "items"), [([], []), ([], [Record(LONG)]), ([Record("")], [])])
def test_nothing_to_look_for(records, items):
    assert leaks([records], items) == [[]]


def test_texts_of_no_words():
    assert leaks([[Record("!?", output="-")]], [Record("...", output=".")]) == [[]]
