"""How far a training is, in lines; and what of its time went into evaluations."""

from __future__ import annotations

import time
from typing import Any

from transformers import TrainerCallback

from datakit.amounts import about
from trainers.running.ear import Ear

__all__ = ["Progress"]


class Progress(TrainerCallback):  # type: ignore[misc]
    """Tells how far a training is, step by step, and within its evaluations.

    Args:
        ear: Is given a line for every step and batch; the last step's is the last line.
    """

    def __init__(self, ear: Ear) -> None:
        self._ear = ear
        self._began: float | None = None
        self._first = 0
        self._loss = ""
        self._batches = 0
        self._evaluated = 0.0
        self._evaluations = 0
        # Of them, before the first step was done, from which the time left is reckoned.
        self._before = 0.0
        self._from: float | None = None
        self._to: float | None = None
        self._logged: float | None = None

    def seconds(self) -> dict[str, float]:
        """Returns `train_seconds` and `evaluate_seconds` so far; neither is in the other."""
        if self._from is None:
            return {"train_seconds": 0.0, "evaluate_seconds": 0.0}
        whole = (self._to or time.monotonic()) - self._from
        return {
            "train_seconds": max(0.0, whole - self._evaluated),
            "evaluate_seconds": self._evaluated,
        }

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Starts the clock."""
        self._from = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Tells the step, unless its loss comes in a moment."""
        if self._began is None:
            self._began, self._first = time.monotonic(), state.global_step
            self._before = self._evaluated
        if not control.should_log:
            self._tell(args, state)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ANN401
        """Tells the step with its loss."""
        self._logged = time.monotonic()
        if logs and "loss" in logs:
            self._loss = f"   loss {logs['loss']:.3f}"
            self._tell(args, state)
            # Steps in between have none of their own.
            self._loss += f" at step {state.global_step:,}"

    def on_prediction_step(
        self,
        args: Any,  # noqa: ANN401
        state: Any,  # noqa: ANN401
        control: Any,  # noqa: ANN401
        eval_dataloader: Any = None,  # noqa: ANN401
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Tells how many held-out rows are done."""
        self._batches += 1
        rows = len(eval_dataloader.dataset) if eval_dataloader is not None else 0
        done = min(rows, self._batches * args.eval_batch_size * max(1, args.world_size))
        self._ear.progress(f"held-out {done:,}/{rows:,} at {_step(state)}", False)

    def on_evaluate(
        self,
        args: Any,  # noqa: ANN401
        state: Any,  # noqa: ANN401
        control: Any,  # noqa: ANN401
        metrics: Any = None,  # noqa: ANN401
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Counts the time of an evaluation, and of what watched pairs took after it."""
        self._batches = 0
        self._evaluations += 1
        self._evaluated += float((metrics or {}).get("eval_runtime", 0.0)) + self._since_log()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Tells the last step again, and stops the clock: watched pairs were measured once more."""
        self._evaluated += self._since_log()
        self._to = time.monotonic()
        self._ear.progress(f"{_step(state)}{self._loss.partition(' at step')[0]}", True)

    def _since_log(self) -> float:
        return 0.0 if self._logged is None else time.monotonic() - self._logged

    def _tell(self, args: Any, state: Any) -> None:  # noqa: ANN401
        left = self._left(args, state)
        told = f"   {about(left)} left" if left is not None else ""
        self._ear.progress(f"{_step(state)}{self._loss}{told}", False)

    def _left(self, args: Any, state: Any) -> float | None:  # noqa: ANN401
        """Returns the seconds that steps and evaluations will take; None before the second step."""
        done = int(state.global_step) - self._first
        if self._began is None or done <= 0:
            return None
        stepping = time.monotonic() - self._began - (self._evaluated - self._before)
        seconds = stepping / done * (int(state.max_steps) - int(state.global_step))
        if self._evaluations:
            seconds += self._evaluated / self._evaluations * _evaluations_left(args, state)
        return seconds


def _evaluations_left(args: Any, state: Any) -> int:  # noqa: ANN401
    """Returns how many evaluations will come; the end is always one."""
    if str(getattr(args.eval_strategy, "value", args.eval_strategy)) != "steps":
        return 0
    every = max(1, int(state.eval_steps or args.eval_steps or state.max_steps))
    # What is due at this very step is still to come when its line is told.
    return -(-int(state.max_steps) // every) - (int(state.global_step) - 1) // every


def _step(state: Any) -> str:  # noqa: ANN401
    return f"step {state.global_step:,}/{state.max_steps:,}"
