"""More and more records of one dataset."""

from dataclasses import replace

import pytest

from datakit.errors import InputError
from tests.trainers.lift.test_lifting import GOOD, ends
from tests.trainers.lift.tiny import SETTINGS
from trainers.lift.budget import Budget
from trainers.lift.kept import Kept
from trainers.lift.page.scaled import render
from trainers.lift.scaling import _cut, name_of, scaling
from trainers.lift.study import declare
from trainers.lift.terms import Terms


def measured(tmp_path, model, **changes):
    path = tmp_path / "test.jsonl"
    path.write_bytes(b"".join(each.to_line() for each in ends(6, "Yes.", "trams by now, do you")))
    given = {
        "sizes": [4, 8, 16], "task": f"perplexity:{path}", "model": str(model), "seeds": 2,
        "settings": SETTINGS, "general": False, "workers": 1, "kept": Kept(tmp_path / "kept"),
    }  # fmt: skip
    return scaling(GOOD, **(given | changes))


def test_all_sizes_get_the_same_steps(tiny_model_dir, tmp_path):
    found = measured(tmp_path, tiny_model_dir).lift
    assert found.variants == ("4 records", "8 records", "16 records")
    assert found.baseline == "4 records"
    assert {each.steps for each in found.trials} == {8}
    assert {(each.variant, each.distinct) for each in found.trials} == {
        ("4 records", 4), ("8 records", 8), ("16 records", 16)
    }  # fmt: skip
    assert {each.examples for each in found.trials} == {16}


def test_or_each_record_is_seen_once(tiny_model_dir, tmp_path):
    found = measured(tmp_path, tiny_model_dir, match="examples")
    assert found.note == "Larger sizes also had more steps: 2 / 4 / 8."
    assert found.lift.study["budget"]["match"] == "examples"
    found = found.lift
    assert {(each.variant, each.examples) for each in found.trials} == {
        ("4 records", 4), ("8 records", 8), ("16 records", 16)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sizes": [4]}, "two sizes"),
        ({"sizes": [0, 4]}, "two sizes"),
        ({"sizes": [4, 41]}, "--sizes 41: good has 40 records"),
        ({"match": "tokens"}, "--match tokens"),
    ],
)
def test_mistakes(changes, says, tiny_model_dir, tmp_path):
    with pytest.raises(InputError, match=says):
        measured(tmp_path, tiny_model_dir, **changes)


def test_a_smaller_size_is_part_of_a_larger_one(tiny_model_dir, tmp_path):
    path = tmp_path / "test.jsonl"
    path.write_bytes(b"".join(each.to_line() for each in ends(3, "Yes.", "trams")))
    study = declare(
        [replace(GOOD, name=name_of(size)) for size in (3, 9, 30)],
        Terms(task=f"perplexity:{path}", model=str(tiny_model_dir), settings=SETTINGS, seeds=4),
        Budget("steps", 8, 2),
        baseline=name_of(3),
    )
    plans = _cut(study, [3, 9, 30], once=False).plans
    for k in range(4):
        few, more, most = (set(plans[name_of(size)][k].indices) for size in (3, 9, 30))
        assert (len(few), len(more)) == (3, 9)
        assert few < more
        assert len(most) == 16
    assert plans[name_of(3)][0].indices != plans[name_of(3)][1].indices


def test_each_size_is_held_against_the_one_before(tiny_model_dir, tmp_path):
    found = measured(tmp_path, tiny_model_dir, seeds=5, out=tmp_path / "x.html")
    assert [(each.over, each.variant) for each in found.gains] == [
        ("4 records", "8 records"), ("8 records", "16 records")
    ]  # fmt: skip
    assert found.verdicts[0].startswith("16 records ")
    assert "8 records" in found.verdicts[0]
    # Two of them are told together, so each has half of the error.
    assert all(each.low < each.value < each.high for each in found.gains)
    assert (tmp_path / "x.html").read_text() == render(found)
    assert found.note in render(found)
    assert found.note == "All sizes had the same steps, so a record was seen 4 / 2 / 1 times."
    value = found.to_json()
    assert (value["sizes"], value["verdict"]) == ([4, 8, 16], found.verdicts[0])


def test_few_replicates_give_no_verdict(tiny_model_dir, tmp_path):
    assert measured(tmp_path, tiny_model_dir).verdicts[0].startswith("No verdict")


def test_guards_speak_of_what_is_drawn(tiny_model_dir, tmp_path):
    told = {each.name: each.text for each in measured(tmp_path, tiny_model_dir).lift.guards}
    assert "same" not in told and "shared" not in told
    once = measured(tmp_path, tiny_model_dir, match="examples").lift.guards
    assert "budget" not in {each.name for each in once}
