"""Whether a training came apart, told by its curves: a run that ended is not yet one that learnt.

A learning rate that is much too high rarely gives a loss that is no number. More often the loss
settles far above its start, the model gives every token the same chance (a loss of ln V for V
tokens), or nothing flows back any more: the gradient is exactly 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

__all__ = ["warnings"]

Curve = Sequence[Mapping[str, Any]]

# The end is the mean of a third of the logged losses, of at most so many: one batch says little.
_MOST = 10
# Perplexity over e^2 = 7 times that of the start: no batch is so much harder than another.
_NATS = 2.0
_TIMES = 1.5
# Losses of preferences have other units; IPO's is a square, which chance moves further.
_TIMES_OTHERS = 3.0
# How near to ln V a model guesses.
_NEAR = 0.01
# How far from it a model begins that has come there since.
_CLEARLY = 0.05
# A state that lasts so many logged steps is one.
_STEPS = 3
_GROWN = 100.0
# A share. Before and after are measured on the same rows, so that less is no chance either; but it
# is no matter.
_WORSE = 0.02


def warnings(
    curves: Mapping[str, Curve],
    *,
    tokens: int | None,
    rate: float,
    best: float | None = None,
) -> list[str]:
    """Returns what a training's end must say of it; nothing of one that went well.

    Args:
        curves: `train` and `eval`, as run.json has them.
        tokens: The size of the vocabulary where the loss is in nats per token, else None.
        rate: The learning rate, for the advice.
        best: The held-out loss of the weights that are kept, where they are not the last ones.
    """
    train, held_out = curves.get("train", ()), _values(curves.get("eval", ()), "loss")
    before = held_out[0] if held_out else None
    after = best if best is not None else (held_out[-1] if len(held_out) > 1 else None)
    # What the last steps did is no matter where the weights of an earlier one are kept.
    signs = [] if best is not None else _signs(train, tokens)
    if signs:
        if before is not None and after is not None and after > before:
            signs.append(f"the held-out loss went from {before:.3f} to {after:.3f}")
        return [
            f"The training came apart: {'; '.join(signs)}. The model is not fit for use. Train "
            f"again with a lower --learning-rate (it was {rate:g})."
        ]
    if before is not None and after is not None and after > before + _WORSE * abs(before):
        return [
            f"The held-out loss rose from {before:.3f} to {after:.3f}: on what it was not trained "
            "on, the model is worse than before. Take fewer steps, or a lower --learning-rate (it "
            f"was {rate:g})."
        ]
    return []


def _signs(train: Curve, tokens: int | None) -> list[str]:
    """Returns what shows in the logged steps that a training came apart."""
    losses = _values(train, "loss")
    if len(losses) < 2:
        return []
    last = losses[-min(_MOST, max(1, len(losses) // 3)) :]
    start, end = losses[0], fmean(last)
    times = _TIMES if tokens else _TIMES_OTHERS
    signs = []
    if end > max(times * start, start + _NATS):
        signs.append(f"the training loss went from {start:.3f} to {end:.3f}")
    if tokens and tokens > 1 and _guesses(losses, math.log(tokens)):
        signs.append(
            f"it ended at {end:.3f}, where blind guessing among {tokens:,} tokens has "
            f"{math.log(tokens):.3f}"
        )
    return signs + _gradients(train, start, end)


def _guesses(losses: Sequence[float], blind: float) -> bool:
    """Whether a model has become one that gives each token the same chance, or is worse."""
    start, last = losses[0] / blind, [each / blind for each in losses[-_STEPS:]]
    if start < 1 - _CLEARLY and fmean(last) >= 1 - _NEAR:
        return True
    # One with random weights begins there or above, and may be on its way down.
    stays = len(losses) > _STEPS and all(abs(each - 1) < _NEAR for each in last)
    return stays and start > 1 + _CLEARLY


def _gradients(train: Curve, start: float, end: float) -> list[str]:
    pairs = [
        (float(each["grad_norm"]), float(each["loss"]))
        for each in train
        if _is_number(each.get("grad_norm")) and _is_number(each.get("loss"))
    ]
    still = 0
    for norm, loss in reversed(pairs):
        # Where there is no loss left, there is no gradient either, and all is well.
        if norm != 0 or loss < 1e-3:
            break
        still += 1
    if still >= min(_STEPS, len(pairs)) and still:
        return [f"the gradient was exactly 0 in the last {still} logged steps"]
    if len(pairs) <= _STEPS:
        return []
    first = median(norm for norm, _ in pairs[:_STEPS])
    last = median(norm for norm, _ in pairs[-_STEPS:])
    if end >= start and last > _GROWN * max(first, 1.0):
        return [f"the norm of the gradient went from {first:.3g} to {last:.3g}"]
    return []


def _values(curve: Curve, name: str) -> list[float]:
    return [float(each[name]) for each in curve if _is_number(each.get(name))]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
