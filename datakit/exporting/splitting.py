"""Splits that keep what belongs together on one side, in each topic alike."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from datakit.errors import InputError
from datakit.families import families
from datakit.pairs import fields_of
from datakit.record import Record

__all__ = ["Shares", "alike", "parse_shares", "split"]

_NAMES = {2: ("train", "test"), 3: ("train", "validation", "test")}
# Questions that share so much of their runs of five characters are one question.
_SIMILAR = 0.7


@dataclass(frozen=True)
class Shares:
    """The shares of the parts, in the order train, validation (of three), test."""

    values: tuple[Fraction, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts."""
        return _NAMES[len(self.values)]


def parse_shares(text: str) -> Shares:
    """Reads `0.9/0.1`, `90/10` or `0.8/0.1/0.1`.

    Raises:
        InputError: If it is none of these.
    """
    try:
        values = tuple(Fraction(each.strip()) for each in text.split("/"))
    except (ValueError, ZeroDivisionError):
        values = ()
    if (
        len(values) not in _NAMES
        or any(value <= 0 for value in values)
        or sum(values) not in (1, 100)
    ):
        raise InputError(
            f"--split {text}: must be two or three shares that are 1 or 100 together, such as "
            "0.9/0.1 or 80/10/10 (train, validation, test)."
        )
    return Shares(tuple(value / sum(values) for value in values))


def alike(records: Sequence[Record]) -> list[tuple[int, int]]:
    """Returns pairs of places of records whose questions are nearly the same.

    Raises:
        MissingExtraError: If the extra `minhash` is not installed.
    """
    from datakit.minhash import minhash_pairs

    rows = [fields_of(record, "prompt") for record in records]
    if len(rows) < 2:
        return []
    columns = list(zip(*rows, strict=True))
    return [
        (int(later), int(earlier))
        for block in minhash_pairs(columns, _SIMILAR, kind="char")
        for later, earlier in zip(block[0], block[1], strict=True)
    ]


def split(
    records: Sequence[Record],
    gone: Iterable[Record],
    shares: Shares,
    near: Iterable[tuple[int, int]] = (),
) -> list[list[Record]]:
    """Returns the records in parts, what belongs together whole in one of them.

    What has a common ancestor belongs together, and what `near` says. Each topic (else the step
    that made the record) gets near its share in each part; chance is a hash of the ids, so that the
    same records are always split alike. A part may have less than its share, and a family that is
    larger than every other part's share is in the first.

    Args:
        records: Records with ids.
        gone: Records that a line of descent may go through.
        shares: How large the parts are.
        near: Pairs of places of records that belong together.
    """
    found = families(records, gone, near=near)
    strata: defaultdict[str, list[list[Record]]] = defaultdict(list)
    for family in found:
        meta = family[0].meta
        strata[str(meta.get("topic") or meta.get("step") or "")].append(family)
    places = {id(record): at for at, record in enumerate(records)}
    parts: list[list[Record]] = [[] for _ in shares.values]
    owed = [Fraction(0)] * len(shares.values)
    for _, group in sorted(strata.items()):
        total = sum(map(len, group))
        owed = [left + share * total for left, share in zip(owed, shares.values, strict=True)]
        for family in sorted(group, key=_chance):
            # The last part that has room: the first takes what fits nowhere else.
            fits = [at for at in range(1, len(owed)) if owed[at] >= len(family)]
            at = max(fits, key=lambda each: owed[each], default=0)
            parts[at] += family
            owed[at] -= len(family)
    return [sorted(part, key=lambda record: places[id(record)]) for part in parts]


def _chance(family: Sequence[Record]) -> bytes:
    first = min(record.id for record in family)
    return hashlib.blake2b(first.encode("utf-8", "surrogatepass"), digest_size=8).digest()
