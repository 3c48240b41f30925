"""Finished trials, kept by what they were made of: none is ever paid for twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datakit.errors import InputError
from datakit.record import digest
from trainers.gguf import cache_folder
from trainers.lift.ended import Ended
from trainers.settings import Settings
from trainers.tokens import Encoded

__all__ = ["Kept", "rows_sha256", "trial_key"]

# Rises when a trial would end otherwise from the same rows and settings.
_VERSION = 1


def rows_sha256(rows: Sequence[Encoded]) -> str:
    """Returns the hash of rows in their order: tokens and labels."""
    whole = hashlib.sha256()
    for row in rows:
        whole.update(json.dumps([row.input_ids, row.labels]).encode() + b"\n")
    return whole.hexdigest()


def trial_key(
    *,
    model: str,
    template: str,
    tasks: Sequence[str],
    device: str,
    settings: Settings | None = None,
    rows: Sequence[Encoded] = (),
) -> str:
    """Returns the name of a trial: equal if, and only if, it would be the same again.

    Args:
        model: Fingerprint of the weights.
        template: The chat template's text.
        tasks: A hash for each task's items and options.
        device: `cpu` or `cuda`; figures differ in their last digits.
        settings: With steps and seed; None is the untrained model.
        rows: In the order in which they are trained on.
    """
    made_of: dict[str, Any] = {
        "version": _VERSION,
        "model": model,
        "template": digest([template], 16),
        "tasks": list(tasks),
        "device": device,
    }
    if settings is not None:
        made_of |= {"settings": asdict(settings), "rows": rows_sha256(rows)}
    return digest(made_of, 32)


class Kept:
    """A folder of finished trials.

    Args:
        folder: None takes `lift` in the cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder() / "lift"

    def get(self, key: str) -> Ended | None:
        """Returns a trial, or None if it is not there or cannot be read."""
        try:
            return Ended.from_json(json.loads(self._path(key).read_text("utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: str, ended: Ended) -> None:
        """Keeps a trial; another process may keep the same one at the same time.

        Raises:
            InputError: If it cannot be written.
        """
        self.write(self._path(key), json.dumps(ended.to_json()))

    def write(self, path: Path, text: str) -> None:
        """Writes a file of this folder, whole or not at all.

        Raises:
            InputError: If it cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(prefix=".draft-", dir=path.parent)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                os.replace(draft, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(draft)
                raise
        except OSError as error:
            raise InputError(
                f"{path}: cannot be written: {error.strerror or error}. Finished trials are kept "
                "there; DATAKIT_CACHE names another folder."
            ) from None

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"
