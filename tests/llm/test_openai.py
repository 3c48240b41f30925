import asyncio
import logging
import random
from dataclasses import replace

import pytest

from datakit.errors import MissingKeyError, ProviderError, RequestError
from datakit.llm.openai import OpenAI
from datakit.llm.request import ALL, Request
from tests.loopback import Fault, Plan, answer, serve

KEY = "sk-very-secret-0123456789abcdef"
CHAT = Request(messages=({"role": "user", "content": "Say something."},), seed=7)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    # The SDK waits half a second and more before it tries again.
    monkeypatch.setattr("openai._base_client.BaseClient._calculate_retry_timeout", lambda *_: 0.0)


def send(server, *requests, key=KEY, retries=2, **options):
    async def go():
        provider = OpenAI("m", base_url=server.url, api_key=key, retries=retries, **options)
        try:
            return [await provider.send(each) for each in requests]
        finally:
            await provider.close()

    return asyncio.run(go())


def failing(kind, error, retries=2, request=CHAT, message="no", **options):
    with serve(Plan([Fault(kind, message=message)])) as server:
        with pytest.raises(error) as caught:
            send(server, request, retries=retries, **options)
        return caught.value, server.answered(), server.url


def test_chat():
    with serve() as server:
        (response,) = send(server, CHAT)
        (row,) = server.answered()
    assert row["path"] == "/v1/chat/completions"
    assert row["sent"] == {
        "model": "m",
        "messages": [{"role": "user", "content": "Say something."}],
        "max_tokens": 1024,
        "seed": 7,
    }
    (sample,) = response.samples
    assert sample.finish == "stop"
    assert len(sample.text.split()) == response.usage.output_tokens > 0
    assert response.usage.input_tokens > 0
    assert response.model == "m"


def test_completion_samples_stand_in_their_order_and_end_at_a_stop():
    request = Request(prompt="Once upon", n=3, stop=("\n\n",), temperature=0.5, top_p=0.9)
    with serve() as server:
        (response,) = send(server, request)
        (row,) = server.answered()
        (again,) = send(server, request)
    assert row["path"] == "/v1/completions"
    assert row["sent"]["stop"] == ["\n\n"]
    assert (row["sent"]["temperature"], row["sent"]["top_p"]) == (0.5, 0.9)
    assert len({each.text for each in response.samples}) == 3
    assert not any("\n\n" in each.text for each in response.samples)
    assert again == response
    chance = random.Random(bytes.fromhex(row["body"]))
    chance.random()
    raw = answer(row["path"], row["sent"], chance)["choices"]
    by_index = sorted(raw, key=lambda each: each["index"])
    assert [each["index"] for each in raw] == [2, 1, 0]
    assert [each.text for each in response.samples] == [each["text"] for each in by_index]


def test_a_seed_and_a_schema_are_sent():
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    other = Request(messages=CHAT.messages, seed=8, schema=schema, presence_penalty=1.5)
    with serve() as server:
        one, two = send(server, CHAT, other)
        rows = server.answered()
    assert one != two
    body = {"name": "answer", "schema": schema, "strict": True}
    assert rows[1]["sent"]["response_format"] == {"type": "json_schema", "json_schema": body}
    assert rows[1]["sent"]["presence_penalty"] == 1.5
    assert rows[1]["sent"]["seed"] == 8


def test_how_an_answer_begins_is_the_last_turn():
    with serve() as server:
        send(server, replace(CHAT, prefill="It is"))
        (row,) = server.answered()
        assert OpenAI("m", base_url=server.url).knobs == ALL
    assert row["sent"]["messages"][-1] == {"role": "assistant", "content": "It is"}
    assert (row["sent"]["continue_final_message"], row["sent"]["add_generation_prompt"]) == (
        True,
        False,
    )
    assert "prefill" not in row["sent"]


def test_an_answer_at_max_tokens_is_cut_short():
    with serve() as server:
        (response,) = send(server, Request(prompt="Once", max_tokens=2))
    assert response.samples[0].finish == "length"
    assert response.usage.output_tokens == 2


@pytest.mark.parametrize(
    ("kind", "finish"),
    [("refusal", "refused"), ("content_filter", "refused"), ("length", "length")],
)
def test_finish(kind, finish):
    with serve(Plan([Fault(kind)])) as server:
        (response,) = send(server, CHAT)
    assert response.samples[0].finish == finish
    assert response.samples[0].text


@pytest.mark.parametrize("kind", ["bad_request", "unprocessable", "too_large"])
def test_a_refused_request_is_not_repeated_and_stops_no_other(kind):
    error, rows, _ = failing(kind, RequestError)
    assert error.reason == "bad_request"
    assert error.exit_code == 4
    assert len(rows) == 1


@pytest.mark.parametrize("kind", ["unauthorized", "not_found"])
def test_a_provider_that_lets_nobody_in_is_not_asked_again(kind):
    error, rows, url = failing(kind, ProviderError)
    assert not isinstance(error, RequestError)
    assert error.exit_code == 4
    assert url in str(error)
    assert len(rows) == 1


@pytest.mark.parametrize("kind", ["rate_limit", "server_error", "dropped"])
def test_what_may_pass_is_repeated(kind):
    error, rows, _ = failing(kind, ProviderError, retries=2)
    assert not isinstance(error, RequestError)
    assert len(rows) == 3
    with serve(Plan([Fault(kind, times=2)])) as server:
        (response,) = send(server, CHAT, retries=2)
        assert [row["status"] for row in server.answered()][2:] == [200]
    assert response.samples


def test_retry_after_is_honoured(monkeypatch):
    monkeypatch.undo()
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    monkeypatch.setattr("openai._base_client.anyio.sleep", sleep)
    monkeypatch.setattr("tests.loopback._RETRY_AFTER", {"Retry-After": "7"})
    with serve(Plan([Fault("rate_limit", times=1)])) as server:
        send(server, CHAT)
    assert waits == [7.0]


def test_a_server_that_is_not_there():
    with serve() as server:
        url = server.url
    provider = OpenAI("m", base_url=url, api_key=KEY, retries=0)
    with pytest.raises(ProviderError, match="does not answer"):
        asyncio.run(provider.send(CHAT))


@pytest.mark.parametrize("kind", ["garbage", "null_choices"])
@pytest.mark.parametrize("request_", [CHAT, Request(prompt="Once")])
def test_a_body_that_is_not_the_apis(kind, request_):
    error, _, _ = failing(kind, RequestError, retries=0, request=request_)
    assert error.reason == "no_answer"
    assert "is not one of the OpenAI API" in str(error)


@pytest.mark.parametrize("request_", [CHAT, Request(prompt="Once")])
def test_an_answer_without_choices_is_a_fault_of_that_request(request_):
    error, _, _ = failing("no_choices", RequestError, request=request_)
    assert error.reason == "no_answer"


def test_a_server_that_does_not_count_tokens():
    with serve(Plan(usage=False)) as server:
        (response,) = send(server, CHAT)
    assert response.usage.output_tokens == 0


# Long enough that the end of what we show falls into the key.
@pytest.mark.parametrize("before", ["", *("x" * n for n in range(230, 300, 7))])
@pytest.mark.parametrize("kind", ["bad_request", "unauthorized"])
def test_no_part_of_a_key_is_shown(kind, before, caplog):
    caplog.set_level(logging.DEBUG)
    error, _, _ = failing(kind, ProviderError, message=f"{before}Wrong key: {{key}} (really)")
    assert "sk-very" not in str(error)
    assert "sk-very" not in caplog.text
    assert before[:200] in str(error)


def test_without_a_key_no_word_is_hidden():
    error, _, _ = failing("bad_request", RequestError, message="none of these", key="none")
    assert "none of these" in str(error)


def test_a_password_in_an_address_is_not_shown():
    with serve() as server:
        url = server.url.replace("http://", "http://me:hunter2@")
    provider = OpenAI("m", base_url=url, api_key=KEY, retries=0)
    with pytest.raises(ProviderError) as caught:
        asyncio.run(provider.send(CHAT))
    assert "hunter2" not in str(caught.value)


def test_a_lone_surrogate_can_be_sent():
    text = "half of a pair: \ud83d."
    message = ({"role": "user", "content": text},)
    with serve() as server:
        responses = send(server, Request(messages=message), Request(prompt=text))
    assert all(each.samples for each in responses)


def test_keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "OTHER_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(MissingKeyError, match="OPENAI_API_KEY"):
        OpenAI("m")
    with pytest.raises(MissingKeyError, match="OTHER_KEY"):
        OpenAI("m", base_url="http://127.0.0.1:1/v1", api_key_env="OTHER_KEY")
    OpenAI("m", base_url="http://127.0.0.1:1/v1")
    monkeypatch.setenv("OTHER_KEY", KEY)
    provider = OpenAI("m", api_key_env="OTHER_KEY")
    assert KEY not in str(provider.identity())
