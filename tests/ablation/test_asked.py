"""Runs whose later steps ask a teacher: rebuilt from the log; what it cannot say is counted."""

from collections import Counter
from contextlib import suppress
from decimal import Decimal

import pytest

from datakit import api
from datakit.ablation import open_ablation
from datakit.ablation.labels import reduced
from datakit.errors import BudgetError, InputError, ProviderError
from datakit.steps.filter.length import Length
from datakit.steps.filter.where import Where
from datakit.steps.generate.distill import Distill
from datakit.steps.generate.evol_instruct import EvolInstruct
from datakit.steps.generate.preference_pairs import PreferencePairs
from datakit.steps.score.judge import Judge
from datakit.steps.source.jsonl import JsonLines
from datakit.store import Store
from tests.ablation.asking import FAULTS, JUDGED, judged, plan
from tests.ablation.runs import pipeline, seeds
from tests.loopback import Fault, serve
from tests.running.steps import triples

GENERATED = "generate.self_instruct"


def lines(records):
    return [record.to_line() for record in records]


def exact(asked, folder, version):
    """Opens a run, whose whole must be the version."""
    lab = open_ablation(asked, store=folder / "store", version=version.ref)
    assert b"".join(lines(lab.all().records)) == version.data_path.read_bytes()
    return lab


def cleaned(folder, *steps, number=24, **more):
    source = JsonLines(seeds(folder / "source", number).path)
    return judged(folder, *steps, seeds=None, source=source, target=None, **more)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    for _ in range(9):
        # A server's port is in the ids: which requests it refuses is another draw each time.
        folder = tmp_path_factory.mktemp("run")
        asked, version = judged(folder, target=25)
        refused = [version.dropped(each, "bad_request") for each in (GENERATED, "score.judge")]
        if all(refused) and version.dropped("filter.length") and version.dropped("filter.where"):
            break
    with exact(asked, folder, version) as lab:
        yield asked, version, lab


def test_the_rebuilt_whole_is_the_version(run):
    _, version, lab = run
    # The run is worth the test: rounds, and requests of both kinds of steps that were refused.
    assert version.manifest["rounds"] > 2
    reasons = Counter((drop["step"], drop["reason"]) for _, drop in version.iter_dropped())
    for step in (GENERATED, "score.judge"):
        assert reasons[step, "bad_request"]
    assert lab.all().unasked == 0
    funnel = [{**row, "seconds": 0} for row in lab.all().funnel]
    then = [{**row, "seconds": 0} for row in version.manifest["funnel"]]
    assert funnel == [{k: v for k, v in row.items() if k != "cost"} for row in then]


def test_each_step_that_asks_has_its_own_costs(run):
    _, version, lab = run
    for step in lab.steps:
        lab.without(step)
    costs, cost = {each.step: each for each in lab.costs()}, version.manifest["cost"]
    asked = costs[GENERATED], costs["score.judge"]
    assert all(each.requests for each in asked)
    assert sum(each.requests for each in costs.values()) == cost["requests"]
    assert sum(each.input_tokens for each in asked) == cost["input_tokens"]
    assert sum(each.output_tokens for each in asked) == cost["output_tokens"]
    assert f"{sum(each.usd for each in costs.values()):.6f}" == cost["usd"]
    # Each judged record is a request of the judge; what was cut short is asked about twice.
    row = version.manifest["funnel"][2]
    assert asked[1].requests >= row["in"] - row["dropped"]["bad_request"]


def test_without_a_filter_behind_the_judge_its_drops_come_back(run):
    _, version, lab = run
    variant = lab.without("filter.where")
    back = {each.id for each in variant.records} - {each.id for each in version}
    assert back == {each.id for each, _ in version.dropped("filter.where")}
    assert variant.unasked == 0
    assert all(each.scores["judge"] for each in variant.records)


def test_without_a_filter_before_the_judge_nobody_was_asked_about_its_drops(run):
    _, version, lab = run
    variant = lab.without("filter.length")
    assert variant.unasked == len(version.dropped("filter.length")) > 0
    assert lines(variant.records) == lines(version)
    (row,) = [row for row in variant.funnel if row["step"] == "score.judge"]
    assert row["dropped"]["not_asked"] == variant.unasked
    # What was refused is told as it was then.
    assert row["dropped"]["bad_request"] == len(version.dropped("score.judge", "bad_request"))
    (note,) = variant.notes
    assert note.startswith(f"Of {variant.unasked} records nobody was asked")


def test_without_the_judge_its_filter_has_nothing_to_look_at(run):
    _, _, lab = run
    assert len(lab.without("score.judge")) == 0
    assert lab.needs("filter.where") == ("score.judge",)
    assert lab.needs("dedup.exact") == lab.needs("score.judge") == ()
    with pytest.raises(InputError, match="No seed passes"):
        lab.rerun("score.judge")


def test_a_judge_left_out_leaves_the_records_as_they_are(tmp_path):
    asked, version = judged(tmp_path, triples(3), Judge(), Length(max_chars=90), target=10)
    with exact(asked, tmp_path, version) as lab:
        variant = lab.without("score.judge")
        assert not variant.changed or variant.unasked == 0
        ids = {each.id for each in variant.records}
        assert {each.id for each in version} <= ids
        # Those that the judge itself dropped come back.
        assert ids - {each.id for each in version} <= {
            each.id for each, _ in version.dropped("score.judge")
        }
        assert not any(each.scores for each in variant.records)
        assert len(lab.only("score.judge")) == len(lab.bare()) - len(version.dropped("score.judge"))


def test_evolution_left_out(tmp_path):
    steps = (triples(3), EvolInstruct(rounds=2), Judge(), Where("judge >= 3"))
    asked, version = judged(tmp_path, *steps, target=40)
    own = [each for each in version if each.meta.get("step") == "generate.evol_instruct"]
    assert own
    with exact(asked, tmp_path, version) as lab:
        variant = lab.without("generate.evol_instruct")
        assert lines(variant.records) == lines(each for each in version if each not in own)
        costs = {each.step: each for each in lab.costs()}
        assert costs["generate.evol_instruct"].requests > 2 * len(own)
        assert sum(each.requests for each in costs.values()) == version.manifest["cost"]["requests"]


@pytest.mark.parametrize("step", [Distill(), PreferencePairs(aspects=("honesty",))])
def test_a_step_that_answers_records(tmp_path, step):
    asked, version = cleaned(tmp_path, step, Judge(), Where("judge >= 3"))
    assert version.manifest["cost"]["requests"] > 24
    with exact(asked, tmp_path, version) as lab:
        # The judge was asked about what the step answered, never about the old records.
        variant = lab.without(step.step_name)
        assert (len(variant), variant.unasked) == (0, 24)
        rerun = lab.rerun(step.step_name)
        assert rerun.estimate.requests[0] >= 24
        assert all(each.usd > 0 for each in lab.costs()[:2])


def test_a_rerun_gives_what_a_run_without_the_step_gives(tmp_path):
    with serve(plan(FAULTS)) as server:
        asked = pipeline(tmp_path, server, *JUDGED, target=12)
        api.run(asked, store=tmp_path / "store")
        with open_ablation(asked, store=tmp_path / "store") as lab:
            rerun = lab.rerun("filter.length")
            assert not rerun.free
            assert rerun.answered > 0
            lab.carry(rerun)
            before = len(server.answered())
            version = api.run(rerun.pipeline, store=tmp_path / "store")
            new = len(server.answered()) - before
            places = [at for at in range(len(lab.steps)) if lab.steps[at] != "filter.length"]
        other = reduced(asked, places, "other")
        assert lines(version) == lines(api.run(other, store=tmp_path / "other"))
        cost = version.manifest["cost"]
        assert cost["cached"] >= rerun.answered
        assert new >= cost["requests"] - cost["cached"]


def test_a_rerun_of_a_cleaning_asks_about_those_that_were_not_asked_about(tmp_path):
    steps = (Length(max_chars=18), Judge(), Where("judge >= 3"))
    with serve(plan()) as server:
        source = JsonLines(seeds(tmp_path / "source", 24).path)
        fields = {"seeds": None, "source": source, "target": None}
        asked = pipeline(tmp_path, server, *steps, **fields)
        version = api.run(asked, store=tmp_path / "store")
        with exact(asked, tmp_path, version) as lab:
            held, rerun = lab.without("filter.length"), lab.rerun("filter.length")
            assert 0 < held.unasked < 24
            assert held.held
            assert rerun.estimate.requests[0] == held.unasked
            assert rerun.answered == 24 - held.unasked == lab.costs()[1].requests
            assert rerun.paid == lab.costs()[1].usd
            assert rerun.estimate.usd[0] <= rerun.paid * held.unasked / rerun.answered
            assert lab.rerun("filter.where").free
            lab.carry(rerun)
            before = len(server.answered())
            true = api.run(rerun.pipeline, store=tmp_path / "store")
            assert len(server.answered()) - before == held.unasked
    assert true.manifest["cost"]["requests"] == 24
    assert true.manifest["cost"]["cached"] == 24 - held.unasked


def test_the_second_of_two_judges_is_asked_anew_without_the_first(tmp_path):
    steps = (Judge(), Judge(rubric="deita_quality"), Where("quality >= 2"))
    asked, version = cleaned(tmp_path, *steps, faults=())
    with exact(asked, tmp_path, version) as lab:
        # Its requests are named by its number, so a run would not find their answers;
        held, rerun = lab.without("score.judge#1"), lab.rerun("score.judge#1")
        assert (rerun.answered, rerun.estimate.requests[0]) == (0, 24)
        # but the same answers are there for what is rebuilt.
        assert len(held) == len(version)
        assert held.unasked == 0


def test_a_run_that_its_budget_ended_and_the_one_that_went_on(tmp_path):
    with serve(plan(FAULTS)) as server:
        asked = pipeline(tmp_path, server, *JUDGED, target=25)
        for budget in ("0.006", "0.0075", "0.0085", "0.0095", "0.0105", "0.0115", None):
            # One that comes no further than the one before gives no version.
            with suppress(BudgetError):
                api.run(asked, store=tmp_path / "store", budget=budget)
    versions = Store(tmp_path / "store").versions("grown")
    ends = [each.manifest["interrupted"] for each in versions]
    assert ends == ["budget"] * (len(ends) - 1) + [None]
    assert len(ends) > 2
    assert any(each.dropped("score.judge", "budget") for each in versions)
    for version in versions:
        with exact(asked, tmp_path, version) as lab:
            reasons = lab.without("filter.where").funnel[2]["dropped"]
            assert reasons.get("budget", 0) == len(version.dropped(reason="budget"))
            # What a later run was answered is not among its costs.
            cost, costs = version.manifest["cost"], lab.costs()
            assert sum(each.requests for each in costs) == cost["requests"]
            assert f"{sum(each.usd for each in costs):.6f}" == cost["usd"]


def test_a_budget_that_ended_a_cleaning(tmp_path):
    asked, version = cleaned(tmp_path, Judge(), budget="0.004", faults=())
    cut = len(version.dropped(reason="budget"))
    assert 0 < cut < 24
    with exact(asked, tmp_path, version) as lab:
        assert lab.costs()[0].requests == 24 - cut
        # With more money they are asked about.
        assert len(lab.without("score.judge")) == 24
        assert lab.all().unasked == 0


def test_a_run_that_was_killed_and_went_on(tmp_path):
    store = tmp_path / "store"
    with serve(plan([Fault("unauthorized", 0.06)])) as server:
        asked = pipeline(tmp_path, server, *JUDGED, target=15)
        with pytest.raises(ProviderError):
            api.run(asked, store=store)
        server.plan.faults = []
        version = api.run(asked, store=store)
    assert version.manifest["cost"]["cached"] > 0
    with exact(asked, tmp_path, version):
        pass


def test_an_overlooked_refusal_is_overlooked_again(tmp_path):
    # What is cut short is asked about once more, with more tokens, and that may be refused.
    with serve(plan([Fault("length", 0.5), Fault("bad_request", 0.3)])) as server:
        source = JsonLines(seeds(tmp_path / "source", 60).path)
        fields = {"seeds": None, "source": source, "target": None}
        asked = pipeline(tmp_path, server, Judge(), Where("judge >= 2"), **fields)
        version = api.run(asked, store=tmp_path / "store")
        refused = [each["sent"] for each in server.answered() if each["status"] == 400]
    assert any(2048 in each.values() for each in refused)
    with exact(asked, tmp_path, version) as lab:
        assert lab.without("filter.where").unasked == 0
        assert lab.rerun("filter.where").again == len(refused)


@pytest.mark.parametrize("place", [0, -1])
def test_a_log_without_an_answer_is_no_log_of_the_run(tmp_path, place):
    asked, _ = cleaned(tmp_path, Judge(), Where("judge >= 1"), faults=())
    path = tmp_path / "store" / "grown" / "responses.jsonl"
    rows = path.read_bytes().splitlines(keepends=True)
    del rows[place]
    path.write_bytes(b"".join(rows))
    with pytest.raises(InputError, match="cannot be rebuilt exactly"):
        open_ablation(asked, store=tmp_path / "store")


def test_what_was_answered_does_not_end_as_refused(tmp_path):
    # Alone before a step that asks, the refused ones come without the others.
    steps = (Judge(), Where("judge >= 1"), Judge(rubric="deita_quality", name="second"))
    asked, version = cleaned(tmp_path, *steps, faults=(Fault("bad_request", 0.3),))
    assert version.dropped("score.judge", "bad_request")
    with exact(asked, tmp_path, version) as lab:
        back = lab.without("score.judge#1")
        assert len(back) == 0
        assert lab.without("filter.where").unasked == 0
        assert Decimal(version.manifest["cost"]["usd"]) > 0
