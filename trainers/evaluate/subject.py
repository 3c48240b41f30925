"""What is evaluated: a model that is loaded here, or one behind a URL."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from datakit.errors import InputError
from trainers.examples import Chat, Message
from trainers.models import ModelRef, is_reward, resolve

__all__ = ["Scored", "Subject", "check_subject", "open_subject", "shown_model"]

_URL = re.compile(r"\A(https?://)(?:[^/?#]*@)?([^?#]*)(?:\?[^#]*)?")


@dataclass(frozen=True)
class Scored:
    """How likely the answers of one chat are.

    Args:
        nll: Negative log-likelihood in nats, summed over the tokens that would be learnt: the
            answers with what ends them.
        tokens: How many tokens that are.
        bytes: Length of the answers' text in UTF-8; the end of an answer has none.
    """

    nll: float
    tokens: int
    bytes: int


class Subject(Protocol):
    """A model that answers, and may tell how likely given answers are.

    Attributes:
        name: What the user called it.
        dtype: The type it computes in, such as `bfloat16`; empty if that is not known.
        adapter: Whether it is a base with an adapter that can be switched off.
        note: Is told in words how far the work is, by `trainers.evaluate.progress.Count` where it
            can be counted; may be replaced.
    """

    name: str
    dtype: str
    adapter: bool
    note: Callable[[str], None]

    def without_adapter(self) -> AbstractContextManager[None]:
        """Makes it its own base within a `with` block."""
        ...

    def nll(self, chats: Sequence[Chat], *, last: bool = False) -> list[Scored]:
        """Scores answers that are given.

        Args:
            chats: Chats.
            last: Score the last answer alone, not those before it.

        Raises:
            InputError: If the model is served and cannot tell.
        """
        ...

    def generate(
        self, prompts: Sequence[Sequence[Message]], *, max_new_tokens: int = 256
    ) -> list[str]:
        """Answers greedily: always the likeliest token.

        Args:
            prompts: Turns each, the last the user's.
            max_new_tokens: Most tokens of an answer.

        Returns:
            Texts without special tokens, in the prompts' order.
        """
        ...

    def close(self) -> None:
        """Lets go of memory; may be called twice."""
        ...


def silent(text: str) -> None:
    """Takes a note and tells nobody."""


def shown_model(text: str) -> str:
    """Returns a model's name as it is shown and kept: a URL without its password and query."""
    return _URL.sub(r"\1\2", text)


def open_subject(
    text: str,
    *,
    batch: int | None = None,
    dtype: str = "auto",
    template: str = "",
    fallback: str = "",
    device: str = "auto",
    note: Callable[[str], None] = silent,
) -> Subject:
    """Opens a model for evaluation.

    Args:
        text: As `trainers.models.resolve` takes it.
        batch: Most items that are looked at together (requests in flight, for a served model);
            None leaves it to the kind of model.
        dtype: Of a local model's weights: `float32`, `bfloat16`, `nf4`, or `auto`, the faster one
            of the first two here.
        template: A chat template as `trainers.tokens.set_template` takes it.
        fallback: The text of a chat template, for a model that has none if no `template` is given.
        device: Where a local model computes: `cpu`, `cuda`, or `auto`, a GPU if there is one.
        note: Is told in words how far the work is.

    Raises:
        InputError: If there is no such model, or it cannot be loaded.
        ProviderError: If a server does not answer.
    """
    if batch is not None and batch < 1:
        raise InputError(f"--batch {batch}: must be a whole number of at least 1.")
    ref = resolve(text)
    if ref.kind == "served":
        from trainers.evaluate.served import open_served

        return open_served(ref, concurrency=batch, note=note)
    _refuse_reward_model(ref)
    from trainers.evaluate.local import open_local

    return open_local(
        ref,
        batch=batch,
        dtype=dtype,
        template=template,
        fallback=fallback,
        device=device,
        note=note,
    )


def check_subject(text: str, *, template: str = "", fallback: str = "") -> None:
    """Finds out what would keep a model from being opened, as far as its weights are not needed.

    A served one is asked whether it is there: for its list of models, and for one token if this
    one is not in it.

    Args:
        text: As `open_subject` takes it.
        template: Likewise.
        fallback: Likewise.

    Raises:
        InputError: As `open_subject` does.
        ProviderError: If a server cannot be reached, or does not answer as it must.
    """
    ref = resolve(text)
    if ref.kind == "served":
        from trainers.evaluate.served import open_served

        open_served(ref).reach()
        return
    _refuse_reward_model(ref)
    from trainers.evaluate.loading import open_tokenizer

    open_tokenizer(ref, template, fallback)


def _refuse_reward_model(ref: ModelRef) -> None:
    if is_reward(ref):
        raise InputError(
            f"{ref.given}: is a reward model: it rates answers and gives none. "
            "Use it in a pipeline: score.reward."
        )
