"""Steps that ask a teacher about records: in order, once, with every end accounted for."""

import asyncio
import json
from decimal import Decimal

import pytest

import datakit as dk
from datakit.errors import BudgetError, InputError, ProviderError, RequestError
from datakit.llm.loop import Loop
from datakit.outcome import Drop
from datakit.record import Record
from datakit.running.asking import Asking
from datakit.running.local import LocalEngine, StepFailedError
from datakit.step import StepError
from tests.loopback import Fault, serve
from tests.running.steps import unlisted
from tests.teachers import Scripted, client_of

RECORDS = [Record(f"question {at}", output="a", id=f"r{at}") for at in range(40)]


@unlisted("test.rate")
class Rate:
    """Scores a record by the length of an answer."""

    async def score(self, records, llm):
        (record,) = records
        (sample,) = await llm.chat(record.instruction, max_tokens=10)
        return [Drop("no_rating") if sample.text == "none" else {"rate": len(sample.text)}]


@unlisted("test.answer")
class Answer:
    """Answers a record."""

    async def revise(self, record, llm):
        if record.id == "r3":
            return None
        (sample,) = await llm.chat(record.instruction, max_tokens=10)
        return record.child(output=sample.text)


def carried(step, provider, folder, records=RECORDS, cap=None, seed=0):
    """What an engine says of records, and the engine."""
    client = client_of(provider, folder, cap=cap)
    with Loop() as loop:
        engine = Asking(LocalEngine(), [step], {0: client}, loop, seed)
        return list(engine.map(step, records)), engine


def words(request):
    return "x" * (int(request.messages[-1]["content"].split()[-1]) + 1)


def test_scores_come_in_the_order_of_the_records(tmp_path):
    found, engine = carried(Rate(), Scripted(words), tmp_path)
    assert [record.id for record, _ in found] == [each.id for each in RECORDS]
    assert [outcome for _, outcome in found] == [{"rate": at + 1} for at in range(40)]
    assert engine.stopped is None


def test_many_are_asked_about_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("datakit.llm.calls._WINDOW", 8)
    monkeypatch.setattr("datakit.llm.calls._SOME", 2)
    under_way, most = 0, 0

    class Counting(Scripted):
        async def send(self, request):
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.01)
            under_way -= 1
            return await super().send(request)

    found, _ = carried(Rate(), Counting(words), tmp_path)
    assert len(found) == 40
    assert 4 <= most <= 8


def test_what_was_answered_is_not_asked_again_whatever_the_order(tmp_path):
    carried(Rate(), Scripted(words), tmp_path)
    again = Scripted(words)
    found, _ = carried(Rate(), again, tmp_path, RECORDS[::-1])
    assert again.asked == []
    assert found[0][1] == {"rate": 40}
    carried(Rate(), again, tmp_path, RECORDS[:1], seed=1)
    assert len(again.asked) == 1


def test_a_record_that_cannot_be_asked_about_is_dropped_with_its_reason(tmp_path):
    def answer(request):
        if request.messages[-1]["content"].endswith("7"):
            raise RequestError("too long", "bad_request")
        return "none" if request.messages[-1]["content"].endswith("8") else "ok"

    found, _ = carried(Rate(), Scripted(answer), tmp_path)
    by_id = {record.id: outcome for record, outcome in found}
    assert by_id["r7"] == Drop("bad_request", message="too long")
    assert by_id["r8"] == Drop("no_rating")
    assert by_id["r9"] == {"rate": 2}


def test_where_all_are_refused_the_provider_has_failed(tmp_path):
    def answer(request):
        raise RequestError("no such knob", "bad_request")

    for records in (RECORDS, [Record("q", id=f"m{at}") for at in range(400)]):
        provider = Scripted(answer)
        with pytest.raises(ProviderError, match="every request was refused: no such knob"):
            carried(Rate(), provider, tmp_path, records)


def test_a_budget_drops_the_rest(tmp_path):
    found, engine = carried(Rate(), Scripted(words), tmp_path, cap=Decimal("0.0004"))
    dropped = [record.id for record, outcome in found if outcome == Drop("budget")]
    assert 0 < len(dropped) < 40
    assert dropped == [each.id for each in RECORDS[-len(dropped) :]]
    assert isinstance(engine.stopped, BudgetError)


def test_a_child_has_the_books_of_its_answer(tmp_path):
    found, _ = carried(Answer(), Scripted(words), tmp_path)
    child = found[5][1]
    assert found[3][1] is None
    assert (child.output, child.parents, child.meta["model"]) == ("xxxxxx", ("r5",), "m")
    assert Decimal(child.meta["cost"]) > 0
    other, _ = carried(Answer(), Scripted(words), tmp_path, seed=1)
    assert child.id not in ("", "r5", other[5][1].id)


def test_a_step_that_fails_is_named_and_ends_the_rest(tmp_path):
    provider = Scripted(lambda request: ["one", "too many"])
    with pytest.raises(StepFailedError, match=r"test.rate failed: ValueError"):
        carried(Rate(), provider, tmp_path)
    assert len(provider.asked) < 40


def test_a_step_that_asks_must_wait():
    with pytest.raises(StepError, match=r"test.bad: score must be async: async def score\(self, r"):

        @unlisted("test.bad")
        class Bad:
            """Does not wait."""

            def score(self, records, llm):
                return []


PIPELINE = """
name: asked
{start}
teacher: {{provider: openai, model: m, base_url: "{url}", price: {{input: "1", output: "1"}}{more}}}
steps:
  - test.answer
  - filter.length: {{min_chars: 1}}
  - test.rate
"""


@pytest.fixture
def listed(monkeypatch):
    from datakit import registry

    find = registry.find
    own = {"test.rate": Rate, "test.answer": Answer}
    monkeypatch.setattr(registry, "find", lambda name: own.get(name) or find(name))


def written(folder, url, start, more=""):
    rows = [{"instruction": f"question {at}", "output": "old"} for at in range(12)]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "p.yaml"
    path.write_text(PIPELINE.format(url=url, start=start, more=more))
    return path


def test_a_source_is_answered_and_rated(tmp_path, listed):
    with serve() as server:
        path = written(tmp_path, server.url, "source: data.jsonl")
        version = dk.run(path, store=tmp_path / "d")
        asked = len(server.answered())
        records = list(version.records())
        assert len(records) == 12
        assert all(each.output != "old" and each.scores["rate"] for each in records)
        assert asked == 24
        manifest = version.manifest
        assert manifest["cost"]["requests"] == 24
        assert {each["step"] for each in manifest["teachers"]} == {"test.answer", "test.rate"}
        assert Decimal(manifest["cost"]["usd"]) > 0
        assert dk.run(path, store=tmp_path / "d").ref == version.ref
        assert len(server.answered()) == asked
        plan = dk.plan(path, store=tmp_path / "d")
        assert plan.requests[0] <= 24 <= plan.requests[1]


def test_a_budget_ends_it_saved_and_a_higher_one_goes_on(tmp_path, listed):
    with serve() as server:
        path = written(tmp_path, server.url, "source: data.jsonl")
        cut = dk.run(path, store=tmp_path / "d", budget="0.0003")
        before = len(server.answered())
        assert cut.manifest["interrupted"] == "budget"
        assert sum(row["dropped"].get("budget", 0) for row in cut.manifest["funnel"]) > 0
        whole = dk.run(path, store=tmp_path / "d", budget="5")
        assert len(whole) == 12
        assert len(server.answered()) == 24
        assert 0 < before < 24


def test_a_provider_that_fails_leaves_what_was_answered(tmp_path, listed):
    with serve() as server:
        path = written(tmp_path, server.url, "source: data.jsonl", ", retries: 0")
        server.plan.faults = [Fault("unauthorized", 0.2)]
        with pytest.raises(ProviderError):
            dk.run(path, store=tmp_path / "d")
        paid = sum(server.bodies().values())
        server.plan.faults = []
        assert len(dk.run(path, store=tmp_path / "d")) == 12
        assert set(server.bodies().values()) == {1}
        assert sum(server.bodies().values()) == 24 > paid


def test_a_teacher_without_a_key_is_found_out_first(tmp_path, listed, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    path = written(tmp_path, "", "source: data.jsonl")
    path.write_text(path.read_text().replace('base_url: "", ', ""))
    with pytest.raises(InputError, match="OPENAI_API_KEY"):
        dk.run(path, store=tmp_path / "d")
