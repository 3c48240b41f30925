"""Which model is meant, and how it is loaded: embedded, a folder, an adapter, GGUF, or a hub id."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datakit.errors import InputError, MissingExtraError, did_you_mean
from datakit.fingerprint import file_sha256
from trainers.gguf import checkpoint_of
from trainers.hub import local_only
from trainers.trouble import told

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

__all__ = [
    "ModelRef",
    "fingerprint",
    "is_reward",
    "load_config",
    "load_generation_config",
    "load_model",
    "load_tokenizer",
    "need",
    "noted",
    "recorded_base",
    "resolve",
]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?\Z")
RUN_FILE = "run.json"
_UNFINISHED = ("running", "failed")

# Tokens that models set aside for padding. A pad token that is also the end of an answer works only
# as long as no library masks by its number; one that is never learnt cannot go wrong.
_PAD_TOKENS = ("<|pad|>", "<pad>", "[PAD]", "<|finetune_right_pad_id|>", "<|endoftext|>", "<unk>")


@dataclass(frozen=True)
class ModelRef:
    """A model that was named.

    Args:
        given: What the user wrote.
        kind: `embedded`, `folder`, `adapter`, `gguf`, `hub` or `served`.
        path: The folder or hub id of the (base) model; the URL of a served one.
        adapter: The folder of a PEFT adapter that goes on top.
        revision: The revision of a hub id, as in `owner/name@revision`.
        name: The model's name at its server.
    """

    given: str
    kind: str
    path: str
    adapter: str | None = None
    revision: str | None = None
    name: str | None = None

    @property
    def base(self) -> ModelRef:
        """The same model without its adapter."""
        if self.adapter is None:
            return self
        return _base_of(Path(self.adapter))


def need(package: str, extra: str, purpose: str) -> Any:  # noqa: ANN401  a module
    """Imports a package of an extra.

    Raises:
        MissingExtraError: If it is not installed; it names the extra.
    """
    import importlib
    import logging

    # It notes at its import that it looked for a faster kernel on the hub and found none.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        return importlib.import_module(package)
    except ImportError as error:
        if error.name and error.name.partition(".")[0] != package.partition(".")[0]:
            raise InputError(f"{purpose}: {package} cannot be imported: {error}.") from None
        raise MissingExtraError.of(package, extra, purpose) from None


def resolve(text: str) -> ModelRef:
    """Finds out what a model's name means.

    Args:
        text: `embedded`; a folder with a checkpoint or an adapter; a .gguf file; a hub id, also
            `owner/name@revision`; or the URL of an OpenAI-compatible server, with the model's name
            after `#` where it serves several.

    Raises:
        InputError: If there is no such thing, or if the folder holds no whole model.
    """
    if text == "embedded":
        from datakit.llm.embedded import default_gguf

        return ModelRef(text, "embedded", str(checkpoint_of(default_gguf())))
    if text.startswith(("http://", "https://")):
        url, _, name = text.partition("#")
        if "@" in url.partition("://")[2].partition("/")[0]:
            raise InputError(
                "a model's URL must hold no user or password: it stands in files and on pages. "
                "Put the key into the environment: OPENAI_API_KEY."
            )
        return ModelRef(text, "served", url, name=name or None)
    path = Path(text)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise InputError(f"{text}: there is no such model file.")
        return ModelRef(text, "gguf", str(checkpoint_of(path)))
    if path.is_dir():
        return _folder(text, path)
    if _HUB_ID.match(text) and not text.startswith((".", "/")) and not path.parent.is_dir():
        name, _, revision = text.partition("@")
        return ModelRef(text, "hub", name, revision=revision or None)
    meant = did_you_mean(text, ["embedded"])
    raise InputError(
        f"{text}: there is no such model{meant or '.'} A model is `embedded`, a folder, a .gguf "
        "file, a hub id (owner/name), or the URL of an OpenAI-compatible server."
    )


def _folder(text: str, path: Path) -> ModelRef:
    if (path / RUN_FILE).is_file() and read_json(path / RUN_FILE).get("status") in _UNFINISHED:
        raise InputError(
            f"{text}: its training is not finished; the same `datakit train` command with --resume "
            "goes on."
        )
    if (path / "adapter_config.json").is_file():
        base = _base_of(path)
        if base.adapter is not None:
            raise InputError(
                f"{text}: its base, {base.given}, is an adapter too; merge that first."
            )
        return replace(base, given=text, kind="adapter", adapter=str(path))
    if (path / "config.json").is_file():
        return ModelRef(text, "folder", str(path))
    raise InputError(
        f"{text}: is no model: it has neither config.json nor adapter_config.json. "
        "Name the folder that `datakit train -o` wrote, or a checkpoint."
    )


def _base_of(folder: Path) -> ModelRef:
    """Finds the base of an adapter: what run.json says that it was, or what PEFT noted."""
    if (folder / RUN_FILE).is_file():
        model = read_json(folder / RUN_FILE).get("model", {})
        if model.get("base"):
            return recorded_base(folder, model)
    given = read_json(folder / "adapter_config.json").get("base_model_name_or_path")
    if not given:
        raise InputError(
            f"{folder / 'adapter_config.json'}: base_model_name_or_path is missing, so nobody "
            "knows which model the adapter belongs to. Add it."
        )
    return resolve(str(given))


def recorded_base(folder: Path, model: dict[str, Any]) -> ModelRef:
    """Returns the base that a run noted; a folder that is gone never becomes a name on the hub.

    Args:
        folder: The run's folder.
        model: What its run.json says of the model; see `noted`.

    Raises:
        InputError: If the base is not there any more.
    """
    given, kind = str(model["base"]), model.get("base_kind")
    if kind == "hub":
        return ModelRef(given, "hub", given.partition("@")[0], revision=model.get("revision"))
    if kind not in ("folder", "gguf"):
        return resolve(given)
    for path in (model.get("base_path"), given):
        if path and Path(path).exists():
            return replace(resolve(str(path)), given=given)
    raise InputError(
        f"{folder}: its base, {given}, is not there any more (it was {model.get('base_path')}). "
        f"Put it back, or correct model.base_path in {folder / RUN_FILE}."
    )


def noted(ref: ModelRef) -> dict[str, Any]:
    """Returns what run.json keeps of a model, so that it is found again from anywhere."""
    base = ref.base
    local = base.kind in ("folder", "gguf")
    commit = getattr(load_config(base), "_commit_hash", None) if base.kind == "hub" else None
    return {
        "given": ref.given,
        "kind": ref.kind,
        "base": base.given,
        "base_kind": base.kind,
        "base_path": str(Path(base.given).resolve()) if local else None,
        "revision": commit or base.revision,
        "sha256": fingerprint(ref),
    }


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        InputError: If the file is not one.
    """
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}.") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: is not a JSON object.")
    return value


def load_config(ref: ModelRef) -> PretrainedConfig:
    """Returns the configuration of the (base) model; reads no weights."""
    _local_only(ref)
    transformers = need("transformers", "train", "A model")
    with told(ref.given, ref.path, on_hub=ref.kind == "hub"):
        config: PretrainedConfig = transformers.AutoConfig.from_pretrained(
            ref.path, revision=ref.revision, trust_remote_code=False, **_near(ref)
        )
    return config


def _near(ref: ModelRef) -> dict[str, bool]:
    return local_only(on_hub=ref.kind == "hub")


def load_generation_config(ref: ModelRef) -> Any:  # noqa: ANN401  GenerationConfig or None
    """Returns how the model says that it generates: it may name more tokens that end an answer."""
    transformers = need("transformers", "train", "A model")
    try:
        return transformers.GenerationConfig.from_pretrained(
            ref.path, revision=ref.revision, **_near(ref)
        )
    except (OSError, ValueError):
        return None


def load_tokenizer(ref: ModelRef) -> PreTrainedTokenizerBase:
    """Loads the tokenizer, that of a trained folder where it has one.

    Its pad token is never one that ends an answer, if the vocabulary has any other to offer.
    """
    _local_only(ref)
    transformers = need("transformers", "train", "A tokenizer")
    own = ref.adapter and (Path(ref.adapter) / "tokenizer_config.json").is_file()
    with told(ref.given, ref.path, on_hub=ref.kind == "hub"):
        tokenizer: PreTrainedTokenizerBase = transformers.AutoTokenizer.from_pretrained(
            ref.adapter if own else ref.path,
            revision=None if own else ref.revision,
            trust_remote_code=False,
            **({} if own else _near(ref)),
        )
    if tokenizer.pad_token is None or tokenizer.pad_token == tokenizer.eos_token:
        vocabulary = tokenizer.get_vocab()
        spare = (each for each in _PAD_TOKENS if each in vocabulary and each != tokenizer.eos_token)
        tokenizer.pad_token = next(spare, tokenizer.eos_token)
    return tokenizer


def load_model(
    ref: ModelRef,
    *,
    dtype: str = "auto",
    quantize: str | None = None,
    device: str = "auto",
    trainable: bool = False,
    task: str = "CAUSAL_LM",
) -> PreTrainedModel:
    """Loads a model, with its adapter if it has one, for inference unless `trainable`.

    Args:
        ref: Which.
        dtype: Of the weights: `float32`, `bfloat16`, or `auto`: bfloat16 on a GPU that has it, else
            float32.
        quantize: `nf4` holds the linear layers of the base in 4 bits (QLoRA, arXiv 2305.14314).
        device: `cpu`, `cuda`, `cuda:1`; `auto` takes a GPU if there is one.
        trainable: Whether the adapter will be trained on.
        task: `CAUSAL_LM` answers; `SEQ_CLS` is a reward model, or a model that becomes one, with a
            score head of one output.

    Raises:
        InputError: If it cannot be loaded, or not for this task.
    """
    _local_only(ref)
    _fits_task(ref, task)
    transformers = need("transformers", "train", "A model")
    place = device if device != "auto" else default_device()
    options: dict[str, Any] = {"dtype": torch_dtype(dtype, place), "revision": ref.revision}
    # A model's own code is never run; who needs that loads the model without us.
    options |= {"trust_remote_code": False, **_near(ref)}
    if quantize:
        options["quantization_config"] = _quantization(quantize)
        # In 4 bits a model cannot be moved: each process loads it where it will train.
        own = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if place == "cuda" else place
        options["device_map"] = {"": own}
    kind = transformers.AutoModelForCausalLM
    if task == "SEQ_CLS":
        kind, options["num_labels"] = transformers.AutoModelForSequenceClassification, 1
    with told(ref.given, ref.path, on_hub=ref.kind == "hub"):
        model = kind.from_pretrained(ref.path, **options)
        if ref.adapter:
            peft = need("peft", "train", "An adapter")
            model = peft.PeftModel.from_pretrained(model, ref.adapter, is_trainable=trainable)
    if not quantize and not trainable:
        model = model.to(place)
    result: PreTrainedModel = model.train(trainable)
    return result


def is_reward(ref: ModelRef) -> bool:
    """Returns whether a model rates answers: an adapter by its task, a whole one by its class."""
    if ref.adapter:
        return read_json(Path(ref.adapter) / "adapter_config.json").get("task_type") == "SEQ_CLS"
    if Path(ref.path).is_dir():
        classes = read_json(Path(ref.path) / "config.json").get("architectures")
    else:
        classes = getattr(load_config(ref), "architectures", None)
    return any(str(each).endswith("ForSequenceClassification") for each in classes or ())


def _fits_task(ref: ModelRef, task: str) -> None:
    if task == "CAUSAL_LM" and is_reward(ref):
        raise InputError(
            f"{ref.given}: is a reward model: it rates answers and gives none. Use it in a "
            "pipeline: score.reward."
        )
    if task == "SEQ_CLS" and ref.adapter and not is_reward(ref):
        raise InputError(
            f"{ref.given}: is an adapter of a model that answers, and a reward model has another "
            "head. Merge it first (datakit train merge), and start from the result."
        )


def default_device() -> str:
    """Returns `cuda` if torch sees a GPU, else `cpu`."""
    torch = need("torch", "train", "A model")
    return "cuda" if torch.cuda.is_available() else "cpu"


def torch_dtype(name: str, device: str) -> Any:  # noqa: ANN401  torch.dtype
    """Returns the torch type of weights; see `load_model`."""
    torch = need("torch", "train", "A model")
    if name == "auto":
        on_gpu = device != "cpu" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if on_gpu else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def _quantization(name: str) -> Any:  # noqa: ANN401  BitsAndBytesConfig
    if name != "nf4":
        raise InputError(f'quantize: there is no "{name}"; there is nf4.')
    need("bitsandbytes", "qlora", "NF4")
    torch = need("torch", "train", "NF4")
    transformers = need("transformers", "train", "NF4")
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def fingerprint(ref: ModelRef) -> str:
    """Returns a hash of the base model's weights, or a hub id with its commit.

    Two folders with the same weight files are the same model, wherever they lie.
    """
    import hashlib

    folder = Path(ref.path)
    if not folder.is_dir():
        return f"{ref.path}@{getattr(load_config(ref), '_commit_hash', None) or ref.revision}"
    whole = hashlib.sha256()
    for path in sorted((*folder.glob("*.safetensors"), *folder.glob("*.bin"))):
        whole.update(f"{path.name} {file_sha256(path)}\n".encode())
    return whole.hexdigest()


def _local_only(ref: ModelRef) -> None:
    if ref.kind == "served":
        raise InputError(f"{ref.given}: is served elsewhere; this needs the model's weights here.")
