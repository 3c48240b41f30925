"""Calls that ask a teacher, many under way at once; what comes of them stands in their order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any, Protocol, TypeVar

from datakit.errors import BudgetError, DatakitError, ProviderError, RequestError
from datakit.outcome import Drop

__all__ = ["Calls", "Runner"]

T = TypeVar("T")

# Calls that are under way at once, at most: what waits for an older answer is held in memory.
_WINDOW = 4_096
# After so many more, the loop is given a moment.
_SOME = 64
# A provider that has refused so many, and answered none, will refuse the rest.
_HOPELESS = 64


class Runner(Protocol):
    """Runs coroutines, one after the other, on one event loop."""

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401
        """Runs a coroutine to its end, and meanwhile those that were started."""
        ...

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Starts a coroutine, which goes on whenever another is run."""
        ...


class Calls:
    """Calls under way, in the order in which they began.

    Args:
        runner: Runs the requests.
        broken: An error after which what is under way is not waited for, though it is one of
            datakit's own.
        proven: Whether the teacher is known to answer: then it may refuse all of these.
    """

    def __init__(
        self,
        runner: Runner,
        broken: type[DatakitError] | tuple[()] = (),
        *,
        proven: bool = False,
    ) -> None:
        self.stopped: BudgetError | None = None
        self._proven = proven
        self._runner = runner
        self._broken = broken
        self._waiting: deque[tuple[Any, asyncio.Task[Any]]] = deque()

    def of(self, calls: Iterable[tuple[T, Coroutine[Any, Any, Any]]]) -> Iterator[tuple[T, Any]]:
        """Yields each item with what its call returned, in their order.

        A request that is refused is a `Drop` with its reason; one that the budget does not allow a
        `Drop("budget")`, and `stopped` says so.

        Raises:
            ProviderError: If every request was refused by a teacher that never answered, or as a
                call raises it.
        """
        answered, refused = int(self._proven), 0
        try:
            for item, outcome in self._ordered(calls):
                if isinstance(outcome, RequestError):
                    refused += 1
                    if not answered and refused >= _HOPELESS:
                        raise _hopeless(outcome)
                    last = outcome
                    outcome = Drop(outcome.reason, message=str(outcome))
                elif isinstance(outcome, BudgetError):
                    self.stopped = self.stopped or outcome
                    outcome = Drop("budget")
                else:
                    answered += 1
                yield item, outcome
        except DatakitError as error:
            # What is under way is paid for, and a client that failed sends no more.
            self._end(wait=not isinstance(error, self._broken))
            raise
        except BaseException:
            self._end(wait=False)
            raise
        if refused and not answered:
            raise _hopeless(last)

    def _ordered(
        self, calls: Iterable[tuple[T, Coroutine[Any, Any, Any]]]
    ) -> Iterator[tuple[T, Any]]:
        for item, each in calls:
            self._waiting.append((item, self._runner.start(each)))
            if len(self._waiting) >= _WINDOW:
                yield self._first()
            elif len(self._waiting) % _SOME == 0:
                # What is begun gets under way while further items are still on their way here.
                self._runner.run(asyncio.sleep(0))
        while self._waiting:
            yield self._first()

    def _first(self) -> tuple[Any, Any]:
        item, task = self._waiting.popleft()
        return item, self._runner.run(_result(task))

    def _end(self, *, wait: bool) -> None:
        tasks = [task for _, task in self._waiting]
        self._waiting.clear()
        if not wait:
            for task in tasks:
                task.cancel()
        if tasks:
            self._runner.run(_ended(tasks))


async def _result(task: asyncio.Task[Any]) -> Any:  # noqa: ANN401
    try:
        return await task
    except (RequestError, BudgetError) as error:
        return error


async def _ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


def _hopeless(error: RequestError) -> ProviderError:
    return ProviderError(f"every request was refused: {error}")
