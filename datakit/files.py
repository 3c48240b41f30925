"""Data files as bytes: opened, unpacked, and named as messages name them."""

from __future__ import annotations

import gzip
import io
import os
import sys
from pathlib import Path
from typing import IO

from datakit.errors import InputError, MissingExtraError, did_you_mean

__all__ = ["cache_folder", "open_file", "shown_path"]


def cache_folder() -> Path:
    """Returns where things are kept that can be made again: `DATAKIT_CACHE`, or the user's."""
    named = os.environ.get("DATAKIT_CACHE")
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "datakit"


def shown_path(path: str) -> str:
    """Returns a path as messages show it: relative to the current folder, where it is in it."""
    if path == "-":
        return "standard input"
    try:
        return str(Path(path).relative_to(Path.cwd())) if os.path.isabs(path) else path
    except (OSError, ValueError):
        return path


def open_file(path: str) -> IO[bytes]:
    """Opens a file (`-`: standard input) and unpacks it if it ends in `.gz` or `.zst`.

    Raises:
        InputError: If it cannot be read.
    """
    if path == "-":
        return sys.stdin.buffer
    try:
        file = open(path, "rb")  # noqa: SIM115  the caller closes it
        if Path(path).is_dir():
            raise IsADirectoryError
    except FileNotFoundError:
        folder = Path(path).parent
        near = did_you_mean(Path(path).name, _names(folder))
        raise InputError(f"{shown_path(path)}: there is no such file{near or '.'}") from None
    except IsADirectoryError:
        raise InputError(f"{shown_path(path)}: is a folder; name a file in it.") from None
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"{shown_path(path)}: cannot be read: {why}.") from None
    if path.endswith(".gz"):
        return _Gzip(file)  # type: ignore[return-value]
    if path.endswith(".zst"):
        return _open_zst(file)
    return file


class _Gzip(gzip.GzipFile):
    """Closes the file too, which GzipFile leaves open where it did not open it itself."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        super().__init__(fileobj=file, mode="rb")

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._file.close()


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []


def _open_zst(file: IO[bytes]) -> IO[bytes]:
    try:
        import zstandard
    except ImportError:
        raise MissingExtraError.of("zstandard", "files", "Reading .zst") from None
    reader: IO[bytes] = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file))
    return reader
