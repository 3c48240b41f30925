"""What goes on during a training: figures that are no numbers, checkpoints, errors told plainly."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from datakit.errors import DatakitError, InputError

__all__ = ["LogLast", "OnSave", "StopOnNaN", "curves", "plainly"]


class StopOnNaN(TrainerCallback):  # type: ignore[misc]
    """Ends a training whose loss or gradient is no number any more.

    Args:
        rate: The learning rate, for the message.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ANN401
        """Looks at what was logged."""
        for name in ("loss", "grad_norm", "eval_loss"):
            value = (logs or {}).get(name)
            if value is not None and not math.isfinite(value):
                raise InputError(
                    f"step {state.global_step}: {name} is {value}. Lower --learning-rate (it is "
                    f"{self._rate:g}) or --clip, or raise --warmup; the last checkpoint is from "
                    "before."
                )


class OnSave(TrainerCallback):  # type: ignore[misc]
    """Calls a function whenever a checkpoint was written.

    Args:
        call: The function.
    """

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Calls it."""
        self._call()


class LogLast(TrainerCallback):  # type: ignore[misc]
    """Has the last step logged, also where only some are."""

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Asks for it; in every process, as they add up the loss together."""
        if state.global_step >= state.max_steps:
            control.should_log = True


# What the Trainer adds to every line of its log, and no curve is made of.
_NOISE = ("total_flos", "train_runtime", "train_samples_per_second", "train_steps_per_second")


def curves(history: list[dict[str, Any]]) -> dict[str, list[dict[str, float]]]:
    """Sorts the Trainer's log into `train` and `eval`, without the prefix `eval_`."""
    train, held_out = [], []
    for entry in history:
        if any(name.startswith("eval_") for name in entry):
            held_out.append({name.removeprefix("eval_"): value for name, value in entry.items()})
        elif "train_runtime" not in entry:
            train.append({name: value for name, value in entry.items() if name not in _NOISE})
    return {"train": train, "eval": held_out}


def plainly(error: BaseException, settings: Any) -> DatakitError | None:  # noqa: ANN401  Settings
    """Returns the plain message for what a library raised in training, or None."""
    text = " ".join(str(error).split())
    if "out of memory" in text.lower() or isinstance(error, MemoryError):
        steps = [f"--batch {max(1, settings.batch // 2)} --accumulate {settings.accumulate * 2}"]
        if settings.batch == 1:
            steps = [f"--max-length {max(64, settings.max_length // 2)}"]
        if settings.checkpointing == "off":
            steps.append("--checkpointing on")
        if settings.quantize == "none":
            steps.append("--quantize nf4")
        return InputError(f"out of memory. Try, in this order: {'; '.join(steps)}. {text[:200]}")
    if isinstance(error, OSError) and error.errno == 28:
        where = error.filename or "the folder of the run"
        return InputError(
            f"{where}: no space is left for a checkpoint. Make room, or save less often "
            "(--save-every); the same command with --resume goes on."
        )
    if "PytorchStreamWriter" in text or "No space left" in text:
        return InputError(
            "no space is left for a checkpoint. Make room; the same command with --resume goes on."
        )
    return None
