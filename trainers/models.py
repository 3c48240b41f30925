"""How the model that a name means is loaded: its configuration, tokenizer and weights."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datakit.errors import DatakitWarning, InputError, MissingExtraError
from datakit.fingerprint import file_sha256
from trainers.hub import local_only
from trainers.naming import RUN_FILE, ModelRef, read_json, recorded_base, resolve
from trainers.trouble import told

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

__all__ = [
    "RUN_FILE",
    "ModelRef",
    "check_device",
    "fingerprint",
    "is_reward",
    "load_config",
    "load_generation_config",
    "load_model",
    "load_tokenizer",
    "need",
    "noted",
    "read_json",
    "recorded_base",
    "resolve",
]

# Tokens that models set aside for padding. A pad token that is also the end of an answer works only
# as long as no library masks by its number; one that is never learnt cannot go wrong.
_PAD_TOKENS = ("<|pad|>", "<pad>", "[PAD]", "<|finetune_right_pad_id|>", "<|endoftext|>", "<unk>")

_CLASSES = {
    "CAUSAL_LM": "AutoModelForCausalLM",
    "SEQ_CLS": "AutoModelForSequenceClassification",
}

# Bytes of weights that are hashed before each use of an adapter, which takes some seconds. A merge
# and --resume compare weights of any size.
_MOST_HASHED = 4 * 2**30


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


def noted(ref: ModelRef) -> dict[str, Any]:
    """Returns what run.json keeps of a model, so that it is found again from anywhere."""
    base = ref.base
    local = base.kind in ("folder", "gguf")
    commit = _commit(base) if base.kind == "hub" else None
    return {
        "given": ref.given,
        "kind": ref.kind,
        "base": base.given,
        "base_kind": base.kind,
        "base_path": str(Path(base.given).resolve()) if local else None,
        "revision": commit or base.revision,
        "sha256": fingerprint(ref),
    }


def load_config(ref: ModelRef) -> PretrainedConfig:
    """Returns the configuration of the (base) model; reads no weights."""
    _local_only(ref)
    transformers = need("transformers", "train", "A model")
    with told(ref.given, ref.path, on_hub=ref.on_hub):
        config: PretrainedConfig = transformers.AutoConfig.from_pretrained(
            ref.path, revision=ref.revision, trust_remote_code=False, **_near(ref)
        )
    return config


def _near(ref: ModelRef) -> dict[str, bool]:
    return local_only(on_hub=ref.on_hub)


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
    with told(ref.given, ref.path, on_hub=ref.on_hub):
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
    _same_base(ref)
    transformers = need("transformers", "train", "A model")
    place = device if device != "auto" else default_device()
    options = _options(ref, torch_dtype(dtype, place), quantize, place, task)
    kind = getattr(transformers, _CLASSES[task])
    with told(ref.given, ref.path, on_hub=ref.on_hub):
        model = kind.from_pretrained(ref.path, **options)
        if ref.adapter:
            peft = need("peft", "train", "An adapter")
            model = peft.PeftModel.from_pretrained(model, ref.adapter, is_trainable=trainable)
    if not quantize and not trainable:
        model = model.to(place)
    result: PreTrainedModel = model.train(trainable)
    return result


def _options(
    ref: ModelRef,
    dtype: Any,  # noqa: ANN401  torch.dtype
    quantize: str | None,
    place: str,
    task: str,
) -> dict[str, Any]:
    # A model's own code is never run; who needs that loads the model without us.
    options = {"dtype": dtype, "revision": ref.revision, "trust_remote_code": False, **_near(ref)}
    if task == "SEQ_CLS":
        options["num_labels"] = 1
    if quantize:
        options["quantization_config"] = _quantization(quantize)
        # In 4 bits a model cannot be moved: each process loads it where it will train.
        own = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if place == "cuda" else place
        options["device_map"] = {"": own}
    return options


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


def check_device(device: str) -> None:
    """Stops where a GPU is asked for and torch sees none.

    Raises:
        InputError: If it sees none.
        MissingExtraError: If torch is not installed.
    """
    if device.startswith("cuda") and not need("torch", "train", "A GPU").cuda.is_available():
        raise InputError(
            f"--device {device}: torch sees no GPU here. Use --device cpu; or install a torch "
            "build for CUDA and look at `nvidia-smi`."
        )


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
        return f"{ref.path}@{_commit(ref) or ref.revision}"
    whole = hashlib.sha256()
    for path in _weights(folder):
        whole.update(f"{path.name} {file_sha256(path)}\n".encode())
    return whole.hexdigest()


def _commit(ref: ModelRef) -> str | None:
    """Returns the commit of a model on the hub, by the place of its files in the cache.

    Not every release of transformers keeps it in the configuration.
    """
    load_config(ref)
    from huggingface_hub import try_to_load_from_cache

    file = try_to_load_from_cache(ref.path, "config.json", revision=ref.revision)
    return Path(file).parent.name if isinstance(file, str) else None


def _same_base(ref: ModelRef) -> None:
    """Warns where an adapter comes onto other weights than those that its training recorded."""
    if ref.adapter is None or not (Path(ref.adapter) / RUN_FILE).is_file():
        return
    recorded = (read_json(Path(ref.adapter) / RUN_FILE).get("model") or {}).get("sha256")
    here = Path(ref.path)
    if here.is_dir() and sum(each.stat().st_size for each in _weights(here)) > _MOST_HASHED:
        return
    if recorded and recorded != fingerprint(ref):
        warnings.warn(
            f"{ref.given}: was trained on another model than {ref.base.given} is now: the weights "
            "differ, and its answers may be worse for it.",
            DatakitWarning,
            stacklevel=3,
        )


def _weights(folder: Path) -> list[Path]:
    return sorted((*folder.glob("*.safetensors"), *folder.glob("*.bin")))


def _local_only(ref: ModelRef) -> None:
    if ref.kind == "served":
        raise InputError(f"{ref.given}: is served elsewhere; this needs the model's weights here.")
