"""The worker process as its parent sees it: start, exchange lines before a deadline, kill."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import selectors
import subprocess
import sys
import time
from typing import IO

MAX_REPLY_BYTES = 65_536
READ_BYTES = 65_536
START_SECONDS = 30.0
REAP_SECONDS = 5.0

_WORKER = pathlib.Path(__file__).with_name("worker.py")
# Some builds of Python find their own library through these; the worker clears them.
_LIBRARY_PATHS = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class LateError(Exception):
    """The deadline passed without an answer."""


class LostError(Exception):
    """The worker ended, or spoke nonsense, without an answer.

    Attributes:
        status: The exit status, negative for the signal that killed it; None for nonsense.
    """

    def __init__(self, status: int | None) -> None:
        super().__init__(f"the worker died, exit status {status}")
        self.status = status


class Worker:
    """One running worker process."""

    def __init__(self, settings: dict[str, float | str]) -> None:
        """Start the process and wait until it has confined itself.

        Args:
            settings: `serve`, `seconds`, `memory_mb`, and what the server named by `serve` takes,
                as `worker` reads them.

        Raises:
            RuntimeError: It did not start.
        """
        self._owner = os.getpid()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                str(_WORKER),
                json.dumps(settings | {"parent": self._owner}),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _LIBRARY_PATHS if name in os.environ},
            start_new_session=True,
        )
        self._input, self._output = _pipe(self._process.stdin), _pipe(self._process.stdout)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)
        try:
            answer = self.exchange(b"", time.monotonic() + START_SECONDS)
        except (LateError, LostError) as error:
            self.stop()
            raise RuntimeError(f"the SQL worker does not start: {error!r}") from error
        except BaseException:
            self.stop()
            raise
        if answer.get("ready") is not True:
            self.stop()
            raise RuntimeError(f"the SQL worker does not start: {answer.get('message')}")

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def usable(self) -> bool:
        """Whether this process, and not one that it was forked from, started the worker."""
        return self._owner == os.getpid()

    def exchange(self, line: bytes, deadline: float) -> dict[str, object]:
        """Send one line and read one.

        Args:
            line: A whole request; empty to wait for the line that the worker sends unasked.
            deadline: A `time.monotonic` reading, in seconds.

        Raises:
            LateError: The deadline passed; the worker may still be at it.
            LostError: The worker ended, or sent something else than one JSON object.
        """
        unsent, answer = memoryview(line), bytearray()
        if unsent:
            self._selector.register(self._input, selectors.EVENT_WRITE)
        while not answer.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0:
                raise LateError
            for key, _ in self._selector.select(left):
                if key.fileobj is self._output:
                    answer += self._read()
                else:
                    unsent = self._write(unsent)
            if len(answer) > MAX_REPLY_BYTES:
                self.stop()
                raise LostError(None)
        return self._parse(bytes(answer))

    def stop(self) -> int:
        """Kill the process and give its exit status; in a forked child only let go of the pipes."""
        self._selector.close()
        with contextlib.suppress(OSError):
            self._input.close()
        self._output.close()
        if not self.usable:
            # Not our child: keep subprocess from complaining about it.
            self._process.returncode = 0
            return 0
        self._process.kill()
        try:
            return self._process.wait(REAP_SECONDS)
        except subprocess.TimeoutExpired:
            return 0

    def _read(self) -> bytes:
        try:
            data = os.read(self._output.fileno(), READ_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            raise LostError(self._reap())
        return data

    def _write(self, unsent: memoryview) -> memoryview:
        try:
            unsent = unsent[os.write(self._input.fileno(), unsent) :]
        except BlockingIOError:
            return unsent
        except BrokenPipeError:
            raise LostError(self._reap()) from None
        if not unsent:
            self._selector.unregister(self._input)
        return unsent

    def _reap(self) -> int:
        # Its pipe has ended, so it is dying; killed too early it would show our signal, not its.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(REAP_SECONDS)
        return self.stop()

    def _parse(self, answer: bytes) -> dict[str, object]:
        try:
            parsed = json.loads(answer)
        except (ValueError, RecursionError):
            parsed = None
        if not isinstance(parsed, dict):
            self.stop()
            raise LostError(None)
        return parsed


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("subprocess gave no pipe")
    os.set_blocking(stream.fileno(), False)
    return stream
