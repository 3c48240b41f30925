"""Batches: through the real SDKs, submitted once, whatever is killed, expires or is lost."""

import json
from decimal import Decimal

import pytest

import datakit as dk
from datakit.errors import ProviderError
from datakit.llm.teacher import Teacher
from datakit.running.local import StepFailedError
from datakit.step import StepError
from tests.batching import Flaw, batching
from tests.running.steps import TRIPLES

PIPELINE = """
name: batched
seeds: seeds.jsonl
target: 12
round_size: 6
max_candidates: 60
random_seed: {seed}
teacher:
  provider: {provider}
  model: m
  base_url: "{url}"
  mode: {mode}
  poll: 0.02
  price: {{input: "3", output: "15"}}
steps:
  - generate.self_instruct: {{per_request: 3, OWN}}
  - dedup.exact
"""
APIS = ["openai", "anthropic"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("datakit.llm.batches._LINGER", 0.05)


def run(folder, server, provider="openai", mode="batch", seed=0, **more):
    rows = [{"instruction": f"Name thing {at}.", "output": f"Thing {at}."} for at in range(6)]
    folder.mkdir(exist_ok=True)
    (folder / "seeds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "p.yaml"
    own = {k: None if provider == "anthropic" and k in ("temperature", "top_p") else v
           for k, v in TRIPLES.items()}  # fmt: skip
    text = PIPELINE.replace("OWN", ", ".join(f"{k}: {json.dumps(v)}" for k, v in own.items()))
    path.write_text(text.format(provider=provider, url=server.url, mode=mode, seed=seed))
    return dk.run(path, store=folder / "d", **more)


@pytest.mark.parametrize("provider", APIS)
def test_a_round_is_a_batch_at_half_the_price(tmp_path, provider):
    with batching() as (server, taken):
        version = run(tmp_path / "batch", server, provider)
        assert len(version) >= 12
        assert len(taken) == version.manifest["rounds"]
        assert all(len(each.bodies) == 6 for each in taken[:1])
        assert server.answered() == []
        cost = version.manifest["cost"]
        full = (3 * cost["input_tokens"] + 15 * cost["output_tokens"]) / Decimal(1_000_000)
        assert Decimal(cost["usd"]) == pytest.approx(full / 2, abs=Decimal("1e-6"))
        assert run(tmp_path / "batch", server, provider).ref == version.ref
        # In the log they are answers as any others are: to send them live asks nothing new.
        before = len(taken)
        run(tmp_path / "batch", server, provider, mode="live")
        assert len(taken) == before


@pytest.mark.parametrize("provider", APIS)
@pytest.mark.parametrize(
    "flaw",
    [
        Flaw(expired=0.5),
        Flaw(errored=0.5, times=2),
        Flaw(missing=True),
        Flaw(stranger=True),
    ],
    ids=lambda flaw: str(flaw.__dict__),
)
def test_only_what_expired_or_failed_is_submitted_again(tmp_path, provider, flaw):
    with batching() as (server, _):
        plain = run(tmp_path / "a", server, provider)
    with batching(flaw) as (server, taken):
        version = run(tmp_path / "a2", server, provider)
    # Another address is another key; what is made of the same requests is the same.
    assert [each.output for each in version.records()] == [each.output for each in plain.records()]
    asked = [key for each in taken for key in each.bodies]
    again = len(asked) - len(set(asked))
    assert again > 0 or flaw.stranger
    assert len(set(asked)) == version.manifest["cost"]["requests"]


@pytest.mark.parametrize("provider", APIS)
def test_a_refused_request_is_not_submitted_again(tmp_path, provider):
    with batching(Flaw(refused=0.3)) as (server, taken):
        version = run(tmp_path, server, provider)
    asked = [key for each in taken for key in each.bodies]
    assert len(asked) == len(set(asked))
    reasons = {drop["reason"] for _, drop in version.iter_dropped()}
    assert "bad_request" in reasons


def test_what_expires_again_and_again_is_given_up(tmp_path):
    given_up = pytest.raises(ProviderError, match="expired or failed in 11 batches")
    with batching(Flaw(expired=1.0, times=99)) as (server, taken), given_up:
        run(tmp_path, server)
    assert len(taken) == 11


class Killed(Exception):
    """As sudden as kill -9."""


@pytest.mark.parametrize("provider", APIS)
def test_a_run_that_was_killed_finds_its_batch(tmp_path, provider, monkeypatch):
    from datakit.llm.anthropic_batch import AnthropicBatches
    from datakit.llm.openai_batch import OpenAIBatches

    kind = OpenAIBatches if provider == "openai" else AnthropicBatches
    collect = kind.collect

    async def killed(self, id):
        raise Killed

    with batching() as (server, taken):
        monkeypatch.setattr(kind, "collect", killed)
        with pytest.raises(StepFailedError, match="Killed"):
            run(tmp_path, server, provider)
        assert len(taken) == 1
        monkeypatch.setattr(kind, "collect", collect)
        version = run(tmp_path, server, provider)
        assert len(taken) == version.manifest["rounds"]


def test_a_batch_whose_fate_is_not_known_is_looked_for(tmp_path):
    with batching(Flaw(lost=True)) as (server, taken):
        version = run(tmp_path, server)
    assert len(taken) == version.manifest["rounds"]
    assert all(each.token["datakit"] for each in taken)


def test_a_batch_that_fails_as_a_whole_ends_the_run(tmp_path):
    refused = pytest.raises(ProviderError, match="refuses the batch b0: no such model")
    with batching(Flaw(failed=True)) as (server, _), refused:
        run(tmp_path, server)


def test_who_has_no_batches():
    with pytest.raises(StepError, match="mode: together has no batches here; anthropic and openai"):
        Teacher(provider="together", model="m", mode="batch")
    with pytest.raises(StepError, match="batches are of chats"):
        Teacher(provider="openai", model="m", mode="batch", form="completion")


@pytest.mark.parametrize("provider", APIS)
def test_a_fault_of_the_whole_batch_is_no_record_s_own(tmp_path, provider):
    with batching(Flaw(unfit=True)) as (server, _):
        with pytest.raises(ProviderError, match="because the test says so"):
            run(tmp_path, server, provider)
        assert not list((tmp_path / "d" / "batched").glob("v*"))


def test_a_fresh_run_submits_anew(tmp_path):
    with batching() as (server, taken):
        run(tmp_path, server)
        before = len(taken)
        version = run(tmp_path, server, fresh=True)
        assert len(taken) == 2 * before
        assert version.ref == "batched@v2"
