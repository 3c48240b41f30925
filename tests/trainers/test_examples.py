"""Records as chats, pairs and labelled answers; what cannot be used is counted."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.errors import InputError
from datakit.reading import Absent, identified
from datakit.record import Record
from trainers.examples import Chat, Labelled, Pair, Refused, chats, labelled, pairs, reasons


def says(role, text):
    return {"role": role, "content": text}


USER, ANSWER = says("user", "Name a river."), says("assistant", "The Rhine.")
SYSTEM = says("system", "Be brief.")
MORE = [USER, ANSWER, says("user", "Another one?")]


def record(**extra):
    own = {"instruction": "Name a", "input": "river.", "output": "The Rhine."}
    own |= {key: extra.pop(key) for key in tuple(extra) if key in own}
    return Record(**own, id="r", extra=extra)


def talk(*messages, **extra):
    return record(**{"instruction": "", "input": "", "output": "", **extra}, messages=[*messages])


def test_a_record_is_a_question_and_an_answer():
    (chat,) = chats([record(input="", instruction="Name a river.")])
    assert chat == Chat("r", (USER, ANSWER))
    (chat,) = chats([record(system="Be brief.")])
    assert chat.messages == (SYSTEM, says("user", "Name a\nriver."), ANSWER)
    assert next(chats([record(system=" ")])).messages[0]["role"] == "user"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (talk(USER, ANSWER), (USER, ANSWER)),
        (talk(SYSTEM, USER, ANSWER), (SYSTEM, USER, ANSWER)),
        (talk(SYSTEM, USER, ANSWER, system="Be long."), (SYSTEM, USER, ANSWER)),
        (talk(USER, ANSWER, system="Be brief."), (SYSTEM, USER, ANSWER)),
        (talk(*MORE, says("assistant", "The Elbe.")), (*MORE, says("assistant", "The Elbe."))),
        # Its own answer is newer than that of its messages.
        (talk(*MORE, ANSWER, output="The Elbe."), (*MORE, says("assistant", "The Elbe."))),
        (talk(*MORE, output="The Elbe."), (*MORE, says("assistant", "The Elbe."))),
        # A step has cleaned the instruction.
        (talk(says("user", " Name\ta  river."), ANSWER, instruction="Name a river."), None),
        (talk({"from": "human", "value": "Name a river."}, ANSWER), (USER, ANSWER)),
        (talk({**USER, "name": "x"}, {**ANSWER, "tool_calls": None}), (USER, ANSWER)),
    ],
)  # fmt: skip
def test_a_record_with_messages_is_that_chat(given, wanted):
    (chat,) = chats([given])
    assert wanted is None or chat.messages == wanted


def test_pairs_and_labels():
    prompt = (says("user", "Name a\nriver."),)
    pair = record(rejected="A lake.")
    assert list(pairs([pair])) == [Pair("r", prompt, "The Rhine.", "A lake.")]
    assert list(labelled([pair])) == [
        Labelled("r/chosen", prompt, "The Rhine.", True),
        Labelled("r/rejected", prompt, "A lake.", False),
    ]
    assert list(labelled([record(label=False)])) == [Labelled("r", prompt, "The Rhine.", False)]
    both = record(label=False, rejected="A lake.")
    assert [each.id for each in labelled([both])] == ["r"]
    (long,) = pairs([talk(*MORE, says("assistant", "The Elbe."), rejected="A lake.")])
    assert (long.prompt, long.chosen) == (tuple(MORE), "The Elbe.")
    assert next(chats([pair])).messages[-1] == ANSWER


REFUSED = [
    (chats, record(instruction="", input=""), "empty_prompt"),
    (chats, record(instruction=" ", input="\n"), "empty_prompt"),
    (chats, record(output=" \n"), "empty_output"),
    (chats, record(label=False), "label_is_false"),
    (chats, record(system=["x"]), "not_text"),
    (chats, talk(), "empty_prompt"),
    (chats, talk(SYSTEM), "empty_prompt"),
    (chats, talk(ANSWER), "empty_prompt"),
    (chats, talk(SYSTEM, ANSWER), "empty_prompt"),
    (chats, talk(USER), "empty_output"),
    (chats, talk(USER, ANSWER, USER), "empty_output"),
    (chats, talk(USER, USER, ANSWER), "turns_do_not_alternate"),
    (chats, talk(USER, ANSWER, ANSWER), "turns_do_not_alternate"),
    (chats, talk(USER, SYSTEM, ANSWER), "turns_do_not_alternate"),
    (chats, talk(USER, says("assistant", " ")), "empty_turn"),
    (chats, talk(USER, {"role": "assistant", "content": None}), "empty_turn"),
    (chats, talk(USER, says("tool", "1"), ANSWER), "unknown_role"),
    (chats, talk(USER, says("\x1b[31m" * 50, "1"), ANSWER), "unknown_role"),
    (chats, talk(USER, 3), "messages_malformed"),
    (chats, record(messages="hello"), "messages_malformed"),
    (chats, record(messages={"role": "user"}), "messages_malformed"),
    (chats, talk(USER, {"role": "assistant", "content": [1]}), "messages_malformed"),
    (chats, talk(USER, ANSWER, instruction="Something else."), "messages_differ"),
    (pairs, record(), "no_rejected"),
    (pairs, record(rejected=None), "no_rejected"),
    (pairs, record(rejected=["A lake."]), "not_text"),
    (pairs, record(rejected=" "), "empty_rejected"),
    (pairs, record(rejected=" The Rhine.\n"), "rejected_is_chosen"),
    (pairs, record(output="", rejected="A lake."), "empty_output"),
    (labelled, record(), "no_label"),
    (labelled, record(label="yes"), "label_unclear"),
    (labelled, record(label=1), "label_unclear"),
    (labelled, record(label=["true"]), "label_unclear"),
    (labelled, record(label=None), "no_label"),
    (chats, record(label=" False "), "label_is_false"),
    (chats, record(output=Absent()), "no_output"),
    (chats, talk(USER, output=Absent()), "no_output"),
    (labelled, record(label=True, output=""), "empty_output"),
    (labelled, record(rejected="The Rhine."), "rejected_is_chosen"),
]


@pytest.mark.parametrize(
    ("build", "given", "reason"),
    REFUSED,
    ids=[f"{build.__name__}-{reason}-{at}" for at, (build, _, reason) in enumerate(REFUSED)],
)
def test_what_cannot_be_used_has_a_reason(build, given, reason):
    refused = []
    assert list(build([given], refused)) == []
    assert [(each.id, each.reason) for each in refused] == [("r", reason)]
    assert refused[0].detail.endswith(".")
    with pytest.raises(InputError, match=rf"^record r: {reason}: "):
        list(build([given]))


@pytest.mark.parametrize("text", ["true", "True", " TRUE\n"])
def test_a_label_may_be_a_text_as_csv_has_it(text):
    assert list(labelled([record(label=text)])) == list(labelled([record(label=True)]))
    assert list(chats([record(label=text)])) == list(chats([record()]))
    bad = text.casefold().replace("true", "false")
    assert list(labelled([record(label=bad)])) == list(labelled([record(label=False)]))


@pytest.mark.parametrize(
    ("build", "row", "says"),
    [
        (labelled, {"label": "good"}, '"label" is "good"; it must be true or false'),
        (labelled, {"label": "1"}, '"label" is "1"; it must be true or false'),
        (labelled, {"label": 1}, '"label" is 1; it must be true or false'),
        (labelled, {"label": {"a": "x" * 90}}, '"label" is {"a": "xxx'),
        (labelled, {}, '"label" is missing: it says true or false'),
        (labelled, {"labels": True}, '"label" is missing; did you mean "labels"? It says true'),
        (pairs, {}, '"rejected" is missing: a pair is two answers.'),
        (pairs, {"rejects": "x"}, '"rejected" is missing; did you mean "rejects"?'),
        (chats, {"output": ""}, '"output" is empty: there is no answer.'),
        (chats, {"output": Absent()}, '"output" is missing: there is no answer.'),
        (
            chats,
            {"output": Absent(), "answer": "x"},
            '"output" is missing: there is no answer. If it is "answer", say so in --fields: '
            "output=answer.",
        ),
        (
            chats,
            {"output": Absent(), "outptu": "x"},
            '"output" is missing: there is no answer; did you mean "outptu"?',
        ),
        (
            chats,
            {"output": Absent(), "messages": [USER]},
            '"output" is missing: there is no answer, and "messages" ends with a question.',
        ),
    ],
)
def test_what_is_wrong_names_field_and_value(build, row, says):
    with pytest.raises(InputError) as caught:
        list(build([record(**row)]))
    line = caught.value.problems[0]
    assert line.startswith("record r: ") and says in line and len(line) < 250


def test_a_line_without_an_id_is_found_by_its_question():
    refused = []
    assert not list(chats([record(output="", instruction="Name\n a", input="")], refused))
    assert str(refused[0]) == (
        'empty_output: record r ("Name a"): "output" is empty: there is no answer.'
    )
    assert str(Refused("f:3", "tie", "as helpful.")) == "tie: record f:3: as helpful."


def test_an_answer_that_is_left_out_is_known():
    both = record(rejected="A lake.")
    assert [each.rejected for each in chats([both, record()])] == [True, False]
    marked = [record(rejected="A lake.", label=True), record(label=True), both]
    assert [each.rejected for each in labelled(marked)] == [True, False, False, False]


def test_the_first_are_named_and_all_are_counted():
    rows = [record(output="").replace(id=f"r{at}") for at in range(1234)]
    rows += [record(), record(instruction="", input="")]
    with pytest.raises(InputError) as caught:
        list(chats(rows))
    lines = caught.value.problems
    assert [line.split(":")[0] for line in lines[:5]] == [f"record r{at}" for at in range(5)]
    assert lines[5:] == (
        "and 1,230 more.",
        "1,235 records cannot be used as chats: empty_output 1,234, empty_prompt 1.",
    )


def test_usable_ones_come_before_the_error_and_without_waiting():
    rows = iter([record(), record(output="")])
    built = chats(rows)
    assert next(built).id == "r"
    with pytest.raises(InputError):
        next(built)


def test_refused_ones_add_up():
    refused = [Refused("x", "empty_output", "")]
    assert len(list(chats([record(), record(output=""), record(label=False)], refused))) == 1
    assert reasons(refused) == {"empty_output": 2, "label_is_false": 1}
    assert list(reasons([Refused("", "b", ""), Refused("", "a", "")])) == ["a", "b"]


def test_a_terminal_is_not_moved_by_a_role():
    with pytest.raises(InputError) as caught:
        list(chats([talk(USER, says("\x1b[2J", "1"), ANSWER)]))
    assert "\x1b" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "from", "value"]), inner, max_size=3)
    ),
    max_leaves=8,
)
TURN = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant", "system", "tool"]),
        "content": st.text(max_size=3),
    }
)
EXTRA = st.fixed_dictionaries(
    {},
    optional={
        "messages": st.lists(TURN, max_size=5) | JSON,
        "system": JSON,
        "rejected": JSON,
        "label": JSON,
    },
)
TEXT = st.text(max_size=3)


@given(TEXT, TEXT, TEXT, EXTRA)
def test_every_record_is_an_example_or_refused(instruction, given_input, output, extra):
    row = Record(instruction, given_input, output, id="r", extra=extra)
    for build, most in ((chats, 1), (pairs, 1), (labelled, 2)):
        refused = []
        built = list(build([row], refused))
        assert bool(built) != bool(refused)
        assert len(built) <= most
        for each in built:
            turns = (
                each.messages if isinstance(each, Chat) else (*each.prompt, says("assistant", "x"))
            )
            said = turns[1:] if turns[0]["role"] == "system" else turns
            assert [turn["role"] for turn in said] == ["user", "assistant"] * (len(said) // 2)
            assert said
            assert all(
                set(turn) == {"role", "content"} and turn["content"].strip() for turn in turns
            )


def test_lines_of_other_tools_end_as_examples():
    lines = [
        {"messages": [*MORE, says("assistant", "The Elbe.")]},
        {"prompt": MORE, "chosen": [says("assistant", "The Elbe.")], "rejected": [ANSWER]},
        {
            "conversations": [{"from": "human", "value": "Name a river."}],
            "chosen": {"from": "gpt", "value": "The Rhine."},
            "rejected": {"from": "gpt", "value": "A lake."},
        },
    ]
    read = list(identified([("f:1", json.loads(json.dumps(each))) for each in lines], "f"))
    assert [len(each.messages) for each in chats(read)] == [4, 4, 2]
    refused = []
    found = list(pairs(read, refused))
    assert [(each.prompt[-1]["content"], each.chosen, each.rejected) for each in found] == [
        ("Another one?", "The Elbe.", "The Rhine."),
        ("Name a river.", "The Rhine.", "A lake."),
    ]
    assert reasons(refused) == {"no_rejected": 1}
