"""How much memory a training will take, told before anything is loaded, and settings that fit.

The estimate comes from the configuration alone (`trainers.memory.parameters`, `.activations`): a
run that cannot fit is refused in a second, not after the download or in the hundredth step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING

from datakit.errors import InputError
from trainers.memory.activations import loss_bytes, moment_bytes, stored_bytes
from trainers.memory.free import free_memory
from trainers.memory.parameters import Shape, shape
from trainers.memory.plan import CHANGES, Plan

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

__all__ = ["Estimate", "Plan", "estimate", "free_memory", "guard"]

# Kept free besides the estimate, as a share of it: what PyTorch allocates was measured to be up to
# 1 % above the estimate, a process on a CPU up to 4 %, and a GPU's allocator keeps pieces into
# which no tensor fits.
MARGIN = 0.10
# What libraries keep, whatever the model. A GPU: cuBLAS takes 32 MiB for a stream on Hopper
# (PyTorch's CUBLAS_WORKSPACE_CONFIG), less on others; room for two. A CPU: measured.
LIBRARY = {"cuda": 64 << 20, "cpu": 128 << 20}
# The part of all that comes and goes that a CPU's allocator (glibc's) does not give back: measured
# 15 to 25 %.
UNRETURNED = {"cuda": 0.0, "cpu": 0.2}
# Weights in one block of bitsandbytes: of NF4, of its scales, and of an 8-bit optimizer.
NF4_BLOCK = 64
SCALE_BLOCK = 256
# Tensors with fewer elements keep optimizer states of 32 bits.
SMALLEST_8BIT = 4096


@dataclass(frozen=True)
class Estimate:
    """Memory that a training takes at its peak, in bytes.

    Attributes:
        weights: The model: what is quantised and what is not; and a reference that is a copy of it.
        quantisation: Scales of NF4.
        adapters: Weights of the adapter.
        gradients: Of all that is trained.
        optimizer: States of the optimizer. Paged ones may move out, and are counted all the same.
        activations: What the forward pass leaves for the backward pass.
        logits: Room of the loss.
        workspace: What the backward pass of one layer takes beyond the room of the loss, which is
            free again by then.
        overhead: What libraries keep, and on a CPU what its allocator does not give back.
        plan: The settings it is for.
        shape: The model it is for.
    """

    weights: int
    quantisation: int
    adapters: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    workspace: int
    overhead: int
    plan: Plan = field(repr=False)
    shape: Shape = field(repr=False)

    @property
    def parts(self) -> dict[str, int]:
        """The parts, in bytes, by name; they add up to `total`."""
        return {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if each.name not in ("plan", "shape")
        }

    @property
    def total(self) -> int:
        """All parts together, in bytes."""
        return sum(self.parts.values())

    @property
    def needed(self) -> int:
        """Bytes that have to be free: the total and a margin."""
        return round(self.total * (1 + MARGIN))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the estimate does not know, in sentences."""
        if not self.shape.experts:
            return ()
        return (
            "This model mixes experts: the activations of an expert are counted as if it saw every "
            "token, those of experts fused into one tensor not at all.",
        )

    def table(self) -> str:
        """Returns the parts in gigabytes (10^9 bytes), a line each."""
        rows = [*self.parts.items(), ("total", self.total)]
        return "\n".join(f"  {name:<13}{_gigabytes(size):>12}" for name, size in rows)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.2f} GB"


def estimate(source: PretrainedConfig | PreTrainedModel | Shape, plan: Plan) -> Estimate:
    """Tells how much memory a training will take at its peak.

    For a batch of the longest rows: shorter ones take less. Full fine-tuning without accumulation
    takes up to a fifth less than told, as its gradients come while activations go.

    Args:
        source: The model's configuration (nothing is loaded), or what `shape` gave for it.
        plan: The settings.

    Raises:
        InputError: If the model cannot be built from its configuration.
        MissingExtraError: If torch or transformers is missing.
    """
    model = shape(source, task="SEQ_CLS" if plan.loss == "none" else "CAUSAL_LM")
    sizes = model.trained(lora=plan.lora, r=plan.lora_r)
    trained = sum(sizes) * plan.trained_bytes
    weights, quantisation = _weights(model, plan)
    logits, activations = loss_bytes(model, plan), stored_bytes(model, plan)
    workspace = max(0, moment_bytes(model, plan) - logits)
    passing = logits + activations + workspace
    return Estimate(
        weights=weights * (2 if plan.full and plan.reference else 1),
        quantisation=quantisation,
        adapters=0 if plan.full else trained,
        gradients=trained,
        optimizer=sum(_states(size, plan) for size in sizes),
        activations=activations,
        logits=logits,
        workspace=workspace,
        overhead=LIBRARY[plan.device] + round(UNRETURNED[plan.device] * passing),
        plan=plan,
        shape=model,
    )


def _weights(model: Shape, plan: Plan) -> tuple[int, int]:
    """Returns the bytes of the weights and of what quantising them adds."""
    if plan.quantize == "none":
        return model.total * plan.stream_bytes, 0
    weights = sum((matrix.size + 1) // 2 for matrix in model.matrices)
    scales = sum(-(-matrix.size // NF4_BLOCK) for matrix in model.matrices)
    if plan.double_quant:
        scales += 4 * -(-scales // SCALE_BLOCK)
    else:
        scales *= 4
    return weights + (model.total - model.linear) * plan.stream_bytes, scales


def _states(size: int, plan: Plan) -> int:
    """Returns the bytes that an optimizer keeps for one tensor."""
    name = plan.optimizer
    if name.startswith(("sgd", "adafactor")):
        # Rows and columns at most, without a mean.
        return 0
    means = 1 if "lion" in name or name.startswith("rmsprop") else 2
    if "8bit" in name and size >= SMALLEST_8BIT:
        return means * (size + 4 * -(-size // SCALE_BLOCK))
    # PyTorch's own are as wide as the parameter, bitsandbytes' always fp32.
    own = name.startswith("adamw_torch")
    return means * size * (plan.trained_bytes if own else 4)


def guard(estimate: Estimate, free: int, *, what: str = "this training") -> None:
    """Lets a training pass that fits, and stops one that does not.

    Args:
        estimate: What it takes.
        free: Bytes that are free, from `free_memory`.
        what: Words for it, such as the model's name.

    Raises:
        InputError: If it does not fit: with the parts of the estimate, and settings that do fit,
            those of the least harm first; each was estimated anew.
    """
    if estimate.needed <= free:
        return
    lines = [
        f"{what}: does not fit into memory. It takes about {_gigabytes(estimate.total)}, "
        f"{_gigabytes(estimate.needed)} with a margin of {MARGIN:.0%}; "
        f"{_gigabytes(free)} are free.",
        estimate.table(),
        *estimate.notes,
    ]
    found = list(_proposals(estimate, free))
    if found:
        lines += ["Settings that fit, those of the least harm first:", *found]
    else:
        lines.append("No settings make it fit. Use a smaller model, or a device with more memory.")
    raise InputError("\n".join(lines))


def _proposals(estimate: Estimate, free: int) -> Iterator[str]:
    """Gives a line for each change that is enough alone; else one of as few as are enough."""
    again = partial(_again, estimate.shape)
    alone = [
        chain for change in CHANGES if (chain := _until(estimate.plan, [change.apply], again, free))
    ]
    if not alone:
        chosen = list(range(len(CHANGES)))
        fits = _until(estimate.plan, [CHANGES[each].apply for each in chosen], again, free)
        if not fits:
            return
        # Without what turns out not to be needed, the most harmful first.
        for each in reversed(range(len(CHANGES))):
            rest = [CHANGES[other].apply for other in chosen if other != each]
            if rest and (less := _until(estimate.plan, rest, again, free)):
                chosen.remove(each)
                fits = less
        alone = [fits]
    for plan in alone:
        yield _line(estimate.plan, plan, again(plan))


def _again(model: Shape, plan: Plan) -> Estimate:
    return estimate(model, plan)


def _until(
    plan: Plan,
    ways: list[Callable[[Plan], Plan]],
    again: Callable[[Plan], Estimate],
    free: int,
) -> Plan | None:
    """Applies changes, each as often as it changes something, until the plan fits; else None."""
    for way in ways:
        while (changed := way(plan)) != plan:
            plan = changed
            if again(plan).needed <= free:
                return plan
    return None


def _line(before: Plan, after: Plan, told: Estimate) -> str:
    changed = _differences(before, after)
    settings = ", ".join(f"{name}={_word(getattr(after, name))}" for name in changed)
    steps = ((each.price, _differences(before, each.apply(before))) for each in CHANGES)
    prices = [price for price, names in steps if names and set(names) <= set(changed)]
    return f"  {settings}: {_gigabytes(told.total)} ({'; '.join(prices)})"


def _differences(one: Plan, other: Plan) -> list[str]:
    names = (each.name for each in fields(one))
    return [name for name in names if getattr(one, name) != getattr(other, name)]


def _word(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
