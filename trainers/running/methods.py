"""What the methods do differently: which examples they read, how they load and save a model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainers import models
from trainers.data import Want
from trainers.examples import chats, labelled, pairs
from trainers.gate import Gate, check_chats
from trainers.gate_pairs import check_labelled, check_pairs
from trainers.models import ModelRef
from trainers.settings import Settings

__all__ = ["Method", "method_of"]


@dataclass(frozen=True)
class Method:
    """A method's reading, loading and saving.

    Args:
        name: As it is called: `sft`, `dpo`, ...
        examples: Makes examples of records; lists those that are none.
        check: The gate.
        task: `CAUSAL_LM`, or `SEQ_CLS` for a reward model.
    """

    name: str
    wants: Want
    examples: Callable[..., Iterable[Any]]
    check: Callable[..., tuple[Gate, list[Any]]]
    task: str = "CAUSAL_LM"

    def load(self, settings: Settings, ref: ModelRef, device: str) -> Any:  # noqa: ANN401
        """Loads the model to train."""
        full = settings.lora == "none"
        return models.load_model(
            ref,
            # In bfloat16 alone full fine-tuning loses small updates; there they stay float32.
            dtype="float32" if full else "auto",
            quantize=None if settings.quantize == "none" else settings.quantize,
            device=device,
            trainable=True,
            task=self.task,
        )

    def save(self, trainer: Any, tokenizer: Any, folder: Path) -> None:  # noqa: ANN401
        """Writes the weights and the tokenizer with its template."""
        trainer.save_model(str(folder))
        if trainer.is_world_process_zero():
            # TRL's frozen copy of the adapter that training began with.
            shutil.rmtree(folder / "ref", ignore_errors=True)
            tokenizer.padding_side = "right"
            tokenizer.save_pretrained(str(folder))


# How the examples that a method wants are made and checked.
_READ: dict[Want, tuple[Callable[..., Iterable[Any]], Callable[..., tuple[Gate, list[Any]]]]] = {
    "chat": (chats, check_chats),
    "pair": (pairs, check_pairs),
    "label": (labelled, check_labelled),
}


def method_of(settings: Settings) -> Method:
    """Returns the method that settings belong to."""
    # What a method's class states; Settings alone is no method.
    method: Any = settings
    return Method(method.method, method.wants, *_READ[method.wants], task=method.task)
