"""DPO and IPO: the tokens, the reference, and what is left in the folder."""

import json
import shutil
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

import torch

from datakit.errors import InputError
from datakit.step import StepError
from tests.trainers.preference_pairs import FEW, built, files, records, trained
from trainers import models
from trainers.dpo import DPO
from trainers.examples import pairs
from trainers.gate_pairs import answered, check_pairs
from trainers.kto import KTO
from trainers.reward import Reward
from trainers.tokens import stop_ids

QUICK = {**FEW, "watch_answers": 0}


@pytest.fixture
def exact(monkeypatch):
    """Computes in float32, also where bfloat16 is faster."""
    monkeypatch.setattr("trainers.settings.computes_bf16", lambda device: False)


def rows_of(tokenizer, count=4, **options):
    options = {"max_length": 128, "long": "stop"} | options
    return check_pairs(pairs(records(count)), [], tokenizer, stop_ids(tokenizer), **options)[1]


def whole(tokenizer, row, side):
    return answered(tokenizer, row["prompt"], row[side][0]["content"])


def log_prob(model, row):
    """Returns the log-probability of a row's labels, by no code of TRL's or ours."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([row.input_ids])).logits[0]
    likely = logits.log_softmax(-1)
    return sum(float(likely[at - 1, label]) for at, label in enumerate(row.labels) if label != -100)


def references(trainer):
    batch = next(
        iter(
            torch.utils.data.DataLoader(
                trainer.train_dataset, batch_size=4, collate_fn=trainer.data_collator
            )
        )
    )
    chosen, rejected = trainer.compute_ref_log_probs(trainer.ref_model or trainer.model, batch)
    return [*chosen.tolist(), *rejected.tolist()]


def expected(model, tokenizer, rows):
    return [
        log_prob(model.eval(), whole(tokenizer, row, side))
        for side in ("chosen", "rejected")
        for row in rows
    ]


def test_the_tokens_are_those_that_the_gate_counted(tiny_model_dir, tiny_tokenizer, tmp_path):
    chat = [{"role": "system", "content": "Zoë."}, {"role": "user", "content": "One?\n"}]
    more = [*chat, {"role": "assistant", "content": " 1"}, {"role": "user", "content": "Two? "}]
    rows = [
        *rows_of(tiny_tokenizer, 3),
        {
            "prompt": more,
            "chosen": [{"role": "assistant", "content": "\n2 "}],
            "rejected": [{"role": "assistant", "content": "<|im_end|>"}],
        },
    ]
    trainer = built(DPO(**QUICK), tiny_model_dir, tiny_tokenizer, rows, tmp_path)
    for made, row in zip(trainer.train_dataset, rows, strict=True):
        for side in ("chosen", "rejected"):
            wanted = whole(tiny_tokenizer, row, side)
            assert made["prompt_ids"] + made[f"{side}_ids"] == wanted.input_ids
            assert made[f"{side}_ids"] == [each for each in wanted.labels if each != -100]


def test_the_reference_of_a_plain_base_is_that_base(
    exact, tiny_model_dir, tiny_tokenizer, tmp_path
):
    rows = rows_of(tiny_tokenizer)
    base = models.load_model(models.resolve(str(tiny_model_dir)))
    trainer = built(DPO(**QUICK), tiny_model_dir, tiny_tokenizer, rows, tmp_path)
    assert trainer.ref_model is None and "ref" not in trainer.model.peft_config
    assert references(trainer) == pytest.approx(expected(base, tiny_tokenizer, rows), abs=1e-3)


def test_the_reference_of_an_adapter_is_that_adapter(
    exact, tiny_model_dir, tiny_adapter_dir, tiny_tokenizer, tmp_path
):
    rows = rows_of(tiny_tokenizer)
    start = models.load_model(models.resolve(str(tiny_adapter_dir)))
    base = models.load_model(models.resolve(str(tiny_model_dir)))
    wanted = expected(start, tiny_tokenizer, rows)
    assert wanted != pytest.approx(expected(base, tiny_tokenizer, rows), abs=1)
    trainer = built(DPO(**QUICK), tiny_adapter_dir, tiny_tokenizer, rows, tmp_path)
    assert references(trainer) == pytest.approx(wanted, abs=1e-3)
    before = weights(trainer.model, "default")
    trainer.train()
    # Only what is trained has moved.
    assert references(trainer) == pytest.approx(wanted, abs=1e-3)
    assert weights(trainer.model, "ref") == before != weights(trainer.model, "default")
    assert trainer.model.active_adapter == "default"


def weights(model, adapter):
    return {
        name.replace(f".{adapter}.", "."): float(each.detach().abs().sum())
        for name, each in model.named_parameters()
        if f".{adapter}." in name
    }


def test_full_fine_tuning_is_compared_with_a_second_model(
    exact, tiny_model_dir, tiny_tokenizer, tmp_path
):
    rows = rows_of(tiny_tokenizer)
    base = models.load_model(models.resolve(str(tiny_model_dir)))
    wanted = expected(base, tiny_tokenizer, rows)
    settings = DPO(**{**QUICK, "learning_rate": 1e-3}, lora="none")
    trainer = built(settings, tiny_model_dir, tiny_tokenizer, rows, tmp_path)
    trainer.train()
    assert references(trainer) == pytest.approx(wanted, abs=1e-3)
    assert expected(trainer.model, tiny_tokenizer, rows) != pytest.approx(wanted, abs=0.1)
    assert not any(each.requires_grad for each in trainer.ref_model.parameters())


@pytest.mark.parametrize("loss", ["sigmoid", "ipo"])
def test_the_loss_is_that_of_the_paper(loss, exact, tiny_adapter_dir, tiny_tokenizer, tmp_path):
    rows = rows_of(tiny_tokenizer)
    settings = DPO(**QUICK, loss=loss, beta=0.2)
    trainer = built(settings, tiny_adapter_dir, tiny_tokenizer, rows, tmp_path)
    with torch.no_grad():
        for name, each in trainer.model.named_parameters():
            if ".default." in name:
                each.mul_(0.5)
    now = expected(trainer.model, tiny_tokenizer, rows)
    then = expected(models.load_model(models.resolve(str(tiny_adapter_dir))), tiny_tokenizer, rows)
    lengths = [
        whole(tiny_tokenizer, row, side).answer_tokens if loss == "ipo" else 1
        for side in ("chosen", "rejected")
        for row in rows
    ]
    moved = torch.tensor([(a - b) / n for a, b, n in zip(now, then, lengths, strict=True)])
    lead = moved[:4] - moved[4:]
    wanted = torch.log1p(torch.exp(-0.2 * lead)) if loss == "sigmoid" else (lead - 2.5) ** 2
    collated = trainer.data_collator(list(trainer.train_dataset))
    found = trainer.compute_loss(trainer.model, collated).item()
    assert found == pytest.approx(wanted.mean().item(), rel=1e-4)


@pytest.mark.parametrize("loss", ["sigmoid", "ipo"])
def test_a_training_learns_and_can_be_loaded(loss, tiny_model_dir, tmp_path):
    settings = DPO(**QUICK, loss=loss)
    run = trained(settings, tiny_model_dir, tmp_path / "a")
    assert run.done and run.facts["method"] == "dpo"
    assert run.facts["result"]["eval_loss"] < run.facts["result"]["eval_loss_before"]
    assert run.facts["watch"]["points"][-1]["margin"] > run.facts["watch"]["points"][0]["margin"]
    ref = models.resolve(str(tmp_path / "a"))
    assert ref.kind == "adapter" and models.load_model(ref) is not None
    # The same seed is the same adapter, watched or not.
    again = trained(DPO(**QUICK, loss=loss, watch=0), tiny_model_dir, tmp_path / "b")
    assert again.weights == run.weights and "watch" not in again.facts


@pytest.mark.slow
def test_another_seed_is_another_adapter(tiny_model_dir, tmp_path):
    made = [
        trained(DPO(**QUICK, watch=0, seed=seed), tiny_model_dir, tmp_path / str(seed))
        for seed in (0, 1)
    ]
    assert made[0].weights != made[1].weights


def test_an_adapter_is_trained_on_and_is_all_that_is_left(tiny_adapter_dir, tmp_path):
    run = trained(DPO(**QUICK), tiny_adapter_dir, tmp_path / "a")
    assert "ref" not in files(tmp_path / "a")
    assert list(run.weights) == ["adapter_model.safetensors"]
    ref = models.resolve(str(tmp_path / "a"))
    loaded = models.load_model(ref)
    assert list(loaded.peft_config) == ["default"]
    start = models.load_model(models.resolve(str(tiny_adapter_dir)))
    assert weights(loaded, "default").keys() == weights(start, "default").keys()
    assert weights(loaded, "default") != weights(start, "default")


@pytest.mark.slow
def test_a_killed_training_goes_on_with_its_reference(tiny_adapter_dir, tmp_path):
    settings = DPO(**{**QUICK, "steps": 4})
    whole_run = trained(settings, tiny_adapter_dir, tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    shutil.rmtree(tmp_path / "b" / "checkpoints" / "checkpoint-4")
    (tmp_path / "b" / "adapter_model.safetensors").unlink()
    facts = {**whole_run.facts, "status": "running"}
    (tmp_path / "b" / "run.json").write_text(json.dumps(facts))
    resumed = trained(settings, tiny_adapter_dir, tmp_path / "b", resume=True)
    assert resumed.weights == whole_run.weights
    ends = [each.facts["watch"]["points"][-1]["margin"] for each in (resumed, whole_run)]
    assert ends[0] == pytest.approx(ends[1])
    assert resumed.facts["watch"]["points"][0]["margin"] > 0


def test_cut_rows_lose_their_end_and_no_row_is_lost(tiny_model_dir, tiny_tokenizer, tmp_path):
    rows = rows_of(tiny_tokenizer, max_length=32, long="cut")
    settings = DPO(**{**QUICK, "max_length": 32}, long="cut")
    trainer = built(settings, tiny_model_dir, tiny_tokenizer, rows, tmp_path)
    batch = trainer.data_collator(list(trainer.train_dataset))
    assert batch["input_ids"].shape == (8, 32)
    assert batch["completion_mask"].sum(1).min() > 0


def test_rows_that_trl_leaves_out_are_not_left_out_unsaid():
    trainer = SimpleNamespace(train_dataset=[1, 2], eval_dataset=None)
    assert DPO().finished(trainer, 2, 0, "cpu") is trainer
    with pytest.raises(InputError, match=r"TRL left out 1 of 3 rows"):
        DPO().finished(trainer, 3, 0, "cpu")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"loss": "robust"}, "flipped"),
        ({"flipped": 0.1}, "flipped"),
        ({"lora_dropout": 0.1}, "lora_dropout"),
        ({"beta": 0}, "beta"),
        ({"quantize": "nf4", "lora": "none"}, "lora"),
        ({"loss": "sft"}, "loss"),
    ],
)
def test_wrong_settings(given, field):
    with pytest.raises(StepError) as caught:
        DPO(**given)
    assert list(caught.value.fields) == [field]


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize("method", [DPO, KTO, Reward])
def test_the_embedded_model(method, tmp_path):
    pytest.importorskip("xllamacpp")
    few = {"steps": 2, "batch": 2, "max_length": 96, "watch": 2}
    run = trained(method(**few), "embedded", tmp_path / "a", records(10), device="auto")
    assert run.done and list(run.weights) == ["adapter_model.safetensors"]
    assert run.facts["watch"]["pairs"] == 2
    assert run.facts["gate"]["stopped"] == run.facts["gate"]["used"]
    ref = models.resolve(str(run.path))
    assert ref.kind == "adapter" and models.is_reward(ref) == (method is Reward)
