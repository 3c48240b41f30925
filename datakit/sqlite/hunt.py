"""Which databases tell which mutants apart, and how few of them tell all apart."""

from __future__ import annotations

from collections.abc import Sequence

from datakit.sqlite import marks

GIVEN = 0
_AGREES = frozenset({marks.SAME, marks.LUCKY})
# A mutant that takes too long has given no answer to compare.
_SURVIVES = frozenset({marks.SAME, marks.UNTRIED, marks.TIMEOUT})


class Hunt:
    """The mutants of one gold query and what has been found of them."""

    def __init__(self, texts: Sequence[str], given: Sequence[str], control: Sequence[str]) -> None:
        """Start with what the given rows tell.

        Args:
            texts: The mutants, all of which run on the given rows.
            given: Their marks there.
            control: Queries that no database may tell apart, or the mutants are not to be trusted.
        """
        self._texts, self._given, self._control = list(texts), list(given), list(control)
        self._kills: dict[int, set[int]] = {GIVEN: set()}
        self._asked = list(range(len(texts)))
        self.tried = self.unusable = self.idle = 0
        self._kill(GIVEN, given)

    @property
    def queries(self) -> list[str]:
        """What to run next; the answer goes to `add`."""
        return self._control + [self._texts[at] for at in self._asked]

    @property
    def alive(self) -> list[int]:
        """Places of the mutants that nothing has told apart."""
        dead = set().union(*self._kills.values())
        return [at for at in range(len(self._texts)) if at not in dead]

    def add(self, numbers: Sequence[int], usable: str, rows: Sequence[str]) -> None:
        """Take the marks of `queries` on some databases.

        Args:
            numbers: The databases.
            usable: A mark for each of them.
            rows: For each query a mark for each of them.
        """
        before = len(self.alive)
        for at, number in enumerate(numbers):
            self.tried += 1
            if usable[at] != marks.SAME:
                self.unusable += 1
                continue
            column = [row[at] for row in rows]
            if any(mark not in _AGREES | {marks.UNTRIED} for mark in column[: len(self._control)]):
                self._distrust()
                return
            self._kills[number] = set()
            self._kill(number, column[len(self._control) :])
        self._asked = self.alive
        self.idle = 0 if len(self._asked) < before else self.idle + 1

    def count(self) -> tuple[int, int, int]:
        """Give how many mutants there are, are told apart, and are not so by one plain run."""
        dead = set().union(*self._kills.values())
        return len(self._texts), len(dead), sum(self._given[at] in _AGREES for at in dead)

    def left(self) -> tuple[str, ...]:
        """Give the mutants that nothing tells apart."""
        return tuple(self._texts[at] for at in self.alive)

    def keep(self, least: int) -> tuple[int, ...]:
        """Choose databases that tell apart all that any does: greedily, the given rows first.

        Args:
            least: How many generated ones at least, if so many are usable.
        """
        kept, open_ = [GIVEN], set().union(*self._kills.values()) - self._kills[GIVEN]
        spare = {number: kills for number, kills in self._kills.items() if number != GIVEN}
        while spare and (open_ or len(kept) <= least):
            # Once all are told apart, those that tell most apart: sizes decide.
            wanted = open_ or set().union(*spare.values())
            best = max(spare, key=lambda number: (len(spare[number] & wanted), -number))
            kept.append(best)
            open_ -= spare.pop(best)
        return tuple(sorted(kept))

    def _kill(self, number: int, column: Sequence[str]) -> None:
        for at, mark in zip(self._asked, column, strict=True):
            if mark not in _SURVIVES:
                self._kills[number].add(at)

    def _distrust(self) -> None:
        self._texts, self._given, self._asked, self._control = [], [], [], []
        self._kills = {number: set() for number in self._kills}
