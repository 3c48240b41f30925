from datetime import UTC, datetime
from decimal import Decimal

import pytest

from datakit.errors import InputError
from datakit.llm.budget import Price
from datakit.llm.prices import given, listed
from datakit.llm.request import Request, Usage

DEAR = Price(Decimal(6), Decimal(22), tiers=())
PRICE = Price(Decimal(3), Decimal(15), Decimal("0.3"), Decimal("3.75"), ((200_000, DEAR),))


def test_what_comes_from_the_cache_is_cheaper_and_what_goes_into_it_dearer():
    usage = Usage(1_000, 100, cache_read_tokens=600, cache_write_tokens=300)
    assert PRICE.of(usage) * 1_000_000 == 100 * 3 + 600 * Decimal("0.3") + 300 * Decimal("3.75") + (
        100 * 15
    )
    plain = Price(Decimal(3), Decimal(15))
    assert plain.of(usage) == plain.of(Usage(1_000, 100))


def test_a_long_request_is_dearer_as_a_whole():
    assert PRICE.of(Usage(200_000, 0)) == Decimal("0.6")
    assert PRICE.of(Usage(200_001, 0)) == Decimal("1.200006")


@pytest.mark.parametrize("size", [10, 150_000, 250_000])
def test_the_most_is_never_passed(size):
    request = Request(messages=({"role": "user", "content": "a" * size},), max_tokens=50, n=2)
    most = request.most_input_tokens
    for read, written in ((0, 0), (0, most), (most, 0)):
        usage = Usage(most, 100, cache_read_tokens=read, cache_write_tokens=written)
        assert PRICE.of(usage) <= PRICE.most(request)


def test_a_price_by_hand():
    assert given({"input": "0.15", "output": "0.60"}) == Price(Decimal("0.15"), Decimal("0.60"))
    with pytest.raises(InputError, match='"free" is not an amount'):
        given({"input": "free"})


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-mini"),
        ("anthropic", "claude-sonnet-4-5"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    ],
)
@pytest.mark.parametrize("tokens", [(1_000, 100), (300_000, 5)])
def test_the_table_says_what_its_package_says(provider, model, tokens):
    prices = pytest.importorskip("genai_prices")
    usage = prices.Usage(input_tokens=tokens[0], output_tokens=tokens[1])
    now = datetime.now(UTC)
    theirs = prices.calc_price(
        usage, model, provider_id=provider, genai_request_timestamp=now
    ).total_price
    found = listed(provider, model, None)
    assert found is not None
    assert found.of(Usage(*tokens)) == theirs


def test_what_is_not_in_the_table_has_no_price():
    assert listed("openai", "no-such-model", None) is None
    assert listed("openai", "gpt-4o-mini", "http://127.0.0.1:8000/v1") is None
