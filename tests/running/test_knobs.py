import pytest

import datakit as dk
from datakit.errors import InputError
from datakit.llm.anthropic import Anthropic
from datakit.llm.request import ALL, Request
from datakit.running.knobs import unheeded
from datakit.steps.generate.self_instruct import SelfInstruct
from tests.loopback import serve

CHAT = Request(messages=({"role": "user", "content": "x"},), temperature=0.9, top_p=0.95, seed=1)
PIPELINE = """
name: small
seeds: seeds.jsonl
target: 4
round_size: 2
teacher: {{provider: anthropic, model: m, base_url: "{url}"{more}}}
steps:
  - generate.self_instruct: {{per_request: 2, rouge: null{knobs}}}
"""


def test_defaults_are_not_sent_and_what_was_set_is_a_mistake():
    assert unheeded(SelfInstruct(), [CHAT], "openai", ALL) == ([], [])
    assert unheeded(SelfInstruct(), [CHAT], "anthropic", Anthropic.knobs) == (
        [],
        ["temperature", "top_p"],
    )
    said, left = unheeded(SelfInstruct(top_p=0.5), [CHAT], "anthropic", Anthropic.knobs)
    assert said == ["top_p: anthropic has no such setting; leave it out, or write null"]
    assert left == ["temperature"]


def test_a_completion_is_not_asked_of_who_has_none():
    said, _ = unheeded(SelfInstruct(), [Request(prompt="x")], "anthropic", Anthropic.knobs)
    assert said == ["style: anthropic answers chats alone, and this one continues a text"]


def written(folder, server, knobs="", more=""):
    rows = [f'{{"instruction": "Question {at}?", "input": "", "output": "a"}}' for at in range(6)]
    (folder / "seeds.jsonl").write_text("\n".join(rows))
    path = folder / "pipeline.yaml"
    path.write_text(PIPELINE.format(url=server.url, knobs=knobs or ", style: alpaca", more=more))
    return path


def test_a_run_with_anthropic(tmp_path):
    with serve() as server:
        path = written(tmp_path, server, more=', price: {input: "3", output: "15"}')
        version = dk.run(path, store=tmp_path / "d")
        sent = [each["sent"] for each in server.answered()]
    assert len(version) >= 4
    assert version.manifest["teachers"][0]["provider"] == "anthropic"
    assert float(version.manifest["cost"]["usd"]) > 0
    assert not any({"temperature", "top_p", "seed", "n"} & each.keys() for each in sent)


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        (
            ", style: alpaca, top_p: 0.3",
            "generate.self_instruct.top_p: anthropic has no such setting",
        ),
        (", style: list", "generate.self_instruct.style: anthropic answers chats alone"),
    ],
)
def test_a_knob_that_is_not_heeded_stops_before_anything_is_sent(tmp_path, knobs, says):
    with serve() as server:
        with pytest.raises(InputError, match=says):
            dk.run(written(tmp_path, server, knobs), store=tmp_path / "d")
        assert server.answered() == []
