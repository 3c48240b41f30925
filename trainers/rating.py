"""A trained reward model that rates records."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from datakit.errors import InputError
from datakit.record import Record
from trainers.evaluate.batching import batches
from trainers.examples import Refused, chats
from trainers.models import default_device, is_reward, load_model, load_tokenizer, resolve
from trainers.quiet import quiet
from trainers.settings import computes_bf16
from trainers.tokens import encode

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["Rater", "open_rater"]

# Most tokens of a forward pass, padding included.
_TOKENS = 8_192


class Rater:
    """A reward model.

    Args:
        model: A sequence classifier with one output, with its adapter if it has one.
        tokenizer: Its tokenizer, with the template that it was trained with.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self._model: Any = model.eval()
        self._tokenizer = tokenizer
        # The reward is read at the last token that is not this one.
        self._model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
        _in_float32(self._model)

    def close(self) -> None:
        """Lets go of the model; may be called twice."""
        self._model = None
        gc.collect()

    def rate(
        self, records: Sequence[Record], *, batch: int = 16, max_length: int = 1024
    ) -> list[float | None]:
        """Returns the reward of each record's answer.

        Args:
            records: Records.
            batch: Most rows of a forward pass.
            max_length: Most tokens of a row.

        Returns:
            Rewards in the records' order; None where a record is no chat or has more tokens.
        """
        rows: list[tuple[int, list[int]]] = []
        for at, record in enumerate(records):
            refused: list[Refused] = []
            for chat in chats([record], refused):
                ids = encode(self._tokenizer, chat.messages).input_ids
                if len(ids) <= max_length:
                    rows.append((at, ids))
        found: list[float | None] = [None] * len(records)
        for places in batches([len(ids) for _, ids in rows], batch, _TOKENS):
            rewards = self._rewards([rows[place][1] for place in places])
            for place, reward in zip(places, rewards, strict=True):
                found[rows[place][0]] = reward
        return found

    def _rewards(self, rows: Sequence[list[int]]) -> list[float]:
        import torch

        pad, width = self._tokenizer.pad_token_id, max(map(len, rows))
        device = self._model.device
        with torch.inference_mode():
            made = self._model(
                input_ids=torch.tensor(
                    [row + [pad] * (width - len(row)) for row in rows], device=device
                ),
                attention_mask=torch.tensor(
                    [[1] * len(row) + [0] * (width - len(row)) for row in rows], device=device
                ),
                use_cache=False,
            )
        return [float(each) for each in made.logits[:, 0].float()]


def _in_float32(model: Any) -> None:  # noqa: ANN401
    """Computes the score itself in float32: in bfloat16 many rewards would be equal."""
    whole = model.get_base_model() if hasattr(model, "peft_config") else model
    head = getattr(whole, "score", None)
    if head is not None:
        head.float()
        head.register_forward_pre_hook(lambda _, given: (given[0].float(),))


def open_rater(model: str) -> Rater:
    """Loads a reward model.

    Args:
        model: The folder that a training wrote.

    Raises:
        InputError: If it is none, or its base is not there.
        MissingExtraError: If torch, transformers or peft is not installed.
    """
    ref = resolve(model)
    if not is_reward(ref):
        raise InputError(f"{model}: holds no reward model.")
    tokenizer = load_tokenizer(ref)
    if not tokenizer.chat_template:
        raise InputError(f"{model}: its tokenizer has no chat template; was it trained by datakit?")
    device = default_device()
    with quiet():
        loaded = load_model(
            ref,
            dtype="bfloat16" if computes_bf16(device) else "float32",
            device=device,
            task="SEQ_CLS",
        )
    return Rater(loaded, tokenizer)
