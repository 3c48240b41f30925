"""What the official SDKs have in common: keys from the environment, and errors in plain words."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import mktime_tz, parsedate_tz
from types import ModuleType
from typing import Any

from datakit.errors import BusyError, MissingKeyError, ProviderError, RequestError

__all__ = [
    "NO_KEY",
    "asking",
    "key_of",
    "plain",
    "retry_after",
    "root_of",
    "sendable",
    "shown_url",
    "transport",
]

NO_KEY = "none"
"""Stands for a key where there is none: SDKs refuse an empty one, and servers without ignore it."""

_WITH_PASSWORD = re.compile(r"\A(\w+://)[^/@]*@")
# Faults of one request; any other status would be the same for the next.
_REFUSED = {400, 413, 422}
_RATE, _LATER = {429, 503, 529}, {408, 409}


def key_of(variable: str, *, optional: bool) -> str:
    """Returns an API key.

    Args:
        variable: The environment variable that holds it.
        optional: Whether a server may do without.

    Raises:
        MissingKeyError: If it is not set and is needed.
    """
    if key := os.environ.get(variable, ""):
        return key
    if optional:
        return NO_KEY
    raise MissingKeyError(
        f"The environment variable {variable} is not set. Set it to your API key, or name "
        "another: teacher: {api_key_env: NAME}."
    )


def shown_url(url: str) -> str:
    """Returns an address without a user's name and password."""
    return _WITH_PASSWORD.sub(r"\1", url)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds after which a server wants to be asked again, if it says so."""
    for name, divisor in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / divisor
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    date = parsedate_tz(headers.get("retry-after", ""))
    return None if date is None else max(0.0, mktime_tz(date) - time.time())


def root_of(url: str | None) -> str | None:
    """Returns an address without the `/v1` that some SDKs add themselves."""
    return url.rstrip("/").removesuffix("/v1") if url else None


def plain(error: Exception, key: str) -> str:
    """Returns an error's text in one line, without the key that a server may repeat."""
    text = " ".join(str(error).split())
    return (text if key == NO_KEY else text.replace(key, "***"))[:300]


def sendable(text: str) -> str:
    """Returns a text that has a UTF-8 form: records may hold half characters, as JSON may."""
    return text.encode("utf-8", "replace").decode()


def transport(sdk: ModuleType) -> Any:  # noqa: ANN401  an HTTP client, or None
    """Returns an SDK's own client over aiohttp, or None if aiohttp is not there.

    It takes about half the CPU time of the client that the SDKs have otherwise.
    """
    try:
        return sdk.DefaultAioHttpClient()
    except RuntimeError:
        return None


def _unsent(error: BaseException) -> bool:
    """Tells whether a request never left, so that it was not paid for.

    By the names of errors, since the SDKs do not all have the same HTTP client.
    """
    causes = []
    cause = error.__cause__
    while cause is not None:
        causes.append({kind.__name__ for kind in type(cause).__mro__})
        cause = cause.__cause__
    for names in causes:
        # That of aiohttp for any fault of a connection is a ConnectError above it, even where the
        # request had been sent.
        if "ClientError" in names:
            return bool(names & {"ClientConnectorError", "ConnectionTimeoutError"})
    return bool(causes and causes[0] & {"ConnectError", "ConnectTimeout", "PoolTimeout"})


@contextmanager
def asking(sdk: ModuleType, api: str, server: str, key: str) -> Iterator[None]:
    """Says in our errors what an SDK raises.

    Args:
        sdk: The package; all of them are generated alike.
        api: Whose API the server promises, in a word.
        server: The server, as it is shown.
        key: The key, which is never shown.

    Raises:
        RequestError: If this request is refused for good, or its answer cannot be read.
        BusyError: If it may have an answer later.
        ProviderError: If no request can succeed.
    """
    try:
        yield
    except sdk.APIStatusError as error:
        status, said = error.status_code, plain(error, key)
        if status in _REFUSED:
            raise RequestError(said) from None
        said = f"{server} failed: {said}"
        if status in _RATE:
            raise BusyError(said, "rate", retry_after(error.response.headers)) from None
        if status >= 500 or status in _LATER:
            raise BusyError(said, "server", retry_after(error.response.headers)) from None
        raise ProviderError(said) from None
    except TimeoutError:
        # An SDK's own time-out is for the next byte: a server that drips would be waited for.
        said = f"{server} does not answer: the answer is not whole within the time-out"
        raise BusyError(said, "lost") from None
    except sdk.APIConnectionError as error:
        said = f"{server} does not answer: {plain(error, key)}"
        raise BusyError(said, "unreached" if _unsent(error) else "lost") from None
    except sdk.APIError.__base__ as error:
        raise ProviderError(f"{server} failed: {plain(error, key)}") from None
    except (AttributeError, TypeError, ValueError) as error:
        # An SDK hands on what a server says, even if it is not what the API promises. This is the
        # reason of a dropped record, which is the same wherever the server is.
        raise RequestError(
            f"The answer is not one of the {api} API ({plain(error, key)}).",
            reason="no_answer",
        ) from None
