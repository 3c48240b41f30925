"""The ledger: at every step, in + made = kept + dropped."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from datakit.errors import DatakitError

__all__ = ["Clock", "LedgerError", "Row", "balance"]

T = TypeVar("T")


class LedgerError(DatakitError):
    """Records were lost or invented: a fault of datakit or of a step, never of the user."""

    exit_code = 70


@dataclass
class Row:
    """What went through one step.

    Args:
        step: The step's name.
        taken: Records that came in.
        made: Records that the step made.
        kept: Records that went on.
        dropped: Records that were dropped, by reason.
        seconds: Wall time of the step itself.
    """

    step: str
    taken: int = 0
    made: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Returns the manifest's entry."""
        return {
            "step": self.step,
            "in": self.taken,
            "made": self.made,
            "kept": self.kept,
            "dropped": dict(sorted(self.dropped.items(), key=lambda each: (-each[1], each[0]))),
            "seconds": round(self.seconds, 3),
        }


def balance(rows: list[Row], first: int, last: int) -> None:
    """Checks the books of a run.

    Args:
        rows: One for each step, in order.
        first: Records that the pipeline started from.
        last: Records that it kept.

    Raises:
        LedgerError: If a step does not balance, or if two neighbours disagree.
    """
    arriving = first
    for row in rows:
        out = row.kept + row.dropped.total()
        if row.taken != arriving or row.taken + row.made != out:
            raise LedgerError(
                f"{row.step}: {row.taken} in + {row.made} made is not {row.kept} kept + "
                f"{row.dropped.total()} dropped ({arriving} were sent to it)"
            )
        arriving = row.kept
    if arriving != last:
        raise LedgerError(f"{arriving} records left the last step, {last} were written")


class Clock:
    """Shares wall time among steps that run inside each other, as lazy streams do."""

    def __init__(self) -> None:
        self.seconds: dict[int, float] = defaultdict(float)
        self._running: list[int] = []
        self._since = time.perf_counter()

    def _switch(self) -> None:
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def start(self, step: int) -> None:
        """Starts to charge a step; who was charged before waits."""
        self._switch()
        self._running.append(step)

    def stop(self) -> None:
        """Goes back to charging who was charged before."""
        self._switch()
        self._running.pop()

    def charge(self, step: int, stream: Iterator[T]) -> Iterator[T]:
        """Yields from a stream; the time that it takes counts for the step."""
        while True:
            self.start(step)
            try:
                item = next(stream)
            except StopIteration:
                return
            finally:
                self.stop()
            yield item
