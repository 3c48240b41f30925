"""What the steps of a finished run were worth, on a tiny model."""

import dataclasses
import json
import math
from statistics import stdev

import pytest

from datakit import api
from datakit.ablation import open_ablation
from datakit.errors import InputError
from datakit.steps.dedup.exact import Exact
from datakit.steps.filter.length import Length
from datakit.steps.filter.where import Where
from datakit.steps.score.judge import Judge
from tests.ablation.runs import Chars, finished
from tests.ablation.test_replayed import given, plan
from tests.loopback import serve
from tests.running.steps import triples
from tests.trainers.lift.test_lifting import ends
from tests.trainers.lift.tiny import SETTINGS
from trainers.lift.ablating import ablate
from trainers.lift.kept import Kept
from trainers.lift.page.ablated import render
from trainers.lift.worth import HELPLESS, NEEDED

STEPS = (
    triples(3),
    Chars(),
    Length(min_chars=1),
    Exact(),
    Where("chars < 90"),
)
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
    assert worth.records > worth.whole
    assert worth.against == "records dropped at random instead"
    assert worth.worth.variant == found.ref
    assert worth.worth.over == "random instead of filter.where"
    assert worth.raw.over == "without filter.where"
    assert worth.verdict.startswith(("Paid", "Hurt", "Open"))
    # The step's own choice is one of many that lots might have made.
    luck = stdev(worth.worth.by_replicate) * math.sqrt(1 + 1 / 5)
    assert worth.worth.error >= luck * (1 - 1e-9)
    assert worth.worth.error == pytest.approx(worth.worth.components.error(5, 6))


def test_a_generator_is_held_against_a_part_of_the_whole(found):
    worth = {each.step: each for each in found.steps}["generate.self_instruct"]
    assert worth.records == 8 < worth.whole
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


def test_a_step_alone_is_held_against_as_many_dropped_at_random(tmp_path, tiny_model_dir):
    asked, _ = finished(tmp_path, triples(3), Length(max_chars=89), target=20)
    both = measured((asked, tmp_path), tmp_path, tiny_model_dir, alone=True, seeds=1)
    # Of a generator alone, all that is left is what it made: there is nothing to measure.
    assert [each.name for each in both.steps] == [
        "generate.self_instruct", "filter.length", "filter.length alone"
    ]  # fmt: skip
    alone = both.steps[-1]
    assert alone.records < alone.whole
    assert (alone.worth.variant, alone.worth.over) == (
        "filter.length alone", "random instead of filter.length alone"
    )  # fmt: skip
    assert alone.raw is None


def test_a_step_that_needs_another_keeps_nothing_alone(run, tmp_path, tiny_model_dir):
    found = measured(run, tmp_path, tiny_model_dir, only=["filter.where"], alone=True, seeds=1)
    assert found.steps[-1].verdict == HELPLESS


def test_the_page_shows_each_step_and_where_records_went(found):
    page = render(found)
    for name in NAMES:
        assert name in page
    assert "Worth of each step" in page
    assert "Records, step by step" in page
    start, *changes = (change for _, change in found.funnel)
    assert start == 8
    assert start + sum(changes) == found.steps[0].whole


def test_nothing_is_trained_where_no_step_changes_anything(run, tmp_path, tiny_model_dir):
    page = tmp_path / "x.html"
    found = measured(run, tmp_path, tiny_model_dir, only=["filter.length"], out=page)
    assert found.lift is None
    assert "Nothing was trained" in page.read_text()
    assert not (tmp_path / "kept").exists()


def test_a_second_look_is_counted(run, tmp_path, tiny_model_dir):
    page = tmp_path / "x.html"
    first, second = (
        measured(run, tmp_path, tiny_model_dir, only=["filter.where"], seeds=seeds, out=page)
        for seeds in (1, 2)
    )
    assert first.lift.study["declared"]["looks"] == [1]
    assert second.lift.study["declared"]["looks"] == [1, 2]
    assert second.lift.comparison.confidence > 0.95


def test_a_true_rerun_is_asked_for_first(run, tmp_path, tiny_model_dir):
    asked = []
    found = measured(
        run, tmp_path, tiny_model_dir, only=["filter.where"], seeds=1,
        rerun=lambda each: asked.append(str(each)) or False,
    )  # fmt: skip
    assert len(asked) == 1
    assert "A rerun without filter.where" in asked[0]
    assert any(text.startswith("A true rerun without filter.where") for text in found.notes)


def test_what_the_log_cannot_tell_is_not_known(tmp_path, tiny_model_dir):
    with serve(plan()) as server:
        asked = given(tmp_path, server, Length(min_chars=19), Judge(), Where("judge >= 4"))
        api.run(asked, store=tmp_path / "store")
    found = measured((asked, tmp_path), tmp_path, tiny_model_dir, seeds=1)
    verdicts = {each.step: each.verdict for each in found.steps}
    text = "Not known: of 10 records nobody was asked what a later step asks; --rerun asks."
    assert verdicts["filter.length"] == text
    assert verdicts["score.judge"] == NEEDED
    assert verdicts["filter.where"].startswith("No verdict: 5 replicates")
    assert any("they are missing here" in note for note in found.notes)
    nothing = dataclasses.replace(found, steps=found.steps[:1], lift=None)
    assert nothing.verdict.endswith("a teacher would have to be asked: filter.length.")
    page = render(nothing)
    assert "Not known" in page
