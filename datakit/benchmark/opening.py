"""What a step or a command is told to look for, opened: names, files and hub datasets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from datakit.benchmark.files import item_of, read_items
from datakit.benchmark.named import NAMES, fetched_items, named_items
from datakit.errors import did_you_mean
from datakit.fields import DataRef
from datakit.hub import hub_rows, is_hub_id
from datakit.overlap import Item, Overlap, Parts

__all__ = ["check_against", "open_overlap", "open_overlap_by", "texts_of"]


def open_overlap(*against: str) -> Overlap:
    """Reads benchmarks and indexes their items; for `resources.open(open_overlap, *against)`.

    Args:
        *against: Names of `NAMES`, files, or ids of hub datasets (their split `test`).

    Raises:
        InputError: If one cannot be read, or an item has no question.
    """
    return open_overlap_by("by_length", *against)


def open_overlap_by(rule: str, *against: str) -> Overlap:
    """Does the same for another of the rules of `datakit.overlap`."""
    return Overlap((item for each in against for item in _items(each)), rule)


def check_against(against: Sequence[DataRef]) -> None:
    """Finds out whether what is to be looked for can be there, without reading it.

    Raises:
        ValueError: If it cannot.
    """
    for each in against:
        if os.path.isdir(each):
            raise ValueError(f"against: {each} is a folder; name a file in it")
        if not (each.is_path or each in NAMES or is_hub_id(each) or "@" in each):
            near = did_you_mean(each, NAMES) or f"; there are {', '.join(NAMES)}."
            raise ValueError(
                f'against: there is no benchmark "{each}"{near} A file is written ./{each}'
            )


def texts_of(each: str) -> Iterator[Item]:
    """Yields the items of one benchmark with their texts; a name's are fetched from the hub.

    Raises:
        InputError: If it cannot be read or fetched.
    """
    if DataRef(each).is_path:
        yield from read_items(each)
    elif each in NAMES:
        yield from fetched_items(each)
    else:
        for where, row in hub_rows(each, "test"):
            yield item_of(where, row, each.replace("/", "_"))


def _items(each: str) -> Iterator[Item | Parts]:
    if each in NAMES and not DataRef(each).is_path:
        yield from named_items(each)
    else:
        yield from texts_of(each)
