import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from datakit import api
from datakit.ablation import open_ablation
from datakit.ablation.silent import MissedError, Silent
from datakit.llm.request import Request
from datakit.llm.teacher import Teacher
from datakit.running.history import history_of
from datakit.running.plan import make_plan
from datakit.steps.filter.length import Length
from datakit.steps.revise.normalize import Normalize
from tests.ablation.runs import FAULTS, STEPS, finished, pipeline
from tests.loopback import Fault, Plan, serve


def lines(records):
    return [record.to_line() for record in records]


@pytest.fixture
def live(tmp_path):
    """A finished run whose teacher is still there."""
    faults = [replace(each) for each in FAULTS if each.kind != "bad_request"]
    with serve(Plan(faults)) as server:
        asked = pipeline(tmp_path, server)
        api.run(asked, store=tmp_path / "store")
        yield server, asked, tmp_path / "store"


def test_everything_is_rebuilt_without_asking(live):
    server, asked, store = live
    before = len(server.answered())
    with open_ablation(asked, store=store) as lab:
        for step in lab.steps:
            lab.without(step), lab.only(step), lab.control(step, 1)
        for step in ("filter.length", "dedup.exact", "revise.normalize", "filter.where"):
            assert str(lab.rerun(step)).startswith(f"A rerun without {step} ")
    assert len(server.answered()) == before
    # Nor is anything left in the folder of versions.
    assert sorted(path.name for path in store.iterdir()) == ["grown"]


def test_what_a_rerun_would_ask_is_what_it_then_asks(live):
    server, asked, store = live
    with open_ablation(asked, store=store) as lab:
        rerun = lab.rerun("filter.length")
        assert not rerun.free
        assert rerun.records is None
        log = lab.carry(rerun)
        manifest, held = lab.version.manifest, lab.without("filter.length")
        kept = (len(held) - 8) / manifest["made"]
        measured = replace(history_of(manifest), kept=kept)
        planned = make_plan(rerun.pipeline, list(asked.seeds.read()), measured)
        # One that was begun before goes on with the log that it has.
        written = log.stat().st_ino
        assert lab.carry(rerun) == log
        assert log.stat().st_ino == written
    assert log.parent.name == rerun.pipeline.name == "grown.no-filter.length"
    before = len(server.answered())
    version = api.run(rerun.pipeline, store=store)
    new = len(server.answered()) - before
    cost = version.manifest["cost"]
    assert cost["cached"] == rerun.answered > 0
    assert cost["requests"] == rerun.answered + new
    low, high = rerun.estimate.requests
    # What other records lead to is another sample than what was measured.
    assert low + rerun.answered < planned.requests[0] <= high + rerun.answered
    # What a rerun keeps is another sample than what the run kept.
    assert 0.5 * low <= new <= 1.5 * high
    assert rerun.estimate.priced
    assert 0 < rerun.estimate.usd[0] < rerun.estimate.usd[1]
    share = Decimal(new) / cost["requests"]
    assert Decimal(cost["usd"]) * share <= 2 * rerun.estimate.usd[1]
    text = str(rerun)
    assert f"{rerun.answered:,} of its requests are answered in the log" in text
    assert f"${rerun.estimate.usd[1]:.2f}" in text
    told = rerun.to_json()
    assert (told["free"], told["records"], told["answered"]) == (False, None, rerun.answered)
    assert told["new"]["requests"] == {"low": low, "high": high}


def test_a_step_before_the_generator_changes_every_request(tmp_path):
    # The place of a step that asks is a part of what its chance is drawn from.
    asked, version = finished(tmp_path, Normalize(), *STEPS[:1], Length(min_chars=10), target=20)
    with open_ablation(asked, store=tmp_path / "store") as lab:
        assert not lab.without("revise.normalize").changed
        rerun = lab.rerun("revise.normalize")
        assert rerun.answered == 0
        assert rerun.estimate.requests[0] >= asked.round_size
        assert rerun.estimate.requests[1] <= 3 * version.manifest["cost"]["requests"]


def test_a_rerun_that_the_log_answers_is_exact(tmp_path):
    faults = [each for each in FAULTS if each.kind != "bad_request"]
    steps = (*STEPS, Length(max_chars=5_000))
    asked, version = finished(tmp_path, *steps, target=20, faults=faults)
    with open_ablation(asked, store=tmp_path / "store") as lab:
        rerun = lab.rerun("filter.length#2")
        assert rerun.free
        assert rerun.estimate.requests == (0, 0)
        assert rerun.answered == version.manifest["cost"]["requests"]
        assert lines(rerun.records) == lines(version)
        assert "asks nothing new" in str(rerun)
        assert rerun.to_json()["records"] == len(version)


def test_what_was_refused_is_sent_again(tmp_path):
    faults = [Fault("bad_request", 0.3)]
    steps = (*STEPS, Length(max_chars=5_000))
    asked, version = finished(tmp_path, *steps, target=20, faults=faults)
    refused = len(version.dropped(reason="bad_request"))
    assert refused > 1
    with open_ablation(asked, store=tmp_path / "store") as lab:
        rerun = lab.rerun("filter.length#2")
        assert lines(rerun.records) == lines(version)
        assert not rerun.free
        assert rerun.again == rerun.to_json()["again"] == refused
        assert f"sends {refused} requests again" in str(rerun)


def test_a_rerun_may_end_sooner_on_fewer_answers(tmp_path):
    faults = [each for each in FAULTS if each.kind != "bad_request"]
    # Without the filter the first round reaches the target, and so asks no more than was asked.
    asked, version = finished(
        tmp_path, STEPS[0], Length(max_chars=70), faults=faults, target=8, round_size=5
    )
    assert version.manifest["rounds"] > 1
    store = tmp_path / "store"
    with open_ablation(asked, store=store) as lab:
        rerun = lab.rerun("filter.length")
        assert rerun.free
        assert rerun.answered < version.manifest["cost"]["requests"]
        assert len(rerun.records) < len(lab.without("filter.length"))
        lab.carry(rerun)
    # The teacher is gone: what was answered is enough.
    assert lines(api.run(rerun.pipeline, store=store)) == lines(rerun.records)


def test_a_generator_left_out_leaves_nobody_to_ask(tmp_path):
    asked, _ = finished(tmp_path, target=10)
    with open_ablation(asked, store=tmp_path / "store") as lab:
        rerun = lab.rerun("generate.self_instruct")
        assert rerun.free
        assert rerun.pipeline.target is None
        assert lines(rerun.records) == lines(lab.without("generate.self_instruct").records)


def test_a_price_that_is_not_known_is_said(tmp_path):
    asked, _ = finished(tmp_path, price=None)
    with open_ablation(asked, store=tmp_path / "store") as lab:
        rerun = lab.rerun("filter.length")
        assert not rerun.free
        assert str(rerun).endswith("price: not known.")
        assert rerun.to_json()["new"]["usd"] == {"low": None, "high": None}


@pytest.mark.parametrize("teacher", [Teacher(provider="openai", model="m")])
def test_a_silent_teacher_needs_no_key_and_sends_nothing(monkeypatch, teacher):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    silent = Silent(teacher)
    assert silent.identity() == {"provider": "openai", "base_url": None, "model": "m"}
    assert (silent.model, silent.form) == ("m", "chat")
    with pytest.raises(MissedError, match="a request of 5 characters would be new"):
        asyncio.run(silent.send(Request(prompt="hello")))
