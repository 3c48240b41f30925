import json
import shutil

import pytest

from datakit.errors import InputError
from trainers import models
from trainers.models import resolve


def test_what_a_name_means(tiny_model_dir, tiny_adapter_dir):
    assert resolve(str(tiny_model_dir)).kind == "folder"
    adapter = resolve(str(tiny_adapter_dir))
    assert (adapter.kind, adapter.path) == ("adapter", str(tiny_model_dir))
    assert adapter.base == resolve(str(tiny_model_dir))
    served = resolve("http://127.0.0.1:8000/v1#small")
    assert (served.kind, served.path, served.name) == (
        "served",
        "http://127.0.0.1:8000/v1",
        "small",
    )
    hub = resolve("Qwen/Qwen2-0.5B@main")
    assert (hub.kind, hub.path, hub.revision) == ("hub", "Qwen/Qwen2-0.5B", "main")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("embeded", 'did you mean "embedded"'),
        ("./absent", "there is no such model"),
        ("./absent/name", "there is no such model"),
        ("absent.gguf", "there is no such model file"),
    ],
)
def test_no_such_model(text, says):
    with pytest.raises(InputError, match=says):
        resolve(text)


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(InputError, match="neither config"):
        resolve(str(tmp_path))
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="base_model_name_or_path is missing"):
        resolve(str(tmp_path))
    (tmp_path / "adapter_config.json").write_text("no json")
    with pytest.raises(InputError, match="cannot be read"):
        resolve(str(tmp_path))


def test_no_gguf(tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"nothing")
    with pytest.raises(InputError, match="is not a model in GGUF format"):
        resolve(str(tmp_path / "x.gguf"))


def test_an_adapter_for_another_base_is_told(tiny_model_dir, tiny_adapter_dir, tmp_path):
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    shutil.copytree(tiny_adapter_dir, adapter)
    base.mkdir()
    from transformers import LlamaConfig, LlamaForCausalLM

    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=64,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
        )
    ).save_pretrained(base)
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(base)
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="the adapter does not fit its base"):
        models.load_model(resolve(str(adapter)), device="cpu")


def test_the_hub_out_of_reach_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(InputError, match="the hub could not be reached"):
        models.load_config(resolve("nobody/nothing-at-all"))


def test_the_pad_token_does_not_end_answers(tiny_model_dir, tmp_path):
    shutil.copytree(tiny_model_dir, tmp_path / "m")
    file = tmp_path / "m" / "tokenizer_config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "pad_token": config["eos_token"]}))
    tokenizer = models.load_tokenizer(resolve(str(tmp_path / "m")))
    assert tokenizer.pad_token == "<|endoftext|>" != tokenizer.eos_token


def test_the_same_weights_are_the_same_model_wherever_they_lie(tiny_model_dir, tmp_path):
    shutil.copytree(tiny_model_dir, tmp_path / "m")
    here, there = (
        models.fingerprint(resolve(str(each))) for each in (tiny_model_dir, tmp_path / "m")
    )
    assert here == there
    with open(tmp_path / "m" / "model.safetensors", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    assert models.fingerprint(resolve(str(tmp_path / "m"))) != here


def test_a_served_model_has_no_weights_here():
    with pytest.raises(InputError, match="needs the model's weights"):
        models.load_model(resolve("http://127.0.0.1:9/v1"))


@pytest.mark.model
def test_the_embedded_model_is_the_wheel_s_own_weights():
    """Its checkpoint in the cache gives the logits of the GGUF file as transformers reads it."""
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM

    from datakit.llm.embedded import default_gguf

    ours = models.load_model(resolve("embedded"), device="cpu")
    path = default_gguf()
    theirs = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32
    )
    ids = torch.tensor([[1, 4093, 198, 19556, 2]])
    with torch.no_grad():
        assert torch.equal(ours(input_ids=ids).logits, theirs(input_ids=ids).logits)


def test_a_model_s_own_code_is_not_run(tiny_model_dir, tmp_path, monkeypatch):
    folder = tmp_path / "m"
    shutil.copytree(tiny_model_dir, folder)
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "own"
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    for load in (models.load_config, models.load_model):
        with pytest.raises(InputError):
            load(resolve(str(folder)))
    assert not (tmp_path / "ran").exists()


def test_an_address_with_a_password_is_refused():
    with pytest.raises(InputError, match="OPENAI_API_KEY") as error:
        resolve("https://me:s3cret@host/v1#m")
    assert "s3cret" not in str(error.value)


def test_a_run_that_is_not_done_is_no_model(tiny_adapter_dir, tmp_path):
    shutil.copytree(tiny_adapter_dir, tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(json.dumps({"status": "running"}))
    with pytest.raises(InputError, match="is not finished"):
        resolve(str(tmp_path / "run"))
