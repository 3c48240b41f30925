"""Benchmarks by name: those whose licence allows it are here, as hashes of their words.

Of a shipped benchmark there is for each item its name, and a number of 32 bits for each word of its
question, choices and answer: enough to find them in a text, and nothing that a model could be
trained on by accident. `scripts/benchmarks.py` makes these files. The others are read from the hub.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from datakit.benchmark.files import item_of
from datakit.errors import InputError
from datakit.hub import hub_rows
from datakit.overlap import Item, Parts

__all__ = ["NAMES", "Benchmark", "catalogue", "fetched_items", "named_items", "packed", "unpacked"]

_FOLDER = "hashed"


@dataclass(frozen=True)
class Benchmark:
    """What is known of a benchmark.

    Args:
        title: What people call it.
        hub: Its dataset on the hub.
        split: The split with the test items.
        license: SPDX name, or what is said.
        config: The dataset's configuration.
        fields: Our names of fields to the dataset's.
        path: Where the shipped file comes from; empty if none is shipped.
        sha256: Of that file.
        items: How many there are in it.
    """

    title: str
    hub: str
    split: str
    license: str
    config: str | None = None
    fields: dict[str, str] = field(default_factory=dict)
    path: str = ""
    sha256: str = ""
    items: int = 0


@cache
def catalogue() -> Mapping[str, Benchmark]:
    """Returns all benchmarks that are known by name."""
    text = resources.files(__package__).joinpath("catalogue.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, Benchmark])


NAMES: Sequence[str] = tuple(sorted(catalogue()))


def named_items(name: str) -> Iterator[Parts]:
    """Yields the items of a benchmark by its name: shipped, or from the hub.

    Raises:
        InputError: If it is not shipped and cannot be fetched.
    """
    known = catalogue()[name]
    if known.path:
        with resources.as_file(resources.files(__package__) / _FOLDER / f"{name}.npz") as path:
            yield from unpacked(path, name)
        return
    yield from (each.hashed() for each in fetched_items(name))


def fetched_items(name: str) -> Iterator[Item]:
    """Yields the items of a benchmark by its name, with their texts, from the hub.

    Raises:
        InputError: If it cannot be fetched.
    """
    known = catalogue()[name]
    try:
        for where, row in hub_rows(known.hub, known.split, known.config):
            renamed = {ours: row[theirs] for ours, theirs in known.fields.items() if theirs in row}
            rest = {key: row[key] for key in row if key not in known.fields.values()}
            yield item_of(where, rest | renamed, name)
    except InputError as error:
        what = "is shipped as hashes only" if known.path else f"is not shipped ({known.license})"
        raise InputError(
            [
                f"{name}: {what}; its texts are fetched from the hub.",
                *error.problems,
                f"{name}: offline, give your own copy as a file instead.",
            ]
        ) from None


def packed(items: Iterable[Parts]) -> dict[str, npt.NDArray[Any]]:
    """Returns items as arrays, for `numpy.savez`."""
    listed = list(items)
    texts = [(at, side, part) for at, item in enumerate(listed) for side, part in _texts(item)]
    names = json.dumps([item.name.partition("/")[2] for item in listed]).encode()
    return {
        "names": np.frombuffer(names, dtype=np.uint8),
        "item": np.array([at for at, _, _ in texts], dtype=np.uint16),
        "side": np.array([side for _, side, _ in texts], dtype=np.uint8),
        "length": np.array([len(part) for _, _, part in texts], dtype=np.uint32),
        "words": np.array([word for _, _, part in texts for word in part], dtype=np.uint32),
    }


def _texts(item: Parts) -> Iterator[tuple[int, tuple[int, ...]]]:
    for part in item.question:
        yield 0, part
    for side, part in ((1, item.choices), (2, item.answer)):
        if part:
            yield side, part


def unpacked(path: Path, benchmark: str) -> Iterator[Parts]:
    """Yields the items of a file that `packed` made."""
    with np.load(path, allow_pickle=False) as arrays:
        names: list[str] = json.loads(arrays["names"].tobytes())
        words = np.split(arrays["words"].tolist(), np.cumsum(arrays["length"])[:-1].astype(int))
        owners, sides = arrays["item"].tolist(), arrays["side"].tolist()
    made: list[dict[int, list[tuple[int, ...]]]] = [{0: [], 1: [], 2: []} for _ in names]
    for owner, side, part in zip(owners, sides, words, strict=True):
        made[owner][side].append(tuple(part.tolist()))
    for name, texts in zip(names, made, strict=True):
        choices, answer = (next(iter(texts[side]), ()) for side in (1, 2))
        yield Parts(f"{benchmark}/{name}", tuple(texts[0]), answer, choices)
