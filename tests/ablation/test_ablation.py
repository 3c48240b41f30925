import dataclasses
import inspect
import subprocess
import sys
from collections import Counter
from decimal import Decimal

import pytest

import datakit.ablation
from datakit import direct
from datakit.ablation import open_ablation, size_matched
from datakit.errors import InputError
from datakit.record import Record
from datakit.steps.dedup.exact import Exact
from datakit.steps.filter.length import Length
from datakit.steps.revise.normalize import Normalize
from datakit.steps.source.jsonl import JsonLines
from tests.ablation.runs import STEPS, Chars, finished, seeds
from tests.running.steps import Made, triples

SURFACE = [
    "Ablation", "Candidate", "Rerun", "StepCost", "Variant", "control_of", "open_ablation",
    "size_matched",
]  # fmt: skip
STEP_NAMES = (
    "generate.self_instruct",
    "revise.normalize",
    "test.chars",
    "filter.length",
    "dedup.exact",
    "filter.where",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    asked, version = finished(folder)
    with open_ablation(asked, store=folder / "store") as lab:
        yield asked, version, lab


def lines(records):
    return [record.to_line() for record in records]


def test_surface():
    assert datakit.ablation.__all__ == SURFACE
    told = datakit.ablation.__doc__
    methods = [
        "ref", "steps", "candidates", "all", "bare", "without", "only", "control", "costs",
        "rerun", "carry",
    ]  # fmt: skip
    for name in methods:
        assert f"lab.{name}" in told
        assert inspect.getdoc(getattr(datakit.ablation.Ablation, name))
    assert list(inspect.signature(size_matched).parameters) == ["records", "size", "seed"]
    assert list(inspect.signature(open_ablation).parameters) == ["pipeline", "store", "version"]


def test_no_trainer_and_no_model_is_imported():
    code = (
        "import sys, datakit.ablation; "
        "print([n for n in ('trainers', 'torch', 'openai', 'xllamacpp') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_rebuilt_whole_is_the_version(run):
    _, version, lab = run
    assert b"".join(lines(lab.all().records)) == version.data_path.read_bytes()
    assert lab.all().name == lab.ref == "grown@v1"
    assert lab.steps == STEP_NAMES
    assert lab.generators == STEP_NAMES[:1]
    # The run is worth the test: something of each kind is in it, refused requests too.
    reasons = Counter(drop["reason"] for _, drop in version.iter_dropped())
    assert {"bad_request", "revised", "too_short", "exact_duplicate", "cut_short"} <= set(reasons)
    assert version.manifest["rounds"] > 2


def test_candidates_are_all_that_was_made_before_any_step(run):
    _, version, lab = run
    found = list(lab.candidates())
    assert [each.step for each in found] == [""] * 8 + ["generate.self_instruct"] * (len(found) - 8)
    assert len(found) == 8 + version.manifest["made"]
    children = {
        record.id
        for record in [*version.records(), *(record for record, _ in version.iter_dropped())]
        if record.meta.get("step") == "revise.normalize"
    }
    everyone = {record.id for record in version} | {r.id for r, _ in version.iter_dropped()}
    assert {each.record.id for each in found} == everyone - children
    assert not any(each.record.scores for each in found)
    known = set()
    for each in found:
        # A parent is a record that was there before, or its revised child.
        assert set(each.record.parents) <= known | children
        known.add(each.record.id)
    refused = {each.record.id: each.refused.reason for each in found if each.refused}
    drops = version.dropped("generate.self_instruct")
    assert refused == {record.id: drop["reason"] for record, drop in drops}


def test_kept_records_are_in_the_order_made(run):
    _, version, lab = run
    place = {each.record.id: at for at, each in enumerate(lab.candidates())}
    roots = [
        record.parents[0] if record.meta.get("step") == "revise.normalize" else record.id
        for record in version
    ]
    assert [place[id] for id in roots] == sorted(place[id] for id in roots)


@pytest.mark.parametrize("left_out", STEP_NAMES[1:])
def test_without_a_step_is_the_other_steps_over_the_candidates(run, tmp_path, left_out):
    _, _, lab = run
    others = [step for step in STEPS[1:] if step.step_name != left_out]
    passed = direct.sweep(
        [each.record for each in lab.candidates() if not each.refused], others, tmp_path
    )
    assert lines(lab.without(left_out).records) == lines(passed.kept)
    assert left_out not in {row["step"] for row in lab.without(left_out).funnel}


@pytest.mark.parametrize("step", STEPS[1:], ids=lambda step: step.step_name)
def test_only_a_step_is_that_step_over_the_candidates(run, tmp_path, step):
    _, _, lab = run
    start = [each.record for each in lab.candidates() if not each.refused]
    assert lines(lab.bare().records) == lines(start)
    expected = direct.sweep(start, [step], tmp_path).kept
    assert lines(lab.only(step.step_name).records) == lines(expected)


def test_a_left_out_filter_brings_back_what_it_dropped(run):
    _, version, lab = run
    short = {record.id for record, _ in version.dropped("filter.length")}
    back = {record.id for record in lab.without("filter.length").records} - {
        record.id for record in version
    }
    assert back
    assert back <= short


def test_of_a_generator_the_seeds_are_left_and_alone_it_has_no_filter(run):
    _, _, lab = run
    variant = lab.without("generate.self_instruct")
    assert len(variant) == 8
    assert "is missing" in variant.notes[1]
    assert lines(lab.only("generate.self_instruct").records) == lines(lab.bare().records)


def test_what_must_be_said_is_said(run):
    _, version, lab = run
    assert lab.all().notes == ()
    variant = lab.without("filter.length")
    assert variant.changed
    assert variant.held
    made = version.manifest["made"]
    assert variant.notes[0].startswith(f"The same candidates: the {made:,} that the run made")
    # What a filter looks at is not measured any more, so it drops everything.
    unmeasured = lab.without("test.chars")
    assert len(unmeasured) == 0
    assert unmeasured.notes[-1].startswith("filter.where keeps nothing here: perhaps it needs")


def test_controls_are_as_large_and_random(run):
    _, _, lab = run
    large, small = lab.without("filter.length"), lab.all()
    draws = [lab.control("filter.length", seed) for seed in range(5)]
    for drawn in draws:
        assert len(drawn) == len(small) < len(large)
        ids = {record.id for record in drawn.records}
        assert lines(drawn.records) == lines(r for r in large.records if r.id in ids)
        # The user's own seeds are spared by both.
        assert drawn.seeds == small.seeds
        assert drawn.kind == "control"
        assert drawn.step == "filter.length"
        assert "dropped at random" in drawn.notes[0]
        gone = {record.id for record in drawn.gone}
        assert gone >= {record.id for record in large.records} - ids
    assert len({drawn.sha256 for drawn in draws}) == 5
    assert lab.control("filter.length", 3).sha256 == draws[3].sha256
    alone = lab.control("filter.length", 1, alone=True)
    assert len(alone) == len(lab.only("filter.length")) < len(lab.bare())


def test_a_control_of_a_step_without_which_fewer_come_out_is_drawn_from_the_whole(run):
    _, _, lab = run
    drawn = lab.control("generate.self_instruct", 1)
    assert len(drawn) == 8
    assert {record.id for record in drawn.records} <= {record.id for record in lab.all().records}
    assert drawn.changed == (drawn.sha256 != lab.all().sha256)
    # Some of them were made: it is not the seeds against themselves.
    assert drawn.sha256 != lab.without("generate.self_instruct").sha256


def test_a_draw_of_a_size(run):
    _, _, lab = run
    records = lab.bare().records
    some, more = (size_matched(records, size, 7) for size in (10, 30))
    assert (len(some), len(more)) == (10, 30)
    assert {record.id for record in some} <= {record.id for record in more}
    assert size_matched(records[::-1], 10, 7) == some[::-1]
    assert size_matched(records, len(records), 7) == list(records)
    eight = [Record("q", id=f"r{at}") for at in range(8)]
    hits = Counter(record.id for seed in range(400) for record in size_matched(eight, 2, seed))
    assert len(hits) == 8
    assert all(60 < count < 140 for count in hits.values())
    for size in (-1, len(records) + 1):
        with pytest.raises(InputError, match="cannot be drawn"):
            size_matched(records, size, 1)


def test_costs_are_those_of_the_run(run):
    _, version, lab = run
    costs = lab.costs()
    cost = version.manifest["cost"]
    assert [each.step for each in costs] == list(STEP_NAMES)
    asked = costs[0]
    assert asked.requests == cost["requests"]
    assert asked.input_tokens == cost["input_tokens"]
    assert asked.output_tokens == cost["output_tokens"]
    assert f"{asked.usd:.6f}" == cost["usd"] != "0.000000"
    assert all(each.requests == 0 and each.usd == 0 for each in costs[1:])
    for each, row in zip(costs, version.manifest["funnel"], strict=False):
        dropped = {reason: n for reason, n in row["dropped"].items() if reason != "revised"}
        assert each.thrown == sum(dropped.values())
    paid = sum(Decimal(record.meta.get("cost", 0)) for record in version)
    wasted = sum(each.thrown_usd for each in costs)
    assert abs(paid + wasted - asked.usd) < Decimal("1e-9")
    assert costs[3].thrown_usd > 0
    assert costs[3].to_json()["thrown_usd"] == f"{costs[3].thrown_usd:.6f}"


def test_a_price_that_is_not_known_is_not_nothing(tmp_path):
    asked, _ = finished(tmp_path, price=None, target=10)
    with open_ablation(asked, store=tmp_path / "store") as lab:
        assert lab.costs()[0].usd is None
        assert lab.costs()[1].usd == 0
        assert lab.costs()[3].thrown_usd is None
        assert lab.costs()[0].to_json()["usd"] is None


def test_a_step_that_changes_nothing_is_told_before_anything_is_trained(tmp_path):
    asked, _ = finished(tmp_path, *STEPS, Length(max_chars=5_000), target=20)
    with open_ablation(asked, store=tmp_path / "store") as lab:
        assert lab.steps[-1] == "filter.length#2"
        variant = lab.without("filter.length#2")
        assert not variant.changed
        assert not variant.held
        assert "nothing to measure" in variant.notes[0]
        with pytest.raises(InputError, match=r"several times; name one: filter\.length#1, filter"):
            lab.without("filter.length")
        with pytest.raises(InputError, match=r'has no step "filter.lenght"; did you mean'):
            lab.without("filter.lenght")


def test_seeds_that_do_not_stay_and_two_generators(tmp_path):
    steps = (
        triples(2),
        Made(),
        Normalize(),
        triples(4),
        Chars(),
        Exact(),
    )
    asked, version = finished(tmp_path, *steps, include_seeds=False, target=30)
    with open_ablation(asked, store=tmp_path / "store") as lab:
        assert lines(lab.all().records) == lines(version)
        assert lab.generators[0] == "generate.self_instruct#1"
        variant = lab.without("generate.self_instruct#1")
        makers = {each.step for each in lab.candidates() if not each.refused}
        assert makers == {"", "generate.self_instruct#1", "generate.self_instruct#2"}
        assert 0 < len(variant) < len(lab.all())
        assert not variant.seeds
        assert len(lab.bare().records) == sum(
            1 for each in lab.candidates() if each.step and not each.refused
        )
        # A step before the second generator is left out: what that made is still its own.
        assert len(lab.without("revise.normalize")) > 0


def test_a_pipeline_that_cleans_asks_nobody(tmp_path):
    source = JsonLines(seeds(tmp_path / "source", 40).path)
    asked, version = finished(
        tmp_path, Chars(), Length(min_chars=19), Exact(view="output"), seeds=None, source=source,
        target=None,
    )  # fmt: skip
    with open_ablation(asked, store=tmp_path / "store") as lab:
        assert lines(lab.all().records) == lines(version)
        assert len(list(lab.candidates())) == 40
        without = lab.without("filter.length")
        assert len(without) == 40 > len(version)
        assert not without.held
        assert [each.requests for each in lab.costs()] == [0, 0, 0]
        assert lab.costs()[1].thrown == 40 - len(version)
        rerun = lab.rerun("filter.length")
        assert rerun.free
        assert lines(rerun.records) == lines(without.records)
        assert lab.carry(rerun) is None


def test_a_limit_of_the_command_counts_as_it_did(tmp_path):
    asked, version = finished(tmp_path, limits=(None, 9))
    more = dataclasses.replace(asked, name="other")
    with pytest.raises(InputError, match='there is no version of "other" to rebuild'):
        open_ablation(more, store=tmp_path / "store")
    with open_ablation(asked, store=tmp_path / "store") as lab:
        assert lab.ref == version.ref == "grown@v2"
        assert lines(lab.all().records) == lines(version)
    with open_ablation(asked, store=tmp_path / "store", version="grown@v1") as lab:
        assert lab.ref == "grown@v1"
        assert lab.pipeline.target == 50
    with open_ablation(asked, store="nowhere", version=str(version.path)) as lab:
        assert lab.ref == "grown@v2"
