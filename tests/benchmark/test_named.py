import json

import numpy as np
import pytest

from datakit.benchmark import NAMES, catalogue, open_overlap
from datakit.benchmark.named import named_items, packed, unpacked
from datakit.errors import InputError
from datakit.overlap import Item, Overlap
from datakit.record import Record

ITEMS = [
    Item("b/x/1", ("What is the capital of Norway?", "A list of towns"), "Oslo", "Oslo\nRome"),
    Item("b/2", ("?",)),
    Item("b/3", ("How many legs do three spiders have together when none is lost",), "24"),
]
SHIPPED = sorted(name for name in NAMES if catalogue()[name].path)


def test_items_are_the_same_after_they_are_packed(tmp_path):
    hashed = [item.hashed() for item in ITEMS]
    np.savez(tmp_path / "b.npz", **packed(hashed))
    assert list(unpacked(tmp_path / "b.npz", "b")) == hashed


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_shipped_is_whole(name):
    items = list(named_items(name))
    assert len(items) == catalogue()[name].items
    assert len({item.name for item in items}) == len(items)
    assert all(item.name.startswith(f"{name}/") and item.question for item in items)
    assert len(Overlap(items).uncheckable) < 0.05 * len(items)


def test_a_shipped_one_is_found_offline():
    question = (
        "Janet\u2019s ducks lay 16 eggs per day. She eats three for breakfast every morning and "
        "bakes muffins for her friends every day with four. She sells the remainder at the "
        "farmers' market daily for $2 per fresh duck egg. How much in dollars does she make every "
        "day at the farmers' market?"
    )
    (found,) = open_overlap("gsm8k", "mbpp").matches(Record(question))
    assert (found.of, found.side, found.score) == ("gsm8k/1", "question", 1.0)


def test_others_are_read_from_the_hub(hub):
    hub["Rowan/hellaswag"] = [{"ctx": "A man sits on a roof.", "endings": ["he falls", "he rises"]}]
    (item,) = named_items("hellaswag")
    assert (
        item == Item("hellaswag/1", ("A man sits on a roof.",), "", "he falls\nhe rises").hashed()
    )
    hub["SaylorTwift/bbh"] = [{"input": "not ( True )", "target": "False"}]
    (item,) = named_items("bbh")
    assert item == Item("bbh/1", ("not ( True )",), "False").hashed()
    hub["owner/set"] = [{"question": "who sits upon the roof of it", "answer": "a man"}]
    assert [
        m.of
        for m in open_overlap("owner/set").matches(Record("who sits upon the roof of it? a man"))
    ] == ["owner_set/1"]


def test_offline_it_is_said_what_to_do(hub):
    with pytest.raises(InputError) as caught:
        list(named_items("mmlu"))
    first, why, last = caught.value.problems
    assert first == "mmlu: is not shipped (MIT); its texts are fetched from the hub."
    assert "no route to the hub" in why
    assert last == "mmlu: offline, give your own copy as a file instead."


def test_the_catalogue_names_where_each_comes_from():
    for name in SHIPPED:
        known = catalogue()[name]
        assert known.path.startswith("https://")
        assert len(known.sha256) == 64
        assert "NC" not in known.license
    assert json.dumps(sorted(catalogue())) == json.dumps(list(NAMES))
