"""Variants of a run: its records with other steps, and controls of the same size."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from datakit.ablation.replayed import NOT_ASKED
from datakit.errors import InputError
from datakit.outcome import Drop
from datakit.record import Record

__all__ = ["Candidate", "Variant", "control_of", "size_matched"]

"""Why a record is dropped about which the log has no answer."""


@dataclass(frozen=True)
class Candidate:
    """A record that came to the first step, or that a generator made.

    Args:
        record: The record as it was then, with its lineage in `meta.parents`; without scores.
        step: Who made it; empty for a seed or a record of a source.
        refused: Why the generator itself refused it, such as an answer that was cut short. No
            step that is left out brings such a one back.
    """

    record: Record
    step: str = ""
    refused: Drop | None = None


@dataclass(frozen=True)
class Variant:
    """The records that came out with some of the steps.

    Args:
        name: In words, such as `sql@v3 without dedup.exact`.
        kind: `all`, `without`, `only`, `bare` (no step but the generators), or `control`.
        step: The step that it is about, by its label; empty for `all` and `bare`.
        records: In their order.
        funnel: The ledger, as in a manifest.
        changed: Whether a model would learn from other texts, or in another order, than with
            those of the version. If not, a training would measure nothing.
        held: Whether the candidates are held fixed though other steps would have led to others.
        notes: What must be said with any figure about it, as sentences.
        seeds: Ids of those records that are the user's own, revised ones too.
        gone: Ids and parents of what was dropped, without texts: lines of descent go through it.
    """

    name: str
    kind: Literal["all", "without", "only", "bare", "control"]
    step: str
    records: tuple[Record, ...] = field(repr=False)
    funnel: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    changed: bool = False
    held: bool = False
    notes: tuple[str, ...] = ()
    seeds: frozenset[str] = field(default=frozenset(), repr=False)
    gone: tuple[Record, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def unasked(self) -> int:
        """Records that are missing since nobody was asked about them; see `NOT_ASKED`."""
        return sum(int(row["dropped"].get(NOT_ASKED, 0)) for row in self.funnel)

    @cached_property
    def sha256(self) -> str:
        """Hash of the records' contents, in their order."""
        lines = "".join(f"{each.content_hash}\n" for each in self.records)
        return hashlib.sha256(lines.encode()).hexdigest()


def size_matched(records: Sequence[Record], size: int, seed: int) -> list[Record]:
    """Returns `size` of the records, the others dropped at random; their order stays.

    The draw depends on the ids and the seed alone, and a smaller one is a part of a larger one.

    Args:
        records: Records with different ids.
        size: Records that are left.
        seed: Another one gives another draw.

    Raises:
        InputError: If there are fewer records than that.
    """
    if not 0 <= size <= len(records):
        raise InputError(f"{size:,} of {len(records):,} records cannot be drawn.")

    def place(record: Record) -> bytes:
        return hashlib.blake2b(f"{seed}/{record.id}".encode("utf-8", "surrogatepass")).digest()

    drawn = {record.id for record in sorted(records, key=place)[:size]}
    return [record for record in records if record.id in drawn]


def control_of(large: Variant, small: Variant, seed: int, *, apart: bool = True) -> Variant:
    """Returns as many records of `large` as `small` has, the others dropped at random.

    Args:
        large: Is drawn from.
        small: Says how many.
        seed: Another one gives another draw.
        apart: Whether seeds and made records are drawn apart, as many of each as `small` has: no
            step is to be praised for sparing the user's own seeds, which most steps do. For a step
            that makes records it is False: without it there may be nothing but seeds.
    """
    if apart:
        own = [record for record in large.records if record.id in large.seeds]
        made = [record for record in large.records if record.id not in large.seeds]
        seeds = min(len(small.seeds), len(own))
        seeds = max(seeds, len(small) - len(made))
        drawn = size_matched(own, seeds, seed) + size_matched(made, len(small) - seeds, seed)
    else:
        drawn = size_matched(large.records, len(small), seed)
    ids = {record.id for record in drawn}
    kept = tuple(record for record in large.records if record.id in ids)
    dropped = tuple(
        Record("", id=record.id, meta={"parents": list(record.parents)})
        for record in large.records
        if record.id not in ids
    )
    text = (
        f"{len(dropped):,} records of {large.name} are dropped at random, so that it is as large "
        f"as {small.name}."
    )
    return replace(
        large,
        name=f"{large.name}, {len(dropped):,} dropped at random ({seed})",
        kind="control",
        step=small.step or large.step,
        records=kept,
        funnel=(),
        changed=large.changed or bool(dropped),
        notes=(text, *large.notes),
        seeds=large.seeds & ids,
        gone=(*large.gone, *dropped),
    )
