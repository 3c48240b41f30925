"""Answers as the providers write them, read with no more than what is used.

The SDKs would build all of an answer as pydantic models; that takes most of the time of a request.
"""

from __future__ import annotations

from msgspec import Struct, convert

from datakit.errors import RequestError
from datakit.llm.request import Response, Sample, Usage

__all__ = ["of_completion", "of_message"]

# Of both APIs; any other reason is a plain end.
_FINISH = {
    "length": "length",
    "content_filter": "refused",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refused",
}


class _Said(Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(Struct):
    index: int | None = 0
    finish_reason: str | None = None
    message: _Said | None = None
    text: str | None = None


class _Cached(Struct):
    cached_tokens: int | None = 0


class _Counted(Struct):
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    prompt_tokens_details: _Cached | None = None


class _Completion(Struct):
    choices: list[_Choice]
    usage: _Counted | None = None


class _Block(Struct):
    type: str
    text: str = ""


class _Spent(Struct):
    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int | None = 0
    cache_creation_input_tokens: int | None = 0


class _Answer(Struct):
    content: list[_Block]
    usage: _Spent
    stop_reason: str | None = None


def of_completion(answer: object, model: str) -> Response:
    """Reads a chat or a completion of the OpenAI API.

    Args:
        answer: The JSON value.
        model: Who was asked.

    Raises:
        ValueError: If it is neither.
        RequestError: If it says nothing.
    """
    read = convert(answer, _Completion)
    # Servers do not promise an order.
    listed = sorted(read.choices, key=lambda each: each.index or 0)
    if not listed:
        raise RequestError("The answer has no choices.", reason="no_answer")
    return Response(tuple(map(_sample, listed)), _usage(read.usage), model)


def _sample(choice: _Choice) -> Sample:
    said = choice.message or _Said(choice.text)
    finish = "refused" if said.refusal else _FINISH.get(choice.finish_reason or "", "stop")
    return Sample(said.refusal or said.content or "", finish)


def _usage(counted: _Counted | None) -> Usage:
    if counted is None:
        # Some servers count nothing.
        return Usage(known=False)
    details = counted.prompt_tokens_details or _Cached()
    return Usage(
        counted.prompt_tokens or 0,
        counted.completion_tokens or 0,
        cache_read_tokens=details.cached_tokens or 0,
    )


def of_message(answer: object, model: str) -> Response:
    """Reads a message of the Anthropic API.

    Args:
        answer: The JSON value.
        model: Who was asked.

    Raises:
        ValueError: If it is none.
    """
    read = convert(answer, _Answer)
    text = "".join(block.text for block in read.content if block.type == "text")
    finish = _FINISH.get(read.stop_reason or "", "stop")
    cached = read.usage.cache_read_input_tokens or 0
    written = read.usage.cache_creation_input_tokens or 0
    # Of the two kinds the API counts neither among its input tokens.
    usage = Usage(
        read.usage.input_tokens + cached + written,
        read.usage.output_tokens,
        cache_read_tokens=cached,
        cache_write_tokens=written,
    )
    return Response((Sample(text, finish),), usage, model)
