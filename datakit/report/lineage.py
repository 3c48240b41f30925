"""Who a record descends from: shares of seed families, and the ancestors of one record."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable

__all__ = ["Lineage"]


class Lineage:
    """Parents of all records that have any.

    A record made from three examples is one third each of them. Counting it whole for all three
    would soon make every record a child of every seed.
    """

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, ...]] = {}

    def add(self, id: str, parents: Iterable[object]) -> None:
        """Notes the parents of a record."""
        known = tuple(dict.fromkeys(str(parent) for parent in parents if parent != id))
        if known:
            self._parents[id] = known

    def __len__(self) -> int:
        return len(self._parents)

    def ancestors(self, id: str, limit: int = 40) -> list[str]:
        """Returns ancestors of a record, nearest first, without its parents."""
        seen = {id, *self._parents.get(id, ())}
        waiting = deque(self._parents.get(id, ()))
        found: list[str] = []
        while waiting and len(found) < limit:
            for parent in self._parents.get(waiting.popleft(), ()):
                if parent not in seen:
                    seen.add(parent)
                    found.append(parent)
                    waiting.append(parent)
        return found[:limit]

    def roots(self, kept: Iterable[str]) -> dict[str, float]:
        """Returns how many of the kept records descend from each root, in parts of records.

        Args:
            kept: Ids of the kept records; one without parents is its own root.
        """
        weights: defaultdict[str, float] = defaultdict(float)
        for id in kept:
            weights[id] += 1.0
        children = Counter(parent for parents in self._parents.values() for parent in parents)
        # Children before parents: each hands on what it holds once all of its children did so.
        ready = deque(id for id in self._parents if not children[id])
        while ready:
            id = ready.popleft()
            held = weights.pop(id, 0.0)
            parents = self._parents[id]
            for parent in parents:
                if held:
                    weights[parent] += held / len(parents)
                children[parent] -= 1
                if not children[parent] and parent in self._parents:
                    ready.append(parent)
        return {id: weight for id, weight in weights.items() if id not in self._parents}
