"""Trees of messages, flat and nested, whole and broken."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.errors import RecordError
from trainers.data import holdout, open_data
from trainers.data.oasst1 import chats, flat, pairs
from trainers.examples import Refused, reasons
from trainers.examples import chats as as_chats
from trainers.examples import pairs as as_pairs

OPTIONAL = ("parent_id", "lang", "rank", "deleted", "review_result", "synthetic", "model_name")


def message(id, parent=None, rank=None, **changes):
    role = "prompter" if id.startswith("q") else "assistant"
    row = dict.fromkeys((*OPTIONAL, "tree_state"))
    row |= {"message_id": id, "parent_id": parent, "text": f"text of {id}", "role": role}
    return {**row, "rank": rank, "review_result": True, "deleted": False, "lang": "en", **changes}


#   q1 -+- a2 (rank 1)
#       +- a1 (rank 0) -+- q3 (rank 1) --- a6
#       |               +- q2 (rank 0) -+- a4 (no rank)
#       |                               +- a5 (rank 0)
#       +- a3 (rank 2)
TREE = [
    message("q1"),
    message("a2", "q1", 1),
    message("a1", "q1", 0),
    message("a3", "q1", 2),
    message("q3", "a1", 1),
    message("q2", "a1", 0),
    message("a4", "q2"),
    message("a5", "q2", 0),
    message("a6", "q3"),
]
BEST = ["q1", "a1", "q2", "a5"]


def built(adapter, rows):
    return [each for _, each in adapter((f"f:{at}", each) for at, each in enumerate(rows, 1))]


def good(found):
    return [each for each in found if not isinstance(each, Refused)]


def lost(found):
    return reasons([each for each in found if isinstance(each, Refused)])


def changed(id, **changes):
    return [{**each, **changes} if each["message_id"] == id else each for each in TREE]


def path(record):
    (chat,) = as_chats([record])
    return [each["content"].removeprefix("text of ") for each in chat.messages]


def nested(rows, **tree):
    nodes = {each["message_id"]: {**each, "replies": []} for each in rows}
    for each in nodes.values():
        if each["parent_id"]:
            nodes[each["parent_id"]]["replies"].append(each)
        del each["parent_id"], each["tree_state"]
    return {
        "message_tree_id": "q1",
        "tree_state": "ready_for_export",
        "prompt": nodes["q1"],
        **tree,
    }


def test_the_best_path():
    (record,) = built(chats, TREE)
    assert path(record) == BEST
    assert (record.id, record.meta) == ("a5", {"lang": "en"})
    assert (record.instruction, record.output) == ("text of q2", "text of a5")


@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(chance):
    rows = random.Random(chance.random()).sample(TREE, len(TREE))
    assert [path(each) for each in built(chats, rows)] == [BEST]
    assert {each.id for each in good(built(pairs, rows))} == {"a1/a3"}


def test_pairs_of_the_best_and_the_worst():
    found = built(pairs, TREE)
    (record,) = good(found)
    (pair,) = as_pairs([record])
    assert (pair.chosen, pair.rejected) == ("text of a1", "text of a3")
    assert (record.id, record.parents) == ("a1/a3", ("q1",))
    assert lost(found) == {"fewer_than_two_ranked": 2}
    (_, record) = good(built(pairs, changed("a4", rank=1)))
    assert [each["content"] for each in next(as_pairs([record])).prompt] == [
        "text of q1",
        "text of a1",
        "text of q2",
    ]


def test_pairs_of_one_tree_stay_together():
    records = good(built(pairs, changed("a4", rank=1)))
    other = good(built(pairs, [message("q9"), message("a8", "q9", 0), message("a9", "q9", 1)]))
    train, test = holdout([*records, *other], count=2)
    assert {frozenset(each.parents) for each in train}.isdisjoint(
        frozenset(each.parents) for each in test
    )


def test_equal_ranks():
    rows = [message("q1"), message("a1", "q1", 0), message("a2", "q1", 0)]
    assert lost(built(pairs, rows)) == {"tie": 1}


LEFT_OUT = [
    ("a1", {"deleted": True}, {"deleted": 1, "parent_left_out": 5}, ["q1", "a2"]),
    ("a1", {"review_result": False}, {"not_reviewed": 1, "parent_left_out": 5}, ["q1", "a2"]),
    ("a1", {"review_result": None}, {"not_reviewed": 1, "parent_left_out": 5}, ["q1", "a2"]),
    ("a1", {"tree_state": "growing"}, {"tree_not_ready": 1, "parent_left_out": 5}, ["q1", "a2"]),
    ("a1", {"role": "system"}, {"unknown_role": 1, "parent_left_out": 5}, ["q1", "a2"]),
    ("a1", {"role": "prompter"}, {"turns_do_not_alternate": 1, "parent_left_out": 5}, ["q1", "a2"]),
    ("a1", {"parent_id": "gone"}, {"parent_left_out": 6}, ["q1", "a2"]),
    ("a1", {"parent_id": "a6"}, {"parent_left_out": 6}, ["q1", "a2"]),
    ("a1", {"parent_id": "a1"}, {"parent_left_out": 6}, ["q1", "a2"]),
    ("a2", {"message_id": "a1"}, {"repeated_id": 1}, None),
    ("a5", {"text": " "}, {"empty_output": 1}, []),
    ("a1", {"text": ""}, {"empty_prompt": 1}, []),
    ("q1", {"deleted": True}, {"deleted": 1, "parent_left_out": 8}, []),
    ("q1", {"role": "assistant"}, {"turns_do_not_alternate": 1, "parent_left_out": 8}, []),
]


@pytest.mark.parametrize(
    ("id", "changes", "counts", "wanted"), LEFT_OUT, ids=lambda each: str(each)
)
def test_what_is_left_out_is_counted(id, changes, counts, wanted):
    found = built(chats, changed(id, **changes))
    assert lost(found) == counts
    if wanted is not None:
        assert [path(each) for each in good(found)] == ([wanted] if wanted else [])


def test_a_question_without_an_answer():
    assert lost(built(chats, [message("q1")])) == {"no_answer": 1}
    rows = [message("q1"), message("a1", "q1"), message("q2", "a1")]
    assert [path(each) for each in built(chats, rows)] == [["q1", "a1"]]


def test_messages_of_a_model_say_so():
    (record,) = built(chats, changed("a5", synthetic=True, model_name="small-1"))
    assert record.meta["model"] == "small-1"


def test_whole_trees(tmp_path):
    whole = nested(TREE)
    (tmp_path / "t.jsonl").write_text(json.dumps(whole) + "\n")
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(each) + "\n" for each in TREE))
    for want in ("chat", "pair"):
        refused, same = [], []
        deep = list(open_data(f"oasst1={tmp_path}/t.jsonl", want=want, refused=refused))
        rows = list(open_data(f"oasst1={tmp_path}/f.jsonl", want=want, refused=same))
        assert deep == rows
        assert reasons(refused) == reasons(same)
        assert deep[0].meta["license"] == "Apache-2.0"
    (tmp_path / "g.jsonl").write_text(json.dumps({**whole, "tree_state": "growing"}) + "\n")
    refused = []
    with pytest.raises(RecordError.__base__, match="none of its rows can be used"):
        list(open_data(f"oasst1={tmp_path}/g.jsonl", refused=refused))
    assert reasons(refused) == {"tree_not_ready": 9}


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ({"prompt": "hello"}, '"prompt" must be a message with a list of replies'),
        ({"prompt": {"replies": "x"}}, '"prompt" must be a message with a list of replies'),
        ({"prompt": {**TREE[0], "replies": [3]}}, '"prompt" must be a message'),
        ({"prompt": {"text": "x", "role": "prompter"}}, '"message_id" is missing'),
        ({"prompt": {"message_id": 1, "text": "x", "role": "y"}}, '"message_id" must be a text'),
    ],
)
def test_trees_of_another_format_name_file_line_and_key(tree, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.jsonl").write_text(json.dumps(nested(TREE)) + "\n" + json.dumps(tree) + "\n")
    with pytest.raises(RecordError) as caught:
        list(open_data("oasst1=t.jsonl", refused=[]))
    assert str(caught.value).startswith(f"t.jsonl:2: {text}")


def test_a_very_deep_tree():
    rows = [message("q0")]
    for at in range(1, 3_000):
        rows.append(message(f"{'qa'[at % 2]}{at}", rows[-1]["message_id"]))
    (record,) = built(chats, rows)
    assert len(path(record)) == 3_000
    assert lost(built(pairs, rows)) == {"fewer_than_two_ranked": 1_500}
    deep = {"message_id": "q0", "replies": []}
    root = deep
    for at in range(1, 5_000):
        deep["replies"].append({"message_id": f"m{at}", "replies": []})
        deep = deep["replies"][0]
    assert sum(1 for _ in flat([("f:1", {"prompt": root})])) == 5_000


IDS = st.sampled_from(["q1", "q2", "a1", "a2", "a3"])
ROW = st.builds(
    message,
    IDS,
    st.none() | IDS | st.just("gone"),
    st.none() | st.integers(-1, 2),
    text=st.sampled_from(["x", "y", " "]),
    deleted=st.sampled_from([None, False, True]),
    review_result=st.sampled_from([True, True, None]),
)


@given(st.lists(ROW, max_size=8))
def test_any_rows_end_as_examples_or_reasons(rows):
    found = built(chats, rows)
    assert len(list(as_chats(good(found)))) == len(good(found))
    double = built(pairs, rows)
    assert len(list(as_pairs(good(double)))) == len(good(double))
    ids = [each.id for each in found]
    assert len(ids) <= len(rows)
