"""The parent's side of a worker: one process, asked over pipes, killed when it is late."""

from __future__ import annotations

import importlib.util
import json
import signal
import threading
import time
from typing import Self

from datakit.sqlite.process import LateError, LostError, Worker

MESSAGE_CHARS = 300
MIN_MEMORY_MB = 64

_Answer = dict[str, object]


class Client:
    """One worker process that starts at the first question.

    Safe to share between threads (questions then wait for each other); after a fork the child
    process starts a worker of its own.
    """

    def __init__(self, settings: dict[str, float | str], *, timeout: float) -> None:
        """Set the limits; nothing is started.

        Args:
            settings: What `worker` reads, less `seconds`.
            timeout: Seconds of wall-clock time after which a worker is killed.

        Raises:
            RuntimeError: This system has no `resource` module (Windows).
        """
        if importlib.util.find_spec("resource") is None:
            raise RuntimeError(
                "the SQL verifier needs Linux or macOS: it confines a worker process with "
                "resource limits, which this system does not have"
            )
        self._timeout = timeout
        self._settings = settings | {"seconds": timeout}
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._fresh = False
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker; questions are refused from now on. May be called again."""
        with self._lock:
            self._closed = True
            self._stop()

    def _request(self, question: _Answer) -> _Answer:
        """Ask the worker; what it says is not to be trusted.

        A worker that is lost or late is answered for, with `reason` and `message`.

        Raises:
            RuntimeError: The worker does not start.
            ValueError: The client is closed.
        """
        text = json.dumps(question, ensure_ascii=False)
        line = text.encode("utf-8", "surrogatepass") + b"\n"
        with self._lock:
            if self._closed:
                raise ValueError("the sandbox is closed")
            try:
                return self._answer(line)
            except BaseException:
                # Interrupted half-way, the worker's next answer would be to this question.
                self._stop()
                raise

    def _answer(self, line: bytes) -> _Answer:
        answer: _Answer = {}
        # Again in a fresh worker, as the first may have been killed from outside, also while it was
        # idle, or have been late or short of memory for reasons that are not the query's.
        for _ in range(2):
            if self._worker is None or not self._worker.usable:
                self._stop()
                self._worker = Worker(self._settings)
                self._fresh = True
            answer, settled = self._ask(self._worker, line)
            if settled:
                break
        return answer

    def _ask(self, worker: Worker, line: bytes) -> tuple[_Answer, bool]:
        """Give the worker's answer, and whether a fresh worker could give no other."""
        fresh, self._fresh = self._fresh, False
        try:
            answer = worker.exchange(line, time.monotonic() + self._timeout)
        except LateError:
            self._stop()
            return _fault("timeout", f"killed after {self._timeout:g} s"), False
        except LostError as lost:
            self._worker = None
            return _read_loss(lost.status), False
        if answer.get("last"):
            self._stop()
        return answer, fresh or not answer.get("spent")

    def _stop(self) -> None:
        if self._worker is not None:
            self._worker.stop()
            self._worker = None


def _fault(reason: str, message: str) -> _Answer:
    return {"reason": reason, "message": message, "rows": 0}


def _read_loss(status: int | None) -> _Answer:
    if status == -signal.SIGXCPU:
        return _fault("timeout", "killed: out of processor time")
    # Nobody else ends it twice in a row: the system ran out of memory, or SQLite crashed.
    reason = "timeout" if status == -signal.SIGKILL else "runtime_error"
    return _fault(reason, f"the worker was lost twice, exit status {status}")
