"""What the methods that learn from preferences share: settings, reference, a check of the rows."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from datakit.errors import InputError
from datakit.step import validated
from trainers.data import Want
from trainers.settings import Settings, optimizers

__all__ = ["Compared", "Preferences", "as_dataset", "reference_of"]


@validated
class Preferences(Settings):
    """Settings of all that learns from pairs.

    Args:
        watch: Held-out pairs that are watched one by one, at the start, at every evaluation and at
            the end; 0 watches none.
    """

    wants: ClassVar[Want] = "pair"
    task: ClassVar[str] = "CAUSAL_LM"

    epochs: Annotated[float, Meta(gt=0, le=10_000)] = 1.0
    watch: Annotated[int, Meta(ge=0)] = 64

    def finished(self, trainer: Any, rows: int, held_out: int, device: str) -> Any:  # noqa: ANN401
        """Returns TRL's trainer with the optimizer of LoRA+, once no row was lost in it.

        Args:
            trainer: TRL's trainer.
            rows: Rows that it was given.
            held_out: Held-out rows that it was given.
            device: `cpu` or `cuda`.

        Raises:
            InputError: If TRL left rows out, as it does without a word.
        """
        kept = len(trainer.train_dataset), len(trainer.eval_dataset or ())
        if kept != (rows, held_out):
            raise InputError(
                f"TRL left out {rows + held_out - sum(kept):,} of {rows + held_out:,} rows that "
                "fit into --max-length. Please report this with the chat template."
            )
        if self.lora == "lora+":
            trainer.optimizer, _ = optimizers(self, trainer.model, device)
        return trainer


@validated
class Compared(Preferences):
    """Settings of what compares the model with a reference, itself at the start.

    Args:
        beta: How dear it is to move away from the reference; higher stays nearer.
        watch_answers: Held-out prompts that are answered before and after, to see whether answers
            grow; 0 for none.
    """

    beta: Annotated[float, Meta(gt=0)] = 0.1
    watch_answers: Annotated[int, Meta(ge=0, le=16)] = 4

    def rules(self) -> None:
        """Checks what the types of the fields cannot say; raises ValueError."""
        Settings.rules(self)
        if self.lora_dropout:
            raise ValueError("lora_dropout: the reference has none, so here it must be 0")


def as_dataset(rows: Sequence[dict[str, Any]] | None) -> Any:  # noqa: ANN401  datasets.Dataset
    """Returns rows as TRL takes them; None for none."""
    from datasets import Dataset

    return None if rows is None else Dataset.from_list(list(rows))


def reference_of(model: Any, adapter: Any) -> Any:  # noqa: ANN401  a model
    """Returns the model that a policy is compared with, or None where TRL can switch an adapter.

    A new adapter is switched off; of an adapter that is trained on, TRL keeps a copy named `ref`.
    Full fine-tuning changes the model itself, so a second one is held. TRL would load that by its
    name, without the revision.

    Args:
        model: The model that will be trained.
        adapter: The configuration of a new adapter, or None.
    """
    if adapter is not None or hasattr(model, "peft_config"):
        return None
    return copy.deepcopy(model).eval().requires_grad_(False)
