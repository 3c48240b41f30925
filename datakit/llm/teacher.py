"""The teacher as a pipeline names it."""

from __future__ import annotations

from decimal import Decimal
from importlib.util import find_spec
from typing import Annotated, Any, Literal

from msgspec import Meta

from datakit.errors import InputError, MissingExtraError, did_you_mean
from datakit.llm.anthropic import Anthropic
from datakit.llm.budget import Price
from datakit.llm.embedded import Embedded
from datakit.llm.openai import OpenAI
from datakit.llm.pace import Limits, Pace
from datakit.llm.prices import given, listed
from datakit.llm.request import ALL, Provider
from datakit.llm.sdk import shown_url
from datakit.llm.terms import terms_of
from datakit.llm.together import Together
from datakit.step import FileRef, validated

__all__ = ["PROVIDERS", "Teacher", "open_provider"]

_SERVED: dict[str, type[Anthropic | OpenAI | Together]] = {
    "anthropic": Anthropic,
    "openai": OpenAI,
    "together": Together,
}
PROVIDERS = ("embedded", *_SERVED)
_BATCHED = ("anthropic", "openai")


_Limit = Literal[
    "requests_per_second", "requests_per_minute", "tokens_per_second", "tokens_per_minute"
]


@validated
class Teacher:
    """Which model answers, and how it is reached.

    Args:
        provider: `embedded` (llama.cpp in this process), `anthropic`, `together`, or `openai` (also
            any OpenAI-compatible server).
        model: The model's name; for `embedded` a .gguf file, or nothing for SmolLM2-135M-Instruct.
        base_url: The server, where it is not the provider's own.
        api_key_env: The environment variable that holds the key.
        mode: `live`: requests are answered as they are sent. `batch` (`anthropic` and `openai`):
            they are gathered and submitted together, answered within a day, at half the price.
        poll: Seconds between two questions whether a batch has ended.
        form: How the model is asked best: `chat`, or `completion` for a base model.
        concurrency: Most requests in flight; fewer while the provider pushes back.
        limits: Ceilings of the provider's plan: `requests_per_second`, `requests_per_minute`,
            `tokens_per_second`, `tokens_per_minute`.
        timeout: Seconds to wait for an answer.
        retries: How often a request is sent again after 429, 5xx or a lost connection.
        threads: Threads of the embedded model.
        context: Tokens that the embedded model sees at once.
        effort: How much a model that reasons does so: `low`, `medium`, `high`, ...; what there is
            depends on the model.
        cache: Whether the system prompt is kept in the provider's prompt cache (`anthropic`; others
            do so by themselves).
        price: US dollars per million tokens, `{input: "0.15", output: "0.60"}`, also `cache_read`
            and `cache_write`; without it, what the table of the package `genai-prices` says.
        license: Licence of its answers, an SPDX id, if they have one beside that of the seeds.
        terms: Where its terms of use are, if they are other than those that are known for it.
    """

    provider: str = "embedded"
    model: FileRef = FileRef("")
    base_url: str | None = None
    api_key_env: str | None = None
    mode: Literal["live", "batch"] = "live"
    poll: Annotated[float, Meta(gt=0)] = 60.0
    form: Literal["chat", "completion"] | None = None
    concurrency: Annotated[int, Meta(ge=1, le=1024)] = 8
    limits: dict[_Limit, Annotated[int, Meta(ge=1)]] | None = None
    timeout: Annotated[float, Meta(gt=0)] = 600.0
    retries: Annotated[int, Meta(ge=0, le=100)] = 10
    threads: Annotated[int, Meta(ge=1, le=256)] = 1
    context: Annotated[int, Meta(ge=256)] = 2048
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    cache: bool = False
    price: dict[Literal["input", "output", "cache_read", "cache_write"], str] | None = None
    license: str | None = None
    terms: str | None = None

    def __post_init__(self) -> None:
        """Checks what the fields mean together."""
        if self.provider not in PROVIDERS:
            near = did_you_mean(self.provider, PROVIDERS)
            known = ", ".join(PROVIDERS)
            raise ValueError(f'provider: unknown "{self.provider}"{near or f"; there are {known}"}')
        if self.provider in _SERVED and not self.model:
            raise ValueError("model: is missing; name the model that the server has")
        if self.api_key_env is not None and not self.api_key_env.isidentifier():
            # What stands there may be a key: it is not repeated.
            raise ValueError("api_key_env: names an environment variable, such as OPENAI_API_KEY")
        if self.base_url and shown_url(self.base_url) != self.base_url:
            raise ValueError(
                "base_url: has a user or a password in it, which would be kept with the answers; "
                "put the key into an environment variable and name it: api_key_env"
            )
        if self.base_url and ("?" in self.base_url or "#" in self.base_url):
            raise ValueError(
                "base_url: ends before ? and #; a key goes into an environment variable: "
                "api_key_env"
            )
        if self.provider == "embedded" and (self.base_url or self.api_key_env):
            raise ValueError("base_url and api_key_env go with a provider that has a server")
        if self.effort and self.provider == "embedded":
            raise ValueError("effort: the embedded model does not reason")
        if self.cache and self.provider != "anthropic":
            raise ValueError("cache: is a knob of anthropic; other providers cache by themselves")
        if self.form == "completion" and self.provider == "anthropic":
            raise ValueError("form: anthropic has no completions, only chats")
        if self.mode == "batch" and self.provider not in _BATCHED:
            raise ValueError(
                f"mode: {self.provider} has no batches here; {' and '.join(_BATCHED)} have"
            )
        if self.mode == "batch" and self.form == "completion":
            raise ValueError("mode: batches are of chats; leave form: completion out")
        if self.price:
            given(self.price)

    @property
    def knobs(self) -> frozenset[str]:
        """Fields of a request that its provider heeds."""
        kind: type[Provider] = _SERVED.get(self.provider, Embedded)
        return ALL if self.provider == "openai" and self.base_url else kind.knobs

    def prices(self) -> Price:
        """Returns the price of its tokens; nought where it is free, or not known."""
        return self._price or Price()

    @property
    def has_price(self) -> bool:
        """False if nothing is known about what it costs."""
        return self.provider == "embedded" or self._price is not None

    @property
    def _price(self) -> Price | None:
        if self.provider == "embedded":
            return None
        return given(self.price) if self.price is not None else self.listed_price

    @property
    def listed_price(self) -> Price | None:
        """What the table says of its model; None if that is not in it, or is free."""
        if self.provider == "embedded":
            return None
        return listed(self.provider, self.model, self.base_url)

    def pace(self) -> Pace:
        """Returns the flow of its requests, at its beginning."""
        limits: dict[str, int] = {str(name): most for name, most in (self.limits or {}).items()}
        return Pace(self.concurrency, Limits(**limits), retries=self.retries)

    def describe(self) -> dict[str, Any]:
        """Returns the manifest's entry, without secrets."""
        license, terms = self.license, self.terms
        name = str(self.model)
        if self.provider == "embedded" and not name:
            name = "SmolLM2-135M-Instruct"
            license = license or "Apache-2.0"
        elif self.provider == "embedded":
            name = name.rpartition("/")[2]
        known = [] if terms else terms_of(self.provider, name, self.base_url)
        return {
            "provider": self.provider,
            "model": name,
            "license": license or "NOASSERTION",
            "terms": terms or (known[0].url if known else None),
            "known_terms": [each.to_json() for each in known],
        }


def open_provider(teacher: Teacher, *, api_key: str | None = None) -> Provider:
    """Opens the provider that a teacher names.

    Args:
        teacher: The teacher.
        api_key: The key, for a provider that is never asked; None reads the teacher's.

    Raises:
        InputError: If a key, a package or a file is missing.
    """
    embedded = teacher.provider == "embedded"
    for package in ("openai", "xllamacpp") if embedded else (teacher.provider,):
        if find_spec(package) is None:
            raise MissingExtraError.of(package, teacher.provider, "This teacher")
    if teacher.provider == "embedded":
        return Embedded(
            teacher.model or None,
            threads=teacher.threads,
            slots=teacher.concurrency,
            context=teacher.context,
            timeout=teacher.timeout,
            form=teacher.form or "completion",
        )
    own: dict[str, Any] = {"form": teacher.form or "chat"}
    if teacher.provider == "anthropic":
        own = {"cache": teacher.cache}
    return _SERVED[teacher.provider](
        teacher.model,
        base_url=teacher.base_url,
        api_key_env=teacher.api_key_env,
        api_key=api_key,
        timeout=teacher.timeout,
        # Who counts what is in flight must see each answer: retries are the client's.
        retries=0,
        effort=teacher.effort,
        **own,
    )


def check_budget(teacher: Teacher, cap: Decimal | None) -> None:
    """Refuses a cap that could not be kept.

    Raises:
        InputError: If there is a cap and the teacher's price is not known.
    """
    if cap is not None and not teacher.has_price:
        raise InputError(
            f"A budget needs the price of {teacher.model}: "
            'teacher: {price: {input: "0.15", output: "0.60"}}, US dollars per million tokens.'
        )
