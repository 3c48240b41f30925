"""A model's parameters, read off its configuration: nothing is downloaded, no weight is made.

The model is built on PyTorch's meta device, where a tensor has a shape and no data, and its modules
are walked. So the figures hold for any architecture that transformers knows, with tied embeddings,
grouped heads and fused projections.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from datakit.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

__all__ = ["Block", "Layer", "Matrix", "ParameterTable", "Shape", "parameters", "shape", "skeleton"]

# AdamW keeps two running means of every trained parameter, in fp32.
ADAMW_BYTES = 8


@dataclass(frozen=True)
class Matrix:
    """The weight of one linear layer.

    Attributes:
        name: Its place in the model.
        inputs: Width of what goes in.
        outputs: Width of what comes out.
    """

    name: str
    inputs: int
    outputs: int

    @property
    def size(self) -> int:
        """Number of weights, without a bias."""
        return self.inputs * self.outputs


@dataclass(frozen=True)
class Block:
    """Linear layers side by side in one module: the attention or the MLP of a layer."""

    attention: bool
    matrices: tuple[Matrix, ...]


@dataclass(frozen=True)
class Layer:
    """One decoder layer: its blocks, and the width of each norm (0 if it is of a single head)."""

    blocks: tuple[Block, ...]
    norms: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of weights in its linear layers."""
        return sum(matrix.size for block in self.blocks for matrix in block.matrices)


@dataclass(frozen=True)
class Shape:
    """What an estimate needs to know of a model.

    Attributes:
        total: Parameters, tied ones counted once.
        sizes: Elements of each of them.
        matrices: The linear layers that PEFT's `all-linear` takes: all but the output layer.
        layers: The decoder layers.
        hidden: Width of the stream between the layers.
        heads: Attention heads.
        vocabulary: Tokens that the output layer knows.
        experts: Whether it mixes experts, whose activations the estimate does not know.
    """

    total: int
    sizes: tuple[int, ...]
    matrices: tuple[Matrix, ...]
    layers: tuple[Layer, ...]
    hidden: int
    heads: int
    vocabulary: int
    experts: bool

    @property
    def linear(self) -> int:
        """Weights in `matrices`: what NF4 holds in 4 bits."""
        return sum(matrix.size for matrix in self.matrices)

    def trained(self, *, lora: str = "lora", r: int = 16) -> tuple[int, ...]:
        """Returns the elements of each trained tensor.

        Args:
            lora: The adapter on all linear layers; `none` trains everything.
            r: Its rank.
        """
        if lora == "none":
            return self.sizes
        found = [r * each for m in self.matrices for each in (m.inputs, m.outputs)]
        return tuple(found + [m.outputs for m in self.matrices if lora == "dora"])


def skeleton(config: PretrainedConfig, *, task: str = "CAUSAL_LM") -> PreTrainedModel:
    """Builds the model of a configuration without data.

    Args:
        config: The configuration; it is not changed.
        task: `CAUSAL_LM`, or `SEQ_CLS` for a score head with one output.

    Raises:
        InputError: If transformers cannot build this model.
        MissingExtraError: If torch or transformers is missing.
    """
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
    except ImportError as error:
        package = error.name or "transformers"
        raise MissingExtraError.of(package, "train", "An estimate of memory") from None
    import copy

    own = copy.deepcopy(config)
    kind = AutoModelForCausalLM
    if task == "SEQ_CLS":
        own.num_labels, kind = 1, AutoModelForSequenceClassification
    try:
        with torch.device("meta"):
            return kind.from_config(own, trust_remote_code=False)
    except (ValueError, TypeError, AttributeError, KeyError, ImportError) as error:
        named = getattr(config, "model_type", "") or type(config).__name__
        text = str(error).strip().splitlines()
        raise InputError(
            f"model_type {named!r}: this model cannot be built from its configuration, so its "
            f"memory cannot be estimated: {text[0] if text else type(error).__name__}"
        ) from error


def shape(source: PretrainedConfig | PreTrainedModel | Shape, *, task: str = "CAUSAL_LM") -> Shape:
    """Returns what an estimate needs to know of a model.

    Args:
        source: A configuration, or a model as it was loaded without quantisation and adapter.
        task: As for `skeleton`.
    """
    if isinstance(source, Shape):
        return source
    is_model = hasattr(source, "named_modules")
    model: Any = source if is_model else skeleton(source, task=task)
    text = model.config.get_text_config()
    matrices = {matrix.name: matrix for matrix in _matrices(model)}
    sizes = tuple(parameter.numel() for parameter in model.parameters())
    return Shape(
        total=sum(sizes),
        sizes=sizes,
        matrices=tuple(matrices.values()),
        layers=tuple(_layers(model, matrices)),
        hidden=text.hidden_size,
        heads=text.num_attention_heads,
        vocabulary=text.vocab_size,
        experts=any(
            getattr(text, name, None)
            for name in ("num_experts", "num_local_experts", "n_routed_experts")
        ),
    )


def _matrices(model: Any) -> Iterator[Matrix]:  # noqa: ANN401  any PreTrainedModel
    """Gives the linear layers that an adapter is put on, as PEFT chooses them."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    output = {id(model.get_output_embeddings())} | {
        # A score head is trained and saved as a whole.
        id(getattr(model, name, None))
        for name in ("score", "classifier")
    }
    for name, module in model.named_modules():
        if id(module) in output:
            continue
        if isinstance(module, nn.Linear):
            yield Matrix(name, module.in_features, module.out_features)
        elif isinstance(module, Conv1D):
            yield Matrix(name, module.weight.shape[0], module.weight.shape[1])


def _layers(model: Any, matrices: dict[str, Matrix]) -> Iterator[Layer]:  # noqa: ANN401
    """Gives the decoder layers: the members of the longest list that holds linear layers."""
    from torch import nn

    lists = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
        and any(each.startswith(f"{name}.") for each in matrices)
    ]
    if not lists:
        return
    # The outer one, where lists of experts are as long as the list of layers.
    name, chosen = max(lists, key=lambda item: (len(item[1]), -len(item[0])))
    for number, module in enumerate(chosen):
        yield _layer(module, f"{name}.{number}", matrices)


def _layer(module: Any, place: str, matrices: dict[str, Matrix]) -> Layer:  # noqa: ANN401
    from torch import nn

    blocks: dict[str, list[Matrix]] = {}
    for name, matrix in matrices.items():
        if name.startswith(f"{place}."):
            blocks.setdefault(name.rpartition(".")[0], []).append(matrix)
    norms = []
    for name, part in module.named_modules():
        weight = getattr(part, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.dim() == 1:
            norms.append(0 if "att" in name.rpartition(".")[0] else weight.numel())
    return Layer(
        tuple(
            Block("att" in name.removeprefix(place), tuple(found)) for name, found in blocks.items()
        ),
        tuple(norms),
    )


@dataclass(frozen=True)
class ParameterTable:
    """What is trained, against full fine-tuning. Sizes in bytes.

    Attributes:
        total: Parameters of the model, without an adapter.
        trainable: Parameters that are trained.
        share: Of all parameters, those of the adapter included; from 0 to 1.
        saved: Size on disk of what is trained; file headers (some kilobytes) not counted.
        optimizer: AdamW's two means of what is trained, in fp32.
        full_trained: Size of all parameters as full fine-tuning saves them, in the same format.
        full_optimizer: AdamW's two means of all parameters.
    """

    total: int
    trainable: int
    share: float
    saved: int
    optimizer: int
    full_trained: int
    full_optimizer: int

    def rows(self) -> tuple[tuple[str, str, str], ...]:
        """Returns the rows of a table: what, with these settings, with full fine-tuning."""
        share = f"{self.share:.2%}"
        return (
            ("parameters trained", f"{self.trainable:,} ({share})", f"{self.total:,} (100 %)"),
            ("saved", _megabytes(self.saved), _megabytes(self.full_trained)),
            ("optimizer", _megabytes(self.optimizer), _megabytes(self.full_optimizer)),
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def parameters(
    source: PretrainedConfig | PreTrainedModel | Shape,
    *,
    lora: str = "lora",
    r: int = 16,
    saved_as: Literal["fp32", "bf16"] = "fp32",
) -> ParameterTable:
    """Counts what a training changes.

    Args:
        source: A configuration, or a model without quantisation and adapter.
        lora: The adapter on all linear layers; `none` for full fine-tuning.
        r: Its rank.
        saved_as: Format on disk: TRL saves adapters of a 4-bit model in bf16, others in fp32.
    """
    model = shape(source)
    trainable = sum(model.trained(lora=lora, r=r))
    each = 4 if saved_as == "fp32" else 2
    return ParameterTable(
        total=model.total,
        trainable=trainable,
        share=1.0 if lora == "none" else trainable / (model.total + trainable),
        saved=trainable * each,
        optimizer=trainable * ADAMW_BYTES,
        full_trained=model.total * each,
        full_optimizer=model.total * ADAMW_BYTES,
    )
