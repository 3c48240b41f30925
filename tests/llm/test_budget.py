import asyncio
import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.errors import BudgetError, InputError
from datakit.llm.budget import Budget, Price, dollars
from datakit.llm.request import Request, Usage

# (highest cost, real cost, moments of waiting, whether an earlier run has paid it)
tasks = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 100), st.integers(0, 5), st.booleans()),
    max_size=30,
)


def spend(cap, jobs, concurrency):
    """Runs jobs against a budget; returns which were let through, and the most ever at risk."""
    budget, risk = Budget(cap), [Decimal(0)]
    slots = asyncio.Semaphore(concurrency)

    async def job(most, share, waits, cached):
        amount = Decimal(most)
        cost = amount * share / 100
        if cached:
            await budget.paid(cost)
            return
        await budget.reserve(amount)
        risk.append(budget.spent + budget.reserved)
        async with slots:
            for _ in range(waits):
                await asyncio.sleep(0)
        budget.settle(amount, cost)

    async def all_of_them():
        return await asyncio.gather(*(job(*each) for each in jobs), return_exceptions=True)

    results = asyncio.run(all_of_them())
    assert all(each is None or isinstance(each, BudgetError) for each in results)
    return [each is None for each in results], max(risk), budget


@given(tasks, st.integers(0, 200), st.integers(1, 16))
def test_the_cap_is_never_at_risk_and_cuts_at_the_same_place_however_many_are_in_flight(
    jobs, cap, concurrency
):
    cap = Decimal(cap)
    passed, risk, budget = spend(cap, jobs, concurrency)
    paid = sum((Decimal(most) * share / 100 for most, share, _, cached in jobs if cached), 0)
    assert risk <= cap + paid
    assert budget.reserved == 0
    assert passed == sorted(passed, reverse=True)
    alone, _, other = spend(cap, jobs, 1)
    assert (passed, budget.spent) == (alone, other.spent)
    # The first that is refused is one that could have passed the cap.
    if not all(passed):
        at = passed.index(False)
        spent = sum(Decimal(most) * share / 100 for most, share, _, _ in jobs[:at])
        assert budget.spent == spent
        assert spent + jobs[at][0] > cap


@given(tasks, st.integers(1, 16))
def test_without_a_cap_nobody_waits(jobs, concurrency):
    passed, _, budget = spend(None, jobs, concurrency)
    assert all(passed)
    assert budget.spent == sum(Decimal(most) * share / 100 for most, share, _, _ in jobs)


def test_the_error_says_what_to_do():
    with pytest.raises(BudgetError, match=r"\$1 is reached.*--budget") as caught:
        asyncio.run(Budget(Decimal(1)).reserve(Decimal("1.01")))
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("text", ["", "five", "-1", "NaN", "Infinity", "1,5", "$5"])
def test_not_an_amount(text):
    with pytest.raises(InputError, match="US dollars"):
        dollars(text)


def test_money_is_exact():
    assert dollars("0.1") + dollars("0.2") == dollars("0.3")
    price = Price(dollars("0.15"), dollars("0.60"))
    assert price.of(Usage(1_000_000, 500_000)) == dollars("0.45")
    assert price.of(Usage(1, 0)) == Decimal("0.00000015")


texts = st.text(st.characters(), max_size=200)


@given(texts, texts, st.integers(1, 8), st.integers(1, 500))
def test_no_tokenizer_makes_a_request_dearer_than_its_reserve(system, text, n, max_tokens):
    # The dearest tokenizers fall back to one token for each byte.
    messages = ({"role": "system", "content": system}, {"role": "user", "content": text})
    schema = {"type": "object", "description": text}
    request = Request(messages=messages, n=n, max_tokens=max_tokens, schema=schema)
    sent = len((system + text + text).encode("utf-8", "surrogatepass"))
    price = Price(Decimal(2), Decimal(3))
    assert price.most(request) >= price.of(Usage(sent, n * max_tokens))


def test_the_order_of_real_costs_does_not_matter():
    chance = random.Random(5)
    jobs = [(10, chance.randint(0, 100), chance.randint(0, 5), False) for _ in range(50)]
    results = {tuple(spend(Decimal(100), jobs, c)[0]) for c in (1, 2, 3, 8, 50)}
    assert len(results) == 1
    assert 10 < sum(results.pop()) < 50
