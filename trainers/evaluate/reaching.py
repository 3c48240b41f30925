"""Whether a server can be reached; if not, why, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from datakit.errors import InputError, MissingExtraError, ProviderError

__all__ = ["explained", "listed", "no_api"]

_CONNECT_SECONDS = 10.0
_SECONDS = 30.0
# What servers say to a path, or a method, that they do not know.
_UNKNOWN = (404, 405, 501)
_NO_KEY = (401, 403)


def listed(url: str) -> list[str]:
    """Returns the models that a server says it has; none if it does not tell.

    Args:
        url: The server's, such as `http://127.0.0.1:8000/v1`.

    Raises:
        InputError: If it is no address.
        ProviderError: If it cannot be reached; says why.
        MissingExtraError: If the package openai is not installed.
    """
    _place(url)
    try:
        import openai
    except ImportError:
        raise MissingExtraError.of("openai", "openai", "A model behind a URL") from None
    key = os.environ.get("OPENAI_API_KEY") or "none"
    wait = openai.Timeout(_SECONDS, connect=_CONNECT_SECONDS)
    try:
        with openai.OpenAI(base_url=url, api_key=key, max_retries=1, timeout=wait) as client:
            return [str(model.id) for model in client.models.list().data]
    except openai.APIConnectionError as error:
        raise ProviderError(_unreached(url, error)) from None
    except (openai.OpenAIError, AttributeError, TypeError, ValueError):
        return []


def explained(url: str, error: ProviderError) -> ProviderError:
    """Returns an error of a request with its cause and what to do.

    Args:
        url: The server's.
        error: As `datakit.llm.openai` raised it, in the course of the SDK's own.
    """
    chain = [*_chain(error)]
    status = next((each.status_code for each in chain if hasattr(each, "status_code")), None)
    if status in _NO_KEY:
        return ProviderError(
            f"{_ended(error)} Put the right key into the environment: OPENAI_API_KEY."
        )
    if status in _UNKNOWN:
        # The API's own errors have a message; it knows the path, but no such model.
        if any(_message(each) for each in chain):
            return ProviderError(f"{_ended(error)} Is the model's name right, after the #?")
        return no_api(url, f"status {status}")
    if status is None and any(_is_of_a_connection(each) for each in chain):
        return ProviderError(_unreached(url, error))
    return error


def no_api(url: str, what: str) -> ProviderError:
    """Returns the error for a server that is no OpenAI-compatible one; `what` it said instead."""
    hint = "" if url.rstrip("/").endswith("/v1") else f" Most have it at {url.rstrip('/')}/v1."
    return ProviderError(
        f"{url}: something answers there, but not as an OpenAI-compatible server does ({what}). "
        f"Give the address of the server's API.{hint}"
    )


def _unreached(url: str, error: BaseException) -> str:
    """Says why there is no connection, or no answer on it."""
    return f"{url} does not answer: {_why(*_place(url), [*_chain(error)])}"


def _place(url: str) -> tuple[str, int]:
    """Returns host and port of a URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        host, port = None, 0
    if not host:
        raise InputError(f"{url}: is no address of a server; write http://HOST:PORT/v1.")
    return host, port


def _why(host: str, port: int, chain: Sequence[BaseException]) -> str:
    kinds = {name for each in chain for name in _names(each)}
    if "gaierror" in kinds:
        return f'the host "{host}" is not known here. Correct it; or is the network down?'
    if "ConnectionRefusedError" in kinds:
        return f"nothing listens on port {port} of {host}. Start the server, or correct the port."
    if "ConnectTimeout" in kinds or {"ConnectError", "TimeoutError"} <= kinds:
        return (
            f"no connection to port {port} of {host} in time. Correct the address; or does a "
            "firewall keep it back?"
        )
    if kinds & {"TimeoutException", "APITimeoutError", "TimeoutError"}:
        return (
            "it is reached, but gives no answer in time. It may be busy, or still loading its "
            "model: try again later, or with fewer requests at once: --batch 1."
        )
    if "SSLCertVerificationError" in kinds:
        return f"the certificate of {host} is not trusted here. Have its issuer's installed."
    if "SSLError" in kinds:
        return "no encrypted connection can be made. Is it http:// there, not https://?"
    if kinds & {"RemoteProtocolError", "ReadError"}:
        return (
            f"port {port} of {host} is open, but what is there breaks the connection off, or "
            "speaks no HTTP. Correct the port, or look at the server's log."
        )
    return f"{_plain(chain[0])}. Is the address right, and does the server run?"


def _names(error: BaseException) -> Iterator[str]:
    return (cls.__name__ for cls in type(error).__mro__)


def _is_of_a_connection(error: BaseException) -> bool:
    return "APIConnectionError" in _names(error)


def _message(error: BaseException) -> bool:
    body = getattr(error, "body", None)
    return isinstance(body, dict) and isinstance(body.get("message"), str)


def _ended(error: ProviderError) -> str:
    text = str(error).strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _plain(error: BaseException) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and what it came from, in groups as well."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [cause for cause in (each.__cause__, each.__context__) if cause is not None]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
