import asyncio
import contextlib
import gc
import io
import os
import urllib.error
import urllib.request

import pytest

from datakit.errors import InputError, ProviderError, RequestError
from datakit.llm.embedded import Embedded
from datakit.llm.request import Request

pytest.importorskip("xllamacpp")
PROMPT = "Question 1: What is two and two?\nAnswer 1: Four.\n\nQuestion 2:"
ASKED = Request(prompt=PROMPT, n=4, max_tokens=12, temperature=0.9, seed=11)

pytestmark = pytest.mark.model


class Runner:
    """One loop for all tests: the SDK's connections belong to it."""

    def __init__(self, provider):
        self.provider, self._loop = provider, asyncio.Runner()

    def __call__(self, *requests):
        async def go():
            return await asyncio.gather(*map(self.provider.send, requests))

        return self._loop.run(go())

    def close(self):
        self._loop.run(self.provider.close())
        self._loop.close()
        gc.collect()


@pytest.fixture(scope="session")
def model():
    with contextlib.closing(Runner(Embedded(slots=2, context=512))) as runner:
        yield runner


@pytest.fixture(scope="session")
def drawn(model):
    return model(ASKED)[0]


def test_the_same_seed_gives_the_same_text(model, drawn):
    assert model(ASKED)[0] == drawn
    (other,) = model(Request(prompt=PROMPT, n=4, max_tokens=12, temperature=0.9, seed=99))
    assert [each.text for each in other.samples] != [each.text for each in drawn.samples]


def test_what_runs_beside_it_makes_no_difference(model, drawn):
    other = Request(prompt="Once upon a time", n=1, max_tokens=12, seed=1)
    assert model(other, ASKED, other)[1] == drawn


def test_more_samples_than_slots(drawn):
    # Two slots, four samples: two parts, and the second does not repeat the first.
    assert len({each.text for each in drawn.samples}) == 4
    assert {each.finish for each in drawn.samples} <= {"stop", "length"}


def test_how_samples_share_slots_makes_no_difference(drawn):
    with contextlib.closing(Runner(Embedded(slots=4, context=512))) as wide:
        assert wide(ASKED)[0] == drawn


def test_tokens_are_counted(drawn):
    cut = sum(each.finish == "length" for each in drawn.samples)
    assert 12 * cut <= drawn.usage.output_tokens <= 4 * 12 + 4
    assert 10 < drawn.usage.input_tokens < 40


def test_stop(model):
    (response,) = model(
        Request(prompt="1, 2, 3, 4, 5, 6,", max_tokens=30, temperature=0.0, stop=(" 9",), seed=0)
    )
    assert response.samples[0].finish == "stop"
    assert "9" not in response.samples[0].text


def test_a_schema_holds_the_model(model):
    schema = {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]}
    message = ({"role": "user", "content": "Answer in JSON."},)
    (response,) = model(Request(messages=message, max_tokens=30, seed=0, schema=schema))
    assert response.samples[0].text.replace(" ", "").replace("\n", "") in ('{"a":"x"}', '{"a":"y"}')


def test_a_prompt_that_does_not_fit_is_a_fault_of_that_request(model, drawn):
    with pytest.raises(RequestError):
        model(Request(prompt="word " * 2000, max_tokens=12, seed=0))
    assert model(ASKED)[0] == drawn


def test_the_servers_key_is_its_own_and_shown_nowhere(model, drawn):
    key = model.provider._client._key
    assert len(key) == 32
    assert key not in repr(vars(model.provider)["model"]) + str(model.provider.identity())
    assert key not in str(drawn)
    environment = io.StringIO()
    print(dict(os.environ), file=environment)
    assert key not in environment.getvalue()
    with open("/proc/self/cmdline") as line:
        assert key not in line.read()
    address = model.provider._server.listening_address
    assert address.startswith("http://127.0.0.1:")
    body = b'{"prompt": "x", "max_tokens": 1}'
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{address}/v1/completions", body, timeout=60)
    with caught.value as answer:
        assert answer.code == 401


def test_files_that_are_no_model(tmp_path):
    with pytest.raises(InputError, match="there is no such model file"):
        Embedded(str(tmp_path / "none.gguf"))
    path = tmp_path / "bad.gguf"
    path.write_bytes(b"GGUF, but not really")
    provider = Embedded(str(path))
    with pytest.raises(ProviderError, match="cannot load it"):
        asyncio.run(provider.send(ASKED))


def test_identity_is_that_of_the_bytes(model, tmp_path):
    copy = tmp_path / "other.gguf"
    copy.symlink_to(model.provider.path)
    assert Embedded(str(copy), context=512).identity() == model.provider.identity()
    assert Embedded(str(copy), context=1024).identity() != model.provider.identity()
    assert Embedded(str(copy), threads=4, slots=8, context=512).identity() == (
        model.provider.identity()
    )


def test_an_answer_goes_on_from_how_it_begins(model):
    message = ({"role": "user", "content": "What is the capital of France?"},)
    (response,) = model(
        Request(messages=message, max_tokens=20, temperature=0.0, seed=0, prefill='{"city": "')
    )
    # This server gives the whole; others what comes after.
    assert response.samples[0].text.removeprefix('{"city": "').startswith('Paris"')
