"""Which of many records to keep, so that no two of them are similar.

    records -> best first -> pairs from a finder -> {id: Drop}

Records of other datasets (`against`) stand before all others, and are never dropped: what is
similar to one of them is not new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from datakit.fields import DataRef
from datakit.outcome import Drop
from datakit.pairs import Finder, View, fields_of, texts_best_first, walk
from datakit.reading import read_records
from datakit.record import Record
from datakit.text import clip

__all__ = ["apart", "thin", "thinned"]


def thinned(
    records: Iterable[Record],
    find: Finder,
    reason: str,
    *,
    view: View,
    keep: str = "first",
    against: Sequence[DataRef] = (),
    max_kept: int | None = None,
    form: Callable[[str], str] | None = None,
    detail: Mapping[str, Any],
) -> dict[str, Drop]:
    """Returns the records that are dropped for a similar one that is kept.

    Args:
        records: In the corpus' order.
        find: Finds similar texts; equal ones need no finder.
        reason: Of the drops. What comes after the last record that is kept, where `max_kept` ends
            the walk, is dropped as `enough`.
        view: What is compared.
        keep: See `datakit.pairs.best_first`.
        against: Files of records that are there already.
        max_kept: Most records that are kept.
        form: Of a text, in which it is compared; None is as it was written.
        detail: Of all drops; read when all pairs are found.
    """
    there = _there(against, view)
    ids, rows = texts_best_first(records, keep, view)
    texts = [*(row for _, row in there), *rows]
    del rows
    if form is not None:
        texts = [tuple(form(text) for text in row) for row in texts]
    drops: dict[str, Drop] = {}
    dropped = thin(texts, find, len(there))
    left = max_kept if max_kept is not None else len(ids)
    for at, id in enumerate(ids, len(there)):
        rival, score = dropped.get(at, (at, 0.0))
        if left == 0:
            drops[id] = Drop("enough", max_kept=max_kept)
        elif rival == at:
            left -= 1
        elif rival < len(there):
            drops[id] = _known(reason, *there[rival], round(score, 4), view, detail)
        else:
            of = ids[rival - len(there)]
            drops[id] = Drop(reason, of=of, score=round(score, 4), view=view, **detail)
    return drops


def _there(against: Sequence[DataRef], view: View) -> list[tuple[str, tuple[str, ...]]]:
    """Returns, of each record that is there already, where it is, and what of it is compared."""
    return [
        (f"{path.shown}/{record.id}", fields_of(record, view))
        for path in against
        for record in read_records(path)
    ]


def _known(
    reason: str, of: str, row: tuple[str, ...], score: float, view: View, detail: Mapping[str, Any]
) -> Drop:
    # The rival is in no file of this version: what is needed to see the likeness goes along.
    text = clip("\n".join(each for each in row if each), 1000)
    return Drop(reason, of=of, score=score, view=view, **detail, rival=text)


def apart(fields: Sequence[Sequence[str]], kept: object, start: int) -> list[Any]:
    """Finds no pairs: only equal texts are similar."""
    return []


def thin(
    rows: Sequence[Sequence[str]], find: Finder, start: int = 0
) -> dict[int, tuple[int, float]]:
    """Walks over rows of texts in walking order; equal rows are compared with others only once.

    Args:
        rows: For each record its texts, as `fields_of` gives them.
        find: A finder: (columns of texts, mask, first row to compare) -> blocks of pairs.
        start: The first row that may be dropped.

    Returns:
        For each dropped row the kept one and their similarity, 1 for equal texts.
    """
    if not rows:
        return {}
    first: dict[tuple[str, ...], int] = {}
    same = [first.setdefault(tuple(row), at) for at, row in enumerate(rows)]
    unique = list(first.values())
    columns = list(zip(*first, strict=True))
    own = int(np.searchsorted(unique, start))
    found = walk(find(columns, mask := np.ones(len(unique), dtype=bool), own), mask)
    dropped = {unique[a]: (unique[b], score) for a, (b, score) in found.items()}
    for at in range(start, len(same)):
        original = same[at]
        if at != original:
            dropped[at] = dropped.get(original, (original, 1.0))
    return dropped
