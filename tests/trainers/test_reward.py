"""Reward models: the loss written out, the score head that is trained and saved."""

import math

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

import torch
from safetensors import safe_open

from datakit.errors import InputError
from tests.trainers.preference_pairs import FEW, built, records, trained
from trainers import models
from trainers.dpo import DPO
from trainers.examples import pairs
from trainers.gate_pairs import answered, check_pairs
from trainers.rating import open_rater
from trainers.reward import Reward, bradley_terry_loss
from trainers.tokens import stop_ids


@pytest.fixture
def trainer(tiny_model_dir, tiny_tokenizer, tmp_path):
    stops = stop_ids(tiny_tokenizer)
    rows = check_pairs(pairs(records(4)), [], tiny_tokenizer, stops, max_length=128, long="stop")[1]
    made = built(Reward(**FEW), tiny_model_dir, tiny_tokenizer, rows, tmp_path)
    return made, rows


@pytest.fixture(scope="module")
def reward_run(tiny_model_dir, tmp_path_factory):
    return trained(Reward(**FEW), tiny_model_dir, tmp_path_factory.mktemp("reward") / "a")


@pytest.mark.parametrize("margin", [None, [0.5, 0.0, 2.0, 1.0]])
def test_the_loss_is_what_trl_computes(margin, trainer):
    made, _ = trainer
    batch = made.data_collator(list(made.train_dataset))
    asked = None if margin is None else torch.tensor(margin)
    rewards = made.model(**batch).logits[:, 0]
    own = bradley_terry_loss(rewards[:4], rewards[4:], asked)
    if asked is not None:
        batch["margin"] = asked
    theirs = made.compute_loss(lambda margin=None, **given: made.model(**given), batch)
    assert own.item() == pytest.approx(theirs.item(), rel=1e-5)
    assert rewards.std().item() > 0.01


def test_the_loss_in_known_cases():
    zero = torch.zeros(3)
    assert float(bradley_terry_loss(zero, zero)) == pytest.approx(math.log(2))
    lead = torch.tensor([math.log(3.0)])
    assert float(bradley_terry_loss(lead, zero[:1])) == pytest.approx(-math.log(0.75))
    assert float(bradley_terry_loss(lead, zero[:1], lead)) == pytest.approx(math.log(2))
    far = torch.tensor([1e4])
    assert float(bradley_terry_loss(-far, far)) == pytest.approx(2e4)
    assert float(bradley_terry_loss(far, -far)) == 0


def test_the_tokens_are_those_that_the_gate_counted(trainer, tiny_tokenizer):
    made, rows = trainer
    for each, row in zip(made.train_dataset, rows, strict=True):
        for side in ("chosen", "rejected"):
            wanted = answered(tiny_tokenizer, row["prompt"], row[side][0]["content"])
            assert each[f"{side}_ids"] == wanted.input_ids


def test_a_reward_model_is_saved_with_its_head(reward_run, tiny_model_dir, tmp_path):
    assert reward_run.facts["method"] == "reward"
    with safe_open(reward_run.path / "adapter_model.safetensors", "pt") as file:
        assert any("score" in name for name in file.keys())  # noqa: SIM118  no mapping
    ref = models.resolve(str(reward_run.path))
    assert models.is_reward(ref)
    model = models.load_model(ref, task="SEQ_CLS")
    assert model.config.num_labels == 1
    again = trained(Reward(**FEW, watch=0), tiny_model_dir, tmp_path / "b")
    assert again.weights == reward_run.weights


def test_it_rates_as_it_did_in_training(reward_run):
    held_out = records()[8:]
    rater = open_rater(str(reward_run.path))
    chosen = rater.rate(held_out)
    others = [type(each)(each.instruction, output=each.extra["rejected"]) for each in held_out]
    rejected = rater.rate(others)
    leads = [a - b for a, b in zip(chosen, rejected, strict=True)]
    told = reward_run.facts["watch"]["points"][-1]["margin"]
    # Both may compute in bfloat16, and not in the same places.
    assert sum(leads) / len(leads) == pytest.approx(told, rel=0.02, abs=0.05)
    assert told > reward_run.facts["watch"]["points"][0]["margin"]


def test_full_fine_tuning(tiny_model_dir, tmp_path):
    settings = Reward(**{**FEW, "learning_rate": 1e-3}, lora="none", watch=0)
    run = trained(settings, tiny_model_dir, tmp_path / "a")
    assert list(run.weights) == ["model.safetensors"]
    assert models.is_reward(models.resolve(str(run.path)))
    first, second = open_rater(str(run.path)).rate(records(2))
    assert math.isfinite(first) and first != second


def test_one_that_answers_and_one_that_rates_are_not_mixed_up(
    reward_run, tiny_adapter_dir, tmp_path
):
    with pytest.raises(InputError, match="rates answers and gives none"):
        trained(DPO(**FEW), reward_run.path, tmp_path / "a")
    with pytest.raises(InputError, match=r"Merge it first"):
        trained(Reward(**FEW), tiny_adapter_dir, tmp_path / "b")
    with pytest.raises(InputError, match="no reward model"):
        open_rater(str(tiny_adapter_dir))


def test_a_reward_model_can_be_trained_on(reward_run, tmp_path):
    more = trained(Reward(**FEW), reward_run.path, tmp_path / "a")
    start, end = more.facts["watch"]["points"][0], more.facts["watch"]["points"][-1]
    was = reward_run.facts["watch"]["points"][-1]["margin"]
    assert start["margin"] == pytest.approx(was, rel=0.02)
    assert end["margin"] > start["margin"]
