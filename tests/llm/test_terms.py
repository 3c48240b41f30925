import re

import pytest

from datakit.llm.teacher import Teacher
from datakit.llm.terms import _HOSTS, _MODELS, terms_of
from datakit.step import FileRef


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("meta-llama/Llama-4-Scout-17B", "Llama 4 Community License"),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "Llama 3.3 Community License"),
        ("Meta-Llama-3.1-8B-Instruct", "Llama 3.1 Community License"),
        ("llama3.2:1b", "Llama 3.2 Community License"),
        ("meta-llama/Meta-Llama-3-8B", "Llama 3 Community License"),
        ("Llama-2-7b-chat", "Llama 2 Community License"),
        ("deepseek-ai/DeepSeek-R1", "MIT"),
        ("DeepSeek-R1-Distill-Llama-3.1-8B", "Llama 3.1 Community License"),
        ("google/gemma-3-12b-it", "Gemma Terms of Use"),
        ("gemma2:2b", "Gemma Terms of Use"),
        ("google/gemma-4-9b", "Apache-2.0"),
        ("Qwen/Qwen2.5-72B-Instruct", "Qwen License"),
        ("SmolLM2-135M-Instruct", "Apache-2.0"),
    ],
)
def test_models_by_name(model, name):
    (terms,) = terms_of("openai", model, "http://127.0.0.1:8000/v1")
    assert terms.name == name


def test_who_may_not_be_trained_says_what_is_excepted():
    for terms in [*_HOSTS.values(), *(each for _, each in _MODELS)]:
        assert (terms.training == "limited") == bool(terms.limit)
        assert terms.url.startswith("https://")
        assert re.fullmatch(r"(\d{4}-\d\d-\d\d)?", terms.date)


@pytest.mark.parametrize(
    ("provider", "url", "names"),
    [
        ("openai", None, ["OpenAI Services Agreement"]),
        ("openai", "https://api.openai.com/v1", ["OpenAI Services Agreement"]),
        ("openai", "https://api.openai.com.example.org/v1", []),
        ("openai", "http://localhost:8000/v1", []),
        ("anthropic", None, ["Anthropic Commercial Terms"]),
        (
            "openai",
            "https://generativelanguage.googleapis.com/v1beta/openai/",
            ["Gemini API Additional Terms"],
        ),
        ("together", None, ["Together AI Terms of Service"]),
    ],
)
def test_hosts(provider, url, names):
    assert [each.name for each in terms_of(provider, "some-model", url)] == names


def test_a_host_and_its_model():
    found = terms_of("together", "meta-llama/Llama-3.1-8B-Instruct-Turbo")
    assert [each.training for each in found] == ["unknown", "allowed"]
    assert any('begins with "Llama"' in duty for duty in found[1].duties)


def test_what_the_manifest_has():
    told = Teacher(provider="openai", model=FileRef("gpt-5-nano")).describe()
    assert told["terms"] == "https://openai.com/policies/services-agreement/"
    assert told["known_terms"][0]["training"] == "limited"
    own = Teacher(provider="openai", model=FileRef("m"), terms="https://example.org/t").describe()
    assert (own["terms"], own["known_terms"]) == ("https://example.org/t", [])
    nobody = Teacher(provider="openai", model=FileRef("m"), base_url="http://a/v1").describe()
    assert (nobody["terms"], nobody["known_terms"]) == (None, [])
    assert Teacher().describe()["known_terms"][0]["name"] == "Apache-2.0"
