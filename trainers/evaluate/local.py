"""A model that is loaded here, through transformers: likelihoods and greedy answers, in batches."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from datakit.errors import DatakitWarning, InputError
from trainers.evaluate.batching import answer_bytes, batches, ending, padded, scored_row, spots
from trainers.evaluate.loading import open_tokenizer
from trainers.evaluate.progress import Count
from trainers.evaluate.subject import Scored, silent
from trainers.examples import Chat, Message
from trainers.models import ModelRef, default_device, load_model
from trainers.quiet import quiet
from trainers.settings import computes_bf16
from trainers.tokens import Encoded, encode_prompt, stop_ids

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["LocalSubject", "open_local"]

# Sequences of a batch. On a CPU more of them gain nothing.
_BATCH = {"cpu": 16, "cuda": 64}
# Most tokens of a forward pass, padding included; a longer chat goes alone.
_TOKENS = 8_192
# Most logits that exist at once: 128 MiB in float32.
_LOGITS = 2**25


class LocalSubject:
    """A loaded model.

    Args:
        model: A causal language model, as transformers or PEFT have it.
        tokenizer: Its tokenizer, with a chat template and a pad token.
        name: What the user called it.
        batch: Most sequences of a batch; None takes 16 on a CPU, 64 on a GPU.
        adapter: Whether the model is a PEFT adapter on a base.
        note: Is told in words how far the work is.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        name: str,
        *,
        batch: int | None = None,
        adapter: bool = False,
        note: Callable[[str], None] = silent,
    ) -> None:
        from transformers import GenerationConfig

        self.name = name
        self.adapter = adapter
        self.note = note
        self.tokenizer = tokenizer
        self.model: Any = model.eval()
        self.dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
        self._device = next(model.parameters()).device
        self._batch = batch or _BATCH.get(self._device.type, 16)
        self.context = getattr(model.config, "max_position_embeddings", None) or 10**9
        self._stops = stop_ids(tokenizer, model.generation_config)
        # The model's own defaults (sampling, a repetition penalty) would not be greedy.
        self.model.generation_config = GenerationConfig(
            do_sample=False, eos_token_id=sorted(self._stops), pad_token_id=tokenizer.pad_token_id
        )
        self._plain = self._head_is_plain()

    def without_adapter(self) -> AbstractContextManager[None]:
        """Makes it its own base within a `with` block."""
        switched: AbstractContextManager[None] = self.model.disable_adapter()
        return switched

    def close(self) -> None:
        """Lets go of the model; may be called twice."""
        self.model = None
        gc.collect()

    def nll(self, chats: Sequence[Chat], *, last: bool = False) -> list[Scored]:
        """Scores answers that are given; see `Subject`.

        Of a chat that is longer than the model's context, the beginning is cut off.
        """
        encoded = [scored_row(self.tokenizer, chat, last=last) for chat in chats]
        fitting = [ending(each, self.context) for each in encoded]
        self._tell_cut(sum(a is not b for a, b in zip(encoded, fitting, strict=True)), "chats")
        sums = self.row_nll(
            fitting, note=lambda done: self.note(Count.of(done, len(chats), "chats scored"))
        )
        return [
            Scored(value, now.answer_tokens, answer_bytes(chat, whole, now, last=last))
            for chat, value, whole, now in zip(chats, sums, encoded, fitting, strict=True)
        ]

    def row_nll(
        self,
        rows: Sequence[Encoded],
        *,
        batch: int | None = None,
        note: Callable[[int], None] | None = None,
    ) -> list[float]:
        """Scores tokens that are given.

        Args:
            rows: Each no longer than the model's context, its first token not labelled.
            batch: Most rows of a batch; None takes the model's own.
            note: Is told how many are done.

        Returns:
            The negative log-likelihood of each row's labels in nats, summed.
        """
        sums = [0.0] * len(rows)
        done = 0
        for places in batches(
            [len(each.input_ids) for each in rows], batch or self._batch, _TOKENS
        ):
            with _memory(self.name):
                found = self._sums([rows[at] for at in places])
            for at, value in zip(places, found, strict=True):
                sums[at] = value
            done += len(places)
            if note:
                note(done)
        return sums

    def generate(
        self, prompts: Sequence[Sequence[Message]], *, max_new_tokens: int = 256
    ) -> list[str]:
        """Answers greedily; see `Subject`.

        In bfloat16 a near tie may fall otherwise in a batch of another size; not so in float32.
        """
        room = self.context - max_new_tokens
        if room < 1:
            raise InputError(
                f"--max-new-tokens {max_new_tokens}: the model sees {self.context:,} tokens at "
                "once, the prompt among them."
            )
        encoded = [encode_prompt(self.tokenizer, prompt) for prompt in prompts]
        self._tell_cut(sum(len(each) > room for each in encoded), "prompts")
        fitting = [each[-room:] for each in encoded]
        answers = [""] * len(prompts)
        done = 0
        for places in batches(list(map(len, fitting)), self._batch, _TOKENS):
            with _memory(self.name):
                texts = self._answers([fitting[at] for at in places], max_new_tokens)
            for at, text in zip(places, texts, strict=True):
                answers[at] = text
            done += len(places)
            self.note(Count.of(done, len(prompts), "answered"))
        return answers

    def _answers(self, rows: Sequence[Sequence[int]], max_new_tokens: int) -> list[str]:
        import torch

        ids, mask = padded(rows, self.tokenizer.pad_token_id, left=True)
        with torch.inference_mode():
            made = self.model.generate(
                input_ids=self._tensor(ids),
                attention_mask=self._tensor(mask),
                max_new_tokens=max_new_tokens,
            )
        return [self._text(row) for row in made[:, len(ids[0]) :].tolist()]

    def _text(self, ids: list[int]) -> str:
        end = next((at for at, each in enumerate(ids) if each in self._stops), len(ids))
        text: str = self.tokenizer.decode(
            ids[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def _sums(self, rows: Sequence[Encoded]) -> list[float]:
        """Returns the summed negative log-likelihood of each row's labels."""
        import torch

        with torch.inference_mode():
            if self._plain:
                return self._from_hidden(rows)
            return [self._from_logits(row) for row in rows]

    def _from_hidden(self, rows: Sequence[Encoded]) -> list[float]:
        """Goes from hidden states to logits only where a label is, and for few labels at a time."""
        import torch

        ids, mask = padded([row.input_ids for row in rows], self.tokenizer.pad_token_id)
        states = self._decoder(
            input_ids=self._tensor(ids), attention_mask=self._tensor(mask), use_cache=False
        ).last_hidden_state
        places = [(at, spot) for at, row in enumerate(rows) for spot in spots(row)]
        owner = self._tensor([at for at, _ in places])
        targets = self._tensor([rows[at].labels[spot] for at, spot in places])
        # The state before a token predicts it.
        chosen = states[owner, self._tensor([spot for _, spot in places]) - 1]
        size = max(1, _LOGITS // self._head.weight.shape[0])
        loss = torch.nn.CrossEntropyLoss(reduction="none")
        losses = [
            loss(self._head(chosen[at : at + size]).float(), targets[at : at + size])
            for at in range(0, len(places), size)
        ]
        sums = torch.zeros(len(rows), dtype=torch.float64)
        sums.index_add_(0, owner.cpu(), torch.cat(losses).cpu().double())
        return list(sums.tolist())

    def _from_logits(self, row: Encoded) -> float:
        """Takes the model's own logits, where its head does more than one product of matrices."""
        import torch

        places = list(spots(row))
        logits = self.model(input_ids=self._tensor([row.input_ids]), use_cache=False).logits[0]
        chosen = logits[self._tensor(places) - 1].float()
        targets = self._tensor([row.labels[spot] for spot in places])
        return float(torch.nn.functional.cross_entropy(chosen, targets, reduction="sum"))

    def _head_is_plain(self) -> bool:
        """Tries out whether head(hidden states) are the logits; some models scale or cap them."""
        import torch

        whole = self.model.get_base_model() if self.adapter else self.model
        self._decoder, self._head = whole.get_decoder(), whole.get_output_embeddings()
        if self._decoder is whole or self._head is None or not hasattr(self._head, "weight"):
            return False
        ids = self._tensor([list(range(3, 11))])
        with torch.inference_mode():
            wanted = self.model(input_ids=ids, use_cache=False).logits
            states = self._decoder(input_ids=ids, use_cache=False)
            got = self._head(states.last_hidden_state)
        return got.shape == wanted.shape and bool(
            torch.allclose(got.float(), wanted.float(), rtol=1e-2, atol=1e-2)
        )

    def _tensor(self, values: Any) -> Any:  # noqa: ANN401  torch is not imported with this module
        import torch

        return torch.tensor(values, dtype=torch.long, device=self._device)

    def _tell_cut(self, count: int, what: str) -> None:
        if count:
            warnings.warn(
                f"{self.name} sees {self.context:,} tokens at once: of {count:,} {what} the "
                "beginning is cut off.",
                DatakitWarning,
                stacklevel=3,
            )


@contextmanager
def _memory(name: str) -> Iterator[None]:
    import torch

    try:
        yield
    except torch.OutOfMemoryError:
        raise InputError(
            f"{name}: the batch does not fit into the GPU's memory. Give a smaller one: --batch 4."
        ) from None


def open_local(
    ref: ModelRef,
    *,
    batch: int | None = None,
    dtype: str = "auto",
    template: str = "",
    fallback: str = "",
    device: str = "auto",
    note: Callable[[str], None] = silent,
) -> LocalSubject:
    """Loads a model for evaluation.

    Args:
        ref: Which.
        batch: Most sequences of a batch.
        dtype: Of the weights; `auto` is bfloat16 where the processor computes in it; `nf4` holds
            the base in 4 bits, as QLoRA trains on it.
        template: A chat template as `trainers.tokens.set_template` takes it.
        fallback: The text of a chat template, for a model that has none if no `template` is given.
        device: `cpu`, `cuda`, or `auto`, a GPU if there is one.
        note: Is told in words how far the work is.

    Raises:
        InputError: If it cannot be loaded, or has no chat template.
        MissingExtraError: If transformers or torch is not installed.
    """
    note(f"loading {ref.given}")
    place = default_device() if device == "auto" else device
    tokenizer = open_tokenizer(ref, template, fallback)
    quantize = "nf4" if dtype == "nf4" else None
    with quiet():
        model = load_model(
            ref,
            dtype="auto" if quantize else _dtype(dtype, place),
            quantize=quantize,
            device=place,
        )
    subject = LocalSubject(
        model, tokenizer, ref.given, batch=batch, adapter=ref.adapter is not None, note=note
    )
    subject.dtype = quantize or subject.dtype
    return subject


def _dtype(name: str, device: str) -> str:
    # 135 M parameters, a CPU with AVX512-BF16, 2 threads: 16 chats of 3,820 tokens 3.5 s in
    # bfloat16, 41 s in float32; 8 answers of 48 tokens 2.7 and 5.2 s. Per token it is off by
    # 0.007 nats in one chat, 0.005 in the mean, and less in a difference of two models.
    if name != "auto":
        return name
    return "bfloat16" if computes_bf16(device) else "float32"
