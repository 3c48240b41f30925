"""Held-out records: what is tested on has no relative in what is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from datakit.errors import InputError
from datakit.families import families
from datakit.record import Record, digest
from datakit.shapes import ShapeError, turns

__all__ = ["holdout"]


def holdout(
    records: Iterable[Record],
    *,
    share: float | None = None,
    count: int | None = None,
    seed: int = 0,
    gone: Iterable[Record] = (),
) -> tuple[list[Record], list[Record]]:
    """Returns the records in two parts, to train on and to test on.

    Records that share an ancestor, or that begin with the same question, stay on one side. Which
    families are tested on depends on the seed and on their own records alone: with other records
    beside them most stay where they are.

    Args:
        records: Records; kept in their order.
        share: How much to test on, between 0 and 1.
        count: Or the most records to test on; as many are taken as fit.
        seed: Another one gives another draw.
        gone: Records that are no part of it, but that a line may go through, such as those that a
            version dropped.

    Raises:
        InputError: If not exactly one of share and count is given, if it is out of range, or if no
            family is small enough.
    """
    listed = list(records)
    wanted = _wanted(len(listed), share, count)
    whole = families(listed, gone, key=_opening)
    tested = _tested(whole, wanted, seed)
    if not tested:
        raise InputError(
            f"{wanted:,} of {len(listed):,} records cannot be held out: records with a common "
            f"ancestor or question stay together, and the smallest of the {len(whole):,} groups "
            f"has {min(map(len, whole), default=0):,}."
        )
    return (
        [each for each in listed if id(each) not in tested],
        [each for each in listed if id(each) in tested],
    )


def _tested(whole: Sequence[Sequence[Record]], wanted: int, seed: int) -> set[int]:
    """Returns the identities of the records of as many families as fit, by the seed's draw."""
    tested: set[int] = set()
    for family in sorted(whole, key=lambda family: min(_rank(each, seed) for each in family)):
        if len(tested) + len(family) <= wanted:
            tested.update(map(id, family))
    return tested


def _wanted(total: int, share: float | None, count: int | None) -> int:
    if (share is None) == (count is None):
        raise InputError("holdout: give either a share or a count.")
    if share is not None:
        if not 0 < share < 1:
            raise InputError(f"holdout: share must be between 0 and 1, not {share}.")
        return max(1, round(total * share))
    assert count is not None
    if not 0 < count < total:
        raise InputError(f"holdout: count must be from 1 to {total - 1:,}, not {count:,}.")
    return count


def _opening(record: Record) -> str:
    """Returns the first question: two pairs from one chat have other last questions."""
    messages = record.extra.get("messages")
    # One by one: what is wrong with a later turn leaves the first question what it is.
    for each in messages if isinstance(messages, list) else ():
        try:
            (turn,) = turns([each], "messages")
        except ShapeError:
            continue
        if turn["role"] == "user" and turn["content"]:
            return str(turn["content"])
    return record.prompt


def _rank(record: Record, seed: int) -> str:
    return digest([seed, record.id or record.content_hash])
