"""Where the pool is thick and where it is thin, and what a round should draw next.

Growth feeds on itself: what is kept is shown to the teacher, which writes more of the same. So the
pool is watched between the rounds, and a record that many others resemble, that much has come of
already, or that little was kept of, is shown less often.

The number of unlike records is the diversity of order 2 with similarities: Leinster and Cobbold
2012, Ecology 93(3), with the Jaccard index of words and pairs of words as the similarity.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from datakit.outcome import Rejected
from datakit.record import Record
from datakit.text import Hashes, collapse, fold, grams, word_hashes, words

__all__ = ["Coverage", "Point"]

# Similarities are whole numbers of this unit, so that what is added can be taken away exactly.
_UNIT = 1_000_000


@dataclass(frozen=True)
class Point:
    """The pool after a round.

    Args:
        requests: Requests so far.
        made: Records made so far, kept or not.
        kept: Records kept so far, seeds not counted.
        pool: All that can be shown to the teacher: these and the seeds that passed.
        unlike: How many records, none like another, would be as diverse as the pool.
        distinct: Share of pairs of words in the pool that are there for the first time.
        seeds: Seeds that something was kept of.
    """

    requests: int
    made: int
    kept: int
    pool: int
    unlike: float
    distinct: float
    seeds: int

    def to_json(self) -> dict[str, Any]:
        """Returns it as the manifest has it."""
        return asdict(self)


class Coverage:
    """The pool as it grows: what resembles what, and what has come of what.

    Args:
        seeds: Ids of the user's own seeds.
    """

    def __init__(self, seeds: frozenset[str]) -> None:
        self._seeds = seeds
        self._texts = _Texts()
        self._parents: dict[str, tuple[str, ...]] = {}
        self._meta: dict[str, Mapping[str, Any]] = {}
        self._shown: Counter[str] = Counter()
        self._came: Counter[str] = Counter()
        self._share: dict[str, float] = {}
        self._chosen: dict[str, tuple[Counter[Any], Counter[Any]]] = {}
        self._keys: dict[str, str] = {}

    def update(
        self,
        pool: Mapping[str, Record],
        made: Sequence[Record | Rejected],
        origin: Mapping[str, str],
    ) -> None:
        """Takes in what a round has brought.

        Args:
            pool: What is kept now, by id.
            made: What the round has made, kept or not.
            origin: The ids of revised records to those that they were before any step revised them.
        """
        for each in made:
            record = each.record if isinstance(each, Rejected) else each
            parents = tuple(origin.get(parent, parent) for parent in record.parents)
            self._parents[record.id] = parents
            self._meta[record.id] = record.meta
            self._shown.update(parents)
        self._keys = {id: origin.get(id, id) for id in pool}
        self._texts.become(pool)
        self._count()

    def _count(self) -> None:
        self._came, self._share, self._chosen = Counter(), {}, {}
        for key in self._keys.values():
            parents = self._parents.get(key, ())
            self._came.update(parents)
            for parent in parents:
                self._share[parent] = self._share.get(parent, 0.0) + 1 / len(parents)

    def of_record(self, id: str) -> float:
        """Returns how much a record of the pool is due, a positive weight.

        It is the share kept of what it was shown for, squared, over one and the number of records
        like it and those that came of it. Squared, since what nothing comes of would otherwise be
        shown as often as the rest.
        """
        key = self._keys.get(id, id)
        crowd = self._texts.near(id) + self._share.get(key, 0.0)
        return _accepted(self._came[key], self._shown[key]) ** 2 / (1 + crowd)

    def of_choice(self, name: str, value: str) -> float:
        """Returns how much a choice is due, such as an operator, a positive weight.

        Args:
            name: Where records have it in their meta: `evolution.operator`.
            value: The choice.
        """
        if name not in self._chosen:
            kept = (self._meta[key] for key in self._keys.values() if key in self._meta)
            self._chosen[name] = (
                Counter(_value(meta, name) for meta in self._meta.values()),
                Counter(_value(meta, name) for meta in kept),
            )
        made, came = (counts[value] for counts in self._chosen[name])
        return _accepted(came, made) ** 2 / (1 + came)

    def point(self, requests: int, made: int) -> Point:
        """Returns where the pool stands."""
        kept = sum(key not in self._seeds for key in self._keys.values())
        return Point(
            requests,
            made,
            kept,
            len(self._keys),
            round(self._texts.unlike(), 1),
            round(self._texts.distinct(), 4),
            sum(1 for key in self._came if key in self._seeds),
        )


class _Texts:
    """Texts, each with the sum of its similarities to all of them."""

    def __init__(self) -> None:
        self._at: dict[str, int] = {}
        self._grams: list[tuple[Hashes, Hashes]] = []
        self._sizes = np.zeros(0, dtype=np.int64)
        self._sums = np.zeros(0, dtype=np.int64)
        self._there = np.zeros(0, dtype=bool)
        self._having: dict[int, array[int]] = {}
        self._pairs: Counter[int] = Counter()

    def become(self, pool: Mapping[str, Record]) -> None:
        """Takes out what is not in the pool and takes in what is new."""
        for id in [each for each in self._at if each not in pool]:
            self._remove(id)
        new = [record for id, record in pool.items() if id not in self._at]
        self._grow(len(new))
        for record in new:
            self._add(record)

    def near(self, id: str) -> float:
        """Returns the sum of a record's similarities to the others."""
        at = self._at.get(id)
        return 0.0 if at is None else float(self._sums[at]) / _UNIT

    def unlike(self) -> float:
        """Returns the effective number of records."""
        count = len(self._at)
        total = int(self._sums[self._there].sum()) / _UNIT
        return count * count / (count + total) if count else 0.0

    def distinct(self) -> float:
        """Returns distinct-2 (Li et al. 2016, arXiv 1510.03055)."""
        total = sum(self._pairs.values())
        return len(+self._pairs) / total if total else 0.0

    def _grow(self, count: int) -> None:
        more = np.zeros(count, dtype=np.int64)
        self._sizes = np.concatenate([self._sizes, more])
        self._sums = np.concatenate([self._sums, more])
        self._there = np.concatenate([self._there, more.astype(bool)])

    def _add(self, record: Record) -> None:
        ones, twos = _features(record)
        self._pairs.update(twos.tolist())
        own = np.unique(np.concatenate([ones, twos]))
        at = len(self._grams)
        self._grams.append((own, twos))
        self._sizes[at] = len(own)
        alike = self._alike(own)
        self._sums += alike
        self._sums[at] = alike.sum()
        self._at[record.id], self._there[at] = at, True
        for each in own.tolist():
            self._having.setdefault(each, array("I")).append(at)

    def _remove(self, id: str) -> None:
        at = self._at.pop(id)
        self._there[at] = False
        own, twos = self._grams[at]
        self._sums -= self._alike(own)
        self._pairs.subtract(twos.tolist())

    def _alike(self, own: Hashes) -> Any:  # noqa: ANN401  an array of whole numbers
        """Returns the similarity to each text, squared, and 0 to those that are gone.

        Squared, so that what all texts of a domain share weighs little.
        """
        found = [self._having[each] for each in own.tolist() if each in self._having]
        if not found:
            return np.zeros(len(self._sums), dtype=np.int64)
        listed = np.concatenate([np.frombuffer(each, dtype=np.uint32) for each in found])
        shared = np.bincount(listed, minlength=len(self._sums))
        union = np.maximum(1, len(own) + self._sizes - shared)
        return np.where(self._there, (shared / union) ** 2 * _UNIT, 0).astype(np.int64)


def _accepted(kept: int, made: int) -> float:
    return (kept + 1) / (made + 2)


def _features(record: Record) -> tuple[Hashes, Hashes]:
    text = collapse(fold(f"{record.instruction}\n{record.output}"))
    hashes = word_hashes(words(text))
    return np.unique(hashes), grams(hashes, 2)


def _value(meta: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401  any JSON value
    value: Any = meta
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
