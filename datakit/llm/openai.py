"""Any OpenAI-compatible server, through the official `openai` SDK."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from datakit.errors import MissingExtraError, ProviderError
from datakit.llm.openai_batch import OpenAIBatches, OpenAIFormat
from datakit.llm.request import ALL, Request, Response
from datakit.llm.sdk import asking, key_of, plain, sendable, shown_url, transport
from datakit.llm.wire import of_completion

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["OpenAI"]

_DEFAULT_KEY = "OPENAI_API_KEY"


class OpenAI:
    """One model behind the OpenAI API, OpenAI's own or another server's.

    Args:
        model: The model's name there.
        base_url: The server, such as `http://127.0.0.1:8000/v1`; None is OpenAI itself.
        api_key_env: The environment variable that holds the key.
        api_key: The key itself, for a server that we started; else it is read from `api_key_env`.
        timeout: Seconds to wait for the whole of an answer.
        retries: How often the SDK sends again after 408, 409, 429, 5xx and lost connections; it
            honours Retry-After.
        form: How the model is asked best, `chat` or `completion`.
        effort: How much a model that reasons does so: `minimal`, `low`, `medium`, `high`, ...

    Raises:
        MissingKeyError: If OpenAI itself is asked and there is no key.
        MissingExtraError: If the SDK is not installed.
    """

    # What OpenAI itself heeds; vLLM, llama.cpp and others begin an answer, too.
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
        if base_url:
            self.knobs = ALL
        optional = bool(base_url and not api_key_env)
        self._key = api_key or key_of(api_key_env or _DEFAULT_KEY, optional=optional)
        self._server = shown_url(base_url or "api.openai.com")
        self._options: dict[str, Any] = {"timeout": timeout, "max_retries": retries}
        self._patience = timeout * (retries + 1)
        self._client: AsyncOpenAI | None = None

    def identity(self) -> dict[str, Any]:
        """Returns provider, address, model and effort."""
        known = {"provider": "openai", "base_url": self.base_url, "model": self.model}
        return known | ({"effort": self._effort} if self._effort else {})

    def _open(self) -> AsyncOpenAI:
        if self._client is None:
            try:
                import openai
            except ImportError:
                raise MissingExtraError.of("openai", "openai", "This teacher") from None
            self._client = openai.AsyncOpenAI(
                api_key=self._key,
                base_url=self.base_url,
                http_client=transport(openai),
                **self._options,
            )
        return self._client

    async def send(self, request: Request) -> Response:
        """Sends one request; see `Provider`."""
        client = self._open()
        import openai

        with asking(openai, "OpenAI", self._server, self._key):
            path = "/chat/completions" if request.prompt is None else "/completions"
            asked = client.post(path, body=self.body(request), cast_to=object)
            return of_completion(await asyncio.wait_for(asked, self._patience), self.model)

    def body(self, request: Request) -> dict[str, Any]:
        """Returns a chat, or a completion, as the API has it."""
        options = self._sampling(request)
        if request.prompt is not None:
            return {"prompt": sendable(request.prompt), **options}
        if self.base_url is None:
            # OpenAI's newer models refuse the old name, which other servers know alone.
            options["max_completion_tokens"] = options.pop("max_tokens")
        if request.schema is not None:
            body = {"name": "answer", "schema": request.schema, "strict": True}
            options["response_format"] = {"type": "json_schema", "json_schema": body}
        if self._effort:
            options["reasoning_effort"] = self._effort
        options["messages"] = [
            {name: sendable(text) for name, text in each.items()} for each in request.messages
        ]
        if request.prefill is not None:
            options["messages"].append({"role": "assistant", "content": sendable(request.prefill)})
            options |= {"continue_final_message": True, "add_generation_prompt": False}
        return options

    def batch_format(self) -> OpenAIFormat:
        """Returns the lines of its batch files."""
        return OpenAIFormat(self.model, self.body)

    def batches(self) -> OpenAIBatches:
        """Returns its batch API."""
        return OpenAIBatches(self.batch_format(), self._open, self._server, self._key)

    def _sampling(self, request: Request) -> dict[str, Any]:
        payload = request.payload()
        for name in ("messages", "prompt", "schema", "prefill"):
            payload.pop(name, None)
        if payload.get("n") == 1:
            del payload["n"]
        return {"model": self.model, **payload}

    async def count(self, url: str, text: str) -> int:
        """Returns the tokens of a text, as a llama.cpp server's own tokenizer has them."""
        client = self._open()
        import openai

        try:
            answer: Any = await client.post(url, body={"content": text}, cast_to=object)
            return len(answer["tokens"])
        except (openai.OpenAIError, KeyError, TypeError) as error:
            raise ProviderError(f"{self._server} failed: {plain(error, self._key)}") from None

    async def close(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None
