import json
import shutil
import time

import pytest

from datakit.errors import DatakitWarning, InputError
from trainers import hub, models
from trainers.models import resolve
from trainers.quiet import quiet


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


@pytest.mark.parametrize(
    "text",
    [
        "http://h/v1?key=s3cret",
        "HTTPS://h/v1?key=s3cret#m",
        "http://h?s3cret@k",
        "https://u:s3cret@h/v1",
    ],
)
def test_a_url_with_a_secret_is_refused_and_not_told(text):
    with pytest.raises(InputError, match="OPENAI_API_KEY") as caught:
        resolve(text)
    assert "s3cret" not in str(caught.value)


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(InputError, match="neither config"):
        resolve(str(tmp_path))
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="base_model_name_or_path is missing"):
        resolve(str(tmp_path))
    (tmp_path / "adapter_config.json").write_text("no json")
    with pytest.raises(InputError, match="cannot be read: it is no JSON"):
        resolve(str(tmp_path))
    (tmp_path / "run.json").symlink_to("run.json")
    with pytest.raises(InputError) as caught:
        models.read_json(tmp_path / "run.json")
    # The system's own words have the name too.
    assert str(caught.value).count("run.json") == 1


@pytest.mark.parametrize("blocked", ["cache", "cache/models"])
def test_a_cache_that_cannot_be_written_names_its_variable(tmp_path, monkeypatch, blocked):
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    monkeypatch.setenv("DATAKIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / blocked).parent.mkdir(exist_ok=True)
    (tmp_path / blocked).write_text("a file")
    with pytest.raises(InputError, match=r"cache.*: the model cannot be .*DATAKIT_CACHE"):
        resolve(str(tmp_path / "x.gguf"))


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


def noted_as(adapter, base, **model):
    """Writes what a training notes of the base that an adapter belongs to."""
    noted = {"base": str(base), "base_kind": "folder", "base_path": str(base), **model}
    (adapter / "run.json").write_text(json.dumps({"status": "done", "model": noted}))


def test_an_adapter_on_weights_that_changed_is_told(tiny_model_dir, tiny_adapter_dir, tmp_path):
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    shutil.copytree(tiny_model_dir, base)
    shutil.copytree(tiny_adapter_dir, adapter)
    noted_as(adapter, base, sha256=models.fingerprint(resolve(str(base))))
    assert models.load_model(resolve(str(adapter)), device="cpu") is not None
    with open(base / "model.safetensors", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    told = "adapter: was trained on another model than .*base is"
    with quiet(), pytest.warns(DatakitWarning, match=told):
        models.load_model(resolve(str(adapter)), device="cpu")


def test_large_weights_are_not_read_twice(tiny_model_dir, tiny_adapter_dir, tmp_path, monkeypatch):
    adapter = tmp_path / "adapter"
    shutil.copytree(tiny_adapter_dir, adapter)
    noted_as(adapter, tiny_model_dir, sha256="another")
    monkeypatch.setattr(models, "_MOST_HASHED", 1)
    assert models.load_model(resolve(str(adapter)), device="cpu") is not None


def test_the_hub_out_of_reach_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(InputError, match="the hub could not be reached"):
        models.load_config(resolve("nobody/nothing-at-all"))


def test_a_model_in_the_cache_needs_no_hub(monkeypatch, tmp_path, tiny_model_dir):
    from huggingface_hub import constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = tmp_path / "models--me--tiny"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    shutil.copytree(tiny_model_dir, folder / "snapshots" / commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    hub.reachable.cache_clear()
    ref, start = resolve("me/tiny"), time.monotonic()
    assert models.load_tokenizer(ref).chat_template and models.load_model(ref, device="cpu")
    assert models.fingerprint(ref) == f"me/tiny@{commit}"
    with pytest.raises(
        InputError, match="not \\(or not whole\\) in the hub's cache; the hub could"
    ):
        models.load_config(resolve("me/other"))
    # The client alone asks for 40 seconds.
    assert time.monotonic() - start < 10
    assert constants.HF_HUB_OFFLINE is False
    hub.reachable.cache_clear()


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
