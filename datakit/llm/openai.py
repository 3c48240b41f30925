"""Any OpenAI-compatible server, through the official `openai` SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datakit.errors import MissingExtraError, ProviderError
from datakit.llm.request import ALL, Request, Response, Sample, Usage
from datakit.llm.sdk import asking, key_of, plain, sendable, shown_url, whole

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["OpenAI"]

_FINISH = {"stop": "stop", "length": "length", "content_filter": "refused"}
_DEFAULT_KEY = "OPENAI_API_KEY"


class OpenAI:
    """One model behind the OpenAI API, OpenAI's own or another server's.

    Args:
        model: The model's name there.
        base_url: The server, such as `http://127.0.0.1:8000/v1`; None is OpenAI itself.
        api_key_env: The environment variable that holds the key.
        api_key: The key itself, for a server that we started; else it is read from `api_key_env`.
        timeout: Seconds to wait for an answer.
        retries: How often the SDK sends again after 408, 409, 429, 5xx and lost connections; it
            honours Retry-After.
        form: How the model is asked best, `chat` or `completion`.
        effort: How much a model that reasons does so: `minimal`, `low`, `medium`, `high`, ...

    Raises:
        MissingKeyError: If OpenAI itself is asked and there is no key.
        MissingExtraError: If the SDK is not installed.
    """

    knobs = ALL

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
        self._server = shown_url(base_url or "api.openai.com")
        self._options: dict[str, Any] = {"timeout": timeout, "max_retries": retries}
        self._client: AsyncOpenAI | None = None

    def identity(self) -> dict[str, Any]:
        """Returns provider, address, model and effort."""
        known = {"provider": "openai", "base_url": self.base_url, "model": self.model}
        return known | ({"effort": self._effort} if self._effort else {})

    def _open(self) -> AsyncOpenAI:
        if self._client is None:
            try:
                from openai import AsyncOpenAI
            except ImportError:
                raise MissingExtraError.of("openai", "openai", "This teacher") from None
            self._client = AsyncOpenAI(api_key=self._key, base_url=self.base_url, **self._options)
        return self._client

    async def send(self, request: Request) -> Response:
        """Sends one request; see `Provider`."""
        client = self._open()
        import openai

        with asking(openai, "OpenAI", self._server, self._key):
            if request.prompt is not None:
                return await self._complete(client, request)
            return await self._chat(client, request)

    async def _complete(self, client: AsyncOpenAI, request: Request) -> Response:
        answer = await client.completions.create(
            prompt=sendable(request.prompt or ""), **self._sampling(request)
        )
        samples = [
            Sample(each.text, _FINISH.get(each.finish_reason, "stop"))
            for each in sorted(answer.choices, key=lambda each: each.index)
        ]
        return whole(Response(tuple(samples), _usage(answer.usage), self.model))

    async def _chat(self, client: AsyncOpenAI, request: Request) -> Response:
        options = self._sampling(request)
        if self.base_url is None:
            # OpenAI's newer models refuse the old name, which other servers know alone.
            options["max_completion_tokens"] = options.pop("max_tokens")
        if request.schema is not None:
            body = {"name": "answer", "schema": request.schema, "strict": True}
            options["response_format"] = {"type": "json_schema", "json_schema": body}
        if self._effort:
            options["reasoning_effort"] = self._effort
        messages: Any = [
            {name: sendable(text) for name, text in each.items()} for each in request.messages
        ]
        answer = await client.chat.completions.create(messages=messages, **options)
        samples = []
        for each in sorted(answer.choices, key=lambda each: each.index):
            refusal = getattr(each.message, "refusal", None)
            finish = "refused" if refusal else _FINISH.get(each.finish_reason, "stop")
            samples.append(Sample(refusal or each.message.content or "", finish))
        return whole(Response(tuple(samples), _usage(answer.usage), self.model))

    def _sampling(self, request: Request) -> dict[str, Any]:
        payload = request.payload()
        for name in ("messages", "prompt", "schema"):
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


def _usage(usage: Any) -> Usage:  # noqa: ANN401  the SDK's type, or None from some servers
    if usage is None:
        return Usage(known=False)
    details = getattr(usage, "prompt_tokens_details", None)
    read = getattr(details, "cached_tokens", None) or 0
    return Usage(usage.prompt_tokens or 0, usage.completion_tokens or 0, cache_read_tokens=read)
