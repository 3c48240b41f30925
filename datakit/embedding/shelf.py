"""Vectors on disk, by the hash of their text.

A file per model: its dimension, then records of a key (16 bytes) and the vector (float32, little
endian). It is only appended to, under a lock, in whole records; what a killed process left of one
is cut away by the next. A vector that is not of length 1 was not written whole, and counts as not
there.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

__all__ = ["KEY_BYTES", "Shelf"]

KEY_BYTES = 16
_HEAD = 64
_LARGEST = 8 << 30
_AT_ONCE = 65_536

Vectors = npt.NDArray[np.float32]


class Shelf:
    """The vectors of one model.

    Where the folder cannot be written, and past 8 GiB, they are kept for this run only.

    Args:
        folder: Where the files are; it is made.
        identity: Of the model: all that its vectors depend on.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        name = hashlib.blake2b(identity.encode(), digest_size=12).hexdigest()
        self.dimension = 0
        self._rows: dict[bytes, int] = {}
        self._limit = _LARGEST
        self._file = _opened(folder / f"{name}.f32")
        self._index()

    def __contains__(self, key: bytes) -> bool:
        return key in self._rows

    def add(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Keeps the vector of each key.

        Args:
            keys: Of 16 bytes.
            vectors: Unit vectors, one row per key.
        """
        if not self.dimension:
            self._begin(vectors.shape[1])
        rows = np.empty(len(keys), dtype=self._type)
        rows["key"] = np.frombuffer(b"".join(keys), dtype=f"V{KEY_BYTES}")
        rows["vector"] = vectors
        try:
            at = self._append(rows.tobytes())
        except OSError:
            self._leave()
            at = self._append(rows.tobytes())
        self._rows.update((key, at + number) for number, key in enumerate(keys))

    def read(self, keys: Sequence[bytes]) -> Vectors:
        """Returns the vectors of keys that are there, as rows."""
        stored = self._stored()
        wanted = np.fromiter((self._rows[key] for key in keys), np.int64, len(keys))
        made = np.empty((len(keys), self.dimension), dtype=np.float32)
        # In rising order the disk is read from front to back.
        for part in np.array_split(np.argsort(wanted), -(-len(keys) // _AT_ONCE) or 1):
            made[part] = stored["vector"][wanted[part]]
        return made

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    @property
    def _type(self) -> np.dtype[np.void]:
        return np.dtype([("key", f"V{KEY_BYTES}"), ("vector", "<f4", (self.dimension,))])

    def _index(self) -> None:
        self._file.seek(0)
        head = self._file.read(_HEAD).strip()
        if not head.isdigit():
            self._file.truncate(0)
            return
        self.dimension = int(head)
        stored = self._stored()
        for start in range(0, len(stored), _AT_ONCE):
            part = stored[start : start + _AT_ONCE]
            lengths = np.einsum("ij,ij->i", part["vector"], part["vector"])
            keys = part["key"].tobytes()
            for at in np.flatnonzero(np.abs(lengths - 1) < 1e-3):
                key = keys[at * KEY_BYTES : (at + 1) * KEY_BYTES]
                self._rows[key] = start + int(at)

    def _begin(self, dimension: int) -> None:
        self.dimension = dimension
        with _locked(self._file) as end:
            # Another process may have begun it since.
            if end < _HEAD:
                self._file.truncate(0)
                self._file.write(str(dimension).encode().ljust(_HEAD))
                self._file.flush()

    def _stored(self) -> npt.NDArray[np.void]:
        self._file.flush()
        count = (os.fstat(self._file.fileno()).st_size - _HEAD) // self._type.itemsize
        if count <= 0:
            return np.empty(0, dtype=self._type)
        return np.memmap(self._file, dtype=self._type, mode="r", offset=_HEAD, shape=(count,))

    def _append(self, data: bytes) -> int:
        size = self._type.itemsize
        with _locked(self._file) as end:
            if end + len(data) > self._limit:
                raise OSError("the file is full")
            row = (end - _HEAD) // size
            self._file.truncate(_HEAD + row * size)
            self._file.write(data)
            self._file.flush()
        return row

    def _leave(self) -> None:
        """Goes on in a file of its own, with what there is."""
        old, there = self._file, self._rows
        keys = list(there)
        vectors = self.read(keys)
        self._file, self._rows = tempfile.TemporaryFile(), {}  # noqa: SIM115  as long as this
        self._limit = sys.maxsize
        old.close()
        self._begin(self.dimension)
        if keys:
            self.add(keys, vectors)


class _locked:
    """Holds the file's lock, and gives its size."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __enter__(self) -> int:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return os.fstat(self._file.fileno()).st_size

    def __exit__(self, *raised: object) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)


def _opened(path: Path) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "a+b")
    except OSError:
        return tempfile.TemporaryFile()
