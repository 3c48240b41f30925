import importlib.metadata
import json
import math
import sys
from types import SimpleNamespace

import pytest

from datakit.errors import InputError
from trainers.evaluate.harness import harness_items, harness_model

GENERATES = SimpleNamespace(OUTPUT_TYPE="generate_until")
CHOOSES = SimpleNamespace(OUTPUT_TYPE="multiple_choice")


@pytest.fixture(autouse=True)
def version(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: f"9.9 of {name}")


def row(at, filter_name="none", response="said", **metrics):
    return {
        "doc_id": at,
        "filter": filter_name,
        "metrics": list(metrics),
        "resps": [[response]],
        **metrics,
    }


def found(samples, output="generate_until", lower=()):
    return {
        "samples": samples,
        "configs": {name: {"output_type": output} for name in samples},
        "n-shot": dict.fromkeys(samples, 5),
        "higher_is_better": {name: dict.fromkeys(lower, False) for name in samples},
    }


def test_items_of_one_task():
    samples = {"a": [row(0, acc=1, f1=0.5), row(3, response="x", acc=True, f1=0.25)]}
    items = harness_items("lm-eval:a", found(samples, lower=["f1"]), templated=True)
    assert items.ids == ("a:0", "a:3")
    assert items.scores == {"acc": (1.0, 1.0), "f1": (0.5, 0.25)}
    assert items.answers == ("said", "x")
    assert items.notes == (
        "lm-evaluation-harness 9.9 of lm_eval; prompts are given by the model's chat template; "
        "examples in the prompt: a 5.",
        "Lower is better: f1.",
    )


def test_filters_stand_apart_and_the_first_answer_counts():
    samples = {
        "a": [
            row(0, "strict", "first", acc=0.0),
            row(1, "strict", "second", acc=0.0),
            row(0, "flexible", "other", acc=1.0),
            row(1, "flexible", "other", acc=0.0),
        ]
    }
    items = harness_items("lm-eval:a", found(samples), templated=False)
    assert items.scores == {"acc,strict": (0.0, 0.0), "acc,flexible": (1.0, 0.0)}
    assert items.answers == ("first", "second")
    assert "as plain text" in items.notes[0]


def test_only_numbers_that_all_items_of_all_tasks_have_are_taken():
    samples = {
        "a": [
            row(0, acc=1, bleu=("x", "y"), rare=1.0, own=1),
            row(1, acc=0, bleu=("x", "y"), own=1),
        ],
        "b": [row(0, acc=1, bleu=("x", "y"), rare=1.0)],
    }
    items = harness_items("lm-eval:a,b", found(samples, "multiple_choice"), templated=True)
    assert items.ids == ("a:0", "a:1", "b:0")
    assert items.scores == {"acc": (1.0, 0.0, 1.0)}
    assert items.answers is None
    assert items.notes[1].endswith("of all tasks: bleu, own, rare.")
    assert "whichever task" in items.notes[2]


def test_bits_per_byte_are_weighted():
    samples = {"a": [row(0, bits_per_byte=(-10.0, 5)), row(1, bits_per_byte=(-2.0, 15))]}
    items = harness_items("lm-eval:a", found(samples, "loglikelihood_rolling"), templated=False)
    scores, weights = items.scores["bits_per_byte"], items.weights["bits_per_byte"]
    mean = sum(a * b for a, b in zip(scores, weights, strict=True)) / sum(weights)
    assert mean == pytest.approx(12 / 20 / math.log(2))


@pytest.mark.parametrize("value", [float("nan"), [1, 0], "1"])
def test_without_any_number_it_is_a_mistake(value):
    with pytest.raises(InputError, match=r"lm-eval:a: there is no metric .* each item"):
        harness_items("lm-eval:a", found({"a": [row(0, acc=value)]}), templated=True)


def test_tasks_without_a_common_metric_are_a_mistake():
    samples = {"a": [row(0, acc=1)], "b": [row(0, f1=1)]}
    with pytest.raises(InputError, match="one by one"):
        harness_items("lm-eval:a,b", found(samples), templated=True)


class Server:
    name = "served"

    def __init__(self):
        self.asked = []

    def generate(self, prompts, *, max_new_tokens=256):
        self.asked.append((prompts, max_new_tokens))
        return [f"{prompt[-1]['content']}\nmore. END" for prompt in prompts]


def test_a_server_is_asked_through_generate(monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval.api.model", SimpleNamespace(LM=object))
    server = Server()
    model, templated = harness_model(server, {"a": GENERATES})
    assert templated is True

    def request(text, **options):
        prompt = model.apply_chat_template([{"role": "user", "content": text}])
        return SimpleNamespace(args=(prompt, options))

    answers = model.generate_until(
        [
            request("one", until=["\n"], max_gen_toks=9),
            request("two", until="END"),
            request("three", max_gen_toks=9, until=["", " END", "more"]),
        ]
    )
    assert answers == ["one", "two\nmore. ", "three\n"]
    asked = [([each[0]["content"] for each in prompts], most) for prompts, most in server.asked]
    assert asked == [(["one", "three"], 9), (["two"], 256)]
    with pytest.raises(NotImplementedError):
        model.loglikelihood([])
    assert json.loads(model.apply_chat_template([{"role": "user", "content": "é"}]))


def test_a_server_tells_no_likelihood():
    with pytest.raises(InputError, match="lm-eval:b: needs the likelihood"):
        harness_model(Server(), {"a": GENERATES, "b": CHOOSES})
