import pytest

from trainers.data.helpsteer2 import SCORES, chats, pairs
from trainers.examples import Refused
from trainers.examples import pairs as examples


def row(prompt, response, helpfulness=3, **scores):
    return {
        "prompt": prompt,
        "response": response,
        **dict.fromkeys(SCORES, 2),
        "helpfulness": helpfulness,
        **scores,
    }


def built(adapter, *rows):
    return [each for _, each in adapter((f"f:{at}", each) for at, each in enumerate(rows, 1))]


TALK = "Name a river.\n<extra_id_1>Assistant\nThe Rhine.\n\n<extra_id_1>User\nAnother\none?"


def test_chats_have_their_scores():
    (record,) = built(chats, row("c?", "A letter.", 4, verbosity=0))
    assert (record.instruction, record.output) == ("c?", "A letter.")
    assert record.scores == {
        "helpfulness": 4,
        "correctness": 2,
        "coherence": 2,
        "complexity": 2,
        "verbosity": 0,
    }


def test_a_prompt_of_several_turns():
    (record,) = built(chats, row(TALK, "The Elbe."))
    assert record.extra["messages"] == [
        {"role": "user", "content": "Name a river."},
        {"role": "assistant", "content": "The Rhine."},
        {"role": "user", "content": "Another\none?"},
        {"role": "assistant", "content": "The Elbe."},
    ]


@pytest.mark.parametrize("scores", [(1, 3), (3, 1)])
def test_the_more_helpful_one_is_chosen(scores):
    answers = ("one", "two")
    rows = [row(TALK, text, score) for text, score in zip(answers, scores, strict=True)]
    (record,) = built(pairs, *rows)
    (pair,) = examples([record])
    assert (pair.chosen, pair.rejected) == (("two", "one") if scores == (1, 3) else answers)
    assert len(pair.prompt) == 3
    assert record.scores["helpfulness"] == 3
    assert record.meta["rejected_scores"]["helpfulness"] == 1


def test_ties_and_single_responses_are_counted():
    rows = [
        row("a", "x", 2), row("a", "y", 2),
        row("b", "x", 2),
        row("c", "x", 0), row("c", "y", 4),
        row("a", "z", 4),
    ]  # fmt: skip
    found = built(pairs, *rows)
    assert [each.reason for each in found if isinstance(each, Refused)] == [
        "tie",
        "one_answer",
        "one_answer",
    ]
    assert "f:2" in found[0].detail
    assert [each.output for each in found if not isinstance(each, Refused)] == ["y"]


def test_three_responses():
    found = built(pairs, row("a", "x", 1), row("a", "y", 2), row("a", "z", 2))
    assert [getattr(each, "reason", None) for each in found] == [None, None, "tie"]


@pytest.mark.parametrize(
    ("prompt", "response", "reason"),
    [
        ("a\n<extra_id_1>User\nb", "x", "turns_do_not_alternate"),
        ("a\n<extra_id_1>Assistant\nb", "x", "turns_do_not_alternate"),
        ("<extra_id_1>User\na", "x", "turns_do_not_alternate"),
        (TALK.replace("The Rhine.", " "), "x", "empty_prompt"),
        (" ", "x", "empty_prompt"),
        ("a", " ", "empty_output"),
    ],
)
def test_refused(prompt, response, reason):
    (single,) = built(chats, row(prompt, response))
    assert (single.id, single.reason) == ("f:1", reason)
    (double,) = built(pairs, row(prompt, "worse", 0), row(prompt, response, 4))
    assert (double.id, double.reason) == ("f:2", reason)


def test_equal_texts_with_other_scores():
    (found,) = built(pairs, row("a", "x", 1), row("a", "x ", 2))
    assert found.reason == "rejected_is_chosen"
