"""How many requests are in flight, how fast they leave, and when to stop asking.

Concurrency goes up while that brings more answers a second, and down when the provider pushes back
(additive increase, multiplicative decrease; a queue that sends no 429, as vLLM's, shows in that
more requests bring no more). Nothing here decides what is asked or in which order it is kept.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from datakit.errors import BusyError, ProviderError

__all__ = ["Limits", "Pace"]

_FIRST = 8
_CUT = 0.5
# A pace is kept for so many rounds of answers before more is tried again.
_HOLD = 4
_MORE = 1.05
_BACKOFF, _LONGEST = 0.5, 60.0
# Seconds without an answer after which failures of all requests end the run, and the longest wait
# that a provider may ask for.
_PATIENCE, _TOO_LONG = 120.0, 3600.0


@dataclass(frozen=True)
class Limits:
    """Ceilings that a provider's plan has; None is no ceiling.

    Args:
        requests_per_second: Requests.
        requests_per_minute: Requests.
        tokens_per_second: Tokens, in and out.
        tokens_per_minute: Tokens, in and out.
    """

    requests_per_second: int | None = None
    requests_per_minute: int | None = None
    tokens_per_second: int | None = None
    tokens_per_minute: int | None = None


class _Bucket:
    """Lets at most so much through in any window of so many seconds.

    A tenth of it may go at once; the rest refills evenly.
    """

    def __init__(self, most: int, seconds: float, now: float) -> None:
        self._size = max(1.0, most / 10)
        self._rate = max(most - self._size, most / 2) / seconds
        self._level, self._at = self._size, now

    def wait(self, now: float) -> float:
        """Returns the seconds until something may go."""
        self._level = min(self._size, self._level + (now - self._at) * self._rate)
        self._at = now
        return 0.0 if self._level > 0 else -self._level / self._rate + 1e-3

    def take(self, amount: float) -> None:
        # It may fall below nought: what is larger than the bucket goes alone, and is waited for.
        self._level -= amount


class Pace:
    """The flow of requests to one provider.

    Args:
        most: Most requests in flight.
        limits: Ceilings.
        retries: How often one request is sent again.
        clock: Seconds, for tests.
    """

    def __init__(
        self,
        most: int,
        limits: Limits | None = None,
        *,
        retries: int = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most, self._retries, self._clock = most, retries, clock
        self.limit = float(min(most, _FIRST))
        self.flying = 0
        now = clock()
        asked = limits or Limits()
        pairs = (("second", 1.0), ("minute", 60.0))
        self._requests, self._tokens = (
            [
                _Bucket(ceiling, seconds, now)
                for unit, seconds in pairs
                if (ceiling := getattr(asked, f"{what}_per_{unit}")) is not None
            ]
            for what in ("requests", "tokens")
        )
        self._queue: deque[tuple[asyncio.Future[None], int]] = deque()
        self._open_at = now
        self._timer: asyncio.TimerHandle | None = None
        self._answered_at, self._failures, self._cut_at = now, 0, 0.0
        self._window = _Window(now, self.limit)
        self._rng = random.Random()

    @asynccontextmanager
    async def turn(self, tokens: int) -> AsyncIterator[None]:
        """Waits for a place in flight, and holds it.

        Args:
            tokens: About how many the request will take.
        """
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((turn, tokens))
        self._admit()
        try:
            await turn
        except BaseException:
            # Nobody waits for it any more: a place that it was just given goes to the next.
            if turn.done() and not turn.cancelled():
                self._leave()
            raise
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        self.flying -= 1
        self._admit()

    def _admit(self) -> None:
        while self._queue and self.flying + 1 <= max(1.0, self.limit):
            turn, tokens = self._queue[0]
            if not turn.done() and (wait := self._wait()):
                self._later(wait)
                return
            self._queue.popleft()
            if turn.done():
                continue
            self.flying += 1
            for each in self._requests:
                each.take(1)
            for each in self._tokens:
                each.take(tokens)
            turn.set_result(None)

    def _wait(self) -> float:
        now = self._clock()
        waits = [each.wait(now) for each in (*self._requests, *self._tokens)]
        return max(0.0, self._open_at - now, *waits)

    def _later(self, wait: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(wait, self._admit)

    def release(self) -> None:
        """Lets all through at once: there is nobody left to ask, and they will find that out."""
        self._requests, self._tokens, self._open_at = [], [], 0.0
        self.limit = float("inf")
        self._admit()

    def answered(self, tokens: int) -> None:
        """Notes an answer.

        Args:
            tokens: Of it.
        """
        now = self._clock()
        self._answered_at, self._failures = now, 0
        self._window.tokens += tokens
        self._window.answers += 1
        if self._window.answers < self.limit:
            return
        self._climb(now)
        self._admit()

    def _climb(self, now: float) -> None:
        """Tries more where the last step up has brought more, goes back where it has not."""
        done = self._window
        rate = done.tokens / max(1e-9, now - done.since)
        step = max(1.0, done.limit / 4)
        if done.hold:
            self._window = _Window(now, self.limit, done.best, done.before, done.hold - 1)
            return
        if done.best is None or rate > _MORE * done.best:
            self.limit = min(float(self.most), done.limit + step)
            self._window = _Window(now, self.limit, rate, done.limit)
            return
        # It brought nothing: what it was before will do, and is tried again later.
        self.limit = max(1.0, done.before or done.limit)
        self._window = _Window(now, self.limit, None, None, _HOLD)

    def pushed_back(self, error: BusyError, attempt: int) -> float:
        """Notes that a request was not answered; returns the seconds to wait before the next try.

        Args:
            error: What the provider said.
            attempt: Tries of this request so far, from 1.

        Raises:
            ProviderError: If there is no use in trying on.
        """
        now = self._clock()
        self._failures += 1
        if error.kind == "rate":
            self._slow_down(now)
        after = error.after or 0.0
        wait = max(
            after, min(_LONGEST, _BACKOFF * 2.0 ** (attempt - 1)) * self._rng.uniform(0.5, 1)
        )
        self._open_at = max(self._open_at, now + after)
        silent = now - self._answered_at
        if after > _TOO_LONG:
            why = f"it asks to come back in {after / 3600:.1f} hours"
        elif attempt > self._retries:
            why = f"tried {attempt} times"
        elif silent > _PATIENCE and self._failures > 3 * self.limit:
            why = f"no answer for {silent:.0f} s, {self._failures} failures in a row"
        else:
            return wait
        raise ProviderError(f"{'; '.join(error.problems)} ({why}).")

    def _slow_down(self, now: float) -> None:
        # Those in flight were sent at the old pace: they tell nothing new.
        if now - self._cut_at < 1.0:
            return
        self._cut_at = now
        self.limit = max(1.0, self.limit * _CUT)
        self._window = _Window(now, self.limit, None, None, _HOLD)


@dataclass
class _Window:
    """A round of answers at one pace.

    Args:
        since: When it began.
        limit: Requests in flight.
        best: Tokens a second of the pace before it; None if that is not known.
        before: That pace.
        hold: Rounds to wait before more is tried.
        tokens: Answered so far.
        answers: Likewise.
    """

    since: float
    limit: float
    best: float | None = None
    before: float | None = None
    hold: int = 0
    tokens: int = 0
    answers: int = 0
