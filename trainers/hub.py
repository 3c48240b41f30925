"""Whether the model hub can be reached: found out once, in seconds, before its client tries."""

from __future__ import annotations

import socket
import urllib.request
from functools import cache
from urllib.parse import urlsplit

__all__ = ["local_only", "reachable"]

_SECONDS = 4.0


def local_only(*, on_hub: bool) -> dict[str, bool]:
    """Returns the argument that keeps transformers to its cache where the hub is out of reach.

    Its client would ask again and again for more than a minute, for each file.

    Args:
        on_hub: Whether it is a hub id at all.
    """
    return {"local_files_only": True} if on_hub and not reachable() else {}


@cache
def reachable() -> bool:
    """Returns whether a connection to the hub can be opened; a proxy is taken to reach it."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    place = urlsplit(constants.ENDPOINT)
    if place.scheme in urllib.request.getproxies() or place.hostname is None:
        return True
    port = place.port or (443 if place.scheme == "https" else 80)
    try:
        socket.create_connection((place.hostname, port), _SECONDS).close()
    except OSError:
        return False
    return True
