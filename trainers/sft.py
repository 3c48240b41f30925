"""Supervised fine-tuning: the answers of chats, through TRL's SFTTrainer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from datakit.step import validated
from trainers.data import Want
from trainers.passes import Passes
from trainers.settings import Settings, lora_config, optimizers
from trainers.tokens import Encoded

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import SFTConfig, SFTTrainer

__all__ = ["SFT"]


@validated
class SFT(Settings):
    """Supervised fine-tuning on the answers' tokens.

    Args:
        packing: Rows are packed into blocks of `max_length`, whole; rows do not see each other.
        padding_free: The rows of a batch are laid end to end instead of padded.
        padding_side: Where a batch is padded: `right` or `left`.
    """

    method: ClassVar[str] = "sft"
    title: ClassVar[str] = "supervised fine-tuning"
    """What a reader calls it, within a sentence."""
    wants: ClassVar[Want] = "chat"
    """Examples that it reads: `chat`, `pair` or `label`; see `trainers.examples`."""
    task: ClassVar[str] = "CAUSAL_LM"
    """Head of the model: `CAUSAL_LM` writes, `SEQ_CLS` gives a score."""
    passes: ClassVar[Passes] = Passes(1, 0, 1, 1, 1, "the answer alone")
    """What it passes through the model; time and memory are reckoned by it."""

    packing: bool = False
    padding_free: bool = False
    padding_side: Literal["right", "left"] = "right"

    def __post_init__(self) -> None:
        self.rules()
        if self.padding_side == "left" and (self.packing or self.padding_free):
            raise ValueError("padding_side: with packing or padding_free nothing is padded")

    def __call__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        train: Sequence[Encoded],
        held_out: Sequence[Encoded] | None,
        *,
        folder: Path,
        device: str,
        steps: int,
    ) -> SFTTrainer:
        """Builds TRL's trainer.

        Args:
            model: The model; where it is a PEFT model already, its adapter is trained on.
            tokenizer: Its tokenizer.
            train: Rows, already no longer than `max_length`.
            held_out: Rows to evaluate on.
            folder: Where checkpoints go.
            device: `cpu` or `cuda`.
            steps: Optimizer steps.
        """
        from trl import SFTTrainer

        config = None if hasattr(model, "peft_config") else lora_config(self)
        trainer = SFTTrainer(
            model=model,
            args=self._args(folder, device, steps, held_out is not None),
            train_dataset=_dataset(train),
            eval_dataset=None if held_out is None else _dataset(held_out),
            processing_class=tokenizer,
            peft_config=config,
            data_collator=self._collator(tokenizer),
        )
        if self.lora == "lora+":
            trainer.optimizer, _ = optimizers(self, trainer.model, device)
        return trainer

    def _args(self, folder: Path, device: str, steps: int, measured: bool) -> SFTConfig:
        from trl import SFTConfig

        return SFTConfig(
            output_dir=str(folder),
            # Rows are cut by the gate, where it is counted; here it is the size of a pack.
            max_length=self.max_length if self.packing else None,
            packing=self.packing,
            eval_packing=False,
            padding_free=self.padding_free,
            **self.arguments(total_steps=steps, device=device, held_out=measured),
        )

    def _collator(self, tokenizer: PreTrainedTokenizerBase) -> Any:  # noqa: ANN401  or None: TRL's own
        tokenizer.padding_side = self.padding_side
        if self.padding_side == "right":
            return None
        from transformers import DataCollatorForSeq2Seq

        return DataCollatorForSeq2Seq(tokenizer, padding=True)


def _dataset(rows: Sequence[Encoded]) -> Any:  # noqa: ANN401  datasets.Dataset
    from datasets import Dataset

    return Dataset.from_dict(
        {"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]}
    )
