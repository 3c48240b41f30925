import asyncio

import pytest

from datakit.errors import BusyError, MissingKeyError, ProviderError, RequestError
from datakit.llm.request import Request
from datakit.llm.together import Together
from tests.loopback import Fault, Plan, serve

KEY = "tgp-very-secret-0123456789"
CHAT = Request(messages=({"role": "user", "content": "Say something."},), seed=7)


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    path = "together._base_client.BaseClient._calculate_retry_timeout"
    monkeypatch.setattr(path, lambda *_: 0.0)


def send(server, *requests, **options):
    async def go():
        provider = Together("m", base_url=server.url, **{"retries": 2, **options})
        try:
            return [await provider.send(each) for each in requests]
        finally:
            await provider.close()

    return asyncio.run(go())


def test_a_chat():
    schema = {"type": "object", "properties": {}}
    request = Request(messages=CHAT.messages, n=2, temperature=0.5, schema=schema, seed=7)
    with serve() as server:
        (response,) = send(server, request, effort="low")
        (row,) = server.answered()
    assert row["path"] == "/v1/chat/completions"
    assert row["sent"] == {
        "model": "m",
        "messages": [{"role": "user", "content": "Say something."}],
        "max_tokens": 1024,
        "n": 2,
        "temperature": 0.5,
        "seed": 7,
        "reasoning_effort": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema},
        },
    }
    assert len(response.samples) == 2
    assert response.usage.output_tokens == sum(len(s.text.split()) for s in response.samples)


def test_a_completion():
    request = Request(prompt="Once upon", n=3, stop=("\n\n",), max_tokens=5)
    with serve() as server:
        (response,) = send(server, request)
        (row,) = server.answered()
    assert row["path"] == "/v1/completions"
    assert row["sent"]["prompt"] == "Once upon"
    assert {each.finish for each in response.samples} <= {"stop", "length"}
    assert len(response.samples) == 3


@pytest.mark.parametrize(
    ("kind", "error", "sent"),
    [
        ("bad_request", RequestError, 1),
        ("no_choices", RequestError, 1),
        ("null_choices", RequestError, 1),
        ("unauthorized", ProviderError, 1),
        ("rate_limit", BusyError, 3),
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


def test_a_server_that_does_not_count_tokens():
    with serve(Plan(usage=False)) as server:
        (response,) = send(server, CHAT)
    assert not response.usage.known


def test_a_key_is_needed(monkeypatch):
    monkeypatch.delenv("TOGETHER_API_KEY")
    with pytest.raises(MissingKeyError, match="TOGETHER_API_KEY is not set"):
        Together("m")
