import asyncio
import itertools
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from typing import Annotated, Any

import pytest
from msgspec import Meta

from datakit.errors import InputError, ProviderError, RequestError
from datakit.llm.budget import Budget, Price
from datakit.llm.client import Client
from datakit.llm.log import ResponseLog
from datakit.llm.pace import Pace
from datakit.llm.request import ALL, Response, Sample, Usage
from datakit.outcome import Drop, Rejected
from datakit.record import Record, digest
from datakit.running.flow import Flow
from datakit.running.growth import grow
from datakit.running.local import LocalEngine, StepFailedError
from datakit.running.pipeline import Pipeline
from datakit.step import FileRef
from datakit.steps.source.jsonl import JsonLines
from tests.running.steps import Short, Twins, unlisted

SEEDS = [Record(f"q{n}", output=f"a{n}", id=f"s{n}", meta={"license": "CC0-1.0"}) for n in range(4)]
PRICE = Price(Decimal(3), Decimal(3))
POOLS = defaultdict(list)


@unlisted("test.ask")
class Ask:
    """Asks for one record after two of the pool; notes which pool it was shown."""

    times: Annotated[int, Meta(ge=0)] = 1
    run: str = ""

    async def make(self, seeds: Sequence[Record], llm: Any) -> list[Record | Rejected]:
        POOLS[self.run].append((llm.ordinal, [record.id for record in seeds]))
        shown = llm.rng.sample(list(seeds), min(2, len(seeds)))
        made = []
        for _ in range(self.times):
            prompt = " ".join(record.output for record in shown)
            for sample in await llm.complete(prompt, n=2, max_tokens=10):
                if sample.text.endswith("0"):
                    record = Record.from_parents(shown, instruction="", output=sample.text)
                    made.append(Rejected(record, Drop("refused")))
                else:
                    made.append(Record.from_parents(shown, instruction="q", output=sample.text))
        return made


class Provider:
    """Answers with a word that the request decides, whenever the clock likes."""

    model = "m"
    form = "completion"
    knobs = ALL

    def __init__(self, words=60, waits=0, fails=lambda request: None):
        self.sent, self._words, self._waits, self._fails = [], words, waits, fails

    def identity(self):
        return {"provider": "fake", "model": self.model}

    async def send(self, request):
        self.sent.append(request)
        for _ in range(random.randint(0, self._waits)):
            await asyncio.sleep(0)
        if error := self._fails(request):
            raise error
        words = [int(digest([request.payload(), n], 4), 16) % self._words for n in range(request.n)]
        return Response(tuple(Sample(f"w{word}") for word in words), Usage(10, 4), self.model)

    async def close(self):
        pass


def pipeline(steps, **fields):
    fields = {"target": 20, "round_size": 4} | fields
    return Pipeline("grown", tuple(steps), seeds=JsonLines(FileRef("seeds.jsonl")), **fields)


def grown(folder, asked, provider=None, concurrency=4, seeds=SEEDS, cap=None, tell=lambda _: None):
    folder.mkdir(parents=True, exist_ok=True)
    provider = provider or Provider()
    with (
        closing(LocalEngine()) as engine,
        ResponseLog(folder / "log") as log,
        asyncio.Runner() as runner,
    ):
        client = Client(provider, log, PRICE, Budget(cap), Pace(concurrency), "MIT")
        flow = Flow(asked.steps, engine, folder, keep_seeds=asked.include_seeds, remember=True)
        growth = grow(asked, flow, seeds, dict.fromkeys(asked.makers, client), runner, tell)
    return growth, flow, provider


def files(flow):
    return flow.kept.path.read_bytes(), flow.dropped.path.read_bytes()


@pytest.mark.parametrize("steps", [[Ask(), Twins()], [Short(), Ask(2), Ask(), Twins(), Short(3)]])
def test_neither_concurrency_nor_latency_changes_a_byte(tmp_path, steps):
    found = set()
    for at, (concurrency, waits) in enumerate(
        [(1, 0), (1, 20), (2, 5), (16, 0), (16, 50), (16, 50)]
    ):
        _, flow, _ = grown(tmp_path / str(at), pipeline(steps), Provider(waits=waits), concurrency)
        found.add(files(flow))
    assert len(found) == 1


def test_a_round_depends_on_what_earlier_rounds_kept_and_on_nothing_else(tmp_path):
    POOLS["rounds"].clear()
    asked = pipeline([Ask(run="rounds"), Twins()])
    kept_before = []
    growth, flow, _ = grown(
        tmp_path, asked, tell=lambda p: kept_before.append((p.round, p.done, p.kept))
    )
    rounds = defaultdict(list)
    for ordinal, pool in POOLS["rounds"]:
        rounds[ordinal // 4].append(pool)
    assert len(rounds) == growth.rounds > 2
    for number, pools in rounds.items():
        assert 1 <= len(pools) <= 4, "no more than the target needs"
        assert all(pool == pools[0] for pool in pools)
        (kept,) = {kept for at, _, kept in kept_before if at == number + 1}
        assert len(pools[0]) == len(SEEDS) + kept
    assert rounds[0][0] == [seed.id for seed in SEEDS]
    last = [record.id for record in flow.kept]
    for pools in rounds.values():
        assert last[: len(pools[0])] == pools[0]
    # The bar moves on with each answer.
    assert [done for at, done, _ in kept_before if at == 1] == [0, 1, 2, 3, 4]


def test_it_ends_at_the_target(tmp_path):
    growth, flow, provider = grown(tmp_path, pipeline([Ask(), Twins()]))
    assert growth.ended == "target"
    assert 20 <= flow.kept_made < 20 + 8
    assert 3 * growth.rounds < len(provider.sent) <= 4 * growth.rounds


def test_a_small_target_asks_for_little(tmp_path):
    growth, flow, provider = grown(tmp_path, pipeline([Ask(), Twins()], target=1))
    assert (growth.ended, len(provider.sent)) == ("target", 1)
    assert flow.kept_made <= 2


def test_it_ends_at_the_most_candidates(tmp_path):
    growth, flow, _ = grown(tmp_path, pipeline([Short(9), Ask(), Twins()], max_candidates=17))
    assert growth.ended == "max_candidates"
    assert sum(row.made for row in flow.rows) == 24


def test_it_ends_when_nothing_new_comes(tmp_path):
    growth, flow, _ = grown(tmp_path, pipeline([Ask(), Twins()], target=50), Provider(words=5))
    assert growth.ended == "novelty"
    assert flow.kept_made <= 4
    assert 200 <= len(growth.made[0]) <= 220


def test_it_ends_at_the_budget_with_whole_units_in_order(tmp_path):
    whole, _, provider = grown(tmp_path / "whole", pipeline([Ask(), Twins()]))
    # A request costs 0.000042 and reserves about 0.000125.
    growth, flow, cut = grown(tmp_path / "cut", pipeline([Ask(), Twins()]), cap=Decimal("0.00035"))
    assert growth.ended == "budget"
    assert "--budget" in growth.message
    assert 0 < len(cut.sent) < len(provider.sent)
    assert len(cut.sent) == 6  # in the midst of a round
    assert len(growth.made[0]) == 2 * len(cut.sent)
    assert growth.made[0] == whole.made[0][: len(growth.made[0])]
    assert 0 < flow.kept_made <= 12
    again, _, rest = grown(tmp_path / "cut", pipeline([Ask(), Twins()]), cap=Decimal(1))
    assert again.made == whole.made
    assert len(rest.sent) + len(cut.sent) == len(provider.sent)


def test_nothing_at_all_for_a_budget_of_nothing(tmp_path):
    growth, flow, provider = grown(tmp_path, pipeline([Ask()]), cap=Decimal(0))
    assert (growth.ended, growth.made, provider.sent) == ("budget", {0: []}, [])
    assert list(flow.kept) == SEEDS


def refuses(share):
    def fails(request):
        if int(digest(request.payload(), 4), 16) % 100 < share:
            return RequestError(f"not this: {digest(request.payload())}", "bad_request")
        return None

    return fails


def test_a_refused_request_is_a_dropped_record_with_its_reason(tmp_path):
    asked = pipeline([Ask(), Twins()])
    growth, flow, provider = grown(tmp_path, asked, Provider(fails=refuses(30)))
    failed = [request for request in provider.sent if refuses(30)(request)]
    rows = [json.loads(line) for line in flow.dropped.path.read_bytes().splitlines()]
    shown = [row for row in rows if row["dropped"]["reason"] == "bad_request"]
    assert len(shown) == len(failed) > 0
    assert len({row["id"] for row in shown}) == len(shown)
    for row in shown:
        assert row["dropped"]["step"] == "test.ask"
        assert row["dropped"]["detail"]["message"].startswith("not this")
        assert row["meta"]["cost"] == "0"
        assert row["meta"]["prompt_hash"]
    assert growth.ended == "target"
    # They are asked again by the next run, the others are not.
    _, again, second = grown(tmp_path, asked, Provider(fails=refuses(30)))
    assert [each.payload() for each in second.sent] == [each.payload() for each in failed]
    assert files(again) == files(flow)


def test_a_provider_that_refuses_all_ends_the_run(tmp_path):
    with pytest.raises(ProviderError, match="every request was refused"):
        grown(tmp_path, pipeline([Ask()]), Provider(fails=refuses(100)))


def test_a_provider_that_fails_ends_the_run(tmp_path):
    count = itertools.count()

    def third(request):
        return ProviderError("gone") if next(count) == 6 else None

    with pytest.raises(ProviderError, match="gone"):
        grown(tmp_path, pipeline([Ask(), Twins()]), Provider(fails=third), concurrency=1)
    _, _, after = grown(tmp_path, pipeline([Ask(), Twins()]))
    _, _, whole = grown(tmp_path / "whole", pipeline([Ask(), Twins()]))
    assert len(after.sent) == len(whole.sent) - 6


def test_every_made_record_tells_where_it_comes_from(tmp_path):
    growth, flow, _ = grown(tmp_path, pipeline([Ask(2), Twins()]))
    known = {seed.id for seed in SEEDS}
    every = [each.record if isinstance(each, Rejected) else each for each in growth.made[0]]
    assert any(isinstance(each, Rejected) for each in growth.made[0])
    total = Decimal(0)
    for record in every:
        assert len(record.id) == 16
        assert 1 <= len(record.parents) <= 2
        assert set(record.parents) <= known
        assert record.meta["step"] == "test.ask"
        assert (record.meta["model"], record.meta["license"]) == ("m", "CC0-1.0 AND MIT")
        assert len(record.meta["prompt_hash"]) == 16
        assert "E" not in record.meta["cost"]
        total += Decimal(record.meta["cost"])
        known.add(record.id)
    assert len(known) == len(SEEDS) + len(every)
    requests = len(every) // 2
    assert abs(total - PRICE.of(Usage(10, 4)) * requests) < Decimal("1e-20")
    assert {record.id for record in flow.kept} <= known


def test_seeds_that_an_earlier_run_has_made_are_not_confused_with_new_ones(tmp_path):
    @unlisted("test.human")
    class Human:
        """Shows only what people wrote, so that a second run asks what the first did."""

        async def make(self, seeds: Sequence[Record], llm: Any) -> list[Record | Rejected]:
            shown = [seed for seed in seeds if "model" not in seed.meta]
            answers = await llm.complete(" ".join(seed.output for seed in shown))
            return [
                Record.from_parents(shown, instruction="q", output=each.text) for each in answers
            ]

    asked = pipeline([Human()], target=4)
    _, first, _ = grown(tmp_path, asked)
    everything = list(first.kept)
    assert len(everything) > len(SEEDS)
    growth, second, provider = grown(tmp_path, asked, seeds=everything)
    assert provider.sent == []
    ids = [record.id for record in second.kept]
    assert len(ids) == len(set(ids)) == len(everything) + len(growth.made[0])
    assert second.kept_made == len(growth.made[0]) >= 4


def maker(body, **more):
    async def make(self, seeds: Sequence[Record], llm: Any) -> Any:
        return body(seeds, llm)

    async def alone(self, seeds: Sequence[Record]) -> Any:
        return body(seeds, None)

    kind = type("Maker", (), {"__doc__": "Made.", "make": alone if more else make})
    return unlisted("test.maker")(kind)()


def test_a_step_that_asks_nobody_gives_each_record_its_own_id(tmp_path):
    count = itertools.count()

    def template(seeds, _):
        return [seeds[0].child(output=f"made {next(count)}")]

    growth, flow, _ = grown(tmp_path, pipeline([maker(template, alone=True)]))
    assert growth.ended == "target"
    assert len({record.id for record in flow.kept}) == len(SEEDS) + 20


def test_the_books_are_the_engines(tmp_path):
    def copying(seeds, llm):
        # A step that passes its parent's whole meta on, as is easily done.
        return [
            seeds[-1].replace(
                output=f"{seeds[-1].output}.",
                meta={
                    **seeds[-1].meta,
                    "parents": [seeds[-1].id],
                    "topic": "boats",
                    "cost": "99",
                    "model": "another",
                    "step": "mine",
                    "prompt_hash": "mine",
                },
            )
        ]

    growth, _, _ = grown(tmp_path, pipeline([maker(copying)], target=3, round_size=1))
    for record in growth.made[0]:
        assert (record.meta["step"], record.meta["model"]) == ("test.maker", "m")
        assert (record.meta["cost"], record.meta["prompt_hash"]) == ("0", "")
        assert record.meta["topic"] == "boats"
        assert record.meta["license"] == "CC0-1.0 AND MIT"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (lambda seeds, llm: [Record("q")], "without parents"),
        (lambda seeds, llm: [{"instruction": "q"}], "made a dict"),
        (lambda seeds, llm: None, "TypeError"),
        (lambda seeds, llm: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_step_that_does_not_keep_its_word(tmp_path, body, words):
    with pytest.raises(StepFailedError, match=words) as caught:
        grown(tmp_path, pipeline([maker(body)]))
    assert "test.maker" in str(caught.value)


def test_a_step_that_makes_nothing_ends(tmp_path):
    growth, flow, _ = grown(tmp_path, pipeline([maker(lambda seeds, llm: [])]))
    assert (growth.ended, growth.rounds) == ("novelty", 3)
    assert list(flow.kept) == SEEDS


def test_without_a_seed_that_passes_there_is_nothing_to_learn_from(tmp_path):
    with pytest.raises(InputError, match=r"No seed passes.*test\.short \(too_long\)"):
        grown(tmp_path, pipeline([Ask(), Short(1)]))
    provider = Provider()
    with pytest.raises(InputError, match="No seed passes"):
        grown(tmp_path, pipeline([Ask()]), provider, seeds=[])
    assert provider.sent == []


def test_seeds_that_are_left_out_teach_the_same(tmp_path):
    with_seeds, kept, _ = grown(tmp_path / "a", pipeline([Ask(), Twins()]))
    without, rest, _ = grown(tmp_path / "b", pipeline([Ask(), Twins()], include_seeds=False))
    assert with_seeds.made == without.made
    assert list(kept.kept) == [*SEEDS, *rest.kept]


def test_a_step_that_dries_up_for_good_ends(tmp_path):
    def few_then_none(seeds, llm):
        return [seeds[0].child(output="x" * 99)] if llm.ordinal < 8 else []

    def tell(progress):
        assert progress.round < 20, "it goes on for ever"

    asked = pipeline([maker(few_then_none), Short(9)], target=5)
    growth, _, _ = grown(tmp_path, asked, tell=tell)
    assert growth.ended == "novelty"
    assert len(growth.made[0]) == 8


@unlisted("test.draw")
class Draws:
    """Asks for one record after three that are drawn."""

    async def make(self, seeds: Sequence[Record], llm: Any) -> list[Record]:
        shown = llm.draw(seeds, 3)
        (sample,) = await llm.complete(" ".join(each.output for each in shown), max_tokens=10)
        return [Record.from_parents(shown, instruction="q", output=f"a {sample.text}")]


def test_drawing_by_coverage_is_as_reproducible(tmp_path):
    found = {}
    for draw in ("uniform", "coverage"):
        asked = pipeline([Draws(), Twins()], draw=draw, target=30)
        runs = [
            grown(tmp_path / draw / str(waits), asked, Provider(words=200, waits=waits), lanes)
            for waits, lanes in ((0, 1), (30, 16))
        ]
        assert files(runs[0][1]) == files(runs[1][1])
        assert runs[0][0].curve == runs[1][0].curve
        found[draw] = files(runs[0][1])
    assert found["uniform"] != found["coverage"]


def test_the_curve_tells_of_every_round(tmp_path):
    growth, flow, _ = grown(tmp_path, pipeline([Ask(), Twins()]))
    assert len(growth.curve) == growth.rounds + 1
    first, last = growth.curve[0], growth.curve[-1]
    assert (first.requests, first.made, first.kept, first.pool) == (0, 0, 0, len(SEEDS))
    assert (last.made, last.kept) == (len(growth.made[0]), flow.kept_made)
    assert [p.kept for p in growth.curve] == sorted(p.kept for p in growth.curve)
    assert last.pool == len(flow.kept)


def test_it_ends_when_too_little_is_new(tmp_path):
    """Of 400 words most are there after some hundred candidates, and ever fewer are new."""
    ends = {}
    for least in (0.0, 0.3, 0.6):
        asked = pipeline([Ask(), Twins()], target=None, max_candidates=3000, min_novelty=least)
        growth, flow, _ = grown(tmp_path / str(least), asked, Provider(words=400))
        assert growth.ended == "novelty"
        ends[least] = (len(growth.made[0]), flow.kept_made)
    assert ends[0.6] < ends[0.3] < ends[0.0]
    assert ends[0.6][1] / ends[0.6][0] > ends[0.0][1] / ends[0.0][0]
