"""What is measured on held-out pairs in a training, against the model itself."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

import torch

from tests.trainers.preference_pairs import FEW, built, records, trained
from trainers import models
from trainers.dpo import DPO
from trainers.examples import pairs
from trainers.gate_pairs import answered, check_pairs
from trainers.tokens import stop_ids
from trainers.watch.callback import Answers, PairWatch, _lengths


def rows_of(tokenizer):
    stops = stop_ids(tokenizer)
    return check_pairs(pairs(records(6)), [], tokenizer, stops, max_length=128, long="stop")[1]


def watch_of(trainer):
    (found,) = [each for each in trainer.callback_handler.callbacks if isinstance(each, PairWatch)]
    return found


def mean_log_prob(model, tokenizer, rows, side):
    """Returns the mean log-probability of the answers, by no code of ours but the tokens."""
    total = 0.0
    for row in rows:
        whole = answered(tokenizer, row["prompt"], row[side][0]["content"])
        with torch.no_grad():
            likely = model(input_ids=torch.tensor([whole.input_ids])).logits[0].log_softmax(-1)
        spots = [at for at, label in enumerate(whole.labels) if label != -100]
        total += sum(likely[at - 1, whole.labels[at]].item() for at in spots)
    return total / len(rows)


@pytest.mark.parametrize("lora", ["lora", "none"])
def test_shifts_are_those_of_the_models(
    lora, tiny_model_dir, tiny_adapter_dir, tiny_tokenizer, tmp_path, monkeypatch
):
    monkeypatch.setattr("trainers.settings.computes_bf16", lambda device: False)
    start = tiny_adapter_dir if lora == "lora" else tiny_model_dir
    rows = rows_of(tiny_tokenizer)
    few = {**FEW, "learning_rate": 1e-3, "watch_answers": 0}
    settings = DPO(**few, lora=lora, evaluate_every=1)
    trainer = built(settings, start, tiny_tokenizer, rows, tmp_path, held_out=rows)
    trainer.train()
    watch = watch_of(trainer).facts()["watch"]
    assert [each["step"] for each in watch["points"]] == [0, 1, 2]
    before = models.load_model(models.resolve(str(start)))
    logged = [each for each in trainer.state.log_history if "eval_rewards/margins" in each]
    for side in ("chosen", "rejected"):
        now = mean_log_prob(trainer.model.eval(), tiny_tokenizer, rows, side)
        shift = now - mean_log_prob(before, tiny_tokenizer, rows, side)
        assert abs(shift) > 0.01
        assert watch["points"][-1][f"{side}_shift"] == pytest.approx(shift, abs=1e-3)
    # TRL's own means over the same rows agree, batch by batch.
    for told, point in zip(logged, watch["points"], strict=True):
        assert point["margin"] == pytest.approx(told["eval_rewards/margins"], abs=0.05)
    assert watch["points"][0]["kl"] == 0 < watch["points"][-1]["kl"]


class Talker:
    """Answers with given tokens, whatever it is asked."""

    device = "cpu"
    generation_config = None

    def __init__(self, answers):
        self._answers = answers

    def generate(self, input_ids, attention_mask, generation_config):
        self.given = input_ids, attention_mask, generation_config
        return torch.cat([input_ids, torch.tensor(self._answers)], dim=1)


def test_greedy_answers_are_counted_up_to_their_end(tiny_tokenizer):
    end, pad = tiny_tokenizer.eos_token_id, tiny_tokenizer.pad_token_id
    model = Talker([[7, 8, end, pad], [7, 8, 9, 9], [end, pad, pad, pad]])
    assert _lengths(model, tiny_tokenizer, [[5], [5, 6], [4, 5, 6]]) == (2, 4, 0)
    ids, mask, config = model.given
    assert ids.tolist() == [[pad, pad, 5], [pad, 5, 6], [4, 5, 6]]
    assert mask.tolist() == [[0, 0, 1], [0, 1, 1], [1, 1, 1]]
    assert not config.do_sample and config.eos_token_id == [end]
    assert _lengths(model, tiny_tokenizer, []) == ()


def test_prompts_are_answered_before_and_after(tiny_model_dir, tmp_path, monkeypatch):
    monkeypatch.setattr("trainers.watch.callback._LONGEST", 6)
    run = trained(DPO(**FEW, watch_answers=2), tiny_model_dir, tmp_path / "a")
    told = run.facts["watch"]["greedy_answers"]
    assert told["cut_at"] == 6
    assert len(told["tokens_before"]) == len(told["tokens_after"]) == 2
    assert all(0 <= each <= 6 for each in told["tokens_before"] + told["tokens_after"])


def test_more_pairs_than_are_watched_are_taken_evenly():
    rows = [([n], [n]) for n in range(10)]
    some = Answers(rows, rows[:3]).first(5)
    assert [prompt for prompt, _ in some.chosen] == [[0], [2], [4], [6], [8]]
    assert some.rejected == rows[:3]


def test_nothing_is_watched_without_held_out_pairs(tiny_model_dir, tiny_tokenizer, tmp_path):
    rows = rows_of(tiny_tokenizer)
    trainer = built(DPO(**FEW), tiny_model_dir, tiny_tokenizer, rows, tmp_path)
    assert not any(isinstance(e, PairWatch) for e in trainer.callback_handler.callbacks)
