"""Together's API, through the official `together` SDK."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from datakit.errors import MissingExtraError
from datakit.llm.openai_batch import OpenAIFormat
from datakit.llm.request import ALL, Request, Response
from datakit.llm.sdk import asking, key_of, root_of, sendable, shown_url, transport
from datakit.llm.wire import of_completion

if TYPE_CHECKING:
    from together import AsyncTogether

__all__ = ["Together"]

_DEFAULT_KEY = "TOGETHER_API_KEY"


class Together:
    """One model at Together.

    Args:
        model: The model's name there.
        base_url: The server; None is Together itself.
        api_key_env: The environment variable that holds the key.
        api_key: The key itself; None reads it from there.
        timeout: Seconds to wait for the whole of an answer.
        retries: How often the SDK sends again after 408, 409, 429, 5xx and lost connections; it
            honours Retry-After.
        form: How the model is asked best, `chat` or `completion`.
        effort: How much a model that reasons does so: `low`, `medium` or `high`.

    Raises:
        MissingKeyError: If there is no key.
    """

    knobs = ALL - {"prefill"}

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key_env: str | None = None,
        api_key: str | None = None,
        timeout: float = 120.0,
        retries: int = 5,
        form: str = "chat",
        effort: str | None = None,
    ) -> None:
        self.model = model
        self.form = form
        self.base_url = base_url
        self._effort = effort
        optional = bool(base_url and not api_key_env)
        self._key = api_key or key_of(api_key_env or _DEFAULT_KEY, optional=optional)
        self._server = shown_url(base_url or "api.together.ai")
        self._options: dict[str, Any] = {"timeout": timeout, "max_retries": retries}
        self._patience = timeout * (retries + 1)
        self._client: AsyncTogether | None = None

    def identity(self) -> dict[str, Any]:
        """Returns provider, address, model and effort."""
        known = {"provider": "together", "base_url": self.base_url, "model": self.model}
        return known | ({"effort": self._effort} if self._effort else {})

    def _open(self) -> AsyncTogether:
        if self._client is None:
            try:
                import together
            except ImportError:
                raise MissingExtraError.of("together", "together", "This teacher") from None
            self._client = together.AsyncTogether(
                api_key=self._key,
                base_url=root_of(self.base_url),
                http_client=transport(together),
                **self._options,
            )
        return self._client

    async def send(self, request: Request) -> Response:
        """Sends one request; see `Provider`."""
        client = self._open()
        import together

        with asking(together, "Together", self._server, self._key):
            asked = asyncio.wait_for(self._asked(client, request), self._patience)
            return of_completion(await asked, self.model)

    async def _asked(self, client: AsyncTogether, request: Request) -> object:
        # Where it sends a request is the SDK's to know; Together has more than one address.
        api = client.chat.completions if request.prompt is None else client.completions
        answer = await api.with_raw_response.create(**self.body(request))
        return await answer.json()

    def batch_format(self) -> OpenAIFormat:
        """Returns the lines of its batch files."""
        return OpenAIFormat(self.model, self.body, bare=True)

    def body(self, request: Request) -> dict[str, Any]:
        """Returns a chat, or a completion, as the API has it."""
        options = self._sampling(request)
        if request.prompt is not None:
            return {"prompt": sendable(request.prompt), **options}
        if request.schema is not None:
            body = {"name": "answer", "schema": request.schema}
            options["response_format"] = {"type": "json_schema", "json_schema": body}
        if self._effort:
            options["reasoning_effort"] = self._effort
        options["messages"] = [
            {name: sendable(text) for name, text in each.items()} for each in request.messages
        ]
        return options

    def _sampling(self, request: Request) -> dict[str, Any]:
        payload = request.payload()
        for name in ("messages", "prompt", "schema"):
            payload.pop(name, None)
        if payload.get("n") == 1:
            del payload["n"]
        return {"model": self.model, **payload}

    async def close(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None
