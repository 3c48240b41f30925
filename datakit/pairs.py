"""Pairs of similar records, and which of them to keep.

Records stand in walking order, the best first, and a pair is (later, earlier, similarity). A
finder yields blocks of pairs with rising `later`; the walk drops a record only for a *kept* one
that it is itself similar to. So nothing is dropped over a chain of others: of what connected
components remove, 20 to 78 % are not similar to their survivor.

Memory stays bounded by a block of pairs: both sides share the mask `kept`, and a finder does not
look at what the walk has dropped already. A finder without a mask yields every pair.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from datakit.errors import InputError
from datakit.record import Record

__all__ = [
    "KEEP",
    "Fields",
    "Finder",
    "Mask",
    "Pairs",
    "View",
    "best_first",
    "fields_of",
    "texts_best_first",
    "walk",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Pairs = tuple[Ints, Ints, Floats]
Fields = Sequence[Sequence[str]]
Finder = Callable[[Fields, Mask, int], Iterable[Pairs]]

# Without the value; its negative; a hash of the content.
_Rank = tuple[bool, float, str]

View = Literal["prompt", "joined", "full", "instruction", "output"]
KEEP = r"^(first|longest|best:.+)$"


def fields_of(record: Record, view: View) -> tuple[str, ...]:
    """Returns the texts of a record that a view compares, each with its counterpart.

    Records are as similar as the least similar of these texts: a schema that many questions share
    makes them no duplicates, nor does an instruction that many inputs share.

    Args:
        record: The record.
        view: `prompt`: instruction and input, apart. `joined`: both as one text. `full`:
            instruction, input and output, apart. `instruction`, `output`: that alone.
    """
    asked = _chat(record) if _goes_on(record) else record.instruction
    if view == "prompt":
        return asked, record.input
    if view == "full":
        return asked, record.input, record.output
    if view == "joined":
        return (f"{asked}\n{record.input}" if record.input else asked,)
    return (asked if view == "instruction" else record.output,)


def _goes_on(record: Record) -> bool:
    """Returns whether the last question alone is not what is asked: "Go on." follows anything."""
    asked = [each for each in _turns(record) if each.get("role") == "user"]
    return len(asked) > 1 or not record.instruction


def _turns(record: Record) -> list[Mapping[str, object]]:
    messages = record.extra.get("messages") or []
    return [each for each in messages if isinstance(each, Mapping)]


def _chat(record: Record) -> str:
    """Returns a chat up to its last answer."""
    turns = _turns(record)
    if turns and turns[-1].get("role") == "assistant":
        turns.pop()
    return "\n".join(str(each.get("content") or "") for each in turns)


def best_first(records: Iterable[Record], keep: str) -> list[Record]:
    """Returns the records with those first that are kept rather than others like them.

    Args:
        records: In the corpus' order; seeds come first there.
        keep: `first`, `longest` (characters of instruction, input and output) or `best:SCORE`
            (the highest value of that score; records without it come last). Between equals a hash
            of the content decides, so that the order of the records makes no difference.

    Raises:
        InputError: If no record at all has that score.
    """
    listed = list(records)
    return [listed[at] for at in _order([_rank(each, keep) for each in listed], keep)]


def texts_best_first(
    records: Iterable[Record], keep: str, view: View
) -> tuple[list[str], list[tuple[str, ...]]]:
    """Returns ids and `fields_of` the records in the order of `best_first`, and holds no records.

    Args:
        records: As for `best_first`.
        keep: Likewise.
        view: What is compared.
    """
    ids: list[str] = []
    rows: list[tuple[str, ...]] = []
    ranks = []
    for record in records:
        ids.append(record.id)
        rows.append(fields_of(record, view))
        ranks.append(_rank(record, keep))
    if keep == "first":
        return ids, rows
    order = _order(ranks, keep)
    return [ids[at] for at in order], [rows[at] for at in order]


def _rank(record: Record, keep: str) -> _Rank | None:
    if keep == "first":
        return None
    if keep == "longest":
        value: float | None = len(record.instruction + record.input + record.output)
    else:
        value = _number(record.scores.get(keep.removeprefix("best:")))
    return value is None, -(value or 0.0), record.content_hash


def _order(ranks: Sequence[_Rank | None], keep: str) -> list[int]:
    if keep == "first":
        return list(range(len(ranks)))
    if ranks and all(rank is not None and rank[0] for rank in ranks):
        name = keep.removeprefix("best:")
        raise InputError(f'keep "{keep}": no record has a score "{name}"; which step measures it?')
    return sorted(range(len(ranks)), key=lambda at: ranks[at] or (True, 0.0, ""))


def _number(value: object) -> float | None:
    if isinstance(value, int | float) and value == value:
        return float(value)
    return None


def walk(blocks: Iterable[Pairs], kept: Mask) -> dict[int, tuple[int, float]]:
    """Walks best first and drops what is similar to a kept record.

    Args:
        blocks: Pairs (later, earlier, similarity); all pairs of one `later` stand in one block,
            and blocks come in its order.
        kept: All true, one per record; false afterwards for those that were dropped.

    Returns:
        For each dropped record its most similar kept one, and how similar they are.
    """
    dropped: dict[int, tuple[int, float]] = {}
    for later, earlier, score in blocks:
        order = np.lexsort((earlier, -score, later))
        later, earlier, score = later[order], earlier[order], score[order]
        starts = np.flatnonzero(np.diff(later, prepend=-1))
        for start, end in itertools.pairwise([*starts, len(later)]):
            alive = np.flatnonzero(kept[earlier[start:end]])
            if len(alive):
                at = start + alive[0]
                dropped[int(later[at])] = (int(earlier[at]), float(score[at]))
                kept[later[at]] = False
    return dropped
