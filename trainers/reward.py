"""Reward models: a score head that rates the chosen answer higher, through TRL's RewardTrainer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from msgspec import Meta

from datakit.step import validated
from trainers.gate_pairs import answered
from trainers.passes import Passes
from trainers.preferences import Preferences, as_dataset
from trainers.settings import lora_config
from trainers.tokens import Encoded

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import RewardConfig, RewardTrainer

__all__ = ["Reward", "bradley_terry_loss"]


def bradley_terry_loss(chosen: Tensor, rejected: Tensor, margin: Tensor | None = None) -> Tensor:
    """Returns the loss of a reward model on a batch of pairs (Bradley and Terry 1952).

    A pair of answers with rewards a and b is taken for a game that the first wins with probability
    1 / (1 + exp(b - a)); the loss is the mean of -log of that for the answers that did win. It is
    what TRL's RewardTrainer computes, written out.

    Args:
        chosen: Rewards of the better answers, shape (pairs,).
        rejected: Rewards of the worse answers, in the same order.
        margin: By how much the better one should lead at least, per pair (Touvron et al. 2023,
            arXiv 2307.09288); None for 0.

    Returns:
        A number; log 2 where all rewards are equal and no margin is asked for.
    """
    from torch.nn.functional import softplus

    lead = chosen - rejected
    if margin is not None:
        lead = lead - margin
    # -log(1 / (1 + exp(-lead))) = log(1 + exp(-lead)), without overflow.
    return softplus(-lead).mean()


@validated
class Reward(Preferences):
    """A reward model: one number for a prompt and an answer.

    The language model's head is replaced by a score head on the state of the last token. With an
    adapter the head is trained and saved with it.

    Args:
        center: Weight of a term that keeps rewards around 0 (Eisenstein et al. 2023, arXiv
            2312.09244); 0 leaves it out. A reward's level is arbitrary without it.
    """

    method: ClassVar[str] = "reward"
    title: ClassVar[str] = "reward modelling"
    task: ClassVar[str] = "SEQ_CLS"
    passes: ClassVar[Passes] = Passes(1, 0, 1, 1, 1, "the score of both answers")
    adapter_rate: ClassVar[float] = 1e-4
    full_rate: ClassVar[float] = 1e-5

    center: Annotated[float, Meta(ge=0)] = 0.0

    def __post_init__(self) -> None:
        self.rules()

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
    ) -> RewardTrainer:
        """Builds TRL's trainer.

        Args:
            model: A sequence classifier with one output.
            tokenizer: Its tokenizer.
            train: Rows of `prompt`, `chosen` and `rejected`, each a list of messages.
            held_out: Rows to evaluate on.
            folder: Where checkpoints go.
            device: `cpu` or `cuda`.
            steps: Optimizer steps.
        """
        from trl import RewardTrainer

        from trainers.watch.callback import watch_rewards

        test = self._encoded(tokenizer, held_out or ())
        adapter = None if hasattr(model, "peft_config") else lora_config(self, task="SEQ_CLS")
        trainer = RewardTrainer(
            model=model,
            args=self._args(folder, device, steps, held_out is not None),
            train_dataset=_dataset(self._encoded(tokenizer, train)),
            eval_dataset=None if held_out is None else _dataset(test),
            processing_class=tokenizer,
            peft_config=adapter,
        )
        watch_rewards(self, trainer, test)
        return self.finished(trainer, len(train), len(held_out or ()), device)

    def _args(self, folder: Path, device: str, steps: int, measured: bool) -> RewardConfig:
        from trl import RewardConfig

        return RewardConfig(
            output_dir=str(folder),
            center_rewards_coefficient=self.center or None,
            disable_dropout=not self.lora_dropout,
            # TRL would drop longer rows without a word; the gate has cut them, where it was agreed.
            max_length=None,
            **self.arguments(total_steps=steps, device=device, held_out=measured),
        )

    def _encoded(
        self, tokenizer: PreTrainedTokenizerBase, rows: Sequence[dict[str, Any]]
    ) -> list[Encoded]:
        """Returns chosen, rejected, chosen and so on in tokens, as the gate has counted them."""
        return [
            answered(tokenizer, row["prompt"], row[side][0]["content"]).cut(self.max_length)
            for row in rows
            for side in ("chosen", "rejected")
        ]


def _dataset(rows: Sequence[Encoded]) -> Any:  # noqa: ANN401  datasets.Dataset
    ids = [row.input_ids for row in rows]
    return as_dataset(
        [
            {"chosen_ids": chosen, "rejected_ids": rejected}
            for chosen, rejected in zip(ids[::2], ids[1::2], strict=True)
        ]
    )
