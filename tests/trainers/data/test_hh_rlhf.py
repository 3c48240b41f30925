import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.record import Record
from trainers.data.hh_rlhf import pairs, transcript
from trainers.examples import Refused, reasons
from trainers.examples import pairs as examples


def said(*texts):
    names = ("Human", "Assistant")
    return "".join(f"\n\n{names[at % 2]}: {text}" for at, text in enumerate(texts))


def one(chosen, rejected):
    ((_, built),) = pairs([("f:1", {"chosen": chosen, "rejected": rejected})])
    return built


def test_one_question():
    record = one(said("Name a river.", "The Rhine."), said("Name a river.", "A lake."))
    assert record == Record("Name a river.", output="The Rhine.", extra={"rejected": "A lake."})


def test_a_long_chat_and_texts_of_many_lines():
    head = ("Hi:\n\nHumans: are many.", "Assistant\n\n1. x\n\n2. y", "And?")
    record = one(said(*head, "good\n\nend"), said(*head, "bad"))
    assert (record.instruction, record.output) == ("And?", "good\n\nend")
    assert [each["content"] for each in record.extra["messages"]] == [*head, "good\n\nend"]
    (pair,) = examples([record])
    assert ([each["role"] for each in pair.prompt], pair.rejected) == (
        ["user", "assistant", "user"],
        "bad",
    )


GOOD = said("a", "b")


@pytest.mark.parametrize(
    ("chosen", "rejected", "reason"),
    [
        (GOOD, said("other", "c"), "prompts_differ"),
        (GOOD, said("a", "b", "c", "d"), "prompts_differ"),
        (GOOD, said("a", ""), "empty_rejected"),
        (said("a", ""), GOOD, "empty_output"),
        ("\n\nHuman: a\n\nAssistant:", GOOD, "empty_output"),
        (said("", "b"), said("", "c"), "empty_prompt"),
        (GOOD, said("a", " b "), "rejected_is_chosen"),
        (said("a"), said("a"), "turns_do_not_alternate"),
        (GOOD, said("a", "b", "c"), "turns_do_not_alternate"),
        (GOOD + "\n\nAssistant: c", GOOD, "turns_do_not_alternate"),
        ("\n\nAssistant: hello" + GOOD, GOOD, "turns_do_not_alternate"),
        ("no transcript", GOOD, "turns_do_not_alternate"),
        ("before" + GOOD, GOOD, "turns_do_not_alternate"),
        ("", "", "turns_do_not_alternate"),
    ],
)
def test_refused(chosen, rejected, reason):
    built = one(chosen, rejected)
    assert isinstance(built, Refused)
    assert (built.id, built.reason) == ("f:1", reason)


PIECES = st.lists(
    st.sampled_from(["\n\nHuman:", "\n\nAssistant:", "\n", " ", "x", "Human: ", "\ud800"]),
    max_size=8,
).map("".join)


@given(PIECES, PIECES)
def test_every_row_is_a_pair_or_refused(chosen, rejected):
    built = one(chosen, rejected)
    if isinstance(built, Record):
        assert len(list(examples([built]))) == 1
    else:
        assert reasons([built])


@given(st.lists(st.text(alphabet="ab \n", min_size=1), min_size=1, max_size=4))
def test_a_transcript_has_its_turns(texts):
    assert [each["content"] for each in transcript(said(*texts))] == [
        each.strip() for each in texts
    ]
