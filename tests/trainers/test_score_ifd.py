"""score.ifd in a pipeline: its arithmetic, what has none, and by what its model is known."""

import math
import shutil
import subprocess
import sys

import pytest

import datakit
from datakit import registry
from datakit.fingerprint import identity
from datakit.record import Record
from datakit.step import Resources, StepError

pytest.importorskip("transformers")

from trainers.following import open_follower
from trainers.score_ifd import IfdScore


def test_the_step_is_found_without_its_heavy_packages():
    code = (
        "import sys; from datakit import registry; cls = registry.find('score.ifd'); "
        "from datakit.step import describe; assert describe(cls)['verb'] == 'score'; "
        "assert not {'torch', 'transformers', 'peft', 'trl', 'datasets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert registry.find("score.ifd") is IfdScore


def test_it_is_the_quotient_of_two_perplexities(tiny_model_dir):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)

    def mean(question):
        chat = [{"role": "user", "content": question}, {"role": "assistant", "content": "A mill."}]
        before = tokenizer.apply_chat_template(chat[:1], tokenize=False, add_generation_prompt=True)
        ids = tokenizer(before, add_special_tokens=False)["input_ids"]
        text = tokenizer.apply_chat_template(chat, tokenize=False)
        whole = tokenizer(text, add_special_tokens=False)["input_ids"]
        labels = [-100] * len(ids) + whole[len(ids) :]
        with torch.no_grad():
            made = model(input_ids=torch.tensor([whole]), labels=torch.tensor([labels]))
        return float(made.loss)

    [found] = open_follower(str(tiny_model_dir)).follow([Record("Where?", output="A mill.")])
    assert found.given == pytest.approx(mean("Where?"), rel=2e-2)
    assert found.alone == pytest.approx(mean(""), rel=2e-2)
    assert found.ratio == pytest.approx(math.exp(found.given - found.alone))
    [scored] = IfdScore(model=str(tiny_model_dir)).score(
        [Record("Where?", output="A mill.")], Resources()
    )
    assert scored == {"ifd": round(found.ratio, 4), "answer_nll": round(found.given, 4)}


def test_what_is_no_chat_or_too_long_has_none_and_can_be_filtered(tiny_model_dir):
    records = [
        Record("Where is the mill?", output="By the river."),
        Record("No answer.", output=""),
        Record("so " * 300, output="Too long a question."),
        Record("Say much.", output="The river runs past the old mill. " * 90),
        Record(
            "And then?",
            output="It turns.",
            extra={
                "messages": [
                    {"role": "user", "content": "Where is the mill?"},
                    {"role": "assistant", "content": "By the river."},
                    {"role": "user", "content": "And then?"},
                ]
            },
        ),
    ]
    steps = [f"score.ifd: {{model: {tiny_model_dir}, max_length: 128}}"]
    found = [each.scores.get("ifd") for each in datakit.apply(records, steps).kept]
    assert [each is None for each in found] == [False, True, True, False, False]
    result = datakit.apply(records, [*steps, "filter.where: {expression: ifd < 1e9}"])
    assert [drop.reason for _, _, drop in result.dropped] == ["no_score", "no_score"]


def test_a_score_does_not_depend_on_its_batch(tiny_model_dir):
    records = [Record("Say so.", output="so " * count) for count in (1, 40, 3, 17, 5)]
    one, all_ = (
        IfdScore(model=str(tiny_model_dir), batch=batch).score(records, Resources())
        for batch in (1, 8)
    )
    for a, b in zip(one, all_, strict=True):
        assert a["ifd"] == pytest.approx(b["ifd"], rel=0.05)


def test_a_model_is_known_by_its_files(tiny_model_dir, tiny_adapter_dir, tmp_path):
    step = IfdScore(model=str(tiny_model_dir))
    shutil.copytree(tiny_model_dir, tmp_path / "moved")
    moved = IfdScore(model=str(tmp_path / "moved"))
    assert step.model != moved.model and identity(step) == identity(moved)
    (tmp_path / "moved" / "chat_template.jinja").write_text("another")
    assert identity(IfdScore(model=str(tmp_path / "moved"))) != identity(step)
    assert identity(IfdScore(model=str(tiny_adapter_dir))) != identity(step)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("http://127.0.0.1:1/v1", "a server does not tell"),
        ("{empty}", "holds no weights"),
        ("embeded", 'there is no model "embeded"'),
        ("./nowhere", "there is no model"),
        ("./nowhere.gguf", "there is no model"),
    ],
)
def test_what_cannot_read_is_refused_at_once(model, said, tmp_path):
    with pytest.raises(StepError, match=said):
        IfdScore(model=model.format(empty=tmp_path))


@pytest.mark.slow
def test_the_embedded_model_knows_an_answer_from_another_records():
    asked = {
        "What is the capital of France?": "The capital of France is Paris.",
        "Name three primary colours.": "The three primary colours are red, blue and yellow.",
        "How do plants make food?": "Plants make food from light, water and air by photosynthesis.",
    }
    own = [Record(question, output=answer) for question, answer in asked.items()]
    answers = [*list(asked.values())[1:], next(iter(asked.values()))]
    other = [Record(each.instruction, output=text) for each, text in zip(own, answers, strict=True)]
    found = IfdScore().score([*own, *other], Resources())
    assert max(each["ifd"] for each in found[:3]) < 1 < min(each["ifd"] for each in found[3:])
