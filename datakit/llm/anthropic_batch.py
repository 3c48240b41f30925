"""Anthropic's Message Batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datakit.errors import BusyError, DatakitError, RequestError
from datakit.llm.batches import Answers
from datakit.llm.request import Request, Response
from datakit.llm.sdk import asking
from datakit.llm.wire import of_message

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

__all__ = ["AnthropicBatches", "AnthropicFormat"]

# Faults of the request itself; all others may not come again.
_REFUSED = {"invalid_request_error", "request_too_large", "not_found_error"}


@dataclass(frozen=True)
class AnthropicFormat:
    """The elements of a list of requests, and the lines of a file of results.

    Args:
        model: Who is asked.
        body: Writes a request as the API has it.
    """

    model: str
    body: Callable[[Request], dict[str, Any]]

    def line(self, key: str, request: Request) -> dict[str, Any]:
        """Returns a request as an element of the API's list; see `BatchFormat`."""
        return {"custom_id": key, "params": self.body(request)}

    def read(self, row: Mapping[str, Any]) -> tuple[str, Response | DatakitError]:
        """Reads a line of results; see `BatchFormat`."""
        key, result = row.get("custom_id"), row.get("result")
        if not isinstance(key, str) or not isinstance(result, dict):
            raise ValueError("has no custom_id and result")
        kind = result.get("type")
        if kind == "succeeded":
            try:
                return key, of_message(result.get("message"), self.model)
            except (AttributeError, TypeError, ValueError) as error:
                said = f"is no message ({str(error).splitlines()[0]})"
                return key, RequestError(said, reason="no_answer")
        if kind == "errored":
            told = _object(_object(result.get("error")).get("error"))
            said = str(told.get("message") or "no reason")
            refused = told.get("type") in _REFUSED
            return key, RequestError(said) if refused else BusyError(said)
        return key, BusyError(f"the request was {kind}")


class AnthropicBatches:
    """Batches of one model; see `datakit.llm.batches.BatchApi`.

    Args:
        format: Writes and reads its requests.
        opened: Returns the SDK's client.
        server: As it is shown.
        key: Never shown.
    """

    def __init__(
        self, format: AnthropicFormat, opened: Callable[[], AsyncAnthropic], server: str, key: str
    ) -> None:
        self._format, self._opened, self._server, self._key = format, opened, server, key

    async def submit(self, requests: Mapping[str, Request], token: str) -> str:
        """Submits requests; returns the batch's id."""
        import anthropic

        listed: Any = [self._format.line(key, each) for key, each in requests.items()]
        with asking(anthropic, "Anthropic", self._server, self._key):
            return (await self._opened().messages.batches.create(requests=listed)).id

    async def find(self, token: str) -> str | None:
        """Returns None: this API has no place for a token."""
        return None

    async def collect(self, id: str) -> Answers | None:
        """Returns the answers of a batch; None while it is under way."""
        import anthropic

        with asking(anthropic, "Anthropic", self._server, self._key):
            api = self._opened().messages.batches
            if (await api.retrieve(id)).processing_status != "ended":
                return None
            rows = [each.to_dict(mode="json") async for each in await api.results(id)]
            return dict(map(self._format.read, rows))


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
