"""What libraries raise when they load a model, as plain messages."""

from __future__ import annotations

from types import TracebackType

from datakit.errors import InputError
from trainers.hub import reachable

__all__ = ["told"]


class told:
    """Turns what libraries raise when they load a model into a plain message.

    Within it the hub's client asks for nothing where the hub is out of reach: it would ask again
    and again for most of a minute.

    Args:
        given: What the user called the model.
        path: Its folder or hub id.
        on_hub: Whether it is a hub id.
    """

    def __init__(self, given: str, path: str, *, on_hub: bool) -> None:
        self._given, self._path, self._on_hub = given, path, on_hub
        self._offline = False

    def __enter__(self) -> None:
        if self._on_hub:
            from huggingface_hub import constants

            self._offline = constants.HF_HUB_OFFLINE
            # Some of what transformers asks for does not heed `local_files_only`.
            constants.HF_HUB_OFFLINE = not reachable()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._on_hub:
            from huggingface_hub import constants

            constants.HF_HUB_OFFLINE = self._offline
        if not isinstance(error, (OSError, ValueError, RuntimeError)) or isinstance(
            error, InputError
        ):
            return
        raise self._plain(" ".join(str(error).split()), error) from error

    def _plain(self, text: str, error: BaseException) -> InputError:
        """Returns what is told of an error with this text."""
        if self._on_hub and isinstance(error, OSError) and not reachable():
            why = "HF_HUB_OFFLINE is set" if self._offline else "the hub could not be reached"
            what = "Unset it" if self._offline else "Check the network (HF_ENDPOINT, HTTPS_PROXY)"
            return InputError(
                f"{self._given}: is no folder here, and not (or not whole) in the hub's cache; "
                f"{why}. {what}, and check the name; a local folder or `embedded` needs no hub."
            )
        if self._on_hub and isinstance(error, OSError):
            return InputError(
                f"{self._given}: cannot be loaded from the hub: {text[:300]} "
                "Check the id, the network, and HF_TOKEN for a gated model; or name a local folder."
            )
        if "size mismatch" in text or "Target modules" in text:
            return InputError(
                f"{self._given}: the adapter does not fit its base {self._path}: it was "
                f"trained on another model. {text[:200]}"
            )
        if "trust_remote_code" in text:
            return InputError(
                f"{self._given}: needs code of its own to be run, which datakit does not do. Use a "
                "model that transformers knows."
            )
        if "out of memory" in text.lower():
            return InputError(
                f"{self._given}: does not fit into memory. Use --quantize nf4, or a smaller model."
            )
        return InputError(f"{self._given}: cannot be loaded: {text[:300]}")
