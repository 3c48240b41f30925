"""Finished runs whose later steps ask a teacher, taken apart without it."""

import dataclasses
import hashlib
import json

import pytest

from datakit import api
from datakit.ablation import open_ablation
from datakit.errors import InputError
from datakit.steps.filter.length import Length
from datakit.steps.filter.where import Where
from datakit.steps.generate.distill import Distill
from datakit.steps.score.judge import Judge
from tests.ablation.runs import pipeline, seeds
from tests.loopback import Fault, Plan, serve
from tests.running.steps import triples

ASKING = (triples(3), Length(min_chars=10), Judge(), Where("judge >= 4"))


def reply(body):
    """Rates what is rated, by its text; leaves the rest to the server."""
    text = body["messages"][-1]["content"]
    if "JSON object" not in text or "new ones as JSON" in text:
        return None
    score = 1 + int(hashlib.sha256(text.encode()).hexdigest(), 16) % 10
    return json.dumps({"reason": "so it is", "score": score})


def plan(*faults):
    return Plan([dataclasses.replace(each) for each in faults], reply=reply)


def lines(records):
    return [record.to_line() for record in records]


def source(folder, number=40):
    rows = seeds(folder, number)
    return dataclasses.replace(rows, answers=False)


def given(folder, server, *steps, **fields):
    """A pipeline that starts from a source."""
    return pipeline(
        folder, server, *steps, seeds=None, source=source(folder / "source"), target=None, **fields
    )


@pytest.fixture
def live(tmp_path):
    faults = (Fault("bad_request", 0.1), Fault("refusal", 0.05), Fault("malformed", 0.05))
    with serve(plan(*faults)) as server:
        asked = pipeline(tmp_path, server, *ASKING, target=30)
        version = api.run(asked, store=tmp_path / "store")
        yield server, asked, version, tmp_path / "store"


def test_the_whole_is_the_version_and_nobody_is_asked(live):
    server, asked, version, store = live
    before = len(server.answered())
    with open_ablation(asked, store=store) as lab:
        assert lines(lab.all().records) == lines(version)
        assert lab.generators == ("generate.self_instruct",)
        reasons = {drop["reason"] for _, drop in version.iter_dropped()}
        assert {"bad_request", "refused", "false"} & reasons
        # The judge's part of the cost is told apart from the generator's.
        costs = {each.step: each for each in lab.costs()}
        makes, judges = costs["generate.self_instruct"], costs["score.judge"]
        cost = version.manifest["cost"]
        assert makes.requests + judges.requests == cost["requests"]
        assert min(makes.requests, judges.requests) > 0
        assert float(makes.usd + judges.usd) == pytest.approx(float(cost["usd"]))
        left = lab.without("score.judge")
        assert len(left) == 0
        assert any("filter.where keeps nothing here" in note for note in left.notes)
        bare, without = lab.bare(), lab.without("filter.where")
        assert len(bare) > len(without) > len(version)
        assert not any("nobody was asked" in note for note in without.notes)
        # The books stay closed, whatever variants have asked of the log.
        assert lab.costs()[2] == judges
    assert len(server.answered()) == before


def test_records_that_nobody_was_asked_about_are_missing_and_counted(live):
    _, asked, version, store = live
    with open_ablation(asked, store=store) as lab:
        left = lab.without("filter.length")
        short = len(version.dropped(step="filter.length"))
        funnel = {row["step"]: row for row in left.funnel}
        assert 0 < funnel["score.judge"]["dropped"]["not_asked"] <= short
        assert lines(left.records) == lines(version)
        assert not left.changed
        count = funnel["score.judge"]["dropped"]["not_asked"]
        assert any(f"Of {count} record" in note for note in left.notes)


def test_of_a_source_a_rerun_is_what_a_run_without_the_step_gives(tmp_path):
    steps = (Length(min_chars=19), Judge(), Where("judge >= 4"))
    with serve(plan(Fault("bad_request", 0.1))) as server:
        asked = given(tmp_path, server, *steps)
        version = api.run(asked, store=tmp_path / "store")
        before = len(server.answered())
        short = len(version.dropped(step="filter.length"))
        assert 0 < short < 40
        with open_ablation(asked, store=tmp_path / "store") as lab:
            assert lines(lab.all().records) == lines(version)
            left = lab.without("filter.length")
            assert left.funnel[0]["dropped"] == {
                **left.funnel[0]["dropped"],
                "not_asked": short,
            }
            rerun = lab.rerun("filter.length")
            assert rerun.records is None
            assert rerun.estimate.requests[0] <= short <= rerun.estimate.requests[1]
            assert rerun.paid > 0
            assert len(server.answered()) == before
            lab.carry(rerun)
        again = api.run(rerun.pipeline, store=tmp_path / "store")
        refused = version.manifest["funnel"][1]["dropped"]["bad_request"]
        assert len(server.answered()) - before == short + refused
        fresh = api.run(dataclasses.replace(rerun.pipeline, name="other"), store=tmp_path / "store")
        assert lines(fresh) == lines(again)
        assert {each.id for each in version} <= {each.id for each in again}


def test_a_rerun_that_asks_nothing_new_is_exact(tmp_path):
    steps = (Judge(), Where("judge >= 4"), Length(min_chars=19))
    with serve(plan()) as server:
        asked = given(tmp_path, server, *steps)
        version = api.run(asked, store=tmp_path / "store")
    with open_ablation(asked, store=tmp_path / "store") as lab:
        rerun = lab.rerun("filter.length")
        assert rerun.free
        assert lines(rerun.records) == lines(lab.without("filter.length").records)
        assert len(rerun.records) > len(version)
        # Without the judge nothing is asked at all.
        assert lab.rerun("score.judge").free


def test_a_step_that_answers_anew(tmp_path):
    with serve(plan(Fault("length", 0.1))) as server:
        asked = given(tmp_path, server, Distill(max_tokens=64), Length(min_chars=10), Judge())
        version = api.run(asked, store=tmp_path / "store")
    with open_ablation(asked, store=tmp_path / "store") as lab:
        assert lines(lab.all().records) == lines(version)
        # What was judged were the teacher's answers: of the records' own nobody was asked.
        left = lab.without("generate.distill")
        assert len(left) == 0
        lost = {row["step"]: row["dropped"] for row in left.funnel}["score.judge"]
        assert lost == {"not_asked": left.funnel[0]["kept"]}


def test_a_run_that_its_budget_ended(tmp_path):
    steps = (Judge(), Where("judge >= 4"))
    with serve(plan()) as server:
        asked = given(tmp_path, server, *steps, price={"input": "1000", "output": "0"})
        version = api.run(asked, store=tmp_path / "store", budget="1")
        assert version.manifest["interrupted"] == "budget"
        assert len(version) > 0
    with open_ablation(asked, store=tmp_path / "store") as lab:
        assert lines(lab.all().records) == lines(version)


def test_a_log_that_lacks_answers_is_refused(tmp_path):
    with serve(plan()) as server:
        asked = given(tmp_path, server, Judge(), Where("judge >= 4"))
        version = api.run(asked, store=tmp_path / "store")
    log = tmp_path / "store" / version.name / "responses.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-5]))
    with pytest.raises(InputError, match="cannot be rebuilt exactly"):
        open_ablation(asked, store=tmp_path / "store")


def test_a_filter_of_grades_needs_their_judge(live):
    _, asked, _, store = live
    with open_ablation(asked, store=store) as lab:
        assert lab.needs("filter.where") == ("score.judge",)
        others = [each for each in lab.steps if each != "filter.where"]
        assert [lab.needs(each) for each in others] == [()] * len(others)


def test_a_step_whose_teacher_has_no_price_has_no_cost(tmp_path):
    with serve(plan()) as server:
        asked = given(tmp_path, server, Judge(), Where("judge >= 4"), price=None)
        api.run(asked, store=tmp_path / "store")
    with open_ablation(asked, store=tmp_path / "store") as lab:
        assert [each.usd for each in lab.costs()] == [None, 0]


def test_a_rerun_of_an_older_log_finds_its_answers(tmp_path):
    steps = (Length(min_chars=19), Judge(), Where("judge >= 4"))
    with serve(plan()) as server:
        asked = given(tmp_path, server, *steps)
        api.run(asked, store=tmp_path / "store")
        prepared = api.prepare(asked, store=tmp_path / "store")
        server.plan.salt = "another answer"
        api.execute(prepared, fresh=True)
        with open_ablation(asked, store=tmp_path / "store", version="grown@v1") as lab:
            rerun = lab.rerun("filter.length")
            log = lab.carry(rerun)
        assert log.name == "responses.jsonl"
        before = len(server.answered())
        version = api.run(rerun.pipeline, store=tmp_path / "store")
        assert version.manifest["cost"]["cached"] == rerun.answered == 30
        assert len(server.answered()) - before == 10


def test_what_one_step_lost_was_not_asked_by_the_next(tmp_path):
    first, second = Judge(name="one"), Judge(name="two", max_tokens=999)
    with serve(plan(Fault("bad_request", 0.2))) as server:
        asked = given(tmp_path, server, Distill(max_tokens=64), first, second)
        version = api.run(asked, store=tmp_path / "store")
    lost = len(version.dropped(step="generate.distill", reason="bad_request"))
    assert lost > 0
    with open_ablation(asked, store=tmp_path / "store") as lab:
        left = lab.without("generate.distill")
        assert left.unasked == left.funnel[0]["in"]
