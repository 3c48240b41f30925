"""How far tasks are, in lines: which of how many, which item of it, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datakit.amounts import about

if TYPE_CHECKING:
    from trainers.evaluate import Task

__all__ = ["Count", "Lasting", "Progress", "Turn"]


class Count(str):
    """A note that counts: a text like any other, with its numbers for who reckons with them.

    Attributes:
        done: How many are done.
        total: Of how many.
    """

    done: int
    total: int

    @classmethod
    def of(cls, done: int, total: int, what: str) -> Count:
        """Returns `40 of 200 answered`, given the last word."""
        count = cls(f"{done:,} of {total:,} {what}")
        count.done, count.total = done, total
        return count


class Lasting(str):
    """A note that is more than progress: it should stay where it can be read."""


@dataclass(frozen=True)
class Turn:
    """A task that is run on one model.

    Args:
        task: The task.
        base: Whether that is the base.
        words: What is said before it.
    """

    task: Task
    base: bool = False
    words: str = ""


class Progress:
    """Puts what tasks tell of themselves into lines that say how far all of it is.

    Args:
        turns: All that is to be run, in order.
        note: Is given the lines, such as `task 2/3   item 40/200   35 s left   match:x.jsonl`.
        clock: Tells seconds.
    """

    def __init__(
        self,
        turns: Sequence[Turn],
        note: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._turns = turns
        self._note = note
        self._clock = clock
        self._at = -1
        # Seconds that a task took, or will take: its other turn will take about as many.
        self._seconds: dict[str, float] = {}
        self._from = 0.0

    @contextmanager
    def turn(self) -> Iterator[Callable[[str], None]]:
        """Begins the next turn; gives what takes its notes."""
        self._at += 1
        if self._now.words:
            self._note(Lasting(self._now.words))
        began = self._from = self._clock()
        yield self._hear
        self._seconds[self._now.task.text] = self._clock() - began

    @property
    def _now(self) -> Turn:
        return self._turns[self._at]

    def _hear(self, text: str) -> None:
        if isinstance(text, Lasting):
            self._note(text)
            return
        name = self._now.task.text
        parts = [f"task {self._at + 1}/{len(self._turns)}", "base" if self._now.base else ""]
        if isinstance(text, Count):
            parts += self._counted(text)
        else:
            # What comes before the items, as building test suites, says nothing of their pace.
            self._from = self._clock()
            parts.append(text.removeprefix(f"{name}: "))
        # The name comes last: where a line is too long for a terminal, its end is cut off.
        self._note("   ".join([*filter(None, parts), name]))

    def _counted(self, count: Count) -> list[str]:
        items = len(self._now.task)
        # Some tasks ask several things of an item, such as one for each choice.
        item = f"item {count.done * items // max(1, count.total):,}/{items:,}"
        if not 0 < count.done < count.total:
            return [item]
        pace = (self._clock() - self._from) / count.done
        left = pace * (count.total - count.done)
        self._seconds[self._now.task.text] = pace * count.total
        later = [self._seconds.get(each.task.text) for each in self._turns[self._at + 1 :]]
        known = [each for each in later if each is not None]
        told = f"{about(left)} left"
        if later and len(known) == len(later):
            told += f", {about(left + sum(known))} in all"
        return [item, told]
