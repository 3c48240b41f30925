"""The batches that the model sees: padded on either side, packed, without padding."""

import html

import pytest
import torch

from datakit.record import Record
from datakit.step import StepError
from trainers import models
from trainers.running.job import Ear
from trainers.running.launch import fit
from trainers.sft import SFT
from trainers.tokens import IGNORED, encode

CHATS = [
    ("How many boats?", "12 boats."),
    ("What runs past the old mill?", "The river runs past the old mill and into the harbour."),
    ("Say yes.", "yes"),
    ("Say no.", "no"),
]


@pytest.fixture
def rows(tiny_tokenizer):
    return [
        encode(
            tiny_tokenizer,
            ({"role": "user", "content": q}, {"role": "assistant", "content": a}),
        )
        for q, a in CHATS
    ]


def built(settings, rows, tiny_tokenizer, tiny_model_dir, tmp_path):
    ref = models.resolve(str(tiny_model_dir))
    model = models.load_model(ref, trainable=True)
    return settings(model, tiny_tokenizer, rows, rows, folder=tmp_path / "c", device="cpu", steps=1)


def batch_of(trainer):
    return next(iter(trainer.get_train_dataloader()))


def spoken(tokenizer, batch):
    """Returns the learnt texts of a batch, in whatever order they are."""
    labels = batch["labels"]
    texts = "".join(tokenizer.decode(row[row != IGNORED]) for row in labels)
    return sorted(each for each in texts.replace("\n", "").split("<|im_end|>") if each)


@pytest.mark.parametrize("side", ["right", "left"])
def test_padded_batches(side, rows, tiny_tokenizer, tiny_model_dir, tmp_path):
    settings = SFT(padding_side=side, lora="none")
    trainer = built(settings, rows, tiny_tokenizer, tiny_model_dir, tmp_path)
    batch = batch_of(trainer)
    assert spoken(tiny_tokenizer, batch) == sorted(a for _, a in CHATS)
    padding = batch["attention_mask"] == 0
    assert padding.any()
    assert bool(padding[:, 0 if side == "left" else -1].any())
    assert (batch["labels"][padding] == IGNORED).all()
    # The end of an answer is learnt in every row; a pad token is never that end.
    ends = batch["labels"] == tiny_tokenizer.eos_token_id
    assert ends.sum(1).tolist() == [1] * len(CHATS)
    assert (batch["input_ids"][padding] == tiny_tokenizer.pad_token_id).all()
    assert tiny_tokenizer.pad_token_id != tiny_tokenizer.eos_token_id


@pytest.mark.parametrize("settings", [{"packing": True, "max_length": 256}, {"padding_free": True}])
def test_rows_laid_end_to_end_learn_the_same_and_do_not_see_each_other(
    settings, rows, tiny_tokenizer, tiny_model_dir, tmp_path
):
    trainer = built(SFT(lora="none", **settings), rows, tiny_tokenizer, tiny_model_dir, tmp_path)
    batch = batch_of(trainer)
    assert batch["input_ids"].shape[0] == 1
    assert spoken(tiny_tokenizer, batch) == sorted(a for _, a in CHATS)
    starts = (batch["position_ids"][0] == 0).nonzero().flatten().tolist()
    assert len(starts) == len(CHATS)
    trainer.model.eval()
    with torch.no_grad():
        together = trainer.model(
            **{k: v for k, v in batch.items() if k != "labels"}, use_cache=False
        ).logits[0]
        for start, end in zip(starts, [*starts[1:], batch["input_ids"].shape[1]], strict=True):
            alone = trainer.model(input_ids=batch["input_ids"][:, start:end]).logits[0]
            assert torch.allclose(together[start:end], alone, atol=1e-3)


def test_a_cut_row_keeps_its_labels_up_to_the_cut(rows):
    row = rows[1]
    first = next(at for at, label in enumerate(row.labels) if label != IGNORED)
    cut = row.cut(first + 3)
    assert cut.answer_tokens == 3 and cut.input_ids == row.input_ids[: first + 3]
    assert row.cut(first).answer_tokens == 0


@pytest.mark.parametrize("lora", ["lora", "rslora", "dora", "lora+"])
def test_every_adapter_is_on_all_linear_layers_and_learns(
    lora, rows, tiny_tokenizer, tiny_model_dir, tmp_path
):
    settings = SFT(lora=lora, lora_r=4, lora_alpha=8, batch=2)
    trainer = built(settings, rows, tiny_tokenizer, tiny_model_dir, tmp_path)
    names = {n.split(".lora_A")[0] for n, _ in trainer.model.named_parameters() if "lora_A" in n}
    assert {name.rpartition(".")[2] for name in names} == {
        *("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    }
    before = {n: p.clone() for n, p in trainer.model.named_parameters() if p.requires_grad}
    trainer.train()
    changed = [
        n for n, p in trainer.model.named_parameters() if n in before and not p.equal(before[n])
    ]
    assert any("lora_B" in name for name in changed)
    if lora == "lora+":
        rates = {g["lr"] for g in trainer.optimizer.param_groups}
        assert max(rates) == pytest.approx(16 * min(rates))


def test_settings_that_contradict_each_other():
    with pytest.raises(StepError, match="padding_side"):
        SFT(padding_side="left", packing=True)
    with pytest.raises(StepError, match="4 bits"):
        SFT(quantize="nf4", lora="none")
    with pytest.raises(StepError, match="evaluate_every"):
        SFT(patience=2)
    with pytest.raises(StepError, match='not "lorra"; did you mean "lora"'):
        SFT(lora="lorra")


def test_rejected_answers_that_are_not_trained_are_told(tiny_model_dir, tmp_path):
    data = [
        Record(q, output=a, id=q, extra={"rejected": "I do not know."} if at else {})
        for at, (q, a) in enumerate(CHATS)
    ]
    shown = []
    run = fit(
        SFT(steps=1, batch=2, lora_r=2),
        data,
        model=str(tiny_model_dir),
        out=tmp_path / "a",
        device="cpu",
        ear=Ear(table=lambda title, rows: shown.append((title, dict(rows)))),
    )
    (note,) = run.facts["gate"]["notes"]
    assert note.startswith("3 records have `rejected`: sft and qlora train the chosen answers only")
    assert ("data", note) == (shown[0][0], shown[0][1]["note"])
    page = html.unescape((run.path / "run.html").read_text())
    assert note in page
