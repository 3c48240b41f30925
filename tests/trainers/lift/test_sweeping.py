"""Where to draw the line, on a tiny model."""

import json
from dataclasses import replace

import pytest

from datakit.errors import InputError
from datakit.steps.filter.where import Where
from tests.ablation.runs import Chars, finished
from tests.running.steps import triples
from tests.trainers.lift.test_lifting import ends
from tests.trainers.lift.tiny import SETTINGS
from trainers.lift.kept import Kept
from trainers.lift.page.swept import render
from trainers.lift.sweeping import sweep

STEPS = (triples(3), Chars(), Where("chars < 90"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    asked, _ = finished(folder, *STEPS, target=20)
    return asked, folder


def measured(run, tmp_path, model, score="chars", **changes):
    asked, folder = run
    path = tmp_path / "test.jsonl"
    path.write_bytes(b"".join(each.to_line() for each in ends(6, "Yes.", "trams by now, do you")))
    given = {
        "task": f"perplexity:{path}", "model": str(model), "seeds": 5, "steps": 2,
        "settings": SETTINGS, "general": False, "workers": 1, "kept": Kept(tmp_path / "kept"),
        "store": folder / "store", "cuts": (25, 50),
    }  # fmt: skip
    return sweep(asked, score, **(given | changes))


@pytest.fixture(scope="module")
def found(run, tmp_path_factory, tiny_model_dir):
    folder = tmp_path_factory.mktemp("study")
    return measured(run, folder, tiny_model_dir, out=folder / "x.html")


def records(swept):
    return swept.lift.study["declared"]["variants"][0]["records"]


def test_each_cut_is_held_against_as_many_at_random(found):
    mild, sharp = found.cuts
    assert mild.cutoff < sharp.cutoff
    assert len(found.lift.untrained.ids) == 6
    assert sharp.records < mild.records < records(found)
    for each in found.cuts:
        assert each.worth.variant == f"chars >= {each.cutoff:g}"
        assert each.worth.over == f"random {each.records:,}"
        assert each.whole.over == found.ref
        assert each.worth.low < each.worth.value < each.worth.high


def test_what_a_cut_leaves_is_what_is_trained_on(run, tmp_path, tiny_model_dir):
    found = measured(run, tmp_path, tiny_model_dir, seeds=1, steps=60)
    own = {each.variant: each.distinct for each in found.lift.trials}
    for each in found.cuts:
        assert own[each.worth.variant] == own[each.worth.over] == each.records


def test_low_scores_may_be_the_good_ones(run, tmp_path, tiny_model_dir):
    found = measured(run, tmp_path, tiny_model_dir, seeds=1, low=True)
    mild, sharp = found.cuts
    assert mild.cutoff > sharp.cutoff
    assert mild.worth.variant.startswith("chars <= ")
    assert found.verdicts[0].endswith("no verdict.")


def test_a_length_is_a_score_too(run, tmp_path, tiny_model_dir, found):
    same = measured(run, tmp_path, tiny_model_dir, "len(output)", seeds=1)
    assert [each.cutoff for each in same.cuts] == [each.cutoff for each in found.cuts]


def test_the_filter_that_cut_before_can_be_left_out(run, tmp_path, tiny_model_dir, found):
    wider = measured(run, tmp_path, tiny_model_dir, seeds=1, without="filter.where", cuts=[50])
    assert wider.ref == f"{found.ref} without filter.where"
    whole, before = (
        each.lift.study["declared"]["variants"][0]["records"] for each in (wider, found)
    )
    assert whole > before


def test_the_page_and_the_json_have_every_cut(found):
    page = render(found)
    assert all("as many at random" in each for each in found.verdicts)
    assert "percent of the records cut" in page
    value = json.loads(json.dumps(found.to_json()))
    assert [each["share"] for each in value["cuts"]] == [25, 50]
    assert value["keep"] == "high"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"score": "chras"}, 'is no number in any record of .*; did you mean "chars"'),
        ({"score": "output"}, r"scores: chars. A length is one too: len\(output\)"),
        ({"score": "chars +"}, "--sweep: .* is not an expression"),
        ({"cuts": [0]}, "--cuts 0: must be between 0 and 100"),
        ({"cuts": [100]}, "--cuts 100"),
    ],
)
def test_mistakes(changes, says, run, tmp_path, tiny_model_dir):
    with pytest.raises(InputError, match=says):
        measured(run, tmp_path, tiny_model_dir, **changes)


def test_few_replicates_give_no_verdict(found):
    few = replace(found.lift.comparison, replicates=3)
    it = replace(found, lift=replace(found.lift, comparison=few))
    assert all(each.endswith("no verdict.") for each in it.verdicts)
