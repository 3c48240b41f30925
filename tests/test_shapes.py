"""Lines of other tools become records, and keep what they had."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.errors import RecordError
from datakit.reading import identified, read_records
from datakit.shapes import SHAPES, ShapeError, likely, shaped


def said(*texts, start="user"):
    roles = ("user", "assistant") if start == "user" else ("assistant", "user")
    return [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)]


def shared(*texts, names=("human", "gpt")):
    return [{"from": names[at % 2], "value": text} for at, text in enumerate(texts)]


SYSTEM = {"role": "system", "content": "Be brief."}
LONG = said("Name a river.", "The Rhine.", "Another one?", "The Elbe.")
ONE = {"instruction": "Name a river.", "output": "The Rhine."}
TWO = {"instruction": "Another one?", "output": "The Elbe."}
PAIR = {**ONE, "rejected": "A lake."}

CASES = {
    "chat": ({"messages": said("Name a river.", "The Rhine.")}, ONE),
    "chat with system": (
        {"messages": [SYSTEM, *said("Name a river.", "The Rhine.")]},
        {**ONE, "system": "Be brief."},
    ),
    "long chat": ({"messages": LONG}, TWO),
    "chat that ends in a question": ({"messages": LONG[:3]}, {"instruction": "Another one?"}),
    "chat with a label": ({"messages": LONG, "label": False}, {**TWO, "label": False}),
    "chat with a tool": (
        {
            "messages": [
                *said("Name a river."),
                {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
                {"role": "tool", "content": "Rhine", "tool_call_id": "1"},
                {"role": "assistant", "content": "The Rhine."},
            ],
            "tools": [{"name": "rivers"}],
        },
        ONE,
    ),
    "ShareGPT": ({"conversations": shared("Name a river.", "The Rhine."), "id": "x"}, ONE),
    "ShareGPT with system": (
        {"conversations": [{"from": "system", "value": "Be brief."}, *shared(*"ab")]},
        {"instruction": "a", "output": "b", "system": "Be brief."},
    ),
    "long ShareGPT": (
        {"conversations": shared("Name a river.", "The Rhine.", "Another one?", "The Elbe.")},
        {**TWO, "messages": LONG},
    ),
    "ShareGPT, roles of OpenAI": ({"conversations": said("Name a river.", "The Rhine.")}, ONE),
    "TRL": ({"prompt": "Name a river.", "chosen": "The Rhine.", "rejected": "A lake."}, PAIR),
    "TRL of messages": (
        {
            "prompt": said("Name a river."),
            "chosen": said("The Rhine.", start="assistant"),
            "rejected": said("A lake.", start="assistant"),
        },
        PAIR,
    ),
    "TRL of messages with a long prompt": (
        {
            "prompt": LONG[:3],
            "chosen": said("The Elbe.", start="assistant"),
            "rejected": said("A lake.", start="assistant"),
        },
        {**TWO, "rejected": "A lake.", "messages": LONG},
    ),
    "TRL without a prompt": (
        {"chosen": LONG, "rejected": [*LONG[:3], *said("A lake.", start="assistant")]},
        {**TWO, "rejected": "A lake.", "messages": LONG},
    ),
    "whole chats beside a prompt": (
        {
            "prompt": "Name a river.",
            "chosen": [SYSTEM, *said("Name a river.", "The Rhine.")],
            "rejected": [SYSTEM, *said("Name a river.", "A lake.")],
        },
        {**PAIR, "system": "Be brief."},
    ),
    "LLaMA-Factory": (
        {
            "conversations": shared("Name a river."),
            "chosen": {"from": "gpt", "value": "The Rhine."},
            "rejected": {"from": "gpt", "value": "A lake."},
        },
        PAIR,
    ),
    "LLaMA-Factory, roles of OpenAI": (
        {
            "messages": LONG[:3],
            "chosen": {"role": "assistant", "content": "The Elbe."},
            "rejected": {"role": "assistant", "content": "A lake."},
        },
        {**TWO, "rejected": "A lake."},
    ),
    "LLaMA-Factory, alpaca": (
        {
            "instruction": "Name a",
            "input": "river.",
            "chosen": "The Rhine.",
            "rejected": "A lake.",
        },
        {**PAIR, "instruction": "Name a", "input": "river."},
    ),
    "orca_dpo_pairs": (
        {
            "system": "Be brief.",
            "question": "Name a river.",
            "chosen": "The Rhine.",
            "rejected": "A lake.",
        },
        {**PAIR, "system": "Be brief."},
    ),
    "OpenAI": (
        {
            "input": {"messages": [SYSTEM, *said("Name a river.")]},
            "preferred_output": said("The Rhine.", start="assistant"),
            "non_preferred_output": said("A lake.", start="assistant"),
        },
        {**PAIR, "system": "Be brief."},
    ),
    "KTO": (
        {"prompt": "Name a river.", "completion": "The Rhine.", "label": True},
        {**ONE, "label": True},
    ),
    "KTO of messages": (
        {
            "prompt": LONG[:3],
            "completion": said("The Elbe.", start="assistant"),
            "label": False,
        },
        {**TWO, "label": False, "messages": LONG},
    ),
}
# Of these keys the line's value was of another type than ours.
MOVED = {
    "TRL of messages",
    "TRL of messages with a long prompt",
    "TRL without a prompt",
    "whole chats beside a prompt",
    "LLaMA-Factory",
    "LLaMA-Factory, roles of OpenAI",
    "OpenAI",
}


def read(row, **options):
    return next(identified([("f.jsonl:1", row)], "f.jsonl", **options))


@pytest.mark.parametrize("name", CASES)
def test_shapes(name):
    row, wanted = CASES[name]
    before = json.dumps(row)
    record = read(row).to_json()
    assert json.dumps(row) == before
    assert {key: record[key] for key in wanted} == wanted
    for key, value in row.items():
        assert value in (record[key], record.get(f"{key}_before"))
    assert any(f"{key}_before" in record for key in row) == (name in MOVED)
    # Nothing is made up: what is not in the line or wanted of it is empty.
    rest = set(record) - set(row) - set(wanted) - {f"{key}_before" for key in row}
    assert {key: record[key] for key in rest if record[key]}.keys() <= {"id"}


@pytest.mark.parametrize("name", CASES)
def test_what_was_read_is_read_again_as_it_is(name, tmp_path):
    first = read(CASES[name][0])
    (tmp_path / "out.jsonl").write_bytes(first.to_line())
    (again,) = read_records(str(tmp_path / "out.jsonl"))
    assert again == first


def test_each_row_of_the_table_is_tried():
    fits = {
        next(at for at, shape in enumerate(SHAPES) if shape.fits(row)) for row, _ in CASES.values()
    }
    assert fits == set(range(len(SHAPES)))


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "a", "output": "b", "messages": LONG},
        {"instruction": "a", "messages": "anything"},
        {"instruction": "a", "output": "b", "chosen": "c", "rejected": ["d"]},
        {"instruction": "a", "chosen": 3, "rejected": 1},
        {"question": "a", "answer": "b"},
        {"prompt": "a"},
    ],
)
def test_lines_that_are_left_alone(row):
    assert shaped(row) is row


def test_nulls_of_typed_files_do_not_count():
    row = {"instruction": None, "messages": LONG, "chosen": None, "rejected": None, "system": None}
    assert read(row).output == "The Elbe."
    assert read({"messages": None, **ONE, "output": "x"}).output == "x"


def test_own_texts_stay_and_blank_ones_give_way():
    row = {
        "prompt": "Translate.",
        "input": "Fluss",
        "chosen": "river",
        "rejected": "x",
        "output": "",
    }
    record = read(row)
    assert (record.prompt, record.output) == ("Translate.\nFluss", "river")
    assert read({"messages": LONG, "output": "mine"}).output == "mine"


STRAY = [
    (PAIR, {"prompt": "Name a river.", "chosen": "The Rhine.", "rejected": "A lake."}),
    (PAIR, {"question": "Name a river.", "chosen": "The Rhine.", "rejected": "A lake."}),
    (ONE, {"prompt": "Name a river.", "completion": "The Rhine.", "label": True}),
]


@pytest.mark.parametrize(("wanted", "row"), STRAY)
def test_an_output_beside_a_named_answer_gives_way_to_it(wanted, row):
    found = shaped({**row, "output": "other"})
    assert {key: found[key] for key in wanted} == wanted
    assert found["output_before"] == "other"
    assert "output_before" not in shaped({**row, "output": "The Rhine."})


def test_other_fields_give_way_too_where_answers_are_named():
    row = {
        "input": {"messages": [SYSTEM, *said("Name a river.")]},
        "preferred_output": said("The Rhine.", start="assistant"),
        "non_preferred_output": said("A lake.", start="assistant"),
        "rejected": "other",
        "system": "Be long.",
    }
    found = shaped(row)
    assert (found["rejected"], found["rejected_before"]) == ("A lake.", "other")
    assert (found["system"], found["system_before"]) == ("Be brief.", "Be long.")


def test_an_answer_that_the_user_named_comes_first():
    row = {"prompt": "p", "chosen": "c", "rejected": "r", "answer": "mine"}
    record = read(row, fields={"output": "answer"})
    assert (record.output, record.extra["chosen"]) == ("mine", "c")
    assert "output_before" not in record.extra


def test_fields_come_first():
    row = {"prompt": "p", "chosen": "c", "rejected": "r", "text": "mine", "answer": "so"}
    record = read(row, fields={"instruction": "text", "output": "answer"})
    assert (record.instruction, record.output, record.extra["chosen"]) == ("mine", "so", "c")


def test_an_answer_that_must_be_there():
    with pytest.raises(RecordError, match=r'^f\.jsonl:1: "output" is missing'):
        read({"messages": LONG[:3]}, answers=True)


WRONG = [
    ({"messages": {"role": "user"}}, '"messages" must be a list of messages, not an object.'),
    ({"messages": []}, '"messages" has no turn of a user with a text.'),
    ({"messages": [1]}, '"messages[0]" must be an object, not a number.'),
    ({"messages": [{"content": "a"}]}, '"messages[0].role" must be a text, not null.'),
    (
        {"messages": [*LONG, {"role": "user", "content": [{"type": "text"}]}]},
        '"messages[4].content" must be a text, not a list.',
    ),
    ({"messages": said("a", start="assistant")}, '"messages" has no turn of a user with a text.'),
    ({"conversations": [{"from": 1, "value": "a"}]}, '"conversations[0].from" must be a text'),
    (
        {"prompt": 1, "chosen": "a", "rejected": "b"},
        '"prompt" must be a text or a list of messages',
    ),
    ({"prompt": "", "chosen": "a", "rejected": "b"}, '"chosen" has no turn of a user'),
    ({"prompt": "a", "chosen": 1, "rejected": "b"}, '"chosen" must be an object, not a number.'),
    ({"prompt": "a", "chosen": "b", "rejected": []}, '"rejected" must be a text, or end with'),
    (
        {"prompt": "a", "chosen": "b", "rejected": said("x")},
        '"rejected" must be a text, or end with',
    ),
    ({"chosen": "a", "rejected": "b"}, '"prompt" is missing, and "chosen" is no list'),
    (
        {"chosen": said("a", "b"), "rejected": said("c", "d")},
        '"chosen" and "rejected" differ before their last answers.',
    ),
    (
        {"prompt": "a", "completion": {"role": "user", "content": "b"}},
        '"completion" must be a text',
    ),
    (
        {"input": "a", "preferred_output": "b", "non_preferred_output": "c"},
        '"input.messages" is missing.',
    ),
]


@pytest.mark.parametrize(("row", "message"), WRONG, ids=[str(at) for at in range(len(WRONG))])
def test_mistakes_name_file_line_and_key(row, message):
    with pytest.raises(RecordError) as caught:
        list(identified([("f.jsonl:7", row)], "f.jsonl"))
    assert str(caught.value).startswith(f"f.jsonl:7: {message}")


def test_mistakes_are_told_together(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [{"messages": 1}, {"messages": LONG}, {"instruction": 1}, {"conversations": [2]}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    with pytest.raises(RecordError) as caught:
        list(read_records("a.jsonl"))
    assert [each.split()[0] for each in caught.value.problems] == [
        "a.jsonl:1:",
        "a.jsonl:3:",
        "a.jsonl:4:",
    ]


KEYS = sorted({key for shape in SHAPES for key in shape.keys} | {"instruction", "output", "system"})
TEXTS = st.text(max_size=3)
TURN = st.fixed_dictionaries(
    {},
    optional={
        key: TEXTS | st.none() | st.integers() for key in ("role", "content", "from", "value")
    },
) | st.builds(
    lambda role, text: {"role": role, "content": text},
    st.sampled_from(["user", "assistant"]),
    TEXTS,
)
VALUES = st.none() | TEXTS | st.integers() | TURN | st.lists(TURN | TEXTS, max_size=3)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5))
def test_any_line_is_a_record_or_a_plain_mistake(row):
    try:
        record = read(row)
    except RecordError as error:
        assert str(error).startswith("f.jsonl:1: ")
        return
    line = json.loads(record.to_line())
    for key, value in row.items():
        blank = key in ("instruction", "input", "output", "system", "rejected") and not value
        assert blank or value in (line.get(key), line.get(f"{key}_before"))


def test_a_mistake_of_a_shape_is_an_error_of_its_own():
    with pytest.raises(ShapeError, match="messages"):
        shaped({"messages": 1})


def test_the_keys_that_probably_hold_our_fields():
    row = {"Prompt": "x", "question": " ", "answer": "y", "target": "z", "input": "w", "id": 3}
    # Blank texts hold nothing; the surest name comes first.
    assert likely(row) == {"instruction": "Prompt", "output": "answer"}
    assert likely(row, ["output"]) == {"output": "answer"}
    assert likely({"input": "x"}) == {"instruction": "input"}
    assert likely({"question": 1, "answer": ["y"]}) == {}
