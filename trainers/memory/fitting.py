"""Whether a training fits into memory, found out before its model is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from trainers.memory.estimate import estimate, free_memory, guard
from trainers.memory.parameters import parameters
from trainers.memory.plan import Plan
from trainers.settings import Settings, computes_bf16

if TYPE_CHECKING:
    from transformers import PretrainedConfig

__all__ = ["check_memory", "plan_of"]


def plan_of(settings: Settings, length: int, device: str) -> Plan:
    """Returns what of the settings decides about memory.

    Args:
        settings: Of any method.
        length: Tokens of the longest row.
        device: `cpu` or `cuda`.
    """
    on: Literal["cuda", "cpu"] = "cpu" if device == "cpu" else "cuda"
    bf16 = computes_bf16(device)
    # What a method's class states; Settings alone is no method.
    method: Any = settings
    full_precision = settings.lora == "none" or on == "cpu" or not bf16
    return Plan(
        lora=settings.lora,
        lora_r=settings.lora_r,
        lora_dropout=settings.lora_dropout,
        quantize=settings.quantize,
        weights="fp32" if full_precision else "bf16",
        autocast=bf16,
        optimizer=settings.optimizer_on(device),
        batch=settings.batch,
        accumulate=settings.accumulate,
        max_length=length,
        sequences=2 if method.wants == "pair" else 1,
        reference=method.passes.reference > 0,
        checkpointing=settings.checkpointing == "on"
        or (settings.checkpointing == "auto" and on == "cuda"),
        loss="none" if method.task == "SEQ_CLS" else "chunked",
        device=on,
    )


def check_memory(
    settings: Settings, config: PretrainedConfig, length: int, device: str
) -> list[tuple[str, str]]:
    """Estimates the peak of a training and compares it with what is free.

    Returns:
        Names and figures for a reader: the estimate, and the table of parameters.

    Raises:
        InputError: If it would not fit; with settings that would.
    """
    plan = plan_of(settings, length, device)
    needed = estimate(config, plan)
    free = free_memory(device)
    guard(needed, free)
    table = parameters(
        config,
        lora=settings.lora,
        r=settings.lora_r,
        saved_as="bf16" if settings.quantize == "nf4" else "fp32",
    )
    sizes = {**needed.parts, "in all": needed.total}
    rows = [(name, f"{size / 1e9:.2f} GB") for name, size in sizes.items()]
    rows.append(("free", f"{free / 1e9:.2f} GB"))
    rows += [(name, f"{own}   (full fine-tuning: {full})") for name, own, full in table.rows()]
    return rows
