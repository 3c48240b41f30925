"""Anthropic's Messages API, through the official `anthropic` SDK.

The API takes no temperature, top_p or seed (since its version 2026-10-21), one answer a request,
and chats alone: see `Anthropic.knobs`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from datakit.errors import MissingExtraError
from datakit.llm.anthropic_batch import AnthropicBatches, AnthropicFormat
from datakit.llm.request import Request, Response
from datakit.llm.sdk import asking, key_of, root_of, sendable, shown_url, transport
from datakit.llm.wire import of_message

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

__all__ = ["Anthropic"]

_DEFAULT_KEY = "ANTHROPIC_API_KEY"


class Anthropic:
    """One model behind the Messages API, Anthropic's own or another server's.

    Args:
        model: The model's name there.
        base_url: The server; None is Anthropic itself.
        api_key_env: The environment variable that holds the key.
        api_key: The key itself; None reads it from there.
        timeout: Seconds to wait for the whole of an answer.
        retries: How often the SDK sends again after 408, 409, 429, 5xx and lost connections; it
            honours Retry-After.
        effort: How much the model thinks: `low`, `medium`, `high`, `xhigh` or `max`.
        cache: Whether the system prompt is kept in the provider's prompt cache.

    Raises:
        MissingKeyError: If there is no key.
    """

    form = "chat"
    knobs = frozenset({"messages", "max_tokens", "stop", "schema"})

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key_env: str | None = None,
        api_key: str | None = None,
        timeout: float = 120.0,
        retries: int = 5,
        effort: str | None = None,
        cache: bool = False,
    ) -> None:
        self.model = model
        self.base_url = base_url
        self._effort, self._cache = effort, cache
        optional = bool(base_url and not api_key_env)
        self._key = api_key or key_of(api_key_env or _DEFAULT_KEY, optional=optional)
        self._server = shown_url(base_url or "api.anthropic.com")
        self._options: dict[str, Any] = {"timeout": timeout, "max_retries": retries}
        self._patience = timeout * (retries + 1)
        self._client: AsyncAnthropic | None = None

    def identity(self) -> dict[str, Any]:
        """Returns provider, address, model and effort."""
        known = {"provider": "anthropic", "base_url": self.base_url, "model": self.model}
        return known | ({"effort": self._effort} if self._effort else {})

    def _open(self) -> AsyncAnthropic:
        if self._client is None:
            try:
                import anthropic
            except ImportError:
                raise MissingExtraError.of("anthropic", "anthropic", "This teacher") from None
            self._client = anthropic.AsyncAnthropic(
                api_key=self._key,
                base_url=root_of(self.base_url),
                http_client=transport(anthropic),
                **self._options,
            )
        return self._client

    async def send(self, request: Request) -> Response:
        """Sends one request; see `Provider`."""
        client = self._open()
        import anthropic

        with asking(anthropic, "Anthropic", self._server, self._key):
            asked = client.post("/v1/messages", body=self.body(request), cast_to=object)
            return of_message(await asyncio.wait_for(asked, self._patience), self.model)

    def batch_format(self) -> AnthropicFormat:
        """Returns the lines of its batches."""
        return AnthropicFormat(self.model, self.body)

    def batches(self) -> AnthropicBatches:
        """Returns its batch API."""
        return AnthropicBatches(self.batch_format(), self._open, self._server, self._key)

    def body(self, request: Request) -> dict[str, Any]:
        """Returns a request as the API has it."""
        system = [each["content"] for each in request.messages if each["role"] == "system"]
        config: dict[str, Any] = {"effort": self._effort} if self._effort else {}
        if request.schema is not None:
            config["format"] = {"type": "json_schema", "schema": request.schema}
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": request.max_tokens,
            "messages": [
                {name: sendable(text) for name, text in each.items()}
                for each in request.messages
                if each["role"] != "system"
            ],
        }
        if system:
            block = {"type": "text", "text": sendable("\n\n".join(system))}
            body["system"] = [block | ({"cache_control": _EPHEMERAL} if self._cache else {})]
        if request.stop:
            body["stop_sequences"] = list(request.stop)
        return body | ({"output_config": config} if config else {})

    async def close(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None


_EPHEMERAL = {"type": "ephemeral"}
