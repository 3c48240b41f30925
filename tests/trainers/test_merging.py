"""A merged model answers as the adapter on its base does, or is not there."""

import json
import shutil

import pytest
import torch

from datakit.errors import InputError
from trainers import merging, models
from trainers.merging import merge


def logits(ref, ids):
    with torch.no_grad():
        return models.load_model(ref, device="cpu", dtype="float32")(input_ids=ids).logits


def test_the_merged_model_is_the_adapter_on_its_base(tiny_adapter_dir, tiny_model_dir, tmp_path):
    merged = merge(str(tiny_adapter_dir), tmp_path / "merged")
    assert merged.kl_base > 1e-3 and merged.lost < 1e-4 and merged.same_top == 1
    ids = torch.arange(40)[None]
    ours = logits(models.resolve(str(tmp_path / "merged")), ids)
    theirs = logits(models.resolve(str(tiny_adapter_dir)), ids)
    base = logits(models.resolve(str(tiny_model_dir)), ids)
    assert torch.allclose(ours, theirs, atol=1e-4)
    assert not torch.allclose(ours, base, atol=1e-2)
    told = json.loads((tmp_path / "merged" / "merge.json").read_text())
    assert told["tolerance"] == 1e-4 and told["files"] == merged.files
    assert models.load_tokenizer(models.resolve(str(tmp_path / "merged"))).chat_template


def test_in_bfloat16_what_is_lost_is_measured(tiny_adapter_dir, tmp_path):
    merged = merge(str(tiny_adapter_dir), tmp_path / "merged", dtype="bfloat16")
    assert 0 < merged.lost < 0.05
    assert models.load_config(models.resolve(str(tmp_path / "merged"))).dtype == torch.bfloat16


@pytest.mark.parametrize("fault", ["not merged", "destroyed"])
def test_a_merge_that_went_wrong_leaves_nothing_behind(
    fault, tiny_adapter_dir, tmp_path, monkeypatch
):
    """The two ways in which merging into 4 bits fails, brought about here in what is saved."""
    from peft.tuners.lora import LoraModel

    own = LoraModel.merge_and_unload

    def faulty(self, *args, **kwargs):
        if fault == "not merged":
            return self.unload()
        model = own(self, *args, **kwargs)
        for weight in model.parameters():
            weight.data = weight.data.roll(1, 0)
        return model

    monkeypatch.setattr(LoraModel, "merge_and_unload", faulty)
    with pytest.raises(InputError, match="is not the adapter on its base"):
        merge(str(tiny_adapter_dir), tmp_path / "merged")
    assert list(tmp_path.iterdir()) == []


def test_nothing_but_its_own_words_is_shown(tiny_adapter_dir, tmp_path, capfd):
    said = []
    merge(str(tiny_adapter_dir), tmp_path / "merged", say=said.append)
    assert len(said) == 2
    assert capfd.readouterr() == ("", "")


def test_nothing_is_ever_merged_into_four_bits(tiny_adapter_dir, tmp_path, monkeypatch):
    asked = []
    load = models.load_model
    monkeypatch.setattr(
        merging.models, "load_model", lambda *a, **k: asked.append(k) or load(*a, **k)
    )
    merge(str(tiny_adapter_dir), tmp_path / "merged")
    assert asked and all("quantize" not in each for each in asked)


def test_a_base_that_is_stored_in_four_bits_is_refused(tiny_model_dir, tiny_adapter_dir, tmp_path):
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    shutil.copytree(tiny_model_dir, base)
    shutil.copytree(tiny_adapter_dir, adapter)
    config = json.loads((base / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (base / "config.json").write_text(json.dumps(config))
    told = json.loads((adapter / "adapter_config.json").read_text())
    told["base_model_name_or_path"] = str(base)
    (adapter / "adapter_config.json").write_text(json.dumps(told))
    with pytest.raises(InputError, match="is stored quantised"):
        merge(str(adapter), tmp_path / "merged")


def on_base(base, adapter, to, dtype=None, scale=1.0):
    """Returns a copy of an adapter on a copy of its base, stored in a format, its change scaled."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(base, to / "base")
    shutil.copytree(adapter, to / "adapter")
    if dtype is not None:
        model = models.load_model(models.resolve(str(base)), device="cpu", dtype="float32")
        model.to(dtype).save_pretrained(to / "base")
    told = json.loads((to / "adapter" / "adapter_config.json").read_text())
    told["base_model_name_or_path"] = str(to / "base")
    (to / "adapter" / "adapter_config.json").write_text(json.dumps(told))
    file = to / "adapter" / "adapter_model.safetensors"
    weights = {k: v * scale if "lora_B" in k else v for k, v in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})
    return str(to / "adapter")


def test_a_base_in_float16_stays_in_float16(tiny_adapter_dir, tiny_model_dir, tmp_path):
    adapter = on_base(tiny_model_dir, tiny_adapter_dir, tmp_path, torch.float16)
    merged = merge(adapter, tmp_path / "merged")
    assert (merged.dtype, merged.tolerance) == ("float16", 0.005) and merged.lost < 0.005
    assert models.load_config(models.resolve(str(tmp_path / "merged"))).dtype == torch.float16


def test_weights_that_do_not_fit_into_float16_are_no_model(
    tiny_adapter_dir, tiny_model_dir, tmp_path
):
    adapter = on_base(tiny_model_dir, tiny_adapter_dir, tmp_path, scale=1e6)
    with pytest.raises(InputError, match="some weights do not fit into float16"):
        merge(adapter, tmp_path / "merged", dtype="float16")
    assert not (tmp_path / "merged").exists()


def test_a_format_that_is_none_is_refused(tiny_adapter_dir, tiny_model_dir, tmp_path):
    adapter = on_base(tiny_model_dir, tiny_adapter_dir, tmp_path, torch.float64)
    with pytest.raises(InputError, match=r"stored as float64; name one: --dtype float32,"):
        merge(adapter, tmp_path / "merged")
    with pytest.raises(InputError, match='there is no dtype "int8"'):
        merge(adapter, tmp_path / "merged", dtype="int8")


def test_an_adapter_that_changes_next_to_nothing(tiny_adapter_dir, tiny_model_dir, tmp_path):
    adapter = on_base(tiny_model_dir, tiny_adapter_dir, tmp_path, scale=1e-3)
    merged = merge(adapter, tmp_path / "merged", dtype="bfloat16")
    assert merged.lost > merged.tolerance and merged.kl < merged.floor == 1e-3
    assert "less than 1e-03 always passes" in merged.summary()[1]
    told = json.loads((tmp_path / "merged" / "merge.json").read_text())
    assert told["floor"] == 1e-3 and told["kl"] == merged.kl


def test_in_float32_a_small_change_may_not_be_lost(
    tiny_adapter_dir, tiny_model_dir, tmp_path, monkeypatch
):
    from peft.tuners.lora import LoraModel

    adapter = on_base(tiny_model_dir, tiny_adapter_dir, tmp_path, scale=1e-2)
    monkeypatch.setattr(LoraModel, "merge_and_unload", lambda self, **_: self.unload())
    with pytest.raises(InputError, match="is not the adapter on its base"):
        merge(adapter, tmp_path / "merged", dtype="float32")


def test_errors(tiny_adapter_dir, tiny_model_dir, tmp_path):
    with pytest.raises(InputError, match="is no adapter"):
        merge(str(tiny_model_dir), tmp_path / "merged")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        merge(str(tiny_adapter_dir), tmp_path / "taken")


def test_another_base_than_it_was_trained_on_is_refused(tiny_adapter_dir, tiny_model_dir, tmp_path):
    adapter = tmp_path / "adapter"
    shutil.copytree(tiny_adapter_dir, adapter)
    facts = {"model": {"base": str(tiny_model_dir), "sha256": "another"}}
    (adapter / "run.json").write_text(json.dumps(facts))
    with pytest.raises(InputError, match="was trained on another model"):
        merge(str(adapter), tmp_path / "merged")
