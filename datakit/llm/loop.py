"""The event loop of a run: in this thread, or beside the one that a notebook has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

__all__ = ["Loop"]

T = TypeVar("T")


class Loop:
    """Runs the requests of one round after the other, on one event loop.

    Where a loop runs already (in a notebook), the whole work goes to a thread of its own, and an
    interrupt of the notebook's cell ends it there as well.
    """

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = False

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine to its end.

        Raises:
            KeyboardInterrupt: If the work was stopped.
        """
        if self._stopped:
            coroutine.close()
            raise KeyboardInterrupt
        self._loop = self._runner.get_loop()
        try:
            return self._runner.run(coroutine)
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None

    def start(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Starts a coroutine, which goes on whenever another is run; it ends with this loop."""
        self._loop = self._runner.get_loop()
        return self._loop.create_task(coroutine)

    def work(self, call: Callable[[], T]) -> T:
        """Calls a function that uses `run`, in a thread if an event loop runs in this one."""
        if not _is_running():
            return call()
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(call)
            try:
                return future.result()
            except KeyboardInterrupt:
                self._stop()
                raise

    def _stop(self) -> None:
        self._stopped = True
        loop = self._loop
        if loop is not None and loop.is_running():
            loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Closing a loop runs it once more, which is refused in a thread where one runs.
        self.work(self._runner.close)


def _is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
