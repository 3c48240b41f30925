import asyncio

import pytest

from datakit.errors import BusyError, MissingKeyError, ProviderError, RequestError
from datakit.llm.anthropic import Anthropic
from datakit.llm.request import ALL, Request
from tests.loopback import Fault, Plan, serve

KEY = "sk-ant-very-secret-0123456789"
USER = {"role": "user", "content": "Say something."}
CHAT = Request(messages=({"role": "system", "content": "Be brief."}, USER))


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    # The SDK waits half a second and more before it tries again.
    path = "anthropic._base_client.BaseClient._calculate_retry_timeout"
    monkeypatch.setattr(path, lambda *_: 0.0)


def send(server, *requests, **options):
    async def go():
        provider = Anthropic("m", base_url=server.url, **{"retries": 2, **options})
        try:
            return [await provider.send(each) for each in requests]
        finally:
            await provider.close()

    return asyncio.run(go())


def test_a_chat():
    with serve() as server:
        (response,) = send(server, CHAT)
        (row,) = server.answered()
    assert row["path"] == "/v1/messages"
    assert row["sent"] == {
        "model": "m",
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [USER],
        "max_tokens": 1024,
    }
    (sample,) = response.samples
    assert sample.finish == "stop"
    assert len(sample.text.split()) == response.usage.output_tokens > 0
    assert response.usage.input_tokens > 0
    assert response.usage.known


def test_what_it_heeds_is_sent():
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    request = Request(messages=CHAT.messages, max_tokens=9, stop=("\n",), schema=schema)
    with serve() as server:
        (response,) = send(server, request, effort="low", cache=True)
        (row,) = server.answered()
    assert row["sent"]["stop_sequences"] == ["\n"]
    assert row["sent"]["max_tokens"] == 9
    assert row["sent"]["output_config"] == {
        "effort": "low",
        "format": {"type": "json_schema", "schema": schema},
    }
    assert row["sent"]["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert response.usage.cache_write_tokens == 12
    assert response.usage.input_tokens > 12


def test_a_request_is_brought_within_what_it_heeds():
    request = Request(messages=CHAT.messages, n=3, temperature=0.9, seed=1, top_p=0.5)
    assert request.within(Anthropic.knobs) == CHAT
    assert request.within(ALL) is request


@pytest.mark.parametrize(
    ("kind", "finish"), [("length", "length"), ("refusal", "refused"), ("malformed", "stop")]
)
def test_finish(kind, finish):
    with serve(Plan([Fault(kind)])) as server:
        (response,) = send(server, CHAT)
    assert response.samples[0].finish == finish


@pytest.mark.parametrize(
    ("kind", "error", "sent"),
    [
        ("bad_request", RequestError, 1),
        ("too_large", RequestError, 1),
        ("no_choices", RequestError, 1),
        ("unauthorized", ProviderError, 1),
        ("rate_limit", BusyError, 3),
        ("overloaded", BusyError, 3),
        ("server_error", BusyError, 3),
        ("dropped", BusyError, 3),
    ],
)
def test_faults(kind, error, sent):
    with serve(Plan([Fault(kind, message="the key {key} is bad")])) as server:
        with pytest.raises(error) as caught:
            send(server, CHAT)
        assert len(server.answered()) == sent
    assert type(caught.value) is error
    assert KEY not in str(caught.value)


def test_what_may_pass_is_repeated():
    with serve(Plan([Fault("overloaded", times=2)])) as server:
        (response,) = send(server, CHAT)
    assert response.samples[0].text


def test_a_key_is_needed_and_never_part_of_the_identity(monkeypatch):
    assert KEY not in str(Anthropic("m").identity())
    assert Anthropic("m", effort="low").identity()["effort"] == "low"
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(MissingKeyError, match="ANTHROPIC_API_KEY is not set"):
        Anthropic("m")
    assert Anthropic("m", base_url="http://127.0.0.1:1")
