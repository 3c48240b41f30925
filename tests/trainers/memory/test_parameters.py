import pytest

from datakit.errors import InputError
from tests.benchmarks.shapes import SHAPES, TOTALS, config
from trainers.memory.parameters import parameters, shape, skeleton

pytest.importorskip("torch")
pytest.importorskip("transformers")


@pytest.mark.parametrize("name", TOTALS)
def test_total_is_the_published_one(name):
    assert shape(config(name)).total == TOTALS[name]


@pytest.mark.parametrize("name", TOTALS)
def test_nothing_is_allocated(name):
    assert all(each.is_meta for each in skeleton(config(name)).parameters())


@pytest.mark.parametrize(
    ("name", "trained"), [("llama-3-8b", 41_943_040), ("smollm2-135m", 4_884_480)]
)
def test_adapter_of_all_linear_layers(name, trained):
    assert parameters(config(name), r=16).trainable == trained


GPT2 = {"model_type": "gpt2", "n_layer": 2, "n_embd": 32, "n_head": 2, "vocab_size": 100}


@pytest.mark.parametrize("name", ["llama-3-8b", "qwen2-0.5b", "phi-3-mini", "gpt2"])
@pytest.mark.parametrize("lora", ["lora", "dora"])
def test_peft_trains_as_many(name, lora):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig

    keys = dict(GPT2 if name == "gpt2" else {**SHAPES[name], "num_hidden_layers": 2})
    small = AutoConfig.for_model(keys.pop("model_type"), **keys)
    adapter = LoraConfig(
        r=8,
        target_modules="all-linear",
        use_dora=lora == "dora",
        fan_in_fan_out=name == "gpt2",
        task_type="CAUSAL_LM",
    )
    expected, _ = get_peft_model(skeleton(small), adapter).get_nb_trainable_parameters()
    assert parameters(small, lora=lora, r=8).trainable == expected


def test_table_of_smollm2():
    table = parameters(config("smollm2-135m"), r=16, saved_as="bf16")
    assert table.share == pytest.approx(0.035, abs=0.0001)
    assert table.saved == 9_768_960
    assert table.full_optimizer == 8 * table.total
    assert table.rows()[0] == ("parameters trained", "4,884,480 (3.50%)", "134,515,008 (100 %)")


def test_full_fine_tuning_trains_all():
    table = parameters(config("tiny"), lora="none")
    assert (table.trainable, table.share) == (table.total, 1.0)
    assert (table.saved, table.optimizer) == (table.full_trained, table.full_optimizer)


def test_the_output_layer_has_no_adapter_and_tied_ones_count_once():
    small = shape(config("smollm2-135m"))
    assert not any("lm_head" in matrix.name for matrix in small.matrices)
    assert small.total - small.linear == 49_152 * 576 + 61 * 576


def test_a_score_head_replaces_the_output_layer():
    tiny = config("tiny")
    assert shape(tiny).total - shape(tiny, task="SEQ_CLS").total == (4096 - 1) * 256


def test_a_model_that_cannot_be_built_is_an_input_error():
    from transformers import ViTConfig

    with pytest.raises(InputError, match="model_type 'vit': this model cannot be built"):
        shape(ViTConfig())
