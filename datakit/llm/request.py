"""What is sent to a model and what comes back, whoever the provider is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields, replace
from typing import Any, Protocol, Self

__all__ = ["ALL", "Provider", "Request", "Response", "Sample", "Usage"]


@dataclass(frozen=True)
class Request:
    """One request: a chat (`messages`) or a raw completion (`prompt`), and how to sample.

    Args:
        messages: `{"role": ..., "content": ...}` each.
        prompt: The text to be continued; for base models.
        n: How many answers to draw.
        max_tokens: Most tokens of one answer.
        temperature: 0 is greedy; None leaves it to the provider.
        top_p: Share of the probability mass to sample from.
        presence_penalty: Makes a token less likely once it is there.
        stop: Texts that end an answer.
        seed: Makes the answer repeatable where the provider can.
        schema: A JSON Schema that the answer must fit.
        prefill: How the answer of a chat begins; the model goes on from there.
    """

    messages: tuple[Mapping[str, str], ...] = ()
    prompt: str | None = None
    n: int = 1
    max_tokens: int = 1024
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    schema: Mapping[str, Any] | None = None
    prefill: str | None = None

    def payload(self) -> dict[str, Any]:
        """Returns what is set, as JSON values."""
        pairs = ((spec.name, getattr(self, spec.name)) for spec in fields(self))
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in pairs
            if value is not None and value != ()
        }

    def within(self, knobs: frozenset[str]) -> Request:
        """Returns the request without what a provider does not heed."""
        plain = {
            name: default
            for name, default in _DEFAULTS.items()
            if name not in knobs and getattr(self, name) != default
        }
        return replace(self, **plain) if plain else self

    @property
    def chars(self) -> int:
        """Length of all texts that are sent, in characters."""
        own = len(self.prompt or "") + len(self.prefill or "")
        return own + sum(len(each["content"]) for each in self.messages)

    @property
    def likely_tokens(self) -> int:
        """About as many tokens as a provider counts for it, in and out, when it is sent."""
        return self.chars // 4 + self.n * self.max_tokens

    @property
    def most_input_tokens(self) -> int:
        """More tokens than any tokenizer makes of what is sent: one for each byte of it."""
        texts = [each["content"] for each in self.messages]
        texts += [self.prompt or "", self.prefill or ""]
        if self.schema is not None:
            texts.append(json.dumps(self.schema))
        sent = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
        return sent + 8 * len(self.messages) + 16


@dataclass(frozen=True)
class Sample:
    """One answer.

    Args:
        text: The answer.
        finish: `stop`, `length` (cut at `max_tokens`) or `refused`.
    """

    text: str
    finish: str = "stop"


@dataclass(frozen=True)
class Usage:
    """Tokens of one response, or of many added up.

    Args:
        input_tokens: Tokens that were read, those of the provider's prompt cache included.
        output_tokens: Tokens that were written.
        known: False if the server did not say; what it costs is then not known either.
        cache_read_tokens: How many of the input's came from the prompt cache.
        cache_write_tokens: How many of them were put into it.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    known: bool = True
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.known and other.known,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )


@dataclass(frozen=True)
class Response:
    """What came back for one request.

    Args:
        samples: In their order.
        usage: Of all of them.
        model: Who answered.
        batch: Whether it came in a batch, at half the price.
        by_hand: Whether it was typed in, such as from a chat window; nothing was paid for it here.
    """

    samples: tuple[Sample, ...]
    usage: Usage
    model: str
    batch: bool = False
    by_hand: bool = False

    def to_json(self) -> dict[str, Any]:
        """Returns the response as JSON values."""
        own = {
            "samples": [[each.text, each.finish] for each in self.samples],
            "usage": list(astuple(self.usage)),
            "model": self.model,
        }
        flags = {name: True for name in ("batch", "by_hand") if getattr(self, name)}
        return {**own, **flags}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Builds a response from what `to_json` returned."""
        samples = tuple(Sample(text, finish) for text, finish in value["samples"])
        batch, by_hand = value.get("batch", False), value.get("by_hand", False)
        return cls(samples, Usage(*value["usage"]), value["model"], batch, by_hand)


_DEFAULTS: dict[str, Any] = {each.name: each.default for each in fields(Request)}
ALL = frozenset(_DEFAULTS)
"""The knobs of a provider that heeds every field of a request."""


class Provider(Protocol):
    """Sends requests to one model. Everything above it is the same for all providers."""

    model: str
    form: str  # "chat" or "completion": how this model is asked best
    knobs: frozenset[str]  # those fields of a request that this provider can heed

    def identity(self) -> dict[str, Any]:
        """Returns all that decides an answer beside the request; no secrets."""
        ...

    async def send(self, request: Request) -> Response:
        """Sends one request and waits for its answer.

        Raises:
            RequestError: If this request is refused for good.
            ProviderError: If no request can succeed now.
        """
        ...

    async def close(self) -> None:
        """Closes connections; may be called twice."""
        ...
