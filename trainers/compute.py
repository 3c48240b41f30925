"""What training on preferences costs: passes and floating-point operations, by formula.

With N parameters, a forward pass takes 2 N operations per token and a backward pass 4 N (Kaplan et
al. 2020, arXiv 2001.08361): 2 N for the gradients of activations and 2 N for those of weights. With
an adapter the second half falls away, as frozen weights need no gradient. Attention over long
texts, the optimizer and recomputed activations come on top and are not in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from trainers.dpo import DPO
from trainers.kto import KTO
from trainers.passes import Passes
from trainers.reward import Reward
from trainers.sft import SFT

__all__ = ["METHODS", "Cost", "Passes", "compare", "measured"]


_CLASSES: tuple[Any, ...] = (SFT, DPO, KTO, Reward)

METHODS: Mapping[str, Passes] = {
    **{each.method: each.passes for each in _CLASSES},
    "ipo": replace(DPO.passes, why="as DPO"),
}
"""Every method's passes, as its class states them; IPO is DPO with another loss."""

# Four, in TRL (`num_ppo_epochs`, as long as it had a PPOTrainer).
_PPO_EPOCHS = 4


def _ppo(epochs: int) -> Passes:
    """PPO as in InstructGPT (Ouyang et al. 2022, arXiv 2203.02155) and in TRL's documentation.

    The policy writes an answer (with a cache: one forward pass in all), which then passes through
    policy, reference, reward model and value model. After that each epoch is a forward and a
    backward pass of policy and value model. All four are taken to be of one size.
    """
    return Passes(
        forward=2 + 1 + 1 + 2 * epochs,
        reference=1,
        backward=2 * epochs,
        full=4,
        adapter=4,
        why=f"policy writes, then 4 models read; {epochs} epochs of policy and value model; "
        "on top, the reward model is trained before",
    )


@dataclass(frozen=True)
class Cost:
    """What one pair, or two answers that the model writes itself, costs.

    Attributes:
        method: Its name.
        forward: Forward passes of all models.
        backward: Backward passes.
        models: Models in memory.
        operations: Floating-point operations.
        ratio: Of them, to those of DPO.
        why: What is passed through what.
    """

    method: str
    forward: int
    backward: int
    models: int
    operations: float
    ratio: float
    why: str


def compare(
    parameters: int, tokens: float, *, adapters: bool = True, ppo_epochs: int = _PPO_EPOCHS
) -> tuple[Cost, ...]:
    """Returns what each method costs for two answers: a pair, or two that PPO lets write.

    Args:
        parameters: Of the model.
        tokens: Of a prompt with one answer, in the mean.
        adapters: Whether adapters are trained. TRL's PPO holds four models either way.
        ppo_epochs: Passes of PPO over what it has written.
    """
    base = METHODS["dpo"].operations(adapters=adapters)
    return tuple(
        Cost(
            method=name,
            forward=2 * (each.forward + each.reference),
            backward=2 * each.backward,
            models=each.adapter if adapters else each.full,
            operations=2.0 * parameters * tokens * each.operations(adapters=adapters),
            ratio=each.operations(adapters=adapters) / base,
            why=each.why,
        )
        for name, each in {**METHODS, "ppo": _ppo(ppo_epochs)}.items()
    )


def measured(method: str, *, parameters: int, tokens: int, adapters: bool) -> dict[str, Any]:
    """Returns what run.json says of the cost beside its seconds and tokens.

    Args:
        method: `sft`, `dpo`, `kto` or `reward`.
        parameters: All of the model's.
        tokens: That were trained on; prompts included, padding not.
        adapters: Whether an adapter was trained.
    """
    passes = METHODS[method]
    each = passes.operations(adapters=adapters)
    return {
        "passes_per_answer": {
            "forward": passes.forward,
            "reference": passes.reference,
            "backward": passes.backward,
        },
        "operations": float(each * parameters * tokens),
        "operations_by": (
            f"{each} N D: N all parameters, D tokens of training; 2 a forward pass, "
            f"{2 if adapters else 4} a backward pass; evaluations not counted"
        ),
        "flops_by": "6 N D of transformers' Trainer: N without embeddings, D with padding; "
        "full fine-tuning of one model, whatever the method",
    }
