"""From variants to a verdict, with real trainings of a tiny model."""

import json
from dataclasses import replace

import pytest

from datakit.errors import InputError
from tests.trainers.lift.tiny import SETTINGS, records
from trainers.lift import lift
from trainers.lift.kept import Kept
from trainers.lift.variants import Variant
from trainers.running.ear import Ear


def ends(count, ending, word="ferries"):
    return [replace(each, output=f"{each.output} {ending}") for each in records(count, word)]


GOOD = Variant("good", tuple(ends(40, "Yes.")))
BAD = Variant("bad", tuple(replace(each, output="no no no") for each in records(40)))


@pytest.fixture
def held_out(tmp_path):
    path = tmp_path / "test.jsonl"
    items = [
        replace(each, instruction=f"Please say: {each.instruction}")
        for each in ends(9, "Yes.", "trams")
    ]
    path.write_bytes(b"".join(each.to_line() for each in items))
    return path


def study(tmp_path, items, variants=(GOOD,), **more):
    given = {
        "baseline": BAD, "task": f"perplexity:{items}", "settings": SETTINGS, "steps": 3,
        "seeds": 5, "general": False, "kept": Kept(tmp_path / "kept"), "workers": 1,
    }  # fmt: skip
    return lift(list(variants), **(given | {"model": str(more.pop("model"))} | more))


def test_the_better_variant_is_found(tiny_model_dir, tmp_path, held_out):
    found = study(tmp_path, held_out, model=tiny_model_dir)
    assert found.verdict.startswith("good beats bad by ")
    assert found.comparison.difference("good", "bad").clear
    assert found.over_untrained["good"].clear
    assert found.comparison.best["good"] > 0.9
    assert len(found.trials) == 10
    rows = found.rows()
    assert len(rows) == (10 + 1) * 9 * 2
    assert set(rows[0]) == {"variant", "replicate", "item", "metric", "score", "weight"}


def test_items_of_one_family_are_counted_as_one_too(tiny_model_dir, tmp_path, held_out):
    numbered = [
        {"instruction": f"How many {word} are there by {at}?", "output": f"{at} {word}. Yes."}
        for word in ("trams", "carts", "skiffs")
        for at in range(3)
    ]
    held_out.write_text("".join(json.dumps(each) + "\n" for each in numbered), "utf-8")
    found = study(tmp_path, held_out, model=tiny_model_dir)
    (said,) = [each for each in found.notes() if "families" in each]
    assert said.startswith("With the 3 families of test items as one item each, and bad as the ")
    assert "good is -" in said
    few = study(tmp_path, held_out, model=tiny_model_dir, seeds=4)
    assert not few.by_family


def test_a_variant_against_itself_is_not_told_apart(tiny_model_dir, tmp_path, held_out):
    twin = Variant("twin", BAD.records)
    found = study(tmp_path, held_out, [twin], model=tiny_model_dir)
    assert "cannot be told apart" in found.verdict
    assert found.comparison.difference("twin", "bad").value == 0


def test_finished_trials_are_not_done_again(tiny_model_dir, tmp_path, held_out):
    said = []
    first = study(tmp_path, held_out, model=tiny_model_dir, seeds=2)
    assert first.verdict.startswith("No verdict: 2 replicates are not enough")
    more = study(tmp_path, held_out, model=tiny_model_dir, seeds=3, ear=Ear(say=said.append))
    assert [each.cached for each in more.trials] == [True] * 4 + [False] * 2
    assert "5 of 7 trials are done already" in said
    assert [t.items for t in more.trials[:4]] == [t.items for t in first.trials]


def test_workers_change_nothing(tiny_model_dir, tmp_path, held_out):
    one = study(tmp_path, held_out, model=tiny_model_dir, seeds=1)
    two = study(
        tmp_path, held_out, model=tiny_model_dir, seeds=1, workers=2, kept=Kept(tmp_path / "k2")
    )
    assert [t.items for t in one.trials] == [t.items for t in two.trials]


def test_items_in_a_variant_stop_it(tiny_model_dir, tmp_path, held_out):
    from datakit.reading import read_records

    leaked = Variant("leaked", (*GOOD.records, *read_records(str(held_out))))
    with pytest.raises(
        InputError, match=r"9 of 9 test items stand in leaked[\s\S]*nothing was trained"
    ):
        study(tmp_path, held_out, [leaked], model=tiny_model_dir)
    assert not (tmp_path / "kept").exists()
    kept = study(tmp_path, held_out, [leaked], model=tiny_model_dir, contaminated="keep")
    assert "beats" not in " ".join(kept.verdicts)


def test_controls_are_variants_too(tiny_model_dir, tmp_path, held_out):
    found = study(tmp_path, held_out, model=tiny_model_dir, seeds=1, controls=["shuffled", "half"])
    assert len(found.variants) == 4


def test_a_random_part_of_the_baseline_has_as_many_tokens(tiny_model_dir, tmp_path, held_out):
    few = replace(GOOD, name="few", records=GOOD.records[:5])
    found = study(tmp_path, held_out, [few], model=tiny_model_dir, seeds=1, controls=["random"])
    *_, control = found.study["declared"]["variants"]
    assert control["ref"].startswith("bad (at most ")
    assert 3 <= control["records"] < len(BAD)
    with pytest.raises(InputError, match=r"bad has [0-9,]+ tokens, no more than good"):
        study(tmp_path, held_out, model=tiny_model_dir, controls=["random"])


def test_a_control_that_is_not_there(tiny_model_dir, tmp_path, held_out):
    with pytest.raises(InputError, match='no "shufled"; did you mean "shuffled"'):
        study(tmp_path, held_out, model=tiny_model_dir, controls=["shufled"])


def test_the_json_has_what_scripts_rely_on(tiny_model_dir, tmp_path, held_out):
    value = json.loads(json.dumps(study(tmp_path, held_out, model=tiny_model_dir).to_json()))
    assert value["baseline"] == "bad"
    bad, good = value["variants"]
    assert (bad["ref"], good["ref"]) == ("bad", "good")
    assert {"value", "low", "high", "p"} <= set(good["lift"])
    assert len(good["seeds"]) == 5
    assert value["verdict"].startswith("good beats bad")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"variants": [BAD]}, "nothing to compare"),
        ({"metric": "right"}, "--metric right: .* has no such metric; it has nll"),
        ({"task": "perplexity:none.jsonl"}, "none.jsonl"),
        ({"out": "x.txt"}, "name an .html file"),
    ],
)
def test_mistakes(changes, says, tiny_model_dir, tmp_path, held_out):
    with pytest.raises(InputError, match=says):
        study(tmp_path, held_out, model=tiny_model_dir, seeds=1, **changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seeds": 0}, "--seeds: must be a whole number of at least 1, not 0"),
        ({"effect": 0.0}, "--detect .effect.: must be a number over 0"),
        ({"seed": -1}, "--draw-seed .seed.: must be 0 or more"),
        ({"match": "step"}, "match: must be one of steps, examples, tokens, not 'step'"),
        ({"seeds": 7, "looks": (5, 10)}, "--seeds 7: is not among --looks"),
        ({"variants": [GOOD, replace(GOOD, records=BAD.records)]}, "good: is given twice"),
    ],
)
def test_arguments_are_checked_before_anything_is_read(
    changes, says, tiny_model_dir, tmp_path, held_out
):
    with pytest.raises(InputError, match=says):
        study(tmp_path, held_out, model=tiny_model_dir, **changes)


def test_a_large_seed_is_one_too(tiny_model_dir, tmp_path, held_out):
    found = study(tmp_path, held_out, model=tiny_model_dir, seeds=1, seed=20_240_501)
    assert len(found.trials) == 2


def test_a_metric_that_is_not_there_is_found_out_before_the_trials(
    tiny_model_dir, tmp_path, held_out
):
    with pytest.raises(InputError, match="--metric right"):
        study(tmp_path, held_out, model=tiny_model_dir, seeds=2, metric="right")
    # The untrained model alone.
    assert len(list((tmp_path / "kept").glob("??/*.json"))) == 1


def test_names_do_not_make_another_study(tiny_model_dir, tmp_path, held_out):
    first = study(tmp_path, held_out, model=tiny_model_dir, seeds=1)
    other = replace(GOOD, name="./good"), replace(BAD, name="bad@latest")
    again = study(tmp_path, held_out, [other[0]], baseline=other[1], model=tiny_model_dir, seeds=2)
    assert again.study["identity"] == first.study["identity"]
    assert again.study["declared"]["looks"] == [1, 2]
    assert again.notes()[0].startswith("Replicates were added after a look")
