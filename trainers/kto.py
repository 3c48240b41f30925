"""KTO: answers labelled good or bad, through TRL's KTOTrainer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta

from datakit.step import validated
from trainers.data import Want
from trainers.passes import Passes
from trainers.preferences import Compared, as_dataset, reference_of
from trainers.settings import lora_config

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import KTOConfig, KTOTrainer

__all__ = ["KTO"]


@validated
class KTO(Compared):
    """Kahneman-Tversky optimisation (Ethayarajh et al. 2024, arXiv 2402.01306).

    Good answers become likelier and bad ones less likely than by the reference, the model as it was
    at the start, relative to how far it moved on prompts with answers of others; these are taken
    from the same batch, so that rows are shuffled once and keep that order in every epoch.

    A record says with `label` which its answer is: true or false, or one of these words as a text,
    as CSV files have it. A record with `rejected` and without a label is a good answer and a bad
    one. Both kinds must be there.

    Args:
        desirable_weight: Weight of good answers. With more good than bad answers (or the reverse)
            weight times number should be 1 to 4/3 times as high for good ones (the paper's eq. 8).
        undesirable_weight: Weight of bad answers.
    """

    method: ClassVar[str] = "kto"
    title: ClassVar[str] = "Kahneman-Tversky optimization"
    wants: ClassVar[Want] = "label"
    passes: ClassVar[Passes] = Passes(
        2, 2, 1, 2, 1, "each answer with its prompt, and with another one for the KL"
    )
    adapter_rate: ClassVar[float] = 5e-5
    full_rate: ClassVar[float] = 5e-6

    desirable_weight: Annotated[float, Meta(gt=0)] = 1.0
    undesirable_weight: Annotated[float, Meta(gt=0)] = 1.0

    def __post_init__(self) -> None:
        self.rules()
        if self.batch < 2:
            raise ValueError(
                "batch: must be at least 2, as KTO compares with the other answers of the batch"
            )

    def __call__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        train: Sequence[dict[str, Any]],
        held_out: Sequence[dict[str, Any]] | None,
        *,
        folder: Path,
        device: str,
        steps: int,
    ) -> KTOTrainer:
        """Builds TRL's trainer.

        Args:
            model: The model; where it is a PEFT model already, its adapter is trained on, and a
                frozen copy of that adapter is the reference.
            tokenizer: Its tokenizer.
            train: Rows of `prompt` and `completion`, lists of messages, and `label`.
            held_out: Rows to evaluate on.
            folder: Where checkpoints go.
            device: `cpu` or `cuda`.
            steps: Optimizer steps.
        """
        from trl import KTOTrainer

        from trainers.watch.callback import watch_answers

        adapter = None if hasattr(model, "peft_config") else lora_config(self)
        rows, test = self._mixed(train), None if held_out is None else self._mixed(held_out)
        trainer = KTOTrainer(
            model=model,
            ref_model=reference_of(model, adapter),
            args=self._args(folder, device, steps, held_out is not None),
            train_dataset=as_dataset(rows),
            eval_dataset=as_dataset(test),
            processing_class=tokenizer,
            peft_config=adapter,
        )
        watch_answers(self, trainer, len(held_out or ()))
        return self.finished(trainer, len(rows), len(test or ()), device)

    def _mixed(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return mixed(rows, self.batch, self.seed)

    def _args(self, folder: Path, device: str, steps: int, measured: bool) -> KTOConfig:
        from trl import KTOConfig

        return KTOConfig(
            output_dir=str(folder),
            beta=self.beta,
            desirable_weight=self.desirable_weight,
            undesirable_weight=self.undesirable_weight,
            max_length=self.max_length,
            **self.arguments(total_steps=steps, device=device, held_out=measured),
        )


def mixed(rows: Sequence[dict[str, Any]], batch: int, seed: int) -> list[dict[str, Any]]:
    """Returns rows in the order that KTO reads them.

    TRL pairs each prompt with the answer before it in the batch, to see how far the model moved on
    answers that do not belong to the prompt. The two answers of a pair must therefore not stay
    side by side; and a last batch of one row, whose only other answer would be its own, gets the
    first row for company.

    Args:
        rows: Rows.
        batch: Rows of a batch.
        seed: Of the order.
    """
    order = list(rows)
    random.Random(seed).shuffle(order)
    return order + order[:1] if len(order) % batch == 1 else order
