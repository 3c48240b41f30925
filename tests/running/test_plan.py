import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from datakit import api
from datakit.errors import InputError, ProviderError
from datakit.llm.teacher import Teacher
from datakit.record import Record
from datakit.running.history import History, Measured, history_of, numbered
from datakit.running.local import StepFailedError
from datakit.running.pipeline import Pipeline
from datakit.running.plan import Plan, make_plan
from datakit.step import FileRef
from datakit.steps.filter.length import Length
from datakit.steps.generate.distill import Distill
from datakit.steps.generate.preference_pairs import PreferencePairs
from datakit.steps.generate.self_instruct import SelfInstruct
from datakit.steps.score.judge import Judge
from datakit.steps.source.jsonl import JsonLines
from tests.loopback import Fault, serve
from tests.loopback import Plan as Answers
from tests.running.steps import Short, triples, unlisted

SEEDS = [
    Record(f"Name thing {n}.", output="It is a boat, of course.", id=f"s{n}") for n in range(9)
]
PRICES = {"input": "1", "output": "2"}
TEACHER = Teacher(provider="openai", model="m", base_url="http://127.0.0.1:1/v1", price=PRICES)


def pipeline(*steps, **fields):
    fields = {"target": 100, "round_size": 10, "teacher": TEACHER} | fields
    return Pipeline("grown", steps, seeds=JsonLines(FileRef("seeds.jsonl")), **fields)


def test_a_plan_is_a_range_of_whole_rounds():
    plan = make_plan(pipeline(triples(5), Short()), SEEDS)
    low, high = plan.requests
    # 80 % kept of 5 in a request, or 10 %: 25 and 200 requests, in rounds of 10.
    assert (low, high) == (30, 200)
    for pair in (plan.tokens, plan.usd, plan.seconds):
        assert 0 < pair[0] < pair[1]
    assert isinstance(plan.usd[1], Decimal)
    assert not plan.known


def test_what_was_measured_makes_it_narrow():
    measured = Measured(output_tokens=100, made=4, seconds=2.0)
    history = History(kept=0.5, steps={f"{triples(5).step_name}#0": measured})
    plan = make_plan(pipeline(triples(5)), SEEDS, history)
    assert plan.requests == (50, 50)
    assert plan.seconds == (80, 120)
    assert plan.known


def test_max_candidates_is_a_bound():
    plan = make_plan(pipeline(triples(5), max_candidates=60), SEEDS)
    assert plan.requests == (20, 20)


def test_two_makers_share_the_target_and_add_up():
    one = make_plan(pipeline(triples(4), target=50), SEEDS)
    two = make_plan(
        pipeline(
            triples(4),
            triples(4),
            target=100,
        ),
        SEEDS,
    )
    assert two.requests == (2 * one.requests[0], 2 * one.requests[1])
    assert two.usd[1] == 2 * one.usd[1]


def test_cleaning_asks_nobody():
    source = JsonLines(FileRef("a.jsonl"))
    assert make_plan(Pipeline("clean", (Short(),), source=source), SEEDS) == Plan()


@pytest.mark.parametrize("form", ["chat", "completion"])
def test_a_step_may_ask_who_answers(form):
    @unlisted("test.asks_who")
    class AsksWho:
        """Mentions its teacher."""

        async def make(self, seeds: Sequence[Record], llm: Any) -> list[Record]:
            assert llm.form == form
            await llm.complete(f"{llm.model} {llm.license} {llm.rng.random()} {llm.ordinal}")
            raise AssertionError("a plan sends nothing")

    teacher = Teacher(provider="openai", model="m", license="MIT", form=form)
    assert make_plan(pipeline(AsksWho(), teacher=teacher), SEEDS).requests[1] > 0


def test_a_step_that_fails_is_named():
    @unlisted("test.fails")
    class Fails:
        """Fails."""

        async def make(self, seeds: Sequence[Record], llm: Any) -> list[Record]:
            raise KeyError("x")

    with pytest.raises(StepFailedError, match=r"test\.fails failed: KeyError"):
        make_plan(pipeline(Fails()), SEEDS)


def test_a_step_that_asks_nobody_costs_nothing():
    @unlisted("test.alone")
    class Alone:
        """Asks nobody."""

        async def make(self, seeds: Sequence[Record]) -> list[Record]:
            return [seeds[0].child(output="x")]

    assert make_plan(pipeline(Alone()), SEEDS).requests == (0, 0)


def test_a_version_is_a_history_and_the_run_is_within_the_plan(tmp_path):
    (tmp_path / "seeds.jsonl").write_bytes(b"".join(seed.to_line() for seed in SEEDS))
    with serve() as server:
        asked = Pipeline(
            "grown",
            (triples(3), Length(max_chars=90)),
            seeds=JsonLines(FileRef(str(tmp_path / "seeds.jsonl"))),
            target=30,
            round_size=4,
            teacher=Teacher(provider="openai", model="m", base_url=server.url, price=PRICES),
        )
        before = api.plan(asked, store=tmp_path / "store")
        assert server.answered() == []
        version = api.run(asked, store=tmp_path / "store")
        requests = len(server.answered())
        after = api.plan(asked, store=tmp_path / "store")
        assert len(server.answered()) == requests
    assert before.requests[0] <= requests <= before.requests[1]
    assert Decimal(version.manifest["cost"]["usd"]) <= before.usd[1]
    assert not before.known
    assert after.known
    assert after.requests[0] == after.requests[1]
    history = history_of(version.manifest)
    made = version.manifest["made"]
    (measured,) = history.steps.values()
    assert measured.made == made / requests
    assert history.kept == (len(version) - len(SEEDS)) / made
    assert history_of({**version.manifest, "kept_made": 0}) is None


def test_generator_and_judge_are_measured_apart(tmp_path):
    (tmp_path / "seeds.jsonl").write_bytes(b"".join(seed.to_line() for seed in SEEDS))
    grade = json.dumps({"reason": "So.", "score": 4})

    def reply(body):
        return grade if "score" in json.dumps(body.get("response_format", {})) else None

    with serve(Answers(reply=reply)) as server:
        asked = Pipeline(
            "grown",
            (triples(3), Length(max_chars=90), Judge()),
            seeds=JsonLines(FileRef(str(tmp_path / "seeds.jsonl"))),
            target=30,
            round_size=4,
            teacher=Teacher(provider="openai", model="m", base_url=server.url, price=PRICES),
        )
        version = api.run(asked, store=tmp_path / "store")
        sent = len(server.answered())
        after = api.plan(asked, store=tmp_path / "store")
    maker, _, judge = (row.get("cost") for row in version.manifest["funnel"])
    whole = version.manifest["cost"]
    assert maker["requests"] + judge["requests"] == whole["requests"] == sent
    assert Decimal(maker["usd"]) + Decimal(judge["usd"]) == Decimal(whole["usd"])
    assert judge["requests"] == version.manifest["funnel"][2]["in"]
    history = history_of(version.manifest)
    one, other = history.steps.values()
    assert (one.each, other.each) == (None, 1.0)
    assert one.output_tokens == maker["output_tokens"] / maker["requests"]
    assert other.output_tokens == judge["output_tokens"] / judge["requests"] != one.output_tokens
    # Whole rounds, and the last one of this run was smaller.
    assert 0.8 * sent <= after.requests[0] <= after.requests[1] <= 1.4 * sent


def test_steps_of_one_name_are_numbered():
    assert numbered(["a", "b", "a"]) == ["a#0", "b#0", "a#1"]


def test_a_step_of_several_requests_says_so():
    plain, rated = (
        make_plan(
            Pipeline("p", (step,), source=JsonLines(path=FileRef("x")), teacher=TEACHER),
            SEEDS[:4],
            there=100,
        )
        for step in (Distill(), PreferencePairs())
    )
    assert plain.requests == (10, 100)
    # Four answers, and each of four aspects.
    assert rated.requests == (80, 800)


def test_what_a_provider_has_no_knob_for_is_told(tmp_path):
    (tmp_path / "seeds.jsonl").write_bytes(b"".join(seed.to_line() for seed in SEEDS))
    teacher = Teacher(provider="anthropic", model="m", base_url="http://127.0.0.1:9")
    own = JsonLines(FileRef(str(tmp_path / "seeds.jsonl")))
    step = SelfInstruct(style="alpaca", per_request=3)
    asked = Pipeline("grown", (step,), seeds=own, target=30, teacher=teacher)
    told = api.plan(asked, store=tmp_path / "store")
    assert "generate.self_instruct: temperature" in told.unsent
    wrong = replace(asked, steps=(SelfInstruct(style="alpaca", per_request=3, top_p=0.3),))
    with pytest.raises(InputError, match="top_p: anthropic has no such setting"):
        api.plan(wrong, store=tmp_path / "store")


def test_a_run_without_a_version_tells_how_long_answers_are(tmp_path):
    (tmp_path / "seeds.jsonl").write_bytes(b"".join(seed.to_line() for seed in SEEDS))
    with serve() as server:
        asked = Pipeline(
            "grown",
            (triples(3), Length(max_chars=90)),
            seeds=JsonLines(FileRef(str(tmp_path / "seeds.jsonl"))),
            target=30,
            round_size=4,
            teacher=Teacher(provider="openai", model="m", base_url=server.url, price=PRICES),
        )
        before = api.plan(asked, store=tmp_path / "store")
        server.plan.faults = [Fault("unauthorized", 0.1)]
        with pytest.raises(ProviderError):
            api.run(asked, store=tmp_path / "store")
        paid = sum(server.bodies().values())
        log = tmp_path / "store" / "grown" / "responses.jsonl"
        with log.open("ab") as file:
            file.write(b"half a li")
        held = log.read_bytes()
        after = api.plan(asked, store=tmp_path / "store")
        assert log.read_bytes() == held
    assert (before.logged, after.logged) == (0, paid)
    assert paid > 0
    assert before.requests == after.requests
    ratios = [each.tokens[1] / each.tokens[0] for each in (before, after)]
    assert ratios[1] < ratios[0]
    assert not after.known
