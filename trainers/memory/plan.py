"""What of a training run decides how much memory it takes, and how it could take less.

The fields have the names of `trainers.settings.Settings`, so that a proposal reads as settings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args, get_type_hints

from datakit.errors import InputError

__all__ = ["CHANGES", "Change", "Plan"]

# In fewer tokens hardly a question and its answer fit: a proposal below this would be no help.
SHORTEST = 256


@dataclass(frozen=True)
class Plan:
    """The settings of a run that its memory depends on.

    Attributes:
        lora: The adapter, or `none` for full fine-tuning.
        lora_r: Rank of the adapter.
        lora_dropout: Dropout before the adapter, from 0 to below 1.
        quantize: `nf4` holds the linear layers in 4 bits (bitsandbytes), `none` as `weights` says.
        double_quant: Whether the scales of NF4 are quantised once more.
        weights: Format of what is not quantised.
        autocast: Whether the forward pass runs under bf16 autocast (`bf16=True`).
        optimizer: Its name in transformers.
        batch: Rows in one forward pass.
        accumulate: Forward passes that make one optimizer step.
        max_length: Tokens of a sequence, at most.
        sequences: Sequences of a row: 2 for pairs (DPO), else 1.
        reference: Whether a reference is asked in the same step (DPO without precomputed ones): the
            model itself with its adapter switched off; under full fine-tuning a second copy of it.
        checkpointing: Whether activations are recomputed in the backward pass.
        attention: How attention is computed; only `eager` holds all its scores.
        padded: Whether the sequences of a batch differ in length, so that a mask is needed.
        loss: `chunked`, in tiles, as TRL's trainers do since 1.16; `full`, from all logits at once
            (label smoothing, a loss function of one's own); `none`, for a score head.
        device: `cuda`, or `cpu`, where a tile of the loss takes far more.
    """

    lora: Literal["lora", "rslora", "dora", "lora+", "none"] = "lora"
    lora_r: int = 16
    lora_dropout: float = 0.0
    quantize: Literal["none", "nf4"] = "none"
    double_quant: bool = True
    weights: Literal["fp32", "bf16"] = "bf16"
    autocast: bool = True
    optimizer: str = "adamw_torch"
    batch: int = 1
    accumulate: int = 1
    max_length: int = 1024
    sequences: int = 1
    reference: bool = False
    checkpointing: bool = True
    attention: Literal["sdpa", "flash", "eager"] = "sdpa"
    padded: bool = True
    loss: Literal["chunked", "full", "none"] = "chunked"
    device: Literal["cuda", "cpu"] = "cuda"

    def __post_init__(self) -> None:
        wrong = []
        hints = get_type_hints(Plan)
        for field in fields(self):
            known, value = get_args(hints[field.name]), getattr(self, field.name)
            if known and value not in known:
                wrong.append(f"{field.name}: {value!r} is not one of {', '.join(map(str, known))}.")
        for name in ("lora_r", "batch", "accumulate", "max_length", "sequences"):
            if getattr(self, name) < 1:
                wrong.append(f"{name}: {getattr(self, name)} is below 1.")
        if not 0 <= self.lora_dropout < 1:
            wrong.append(f"lora_dropout: {self.lora_dropout} is not from 0 to below 1.")
        if self.full and self.quantize == "nf4":
            wrong.append("lora: a model in 4 bits trains only through an adapter; not `none`.")
        if wrong:
            raise InputError(wrong)

    @property
    def full(self) -> bool:
        """Whether all parameters are trained."""
        return self.lora == "none"

    @property
    def rows(self) -> int:
        """Sequences in one forward pass."""
        return self.batch * self.sequences

    @property
    def tokens(self) -> int:
        """Tokens in one forward pass, padding included."""
        return self.rows * self.max_length

    @property
    def stream_bytes(self) -> int:
        """Bytes of an unquantised weight, and of an element between two layers."""
        return 4 if self.weights == "fp32" else 2

    @property
    def compute_bytes(self) -> int:
        """Bytes of an element that goes into a matrix product."""
        return 2 if self.autocast else self.stream_bytes

    @property
    def output_bytes(self) -> int:
        """Bytes of an element that comes out of a linear layer: bitsandbytes gives what it got."""
        return self.stream_bytes if self.quantize == "nf4" else self.compute_bytes

    @property
    def trained_bytes(self) -> int:
        """Bytes of a trained parameter: PEFT lifts adapters to fp32, TRL lowers them under NF4."""
        if self.full:
            return self.stream_bytes
        return 2 if self.quantize == "nf4" else 4


@dataclass(frozen=True)
class Change:
    """One way to take less memory.

    Attributes:
        price: What it costs, for the user to weigh.
        apply: Gives the changed plan; the same plan if there is nothing left to change.
    """

    price: str
    apply: Callable[[Plan], Plan]


def _no_scores(plan: Plan) -> Plan:
    return replace(plan, attention="sdpa") if plan.attention == "eager" else plan


def _recompute(plan: Plan) -> Plan:
    return replace(plan, checkpointing=True)


def _halve_batch(plan: Plan) -> Plan:
    # Only an exact division keeps the rows of an optimizer step; the last one is always exact.
    by = 2 if plan.batch % 2 == 0 else plan.batch
    return replace(plan, batch=plan.batch // by, accumulate=plan.accumulate * by)


def _halve_length(plan: Plan) -> Plan:
    return replace(plan, max_length=max(min(SHORTEST, plan.max_length), plan.max_length // 2))


def _four_bits(plan: Plan) -> Plan:
    # Weights of 4 bits cannot be trained themselves.
    return replace(_adapter(plan), quantize="nf4")


def _eight_bit_states(plan: Plan) -> Plan:
    small = "8bit" in plan.optimizer or plan.optimizer.startswith(("sgd", "adafactor"))
    # Off a GPU nothing can be paged out, and the name would promise it.
    name = "paged_adamw_8bit" if plan.device == "cuda" else "adamw_8bit"
    return plan if small else replace(plan, optimizer=name)


def _adapter(plan: Plan) -> Plan:
    return replace(plan, lora="lora") if plan.full else plan


# The least harm first. States of 8 bits lose nothing that was measured (Dettmers et al. 2021, arXiv
# 2110.02861); rows that are cut do.
CHANGES = (
    Change("same result", _no_scores),
    Change("same result, about a third slower", _recompute),
    Change("same optimizer step, slower", _halve_batch),
    Change("the optimizer's state is rounded to 8 bits", _eight_bit_states),
    Change("longer rows are dropped or cut", _halve_length),
    Change("an adapter is trained instead of the whole model", _adapter),
    Change("the base is rounded to 4 bits", _four_bits),
)
