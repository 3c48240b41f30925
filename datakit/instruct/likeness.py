"""Which instructions are refused: by the rules, or for being too much like one that there is."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np

from datakit.instruct.rules import broken, in_force
from datakit.outcome import Drop, Rejected
from datakit.record import Record
from datakit.rouge import Pool

__all__ = ["NEAREST", "Likeness", "Refusal"]

# So many of the most similar ones are told, as the original keeps them.
NEAREST = 10


class Likeness:
    """Compares instructions with those of a pool, and with those that were let through.

    Args:
        pool: The records that there are.
        most: Highest ROUGE-L F; None lets all through.
    """

    def __init__(self, pool: Sequence[Record], most: float | None) -> None:
        self._most = most
        self._ids = [record.id for record in pool]
        self._pool = _pool_of(tuple(record.instruction for record in pool))
        self._new = Pool()
        self._let: list[str] = []

    def drop(self, instruction: str) -> Drop | None:
        """Returns why an instruction is refused; one that is not counts from then on."""
        if self._most is None:
            return None
        scores = np.concatenate([self._pool.to([instruction])[0], self._new.to([instruction])[0]])
        order = np.argsort(-scores, kind="stable")[:NEAREST]
        names = [*self._ids, *self._let]
        if len(order) and scores[order[0]] > self._most:
            near = [[names[at], round(float(scores[at]), 4)] for at in order]
            first = int(order[0])
            known = names[first] if first < len(self._ids) else None
            return Drop("too_similar", of=known, score=near[0][1], nearest=near)
        self._new.add([instruction])
        # It has no id yet; its text shows which one it is.
        self._let.append(re.sub(r"\s+", " ", instruction)[:80])
        return None


class Refusal:
    """Why an instruction is refused: by a rule, or for what there is already.

    Args:
        pool: The records that there are.
        human: Ids of the user's own among them, which say which rules hold.
        words: Words that ask for what a text model cannot make.
        ruled: Whether rules hold at all.
        most: Highest ROUGE-L F; None is any.
    """

    def __init__(
        self,
        pool: Sequence[Record],
        human: Collection[str],
        words: Sequence[str],
        *,
        ruled: bool,
        most: float | None,
    ) -> None:
        own = [record.instruction for record in pool if record.id in human]
        self._words = words
        self._rules = in_force(own, words) if ruled else frozenset[str]()
        self._likeness = Likeness(pool, most)

    def why(self, instruction: str) -> Drop | None:
        """Returns the reason; None lets it through, and counts it from then on."""
        found = broken(instruction, self._words)
        own = next((drop for name, drop in found.items() if name in self._rules), None)
        return own or self._likeness.drop(instruction)

    def of(self, made: Record | Rejected) -> Record | Rejected:
        """Returns a candidate as it is, or as one that is refused."""
        if isinstance(made, Rejected):
            return made
        drop = self.why(made.instruction)
        return Rejected(made, drop) if drop else made


@lru_cache(maxsize=4)
def _pool_of(texts: tuple[str, ...]) -> Pool:
    """Returns the pool of a round, which all its requests share."""
    pool = Pool()
    pool.add(texts)
    return pool
