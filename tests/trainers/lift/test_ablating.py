"""What the steps of a finished run were worth, on a tiny model."""

import json

import pytest

from datakit.ablation import open_ablation
from datakit.errors import InputError
from datakit.steps.dedup.exact import Exact
from datakit.steps.filter.length import Length
from datakit.steps.filter.where import Where
from datakit.steps.generate.self_instruct import SelfInstruct
from tests.ablation.runs import Chars, finished
from tests.trainers.lift.test_lifting import ends
from tests.trainers.lift.tiny import SETTINGS
from trainers.lift.ablating import ablate
from trainers.lift.kept import Kept

STEPS = (SelfInstruct(per_request=3), Chars(), Length(min_chars=1), Exact(), Where("chars < 90"))
NAMES = ("generate.self_instruct", "test.chars", "filter.length", "dedup.exact", "filter.where")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    asked, _ = finished(folder, *STEPS, target=20)
    return asked, folder


def measured(run, tmp_path, model, **changes):
    asked, folder = run
    path = tmp_path / "test.jsonl"
    path.write_bytes(b"".join(each.to_line() for each in ends(6, "Yes.", "trams by now, do you")))
    given = {
        "task": f"perplexity:{path}", "model": str(model), "seeds": 2, "steps": 2,
        "settings": SETTINGS, "general": False, "workers": 1, "kept": Kept(tmp_path / "kept"),
        "store": folder / "store",
    }  # fmt: skip
    return ablate(asked, **(given | changes))


@pytest.fixture(scope="module")
def found(run, tmp_path_factory, tiny_model_dir):
    return measured(run, tmp_path_factory.mktemp("study"), tiny_model_dir, seeds=5)


def test_each_step_has_a_verdict(found):
    assert tuple(each.step for each in found.steps) == NAMES
    assert all(each.verdict for each in found.steps)
    json.dumps(found.to_json())


def test_a_step_that_changed_nothing_is_not_trained_for(found):
    worth = {each.step: each for each in found.steps}["filter.length"]
    assert not worth.changed
    assert worth.worth is None
    assert worth.verdict.startswith("Changed nothing here")
    assert not any("filter.length" in name for name in found.lift.variants)


def test_a_step_that_drops_is_held_against_as_many_dropped_at_random(found):
    worth = {each.step: each for each in found.steps}["filter.where"]
    assert worth.changed
    assert worth.without > worth.whole
    assert worth.against == "records dropped at random instead"
    assert worth.worth.variant == found.ref
    assert worth.worth.over == "random instead of filter.where"
    assert worth.raw.over == "without filter.where"
    assert worth.verdict.startswith(("Paid", "Hurt", "No worth seen"))


def test_a_generator_is_held_against_a_part_of_the_whole(found):
    worth = {each.step: each for each in found.steps}["generate.self_instruct"]
    assert worth.without == 8 < worth.whole
    assert (worth.worth.variant, worth.worth.over) == (
        "random instead of generate.self_instruct",
        "without generate.self_instruct",
    )
    assert worth.cost.requests > 0


def test_the_control_has_as_many_records_as_the_whole(run, tmp_path, tiny_model_dir):
    asked, folder = run
    with open_ablation(asked, store=folder / "store") as lab:
        kept = len(lab.all())
        drawn = {each.id for each in lab.control("filter.where", seed=0).records}
    assert len(drawn) == kept
    found = measured(run, tmp_path, tiny_model_dir, only=["filter.where"], seeds=1, steps=40)
    own = {each.variant: each.distinct for each in found.lift.trials}
    assert own["random instead of filter.where"] == kept == own[found.ref]
    assert own["without filter.where"] > kept
    assert found.steps[0].verdict.startswith("No verdict")


def test_an_unknown_step_is_named(run, tmp_path, tiny_model_dir):
    with pytest.raises(InputError, match=r"--step filter.lenght: .* it has generate.self_instruct"):
        measured(run, tmp_path, tiny_model_dir, only=["filter.lenght"])
