"""The public surface: the lines that a user types, and nothing else."""

import inspect
import json
import subprocess
import sys

import pytest

import trainers

ROWS = [
    {"instruction": f"How many {word}?", "output": f"There are {at} {word}.", "rejected": "No idea"}
    for at, word in enumerate(("boats", "mills", "lines", "goods"))
]


def test_the_names():
    assert trainers.__all__ == [
        *("DPO", "KTO", "SFT", "Evaluation", "Interval", "Merged", "QLoRA", "Reward", "Run"),
        *("Settings", "TaskOptions", "fit", "measure", "merge"),
    ]
    for name in trainers.__all__:
        assert callable(getattr(trainers, name))
        assert inspect.getdoc(getattr(trainers, name))
        # What a user types is what it calls itself, in an error or an editor.
        assert getattr(trainers, name).__name__ == name
    with pytest.raises(AttributeError):
        trainers.nothing  # noqa: B018


def test_the_names_are_those_that_are_used():
    assert issubclass(trainers.SFT, trainers.Settings)
    told = inspect.signature(trainers.measure)
    assert list(told.parameters)[:7] == [
        *("model", "tasks", "base", "compare", "general", "limit", "max_new_tokens"),
    ]
    assert told.return_annotation == "Evaluation"
    for name in told.parameters:
        assert f"    {name}: " in trainers.measure.__doc__


def test_importing_them_imports_no_torch():
    light = ["Evaluation", "Interval", "Merged", "Settings", "TaskOptions", "fit", "measure"]
    code = f"import sys\nfrom trainers import {', '.join(light)}\n"
    code += "heavy = {'torch', 'transformers', 'peft', 'trl', 'datasets'} & {*sys.modules}\n"
    code += "assert not heavy, heavy"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_loop_in_ten_lines(tmp_path, tiny_model_dir, monkeypatch):
    from trainers import DPO, SFT, fit, measure, merge

    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    model = str(tiny_model_dir)

    run = fit(SFT(steps=2, lora_r=4), "data.jsonl", model=model, out="runs/sft", device="cpu")
    assert run.done and run.curves["train"]
    found = measure("runs/sft", ["perplexity:data.jsonl"], general=False)
    assert found.outcomes[0].lift["nll"].n == len(ROWS)
    assert isinstance(found, trainers.Evaluation)
    assert isinstance(found.outcomes[0].scores["nll"], trainers.Interval)
    assert len(measure("runs/sft", "perplexity:data.jsonl", general=False, limit=2).rows()) == 6
    assert isinstance(merge("runs/sft", "runs/merged"), trainers.Merged)
    better = fit(DPO(steps=2), "data.jsonl", model="runs/sft", out="runs/dpo", device="cpu")
    assert better.facts["model"]["base"] == model
    assert measure("runs/merged", ["preference:data.jsonl"], base=model, general=False).outcomes
