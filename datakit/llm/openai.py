"""Any OpenAI-compatible server, through the official `openai` SDK."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from datakit.errors import MissingExtraError, MissingKeyError, ProviderError, RequestError
from datakit.llm.request import Request, Response, Sample, Usage

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["OpenAI"]

_FINISH = {"stop": "stop", "length": "length", "content_filter": "refused"}
_DEFAULT_KEY = "OPENAI_API_KEY"
# The SDK refuses an empty key, and servers without keys ignore it.
_NO_KEY = "none"
_WITH_PASSWORD = re.compile(r"\A(\w+://)[^/@]*@")
# Faults of one request; any other status would be the same for the next.
_REFUSED = {400, 413, 422}


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

    Raises:
        MissingKeyError: If OpenAI itself is asked and there is no key.
        MissingExtraError: If the SDK is not installed.
    """

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
    ) -> None:
        self.model = model
        self.form = form
        self.base_url = base_url
        self._key = api_key or _key(api_key_env, base_url)
        self._options: dict[str, Any] = {"timeout": timeout, "max_retries": retries}
        self._client: AsyncOpenAI | None = None

    def identity(self) -> dict[str, Any]:
        """Returns provider, address and model."""
        return {"provider": "openai", "base_url": self.base_url, "model": self.model}

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

        try:
            if request.prompt is not None:
                return await self._complete(client, request)
            return await self._chat(client, request)
        except openai.APIStatusError as error:
            if error.status_code in _REFUSED:
                raise RequestError(self._plain(error)) from None
            raise ProviderError(f"{self._server} failed: {self._plain(error)}") from None
        except openai.APIConnectionError as error:
            raise ProviderError(f"{self._server} does not answer: {self._plain(error)}") from None
        except openai.OpenAIError as error:
            raise ProviderError(f"{self._server} failed: {self._plain(error)}") from None
        except (AttributeError, TypeError, ValueError) as error:
            # The SDK hands on what a server says, even if it is not what the API promises.
            raise RequestError(
                f"{self._server} does not answer as the OpenAI API does ({self._plain(error)}).",
                reason="no_answer",
            ) from None

    @property
    def _server(self) -> str:
        return _WITH_PASSWORD.sub(r"\1", self.base_url or "api.openai.com")

    def _plain(self, error: Exception) -> str:
        text = " ".join(str(error).split())
        if self._key != _NO_KEY:
            text = text.replace(self._key, "***")
        return text[:300]

    async def _complete(self, client: AsyncOpenAI, request: Request) -> Response:
        answer = await client.completions.create(
            prompt=_sendable(request.prompt), **self._sampling(request)
        )
        samples = [
            Sample(each.text, _FINISH.get(each.finish_reason, "stop"))
            for each in sorted(answer.choices, key=lambda each: each.index)
        ]
        return _whole(Response(tuple(samples), _usage(answer.usage), self.model))

    async def _chat(self, client: AsyncOpenAI, request: Request) -> Response:
        options = self._sampling(request)
        if self.base_url is None:
            # OpenAI's newer models refuse the old name, which other servers know alone.
            options["max_completion_tokens"] = options.pop("max_tokens")
        if request.schema is not None:
            body = {"name": "answer", "schema": request.schema, "strict": True}
            options["response_format"] = {"type": "json_schema", "json_schema": body}
        messages: Any = [
            {name: _sendable(text) for name, text in each.items()} for each in request.messages
        ]
        answer = await client.chat.completions.create(messages=messages, **options)
        samples = []
        for each in sorted(answer.choices, key=lambda each: each.index):
            refusal = getattr(each.message, "refusal", None)
            finish = "refused" if refusal else _FINISH.get(each.finish_reason, "stop")
            samples.append(Sample(refusal or each.message.content or "", finish))
        return _whole(Response(tuple(samples), _usage(answer.usage), self.model))

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
            raise ProviderError(f"{self._server} failed: {self._plain(error)}") from None

    async def close(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None


def _key(api_key_env: str | None, base_url: str | None) -> str:
    name = api_key_env or _DEFAULT_KEY
    key = os.environ.get(name, "")
    if key or (base_url and not api_key_env):
        return key or _NO_KEY
    raise MissingKeyError(
        f"The environment variable {name} is not set. Set it to your API key, or name another: "
        "teacher: {api_key_env: NAME}."
    )


def _sendable(text: str | None) -> str:
    # A lone surrogate has no UTF-8 form; records may hold one, as JSON may.
    return (text or "").encode("utf-8", "replace").decode()


def _whole(response: Response) -> Response:
    if not response.samples:
        raise RequestError("The answer has no choices.", reason="no_answer")
    return response


def _usage(usage: Any) -> Usage:  # noqa: ANN401  the SDK's type, or None from some servers
    if usage is None:
        return Usage(known=False)
    return Usage(usage.prompt_tokens or 0, usage.completion_tokens or 0)
