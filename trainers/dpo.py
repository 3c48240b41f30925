"""DPO and its relatives: preference pairs, through TRL's DPOTrainer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta

from datakit.step import validated
from trainers.passes import Passes
from trainers.preferences import Compared, as_dataset, reference_of
from trainers.settings import lora_config

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import DPOConfig, DPOTrainer

__all__ = ["DPO"]


@validated
class DPO(Compared):
    """Direct preference optimisation: the chosen answer becomes likelier than the rejected one.

    Both are compared with a reference, the model as it was at the start. Log-probabilities are of
    whole answers, with the token that ends them; IPO divides them by their tokens.

    Args:
        loss: `sigmoid` is DPO (Rafailov et al. 2023, arXiv 2305.18290). `ipo` (Azar et al. 2023,
            2310.12036) stops at a margin of 1 / (2 beta) a token, where DPO goes on. `hinge` (SLiC,
            2305.10425) stops at a margin of 1 / beta. `robust` (Chowdhury et al. 2024, 2403.00409)
            takes a share of the pairs, `flipped`, for swapped.
        flipped: Share of pairs that may be swapped; for `robust`.
    """

    method: ClassVar[str] = "dpo"
    title: ClassVar[str] = "direct preference optimization"
    passes: ClassVar[Passes] = Passes(1, 1, 1, 2, 1, "policy and reference on both answers")
    adapter_rate: ClassVar[float] = 5e-5
    full_rate: ClassVar[float] = 5e-6

    loss: Literal["sigmoid", "ipo", "hinge", "robust"] = "sigmoid"
    flipped: Annotated[float, Meta(ge=0, lt=0.5)] = 0.0

    def __post_init__(self) -> None:
        self.rules()
        if (self.loss == "robust") != (self.flipped > 0):
            raise ValueError("flipped: is for the loss `robust`, which needs it over 0")

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
    ) -> DPOTrainer:
        """Builds TRL's trainer.

        Args:
            model: The model; where it is a PEFT model already, its adapter is trained on, and a
                frozen copy of that adapter is the reference.
            tokenizer: Its tokenizer.
            train: Rows of `prompt`, `chosen` and `rejected`, each a list of messages.
            held_out: Rows to evaluate on.
            folder: Where checkpoints go.
            device: `cpu` or `cuda`.
            steps: Optimizer steps.
        """
        from trl import DPOTrainer

        from trainers.watch.callback import watch_pairs

        adapter = None if hasattr(model, "peft_config") else lora_config(self)
        trainer = DPOTrainer(
            model=model,
            ref_model=reference_of(model, adapter),
            args=self._args(folder, device, steps, held_out is not None),
            train_dataset=as_dataset(train),
            eval_dataset=as_dataset(held_out),
            processing_class=tokenizer,
            peft_config=adapter,
        )
        watch_pairs(self, trainer)
        return self.finished(trainer, len(train), len(held_out or ()), device)

    def _args(self, folder: Path, device: str, steps: int, measured: bool) -> DPOConfig:
        from trl import DPOConfig

        return DPOConfig(
            output_dir=str(folder),
            beta=self.beta,
            loss_type=[self.loss],
            label_smoothing=self.flipped,
            max_length=self.max_length,
            **self.arguments(total_steps=steps, device=device, held_out=measured),
        )
