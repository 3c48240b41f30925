"""The public surface: the lines that a user types, and nothing else."""

import json

import pytest

import trainers

ROWS = [
    {"instruction": f"How many {word}?", "output": f"There are {at} {word}.", "rejected": "No idea"}
    for at, word in enumerate(("boats", "mills", "lines", "goods"))
]


def test_the_names():
    assert trainers.__all__ == [
        *("DPO", "KTO", "SFT", "QLoRA", "Reward", "Run", "fit", "measure", "merge"),
    ]
    for name in trainers.__all__:
        assert callable(getattr(trainers, name))
    with pytest.raises(AttributeError):
        trainers.nothing  # noqa: B018


def test_a_loop_in_ten_lines(tmp_path, tiny_model_dir, monkeypatch):
    from trainers import DPO, SFT, fit, measure, merge

    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    model = str(tiny_model_dir)

    run = fit(SFT(steps=2, lora_r=4), "data.jsonl", model=model, out="runs/sft", device="cpu")
    assert run.done and run.curves["train"]
    found = measure("runs/sft", ["perplexity:data.jsonl"], general=False)
    assert found.outcomes[0].lift["nll"].n == len(ROWS)
    merge("runs/sft", "runs/merged")
    better = fit(DPO(steps=2), "data.jsonl", model="runs/sft", out="runs/dpo", device="cpu")
    assert better.facts["model"]["base"] == model
    assert measure("runs/merged", ["preference:data.jsonl"], base=model, general=False).outcomes
