import asyncio
import time
from collections import Counter
from decimal import Decimal

import pytest

from datakit.errors import BudgetError, BusyError, ProviderError, RequestError, StoreError
from datakit.llm.budget import Budget, Price
from datakit.llm.client import Client
from datakit.llm.llm import LLM
from datakit.llm.log import ResponseLog
from datakit.llm.pace import Pace
from datakit.llm.request import ALL, Request, Response, Sample, Usage

PRICE = Price(Decimal(1), Decimal(1))


class Provider:
    """Answers at once; fails where `fails` says so."""

    model = "m"
    form = "chat"
    knobs = ALL

    def __init__(self, fails=None):
        self.sent, self.flying, self.most = [], 0, 0
        self._fails = fails or {}

    def identity(self):
        return {"provider": "fake", "model": self.model}

    async def send(self, request):
        self.sent.append(request)
        self.flying += 1
        self.most = max(self.most, self.flying)
        for _ in range(len(self.sent) % 3 + 1):
            await asyncio.sleep(0)
        self.flying -= 1
        if request.prompt in self._fails:
            raise self._fails[request.prompt]
        return Response((Sample(f"to {request.prompt}"),), Usage(10, 50), self.model)

    async def close(self):
        pass


def ask(path, prompts, provider=None, cap=None, concurrency=4):
    provider = provider or Provider()

    async def go(client):
        asked = [Request(prompt=prompt, max_tokens=100) for prompt in prompts]
        jobs = [client.ask(client.key(each, str(at)), each) for at, each in enumerate(asked)]
        return await asyncio.gather(*jobs, return_exceptions=True)

    with ResponseLog(path) as log:
        client = Client(provider, log, PRICE, Budget(cap), Pace(concurrency))
        return asyncio.run(go(client)), provider, client


@pytest.mark.parametrize("concurrency", [1, 3, 50])
def test_most_requests_in_flight(tmp_path, concurrency):
    results, provider, _ = ask(tmp_path / "log", map(str, range(20)), concurrency=concurrency)
    # It begins with 8, and rises with the answers.
    assert provider.most == min(concurrency, 8)
    assert [each[0].samples[0].text for each in results] == [f"to {n}" for n in range(20)]


def test_what_was_answered_is_neither_sent_nor_paid_again(tmp_path):
    first, _, paid = ask(tmp_path / "log", ["a", "b"])
    again, provider, client = ask(tmp_path / "log", ["a", "b", "c"])
    assert [each.prompt for each in provider.sent] == ["c"]
    assert again[:2] == first
    assert (client.totals.requests, client.totals.cached) == (3, 2)
    assert client.totals.usage == Usage(30, 150)
    # What the data have cost, whoever paid it.
    assert client.totals.cost == paid.totals.cost * 3 / 2 == Decimal("0.00018")


def test_what_an_earlier_run_paid_counts_for_the_cap(tmp_path):
    # A request costs 0.00006 and reserves 0.000117.
    cap = Decimal("0.0004")
    first, one, _ = ask(tmp_path / "log", map(str, range(9)), cap=cap)
    again, two, _ = ask(tmp_path / "log", map(str, range(9)), cap=cap)
    assert 0 < len(one.sent) < 9
    assert two.sent == []
    assert [type(each) for each in again] == [type(each) for each in first]
    more, three, _ = ask(tmp_path / "log", map(str, range(9)), cap=Decimal(1))
    assert len(one.sent) + len(three.sent) == 9
    assert not any(isinstance(each, Exception) for each in more)


@pytest.mark.parametrize("concurrency", [1, 2, 9])
def test_where_a_budget_cuts_does_not_depend_on_concurrency(tmp_path, concurrency):
    results, provider, client = ask(
        tmp_path / "log", map(str, range(9)), cap=Decimal("0.00033"), concurrency=concurrency
    )
    assert [isinstance(each, BudgetError) for each in results] == [False] * 4 + [True] * 5
    assert len(provider.sent) == 4
    assert client.totals.cost == Decimal("0.00024")


def test_after_a_failure_nothing_more_is_sent(tmp_path):
    provider = Provider({"3": ProviderError("gone")})
    results, provider, _ = ask(tmp_path / "log", map(str, range(20)), provider, concurrency=2)
    assert len(provider.sent) <= 5
    answered = [at for at, each in enumerate(results) if isinstance(each, tuple)]
    assert {0, 1, 2} <= set(answered)
    _, after, _ = ask(tmp_path / "log", map(str, range(20)))
    assert len(after.sent) == 20 - len(answered)


def test_what_may_pass_is_asked_again(tmp_path, monkeypatch):
    provider = Provider()
    send, tries = provider.send, Counter()

    async def flaky(request):
        tries[request.prompt] += 1
        if tries[request.prompt] < 3:
            raise BusyError("429", "rate")
        return await send(request)

    provider.send = flaky
    monkeypatch.setattr("datakit.llm.pace._BACKOFF", 0.001)
    results, _, client = ask(tmp_path / "log", map(str, range(6)), provider)
    assert [each[0].samples[0].text for each in results] == [f"to {n}" for n in range(6)]
    assert set(tries.values()) == {3}
    assert client._budget.reserved == 0
    assert client._budget.spent == client.totals.cost


def test_an_answer_that_was_lost_may_have_been_paid_for(tmp_path, monkeypatch):
    monkeypatch.setattr("datakit.llm.pace._BACKOFF", 0.001)
    provider = Provider()
    send, lost = provider.send, []

    async def loses(request):
        if request.prompt == "1" and not lost:
            lost.append(request)
            raise BusyError("reset", "lost")
        return await send(request)

    provider.send = loses
    _, _, client = ask(tmp_path / "log", ["0", "1", "2"], provider, cap=Decimal(1))
    assert client._budget.reserved == 0
    assert client._budget.spent == client.totals.cost + PRICE.most(lost[0])


def test_nobody_waits_for_who_has_failed_for_good(tmp_path):
    provider = Provider({"0": BusyError("429", "rate", after=60.0), "1": ProviderError("gone")})
    started = time.monotonic()
    results, _, client = ask(tmp_path / "log", ["0", "1"], provider)
    assert time.monotonic() - started < 30
    assert [str(each) for each in results] == ["gone", "gone"]
    assert client._budget.reserved == 0


def test_a_refused_request_stops_no_other(tmp_path):
    provider = Provider({"3": RequestError("no")})
    results, provider, client = ask(tmp_path / "log", map(str, range(9)), provider)
    assert [at for at, each in enumerate(results) if isinstance(each, RequestError)] == [3]
    assert len(provider.sent) == 9
    assert client._budget.reserved == 0


def test_when_answers_cannot_be_kept_no_more_are_bought(tmp_path, monkeypatch):
    def full(*_):
        raise StoreError("full")

    monkeypatch.setattr(ResponseLog, "append", full)
    results, provider, _ = ask(tmp_path / "log", map(str, range(20)), concurrency=2)
    assert all(isinstance(each, StoreError) for each in results)
    assert len(provider.sent) == 2


def make(path, steps, where="0/0/0", seed=5):
    provider = Provider()

    async def go(client):
        llm = LLM(client, where, 0, seed)
        for step in steps:
            await step(llm)
        return llm

    with ResponseLog(path) as log:
        client = Client(provider, log, PRICE, Budget(None), Pace(8), license="MIT")
        return asyncio.run(go(client)), provider


def test_llm_asks_with_a_seed_of_its_own_each_time(tmp_path):
    steps = [lambda llm: llm.complete("a", n=2), lambda llm: llm.complete("a", n=2)]
    steps += [lambda llm: llm.chat("a", system="be kind"), lambda llm: llm.chat("a")]
    llm, provider = make(tmp_path / "log", steps)
    assert len({each.seed for each in provider.sent}) == 4
    assert len(set(llm.names)) == 4
    assert provider.sent[2].messages == (
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "a"},
    )
    assert llm.cost == 4 * PRICE.of(Usage(10, 50))
    assert (llm.model, llm.license, llm.form) == ("m", "MIT", "chat")
    again, _ = make(tmp_path / "other", steps)
    assert (again.names, again.prompt_hash) == (llm.names, llm.prompt_hash)
    assert again.rng.random() == llm.rng.random()
    elsewhere, _ = make(tmp_path / "more", steps, where="0/0/1")
    assert not set(elsewhere.names) & set(llm.names)
    assert elsewhere.prompt_hash == llm.prompt_hash


@pytest.mark.parametrize("seed", [0, 2**31 - 1, 2**63])
def test_seeds_fit_into_32_bits(tmp_path, seed):
    _, provider = make(tmp_path / "log", [lambda llm: llm.chat("a")] * 3, seed=seed)
    assert all(0 <= each.seed < 2**31 for each in provider.sent)
