"""What libraries raise when they load a model, as plain messages."""

from __future__ import annotations

from types import TracebackType

from datakit.errors import InputError
from trainers.hub import reachable

__all__ = ["told"]


class told:
    """Turns what libraries raise when they load a model into a plain message.

    Args:
        given: What the user called the model.
        path: Its folder or hub id.
        on_hub: Whether it is a hub id.
    """

    def __init__(self, given: str, path: str, *, on_hub: bool) -> None:
        self._given, self._path, self._on_hub = given, path, on_hub

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not isinstance(error, (OSError, ValueError, RuntimeError)) or isinstance(
            error, InputError
        ):
            return
        text = " ".join(str(error).split())
        if self._on_hub and isinstance(error, OSError) and not reachable():
            raise InputError(
                f"{self._given}: is no folder here, and not in the hub's cache; the hub could not "
                "be reached. Check the name and the network (HF_ENDPOINT, HTTPS_PROXY, "
                "HF_HUB_OFFLINE); a local folder or `embedded` needs none."
            ) from error
        if self._on_hub and isinstance(error, OSError):
            raise InputError(
                f"{self._given}: cannot be loaded from the hub: {text[:300]} "
                "Check the id, the network, and HF_TOKEN for a gated model; or name a local folder."
            ) from error
        if "size mismatch" in text or "Target modules" in text:
            raise InputError(
                f"{self._given}: the adapter does not fit its base {self._path}: it was "
                f"trained on another model. {text[:200]}"
            ) from error
        if "trust_remote_code" in text:
            raise InputError(
                f"{self._given}: needs code of its own to be run, which datakit does not do. Use a "
                "model that transformers knows."
            ) from error
        if "out of memory" in text.lower():
            raise InputError(
                f"{self._given}: does not fit into memory. Use --quantize nf4, or a smaller model."
            ) from error
        raise InputError(f"{self._given}: cannot be loaded: {text[:300]}") from error
