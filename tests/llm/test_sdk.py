"""The SDKs over both HTTP clients that they have: what was sent and what was not."""

import asyncio
import socket

import anthropic
import openai
import pytest
import together

from datakit.errors import BusyError
from datakit.llm import sdk
from datakit.llm.anthropic import Anthropic
from datakit.llm.openai import OpenAI
from datakit.llm.request import Request
from datakit.llm.together import Together
from tests.loopback import Fault, Plan, serve

CHAT = Request(messages=({"role": "user", "content": "Hello"},))
PROVIDERS = {OpenAI: openai, Anthropic: anthropic, Together: together}


@pytest.fixture(params=["aiohttp", "plain"])
def transport(request, monkeypatch):
    if request.param == "plain":

        def missing():
            raise RuntimeError("To use the aiohttp client ...")

        for each in PROVIDERS.values():
            monkeypatch.setattr(each, "DefaultAioHttpClient", missing)
    return request.param


@pytest.fixture(params=PROVIDERS, ids=lambda each: each.__name__)
def provider(request, transport):
    def opened(url, **more):
        return request.param("m", base_url=url, api_key="none", retries=0, **more)

    return opened


def sent(provider):
    async def once():
        try:
            return await provider.send(CHAT)
        finally:
            await provider.close()

    return asyncio.run(once())


def test_the_transport_is_what_it_says(transport):
    made = sdk.transport(openai)
    assert (made is None) == (transport == "plain")


def test_an_answer(provider):
    with serve() as server:
        response = sent(provider(server.url))
    assert response.samples[0].text
    assert response.usage.output_tokens > 0


def test_what_never_left_is_not_paid_for(provider):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        with pytest.raises(BusyError) as told:
            sent(provider(url))
    assert told.value.kind == "unreached"


def test_what_was_sent_may_have_been_paid_for(provider):
    with serve(Plan([Fault("dropped")])) as server, pytest.raises(BusyError) as told:
        sent(provider(server.url))
    assert told.value.kind == "lost"


def test_a_server_that_does_not_answer_may_be_paid_for(provider):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with pytest.raises(BusyError) as told:
            sent(provider(url, timeout=0.5))
    assert told.value.kind == "lost"
