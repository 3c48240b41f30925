"""Writing a version: into a hidden folder, synced, then renamed into place."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from datakit.fingerprint import file_sha256
from datakit.store.version import SCHEMA, Version, manifest_sha256

__all__ = ["Draft"]


class Draft:
    """A version that is being written; nobody sees it until `publish`.

    Args:
        folder: The dataset's folder.
        name: The dataset's name.
        number: The version's number.
    """

    def __init__(self, folder: Path, name: str, number: int) -> None:
        self.name = name
        self.version = f"v{number}"
        self.path = folder / f".draft-{os.getpid()}"
        self._target = folder / self.version
        self.discard()
        self.path.mkdir(parents=True)

    def write(self, manifest: dict[str, Any], data: Path, dropped: Path) -> Version:
        """Moves the records in and writes the manifest; returns the draft as a readable version.

        Args:
            manifest: All but `schema`, `name`, `version` and the hashes.
            data: The kept records; the file is moved.
            dropped: The dropped records; the file is moved.
        """
        os.replace(data, self.path / "data.jsonl")
        os.replace(dropped, self.path / "dropped.jsonl")
        whole = {
            "schema": SCHEMA,
            "name": self.name,
            "version": self.version,
            **manifest,
            "data_sha256": file_sha256(self.path / "data.jsonl"),
            "dropped_sha256": file_sha256(self.path / "dropped.jsonl"),
        }
        whole["manifest_sha256"] = manifest_sha256(whole)
        self.add("manifest.json", json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
        return Version(self.path)

    def add(self, name: str, text: str) -> None:
        """Writes a further file, such as the report."""
        (self.path / name).write_bytes(text.encode(errors="backslashreplace"))

    def publish(self) -> Version:
        """Syncs every file and gives the version its name, in one step."""
        for each in self.path.iterdir():
            _sync(each)
        _sync(self.path)
        os.rename(self.path, self._target)
        _sync(self._target.parent)
        return Version(self._target)

    def discard(self) -> None:
        """Removes the draft."""
        shutil.rmtree(self.path, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
