"""OpenAI's Batch API: requests as a file, answers as another."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datakit.errors import BusyError, DatakitError, ProviderError, RequestError
from datakit.llm.batches import Answers
from datakit.llm.request import Request, Response
from datakit.llm.sdk import asking
from datakit.llm.wire import of_completion

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["OpenAIBatches", "OpenAIFormat"]

_URL, _COMPLETIONS = "/v1/chat/completions", "/v1/completions"
_ENDED = {"completed", "expired", "cancelled"}
_NAME = "datakit"


@dataclass(frozen=True)
class OpenAIFormat:
    """The lines of OpenAI's batch files, which other servers have as well (vLLM's `run_batch`).

    Args:
        model: Who is asked.
        body: Writes a request as the API has it.
        bare: Whether a line has no method and address, as Together's.
    """

    model: str
    body: Callable[[Request], dict[str, Any]]
    bare: bool = False

    def line(self, key: str, request: Request) -> dict[str, Any]:
        """Returns a line of requests; see `BatchFormat`."""
        where = {"method": "POST", "url": _URL if request.prompt is None else _COMPLETIONS}
        return {"custom_id": key, **({} if self.bare else where), "body": self.body(request)}

    def read(self, row: Mapping[str, Any]) -> tuple[str, Response | DatakitError]:
        """Reads a line of answers; see `BatchFormat`."""
        key, response = _text(row, "custom_id"), row.get("response")
        if not isinstance(response, dict):
            error = _object(row.get("error"))
            return key, BusyError(str(error.get("message") or error.get("code") or "no answer"))
        status, body = response.get("status_code"), response.get("body")
        if status != 200:
            error = _object(_object(body).get("error"))
            said = str(error.get("message") or f"status {status}")
            refused = status in (400, 413, 422)
            return key, RequestError(said) if refused else BusyError(said)
        try:
            return key, of_completion(body, self.model)
        except (AttributeError, TypeError, ValueError) as error:
            said = f"is no answer of the chat API ({str(error).splitlines()[0]})"
            return key, RequestError(said, reason="no_answer")
        except RequestError as error:
            return key, error


class OpenAIBatches:
    """Batches of one model; see `datakit.llm.batches.BatchApi`.

    Args:
        format: Writes and reads its requests.
        opened: Returns the SDK's client.
        server: As it is shown.
        key: Never shown.
    """

    def __init__(
        self, format: OpenAIFormat, opened: Callable[[], AsyncOpenAI], server: str, key: str
    ) -> None:
        self._format, self._opened, self._server, self._key = format, opened, server, key

    async def submit(self, requests: Mapping[str, Request], token: str) -> str:
        """Submits requests; returns the batch's id."""
        import openai

        lines = (json.dumps(self._format.line(key, each)) for key, each in requests.items())
        raw = "".join(f"{line}\n" for line in lines).encode()
        with asking(openai, "OpenAI", self._server, self._key):
            client = self._opened()
            file = await client.files.create(file=(f"{token}.jsonl", raw), purpose="batch")
            batch = await client.batches.create(
                input_file_id=file.id,
                endpoint=_URL,
                completion_window="24h",
                metadata={_NAME: token},
            )
            return str(batch.id)

    async def find(self, token: str) -> str | None:
        """Returns the id of a batch that was submitted under a token."""
        import openai

        with asking(openai, "OpenAI", self._server, self._key):
            async for batch in self._opened().batches.list(limit=100):
                if (batch.metadata or {}).get(_NAME) == token:
                    return str(batch.id)
        return None

    async def collect(self, id: str) -> Answers | None:
        """Returns the answers of a batch; None while it is under way."""
        import openai

        found: dict[str, Response | DatakitError] = {}
        with asking(openai, "OpenAI", self._server, self._key):
            client = self._opened()
            batch = await client.batches.retrieve(id)
            if batch.status == "failed":
                listed = (batch.errors.data if batch.errors else None) or []
                said = "; ".join(str(each.message) for each in listed[:3])
                raise ProviderError(f"{self._server} refuses the batch {id}: {said or 'no reason'}")
            if batch.status not in _ENDED:
                return None
            for file in (batch.output_file_id, batch.error_file_id):
                if file:
                    content = await client.files.content(file)
                    found |= dict(map(self._format.read, _rows(content.content)))
        return found


def _rows(raw: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in raw.splitlines() if line.strip()]


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise ValueError(f"has no {name}")
    return value


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
