import pytest

from datakit.errors import InputError
from datakit.record import Record
from trainers.examples import Refused, chats, labelled, pairs
from trainers.gate import Lengths, check_chats
from trainers.gate_pairs import answered, check_labelled, check_pairs
from trainers.tokens import IGNORED, stop_ids

RECORDS = [
    Record("How many boats?", output="12 boats.", id="a"),
    Record("And ferries?", output="3 ferries, " * 30, id="b"),
    Record("What runs past the old mill?" * 20, output="The river.", id="c"),
    Record("Nothing?", output="", id="d"),
]


def check(tokenizer, max_length, long="stop", records=RECORDS):
    refused: list[Refused] = []
    return check_chats(
        chats(records, refused),
        refused,
        tokenizer,
        stop_ids(tokenizer),
        max_length=max_length,
        long=long,
    )


def test_everything_that_comes_in_is_counted(tiny_tokenizer):
    gate, rows = check(tiny_tokenizer, 60, "cut")
    assert (gate.rows, gate.used, gate.too_long, gate.masked) == (4, 2, 2, 1)
    assert gate.refused == {"empty_output": 1}
    assert gate.rows == gate.used + len(gate.dropped)
    assert dict(gate.dropped) == {"d": "empty_output", "c": "nothing_to_learn"}
    assert all(len(row.input_ids) <= 60 for row in rows)
    # The cut row lost its end: it no longer teaches when to stop.
    assert gate.stopped == 1
    assert gate.answers.total == sum(
        row.answer_tokens for row in check(tiny_tokenizer, 10_000)[1][:2]
    )


def test_rows_that_are_too_long_stop_the_training_unless_it_is_said_what_becomes_of_them(
    tiny_tokenizer,
):
    gate, _ = check(tiny_tokenizer, 60)
    with pytest.raises(InputError) as error:
        gate.check(long="stop", unusable="drop")
    text = str(error.value)
    assert "2 of 4 rows (50.0 %) have more than --max-length 60 tokens" in text
    assert f"--max-length {gate.lengths.most} keeps all" in text
    gate.check(long="cut", unusable="drop")
    kept, rows = check(tiny_tokenizer, 60, "drop")
    kept.check(long="drop", unusable="drop")
    assert len(rows) == 1 and ("b", "too_long") in kept.dropped


def test_records_that_are_no_examples_stop_the_training(tiny_tokenizer):
    gate, _ = check(tiny_tokenizer, 10_000)
    with pytest.raises(InputError, match=r"1 of 4 records are no examples \(empty_output 1\)"):
        gate.check(long="stop", unusable="stop")


def test_no_answer_left_is_an_error_even_if_cutting_was_asked_for(tiny_tokenizer):
    gate, rows = check(tiny_tokenizer, 8, "cut", RECORDS[:3])
    assert rows == []
    with pytest.raises(InputError, match="no answer has a token left"):
        gate.check(long="cut", unusable="stop")


def test_a_template_without_an_end_is_an_error(tiny_tokenizer):
    own = tiny_tokenizer.chat_template
    tiny_tokenizer.chat_template = own.replace("<|im_end|>", "#")
    try:
        gate, _ = check(tiny_tokenizer, 10_000, records=RECORDS[:1])
    finally:
        tiny_tokenizer.chat_template = own
    assert gate.stopped == 0
    with pytest.raises(InputError, match="would never learn to stop"):
        gate.check(long="stop", unusable="stop")


def test_the_example_shows_what_is_learnt(tiny_tokenizer):
    gate, rows = check(tiny_tokenizer, 10_000, records=RECORDS[:1])
    assert "".join(text for text, _ in gate.example) == tiny_tokenizer.decode(rows[0].input_ids)
    assert [text for text, trained in gate.example if trained] == ["12 boats.<|im_end|>\n"]


def test_a_pair_is_as_long_as_its_longer_answer(tiny_tokenizer):
    records = [
        Record("Q?", output="short", id="a", extra={"rejected": "a longer answer " * 20}),
        Record("Q?", output="yes", id="b", extra={"rejected": "no"}),
        Record("Q?", output="same", id="c", extra={"rejected": "same"}),
    ]
    refused: list[Refused] = []
    gate, rows = check_pairs(
        pairs(records, refused),
        refused,
        tiny_tokenizer,
        stop_ids(tiny_tokenizer),
        max_length=60,
        long="drop",
    )
    assert (gate.rows, gate.used, gate.too_long) == (3, 1, 1)
    assert gate.refused == {"rejected_is_chosen": 1}
    assert rows[0]["chosen"] == [{"role": "assistant", "content": "yes"}]
    assert gate.rejected is not None and gate.rejected.total > 0


def test_only_the_last_answer_of_a_pair_is_learnt(tiny_tokenizer):
    prompt = (
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "Two?"},
    )
    row = answered(tiny_tokenizer, prompt, "2 boats")
    assert tiny_tokenizer.decode([y for y in row.labels if y != IGNORED]) == "2 boats<|im_end|>\n"


def test_a_pair_is_two_labelled_answers(tiny_tokenizer):
    records = [Record("Q?", output="yes", id="b", extra={"rejected": "no"})]
    gate, rows = check_labelled(
        labelled(records),
        [],
        tiny_tokenizer,
        stop_ids(tiny_tokenizer),
        max_length=60,
        long="stop",
    )
    assert gate.used == 2 and [row["label"] for row in rows] == [True, False]


def test_lengths():
    assert Lengths.of([]) == Lengths(0, 0, 0, 0, 0)
    assert Lengths.of(list(range(1, 101))) == Lengths(1, 50, 95, 100, 5050)


def check_by(build, check, tokenizer, records, **options):
    refused: list[Refused] = []
    options = {"max_length": 200, "long": "stop"} | options
    return check(build(records, refused), refused, tokenizer, stop_ids(tokenizer), **options)[0]


def qa(**extra):
    return Record("How many boats?", output="12 boats.", id="r", extra=extra)


def test_answers_that_a_method_leaves_out_are_noted(tiny_tokenizer):
    records = [qa(rejected="No idea."), qa(rejected="None."), qa()]
    gate = check_by(chats, check_chats, tiny_tokenizer, records)
    (note,) = gate.notes
    assert note == (
        "2 records have `rejected`: sft and qlora train the chosen answers only; "
        "`datakit train dpo` uses both."
    )
    # What is shown, and what run.json has.
    assert ("note", note) in gate.table() and gate.to_json()["notes"] == (note,)
    gate = check_by(labelled, check_labelled, tiny_tokenizer, [qa(rejected="No.", label=True)])
    assert gate.notes[0].startswith("1 record has `label` and `rejected`: they are taken by")
    for build, check, given in (
        (chats, check_chats, [qa()]),
        (pairs, check_pairs, records[:2]),
        (labelled, check_labelled, records[:2]),
    ):
        gate = check_by(build, check, tiny_tokenizer, given)
        assert gate.notes == () and "note" not in dict(gate.table())


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([True, True], r"all answers are good \(2 good, 0 bad\).*Add bad .*datakit train sft"),
        ([False], r'all answers are bad \(0 good, 1 bad\).*Add good answers \("label": true\)'),
    ],
)
def test_one_label_alone_teaches_nothing(tiny_tokenizer, labels, says):
    records = [qa(label=each) for each in labels]
    gate = check_by(labelled, check_labelled, tiny_tokenizer, records)
    with pytest.raises(InputError, match=says):
        gate.check(long="stop", unusable="stop")
    # On held-out rows nothing is learnt.
    gate.check(long="stop", unusable="stop", held_out=True)
    both = check_by(labelled, check_labelled, tiny_tokenizer, [*records, qa(label=not labels[0])])
    both.check(long="stop", unusable="stop")
    table = dict(both.table())
    assert int(table["good answers"]) + int(table["bad answers"]) == both.used == len(labels) + 1
    assert (both.to_json()["good"], both.to_json()["bad"]) == (both.good, both.bad)


def test_the_table_is_not_told_again_in_the_error(tiny_tokenizer):
    gate, _ = check(tiny_tokenizer, 60)
    with pytest.raises(InputError) as error:
        gate.check(long="stop", unusable="stop")
    text = str(error.value)
    assert "--unusable drop" in text and "--long drop" in text and "--long cut" in text
    assert not any(name in text for name, _ in gate.table()[1:] if "unusable" not in name)
    with pytest.raises(InputError, match=r"^held-out data: 1 of 4 records"):
        gate.check(long="cut", unusable="stop", held_out=True)


@pytest.mark.parametrize("said", ["stop", "drop"])
def test_no_way_out_is_offered_that_leaves_nothing(tiny_tokenizer, said):
    gate = check_by(pairs, check_pairs, tiny_tokenizer, [qa(), qa(rejected=" "), qa()])
    with pytest.raises(InputError) as error:
        gate.check(long="stop", unusable=said)
    who = 'record r ("How many boats?")'
    assert error.value.problems == (
        "none of the 3 records can be used (empty_rejected 1, no_rejected 2).",
        "The first of each kind:",
        f'  no_rejected: {who}: "rejected" is missing: a pair is two answers.',
        f'  empty_rejected: {who}: "rejected" is empty.',
    )


def test_what_would_be_left_decides_what_is_offered(tiny_tokenizer):
    def told(max_length, records, long="stop", unusable="stop"):
        gate, _ = check(tiny_tokenizer, max_length, long, records)
        with pytest.raises(InputError) as error:
            gate.check(long=long, unusable=unusable)
        return str(error.value)

    # All are too long, but answers begin within the limit.
    assert "--long drop" not in told(45, RECORDS[1:2]) and "--long cut" in told(45, RECORDS[1:2])
    # Not one answer does.
    text = told(8, RECORDS[:3])
    assert "--long drop" not in text and "--long cut" not in text and "keeps all" in text
    text = told(8, RECORDS[:3], "drop")
    assert text.startswith("no row is left: 3 of 3 rows (100.0 %) have more than --max-length 8")
    assert "keeps all" in told(8, RECORDS[:3], "cut")
    # Dropping the unusable one would leave nothing either.
    text = told(8, RECORDS[:4])
    assert "1 of 4 records are no examples" in text and "--unusable drop" not in text
    assert told(8, []) == "there is no record."


def test_rows_that_lose_their_end_are_counted(tiny_tokenizer):
    assert check(tiny_tokenizer, 60, "cut")[0].cut == 1
    assert check(tiny_tokenizer, 60, "drop")[0].cut == 0
