"""The response log: append-only, crash-safe; what was answered once is never asked again.

Each line is `<BLAKE2b of the rest> <JSON>`. A process that is killed leaves at most one torn line,
the last; it is cut off when the log is opened again.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from datakit.errors import DatakitWarning, StoreError
from datakit.llm.request import Request, Response
from datakit.record import digest

__all__ = ["ResponseLog", "read_log", "request_key"]

_CHECK = 16  # hex digits before each line's JSON


def request_key(identity: Mapping[str, Any], request: Request, occurrence: str) -> str:
    """Returns the hash of everything that is sent, and of which of several equal requests it is.

    Args:
        identity: The provider's, with its model and address.
        request: The request.
        occurrence: Where in the run the request stands: `step/round/ordinal/number`. It does not
            depend on timing, so that a run that is repeated finds its own answers.
    """
    return digest([dict(identity), request.payload(), occurrence], size=16)


def _check(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECK // 2).hexdigest().encode()


def read_log(path: Path) -> Iterator[tuple[str, Response]]:
    """Yields key and response of each answer in a log, without opening it for writing.

    Args:
        path: The log; it need not be there, and another process may be writing it.
    """
    if not path.is_file():
        return
    with open(path, "rb") as file:
        for line in file:
            check, _, body = line.rstrip(b"\n").partition(b" ")
            if line.endswith(b"\n") and check == _check(body):
                row = json.loads(body)
                yield row["key"], Response.from_json(row["response"])


class ResponseLog:
    """Responses by request key, in one file.

    Args:
        path: The log; made with its folders if it is not there.

    Raises:
        StoreError: If the file cannot be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged = 0
        self._where: dict[str, tuple[int, int]] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "a+b", buffering=0)  # noqa: SIM115  closed by close()
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror}.") from None
        self._end = self._index()
        if self.damaged:
            text = f"{path}: {self.damaged} damaged lines; what they held is asked again."
            warnings.warn(text, DatakitWarning, stacklevel=2)

    def _index(self) -> int:
        self._file.seek(0)
        end = 0
        with open(self.path, "rb") as reader:
            for line in reader:
                if not line.endswith(b"\n"):
                    self._file.truncate(end)
                    break
                check, _, body = line[:-1].partition(b" ")
                if check == _check(body):
                    self._where[json.loads(body)["key"]] = (end, len(line))
                else:
                    self.damaged += 1
                end += len(line)
        return end

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, key: str) -> bool:
        return key in self._where

    def get(self, key: str) -> Response | None:
        """Returns the response to a request, or None if it was never answered."""
        if key not in self._where:
            return None
        start, size = self._where[key]
        line = os.pread(self._file.fileno(), size, start)
        return Response.from_json(json.loads(line[_CHECK + 1 :])["response"])

    def append(self, key: str, request: Request, response: Response) -> None:
        """Writes a response. When it returns, a killed process no longer loses it.

        Raises:
            StoreError: If the disk is full or gone; the log stays readable.
        """
        row = {"key": key, "request": request.payload(), "response": response.to_json()}
        body = json.dumps(row, separators=(",", ":")).encode()
        line = _check(body) + b" " + body + b"\n"
        try:
            written = self._file.write(line)
            if written != len(line):
                raise OSError(28, "No space left on device")
        except OSError as error:
            os.ftruncate(self._file.fileno(), self._end)
            raise StoreError(f"{self.path}: cannot be written: {error.strerror}.") from None
        self._where[key] = (self._end, len(line))
        self._end += len(line)

    def sync(self) -> None:
        """Makes everything so far survive a power cut."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Syncs and closes the file."""
        if not self._file.closed:
            self.sync()
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
