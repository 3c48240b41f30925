from dataclasses import replace

import numpy as np
import pytest

from datakit.record import Record
from trainers.lift.budget import Budget, Plan, plan
from trainers.lift.draws import places
from trainers.lift.estimate import compare
from trainers.lift.guards import Guard, guards, of_plans
from trainers.lift.variants import Variant

LONG = " ".join(f"word{at}" for at in range(24))
STEPS = Budget("steps", 4, 4)


def made(name, count=200, start=0, **more):
    records = tuple(
        Record(f"question {name} {at}", output=f"o{at}", id=f"{name}{at}")
        for at in range(start, start + count)
    )
    return Variant(name, (*more.pop("extra", ()), *records), **more)


ITEMS = [
    Record(f"What is item {'i' * at}x of the test about?", output="x", id=f"i{at}")
    for at in range(40)
]


def plans_of(*variants, budget=STEPS, tokens=10, replicates=5):
    sizes = tokens if isinstance(tokens, dict) else {each.name: tokens for each in variants}
    lengths = {each.name: [(sizes[each.name], 1)] * len(each) for each in variants}
    spots = {each.name: places(each.records, 0) for each in variants}
    return plan(budget, lengths, spots, replicates)


def looked(*variants, items=ITEMS, budget=STEPS, tokens=10, **more):
    return guards(
        variants, items, plans_of(*variants, budget=budget, tokens=tokens), budget, **more
    )


def told(found, name):
    return [(each.level, each.text) for each in found if each.name == name]


def test_a_clean_study():
    found = looked(made("a"), made("b"))
    assert {each.level for each in found} == {"ok"}
    assert told(found, "contamination") == [
        (
            "ok",
            "40 test items, none found in any variant (same prompt; by_length, of items in records "
            "and of records in items).",
        )
    ]
    assert told(found, "shared") == [("ok", "b and a share no prompt.")]
    assert told(found, "budget") == [("ok", "All trials have as many tokens, to within 0 %.")]


def test_items_in_a_variant():
    same = Record("what is ITEM iiiX of the test about?", output="y", id="r1")
    held = Record("Tell.", output=f"- {ITEMS[7].instruction}", id="r2")
    whole = Record(LONG, output="y", id="r3")
    items = [*ITEMS, Record(f"{LONG} and then so much more", id="big")]
    found = looked(made("a"), made("b", extra=(same, held, whole)), items=items)
    assert [each.level for each in found][:2] == ["stop", "ok"]
    stop = found[0]
    assert stop.text == (
        "3 of 41 test items stand in b (1 with the same prompt). "
        "What is learnt by heart there is no lift."
    )
    assert [(each["record"], each["item"], each["rule"]) for each in stop.records] == [
        ("r1", "i3", "same_prompt"),
        ("r2", "i7", "item_in_record"),
        ("r3", "big", "item_in_record"),
    ]
    assert stop.records[1] | {"text": ""} == {
        "variant": "b",
        "record": "r2",
        "item": "i7",
        "rule": "item_in_record",
        "text": "",
    }
    assert stop.records[1]["text"] == ITEMS[7].instruction


def test_records_in_an_item():
    inner = " ".join(LONG.split()[:10])
    items = [*ITEMS, Record(f"Say: {inner}. Then go on with this, and that, and more.", id="big")]
    found = looked(made("a", extra=(Record(inner, output="y", id="r"),)), made("b"), items=items)
    assert found[0].text.startswith("1 of 41 test items hold what a asks. ")
    (row,) = found[0].records
    assert (row["record"], row["item"], row["rule"]) == ("r", "big", "record_in_item")
    assert row["text"] == inner


def test_the_same_of_several_variants_is_said_once():
    leaked = Record(ITEMS[3].instruction, output="y")
    variants = [made(name, extra=(leaked,)) for name in "abc"]
    found = looked(*variants, made("d"))
    (stop,) = [each for each in found if each.level == "stop"]
    assert stop.text.startswith("1 of 40 test items stand in a, b and c (1 with the same prompt).")
    assert [each["variant"] for each in stop.records] == ["a", "b", "c"]
    # Without ids they are known by their place.
    assert {each["record"] for each in stop.records} == {"1"}


def test_braces_of_a_name_are_no_place():
    leaked = Record(ITEMS[3].instruction, output="y")
    found = looked(made("a"), made("{0} {x}.jsonl", extra=(leaked,)))
    assert "stand in {0} {x}.jsonl (1 with" in found[0].text


def test_a_task_without_a_file():
    found = looked(made("a"), made("b"), items=None, tested=100)
    assert told(found, "contamination") == [
        ("note", "The task has no file of items: whether they stand in a variant was not checked.")
    ]
    assert told(found, "items") == told(found, "lineage") == []


def test_items_that_are_too_short():
    found = looked(made("a"), made("b"), items=[*ITEMS, Record("What?"), Record("Who is?")])
    assert told(found, "contamination")[0] == (
        "note",
        "2 of 42 test items are too short to be looked for in other texts; their prompts were "
        "compared.",
    )


def test_common_ancestors():
    seeded = [Record(f"seeded {at}", output="o", meta={"parents": ["s"]}) for at in range(2)]
    child = Record("a child", output="o", id="c", meta={"parents": ["i5"]})
    items = [*ITEMS, Record("another seeded question", id="k", meta={"parents": ["s"]})]
    found = looked(made("a"), made("b", extra=(*seeded, child)), items=items)
    lines = [each for each in found if each.name == "lineage"]
    assert [(each.level, each.text) for each in lines] == [
        (
            "warn",
            "1 of 41 test items are what records of b were made from: a lift may be theirs alone.",
        ),
        (
            "warn",
            "1 of 41 test items have ancestors in common with records of b: "
            "a lift may be theirs alone.",
        ),
    ]
    rows = [dict(row) for each in lines for row in each.records]
    assert rows == [
        {"variant": "b", "record": "c", "item": "i5", "rule": "made_from", "text": "a child"},
        {"variant": "b", "record": "1", "item": "k", "rule": "family", "text": "seeded 0"},
    ]


def test_variants_that_share_records():
    a = made("a", 100)
    b = Variant("b", (*a.records[:30], a.records[30].replace(output="z"), *made("x", 19).records))
    found = looked(a, b)
    assert told(found, "shared") == [
        ("note", "b and a share 31 prompts (62% and 31% of theirs), and 30 whole records.")
    ]
    control = Variant("a (half)", a.records[:50], "Half of it.")
    assert told(looked(a, control), "shared") == []
    assert told(looked(control, Variant("c", b.records, "Other ones.")), "shared") == []


def test_variants_that_are_the_same():
    a, b = made("a"), made("b")
    turned = Variant("c", a.records[::-1])
    assert told(looked(a, b, turned), "same") == [
        ("warn", "a and c have the same records: no difference can be found.")
    ]


@pytest.mark.parametrize(
    ("budget", "level", "text"),
    [
        (
            STEPS,
            "warn",
            "b gets 1.5 times the tokens of a (240 against 160 a trial), in as many steps: a lift "
            "may be that of length. `lift` has --match tokens against that.",
        ),
        (
            Budget("examples", 4, 4, examples=16),
            "warn",
            "b gets 1.5 times the tokens of a (240 against 160 a trial), in as many examples: a "
            "lift may be that of length. `lift` has --match tokens against that.",
        ),
        (
            Budget("tokens", 4, 4, tokens=240),
            "note",
            "a gets 1.5 times the examples of b (24 against 16 a trial), in as many tokens.",
        ),
    ],
)
def test_unequal_budgets(budget, level, text):
    found = looked(made("a"), made("b"), budget=budget, tokens={"a": 10, "b": 15})
    assert told(found, "budget") == [(level, text)]
    found = looked(made("a"), made("b"), budget=budget, tokens={"a": 10, "b": 12})
    assert [level for level, _ in told(found, "budget")] == ["ok"]


def test_draws_that_meet():
    few, all_of_it = made("few", 40), made("all", 8)
    found = told(looked(made("a"), few, all_of_it, made("once", 16)), "draws")
    assert [level for level, _ in found] == ["note"] * 3
    assert found[0][1].startswith("Two draws of few have ")
    assert found[0][1].endswith(
        " in common: it has 40 records, a trial 16. Its score is about these records, not about "
        "others made like them."
    )
    assert found[1][1].startswith("A trial takes all 8 records of all, each 2.0 times. Its score")
    assert found[2][1].startswith("A trial takes all 16 records of once. Its score")


def test_few_items():
    found = told(looked(made("a"), made("b"), items=ITEMS[:12]), "items")
    assert found == [
        (
            "warn",
            "12 test items: one of them is 8 points of a share. Only a large lift can be seen.",
        )
    ]
    found = told(looked(made("a"), made("b"), items=None, tested=12), "items")
    assert len(found) == 1


@pytest.mark.parametrize(
    ("items", "families"),
    [
        ([item.with_meta(parents=["p", f"q{at // 2}"]) for at, item in enumerate(ITEMS)], 1),
        ([item.with_meta(parents=[f"q{at // 2}"]) for at, item in enumerate(ITEMS)], 20),
        ([Record(f"How many cost {at}.5?", output="x", id=f"n{at}") for at in range(40)], 1),
        ([Record(f"Who's in '{at}w'? It's \"a{at}\".", output="x") for at in range(40)], 1),
        ([Record(f"It's {'i' * at}, isn't it? Who's in?", output="x") for at in range(40)], 40),
    ],
)
def test_items_of_one_family(items, families):
    found = told(looked(made("a"), made("b"), items=items), "items")
    if families == len(items):
        assert found == []
        return
    ((level, text),) = found
    assert level == "note"
    assert text.startswith(f"40 test items are of {families} famil")


def test_items_that_ask_the_same():
    found = told(looked(made("a"), made("b"), items=[*ITEMS, *ITEMS[:3]]), "items")
    assert found == [
        (
            "note",
            "3 of 43 test items ask what another one asks: intervals take them for new ones and "
            "are too narrow.",
        )
    ]


def test_an_effect_below_what_shares_can_show_is_told():
    both = made("a"), made("b")
    ((level, said),) = told(looked(*both, effect=0.12), "items")
    assert level == "note"
    assert said.startswith("--detect 0.12: if the score is a share, 5 replicates on 40 test items")
    assert "find 13.1 points or more" in said
    # As a study finds whose variants are alike in all they say.
    same = np.ones((5, 40))
    assert compare({"a": same, "b": same}).differences[0].sees == pytest.approx(0.131, abs=5e-4)
    assert not told(looked(*both, effect=0.14), "items")
    three = (*both, made("c"))
    assert "points or more" in told(looked(*three, effect=0.14), "items")[0][1]


def test_a_control_that_is_drawn_anew_is_no_twin():
    plans = {"a": [Plan((0, 1), 1, 20, 2)], "b": [Plan((1, 2), 1, 20, 2), Plan((0, 3), 1, 20, 2)]}
    both = [made("a"), replace(made("a"), name="b")]
    assert "same" in {each.name for each in of_plans(both, plans, STEPS)}
    assert "same" not in {each.name for each in of_plans(both, plans, STEPS, bound=["b"])}


def test_the_worst_comes_first():
    leaked = Record(ITEMS[3].instruction, output="y")
    found = looked(made("a"), made("b", 40, extra=(leaked,)), tokens={"a": 10, "b": 20})
    levels = [each.level for each in found]
    assert levels == sorted(levels, key=["stop", "warn", "note", "ok"].index)
    assert {*levels} == {"stop", "warn", "note", "ok"}


def test_evidence_is_none_where_nothing_is_found():
    assert Guard("x", "ok", "t").records == ()
    assert all(not each.records for each in looked(made("a"), made("b")))


def test_plans_of_one_replicate():
    plans = {"a": [Plan((0, 1), 1, 20, 2)], "b": [Plan((0, 1), 1, 20, 2)]}
    found = guards([made("a"), made("b")], ITEMS, plans, STEPS)
    assert told(found, "draws") == []
    found = guards([made("a", 2), made("b")], ITEMS, plans, STEPS)
    assert [text[:37] for _, text in told(found, "draws")] == [
        "A trial takes all 2 records of a. Its"
    ]


@pytest.mark.slow
def test_thousands_of_records_take_seconds():
    import time

    common = " ".join(f"c{at}" for at in range(40))

    def much(name, count):
        return tuple(
            Record(f"{common} {name}{at}", " ".join(f"{name}{at}x{n}" for n in range(60)), "o")
            for at in range(count)
        )

    start = time.process_time()
    found = looked(Variant("a", much("a", 5000)), made("b"), items=much("i", 500))
    assert told(found, "contamination")[0][0] == "ok"
    # Looked for pair by pair it takes minutes: every pair has the first part in common.
    assert time.process_time() - start < 40


def test_a_plan_that_repeats_a_part_is_no_draw_of_all():
    few = Plan((0, 1, 0, 1), 2, 40, 4)
    (_, text), *_ = told(looked_at([few, few]), "draws")
    assert text.startswith("Two draws of a have 100% in common: it has 3 records, a trial 2.")


def looked_at(plans):
    return of_plans([made("a", 3)], {"a": plans}, STEPS)
