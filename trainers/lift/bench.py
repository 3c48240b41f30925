"""A model that is fine-tuned and measured again and again, each time from the same start."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trainers import models
from trainers.evaluate import Items, Task
from trainers.evaluate.subject import Subject, silent
from trainers.lift.ended import Ended
from trainers.models import ModelRef, resolve
from trainers.quiet import quiet
from trainers.settings import Settings, computes_bf16
from trainers.sft import SFT
from trainers.tokens import Encoded, set_template

__all__ = ["Bench", "Work"]


@dataclass(frozen=True)
class Work:
    """One trial, ready to be done.

    Args:
        key: Of the trial, by which it is kept.
        rows: In the order in which they are trained on, repeats included.
        steps: Optimizer steps.
        seed: Of initialisation and dropout.
    """

    key: str
    rows: Sequence[Encoded]
    steps: int
    seed: int


class Bench:
    """Holds a model, and what it is measured by.

    The adapter of a trial is taken off when the trial ends; the weights under it were never
    changed. Where all weights are trained, they are read anew.

    Args:
        model: As `trainers.models.resolve` takes it.
        settings: Of each trial, all but steps and seed.
        tasks: What each trial is measured by.
        device: `cpu`, `cuda` or `cuda:1`.
        note: Is told in words how far it is.
    """

    def __init__(
        self,
        model: str,
        settings: SFT,
        tasks: Sequence[Task],
        *,
        device: str,
        note: Callable[[str], None] = silent,
    ) -> None:
        self._settings = settings
        self._tasks = tuple(tasks)
        self._device = device
        self._ref: ModelRef = resolve(model)
        self._note = note
        self._tokenizer: Any = models.load_tokenizer(self._ref)
        set_template(self._tokenizer, settings.template)
        self._model: Any = None

    @quiet()
    def untrained(self) -> list[Items]:
        """Measures the model as it is."""
        return self._measured(self._loaded())

    @quiet()
    def trial(self, work: Work) -> Ended:
        """Fine-tunes the model on rows, measures it, and leaves it as it was.

        Raises:
            InputError: If the loss is no number any more.
        """
        began = time.monotonic()
        settings = replace(self._settings, steps=work.steps, seed=work.seed)
        model, self._model = self._loaded(), None
        with tempfile.TemporaryDirectory(prefix="datakit-lift-") as folder:
            trainer = _trainer(settings, model, self._tokenizer, work, Path(folder), self._device)
            trainer.train()
        trained, history = trainer.model, trainer.state.log_history
        del trainer
        seconds = time.monotonic() - began
        found = self._measured(trained)
        if settings.lora != "none":
            self._model = trained.unload()
        del model, trained
        gc.collect()
        return Ended(
            items=tuple(found),
            loss=tuple((each["step"], each["loss"]) for each in history if "loss" in each),
            train_seconds=seconds,
            seconds=time.monotonic() - began,
        )

    def _loaded(self) -> Any:  # noqa: ANN401  a causal language model
        if self._model is None:
            full = self._settings.lora == "none"
            self._model = models.load_model(
                self._ref,
                dtype="float32" if full else "auto",
                quantize=None if self._settings.quantize == "none" else self._settings.quantize,
                device=self._device,
                trainable=True,
            )
        return self._model

    def _measured(self, model: Any) -> list[Items]:  # noqa: ANN401
        from trainers.evaluate.local import LocalSubject

        model = model.to(self._device) if self._settings.quantize == "none" else model
        cache, model.config.use_cache = model.config.use_cache, True
        with _computing(self._device):
            subject: Subject = LocalSubject(
                model,
                self._tokenizer,
                self._ref.given,
                adapter=hasattr(model, "peft_config"),
                note=self._note,
            )
            found = [task.run(subject, self._note) for task in self._tasks]
        model.config.use_cache = cache
        model.train()
        return found


@contextmanager
def _computing(device: str) -> Iterator[None]:
    """Computes as the training did: in bfloat16 from float32 weights, where that is faster."""
    import torch

    kind = device.partition(":")[0]
    with torch.autocast(kind, torch.bfloat16, enabled=computes_bf16(device)):
        yield


def _trainer(
    settings: Settings,
    model: Any,  # noqa: ANN401
    tokenizer: Any,  # noqa: ANN401
    work: Work,
    folder: Path,
    device: str,
) -> Any:  # noqa: ANN401  a TRL trainer
    from transformers import PrinterCallback, set_seed
    from transformers.trainer_utils import SaveStrategy

    from trainers.running.watching import StopOnNaN

    set_seed(settings.seed)
    trainer = settings(  # type: ignore[operator]
        model,
        tokenizer,
        work.rows,
        None,
        folder=folder,
        device=device.partition(":")[0],
        steps=work.steps,
    )
    # The order is part of the plan: common to all variants of a replicate.
    trainer.args.train_sampling_strategy = "sequential"
    trainer.args.save_strategy = SaveStrategy.NO
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(StopOnNaN(settings.rate))
    return trainer
