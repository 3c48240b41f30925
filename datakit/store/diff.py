"""What differs between two versions: which records came, went and changed, and why.

Records are the same if their ids are. One that is another's revision, as the later version's
dropped records say (`revised`), is that record changed. What went is looked up there, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from datakit.record import Record
from datakit.store.version import Version

__all__ = ["Change", "Diff", "diff"]

_Why = tuple[str, str]


@dataclass(frozen=True)
class Change:
    """A record of the earlier version and what became of it."""

    before: Record
    after: Record


@dataclass(frozen=True, repr=False)
class Diff:
    """The differences of two versions.

    Args:
        before: The earlier version.
        after: The later one.
        same: How many records are in both, with the same texts.
        added: Ids that only the later one has.
        removed: Ids that only the earlier one has, each with the step and the reason for which
            the later one dropped it; None where it never had it.
        changed: Pairs of ids, of the earlier and of the later version; they are alike where a
            record has the same id and another text.
    """

    before: Version
    after: Version
    same: int
    added: tuple[str, ...]
    removed: dict[str, _Why | None]
    changed: tuple[tuple[str, str], ...]

    def __bool__(self) -> bool:
        """True if they differ."""
        return bool(self.added or self.removed or self.changed)

    @property
    def why(self) -> Counter[_Why | None]:
        """How many records went, by step and reason."""
        return Counter(self.removed.values())

    @cached_property
    def made_by(self) -> Counter[str]:
        """How many records came, by the step that made them; a seed's is `seed`."""
        wanted = set(self.added)
        return Counter(
            str(record.meta.get("step") or "seed")
            for record in self.after.records()
            if record.id in wanted
        )

    def added_records(self, limit: int | None = None) -> list[Record]:
        """Returns the records that came, in their order; the first `limit`."""
        wanted = set(self.added)
        return list(islice((r for r in self.after.records() if r.id in wanted), limit))

    def removed_records(self, limit: int | None = None) -> list[Record]:
        """Returns the records that went, in their order; the first `limit`."""
        return list(islice((r for r in self.before.records() if r.id in self.removed), limit))

    def changes(self, limit: int | None = None) -> list[Change]:
        """Returns the records that changed, in the order of the later version."""
        pairs = self.changed[:limit]
        old = _by_id(self.before, {one for one, _ in pairs})
        new = _by_id(self.after, {other for _, other in pairs})
        return [Change(old[one], new[other]) for one, other in pairs]

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        return {
            "before": self.before.ref,
            "after": self.after.ref,
            "same": self.same,
            "added": list(self.added),
            "removed": [
                {"id": id, "step": why and why[0], "reason": why and why[1]}
                for id, why in self.removed.items()
            ],
            "changed": [{"before": one, "after": other} for one, other in self.changed],
        }

    def __repr__(self) -> str:
        return (
            f"<Diff {self.before.ref}..{self.after.ref}: {len(self.added):,} added, "
            f"{len(self.removed):,} removed, {len(self.changed):,} changed, {self.same:,} same>"
        )


def diff(before: Version, after: Version) -> Diff:
    """Compares two versions; memory holds ids and hashes, and no texts.

    Args:
        before: The earlier version.
        after: The later one; it may be of another dataset.

    Raises:
        StoreError: If one of them is damaged.
    """
    old = {record.id: _hash(record) for record in before.records()}
    gone = dict(old)
    came: list[tuple[str, tuple[str, ...]]] = []
    changed: list[tuple[str, str]] = []
    same = 0
    for record in after.records():
        known = gone.pop(record.id, None)
        if known is None:
            came.append((record.id, record.parents))
        elif known == _hash(record):
            same += 1
        else:
            changed.append((record.id, record.id))
    line = _revised(after)
    added = []
    for id, parents in came:
        origin = next((each for each in _origins(parents, line) if each in gone), None)
        if origin is None:
            added.append(id)
        else:
            gone.pop(origin)
            changed.append((origin, id))
    return Diff(before, after, same, tuple(added), _reasons(after, gone), tuple(changed))


def _hash(record: Record) -> bytes:
    return record.content_hash.encode()


def _origins(parents: tuple[str, ...], line: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """Yields what a record was before each of its revisions; other parents it merely came from."""
    seen: set[str] = set()
    while len(parents) == 1 and parents[0] in line and parents[0] not in seen:
        seen.add(parents[0])
        yield parents[0]
        parents = line[parents[0]]


def _revised(after: Version) -> dict[str, tuple[str, ...]]:
    """Returns the parents of what a version revised: a record may have been so several times."""
    return {
        record.id: record.parents
        for record, drop in after.iter_dropped()
        if drop["reason"] == "revised"
    }


def _reasons(after: Version, gone: dict[str, bytes]) -> dict[str, _Why | None]:
    found: dict[str, _Why | None] = dict.fromkeys(gone)
    for record, drop in after.iter_dropped():
        if record.id in found:
            found[record.id] = (str(drop["step"]), str(drop["reason"]))
    return found


def _by_id(version: Version, wanted: set[str]) -> dict[str, Record]:
    return {record.id: record for record in version.records() if record.id in wanted}
