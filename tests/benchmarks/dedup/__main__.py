"""Gives the same texts to each tool in turn, and prints a table in Markdown.

    python -m tests.benchmarks.dedup --data ../data --venvs build/peers

Recall is the share of planted pairs with a true Jaccard similarity of 0.7 and more of which one was
dropped. Precision is the share of what was dropped that is so similar to a text that was kept; the
rest is gone for nothing. Peers are installed into environments of their own; one that cannot be is
left out, as all are without the folder.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from datakit.shingling import shingled
from tests.benchmarks.dedup.corpus import Corpus, corpus
from tests.benchmarks.peers import python_of
from tests.benchmarks.running import took

_TOOLS = Path(__file__).with_name("tools.py")
_PEERS = ("datasketch", "rensa", "text-dedup", "datatrove")
# These are run with datakit's bands too: else they are fast because they find less.
_MORE = ("datasketch", "rensa")
_THRESHOLD = 0.7
_AT_ONCE = 2_000


class Truth:
    """The true similarity of all texts.

    Args:
        made: The corpus.
    """

    def __init__(self, made: Corpus) -> None:
        numbers, offsets, known = shingled(made.texts).sets()
        ones = np.ones(len(numbers), dtype=np.int32)
        self._sets = csr_matrix((ones, numbers, offsets), shape=(len(made.texts), known))
        self._sizes = np.diff(offsets)
        one, other = (np.array(each) for each in zip(*made.planted, strict=True))
        shared = np.asarray(self._sets[one].multiply(self._sets[other]).sum(axis=1)).ravel()
        score = shared / (self._sizes[one] + self._sizes[other] - shared)
        self.near = [pair for pair, s in zip(made.planted, score, strict=True) if s >= _THRESHOLD]

    def recall(self, dropped: set[int]) -> float:
        """Returns the share of near pairs of which one was dropped."""
        return sum(a in dropped or b in dropped for a, b in self.near) / len(self.near)

    def precision(self, dropped: Sequence[int]) -> float:
        """Returns the share of the dropped that are similar to a kept one."""
        rows = np.array(sorted(dropped))
        kept = np.setdiff1d(np.arange(len(self._sizes)), rows)
        others, right = self._sets[kept].T.tocsr(), 0
        for part in np.array_split(rows, -(-len(rows) // _AT_ONCE)):
            shared = (self._sets[part] @ others).tocoo()
            both = self._sizes[part][shared.row] + self._sizes[kept][shared.col] - shared.data
            right += len(np.unique(shared.row[shared.data / both >= _THRESHOLD]))
        return right / len(rows)


def rows(pythons: dict[str, str], made: Corpus) -> Iterator[str]:
    """Yields the lines of a table, one for each tool."""
    truth, first = Truth(made), 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "texts.json")
        path.write_text(json.dumps(made.texts))
        for tool, python in pythons.items():
            found = took(python, _TOOLS, tool, path)
            first = first or found["cpu"]
            dropped = found["dropped"]
            yield (
                f"| {tool} | {found['cpu']:.2f} s | {found['cpu'] / first:.1f} "
                f"| {found['mib']:,.0f} MiB | {len(dropped):,} | {truth.recall(set(dropped)):.2%} "
                f"| {truth.precision(dropped):.2%} |"
            )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venvs", type=Path, help="a folder for the peers' environments")
    parser.add_argument("--data", type=Path, help="a folder with public instruction data")
    parser.add_argument("--count", type=int, default=50_000)
    given = parser.parse_args()
    pythons = {"datakit": sys.executable, "datakit-datasketch": sys.executable}
    for name in _PEERS if given.venvs else ():
        if python := python_of(name, given.venvs):
            pythons[name] = python
            if name in _MORE:
                pythons[f"{name}-finding-more"] = python
    made = corpus(given.count, given.data)
    mean = sum(map(len, made.texts)) / len(made.texts)
    print(
        f"{given.count:,} texts of {mean:,.0f} characters on average\n\n"
        "| tool | CPU | by datakit's | peak memory | dropped | recall | precision |\n"
        "| --- | --- | --- | --- | --- | --- | --- |"
    )
    for row in rows(pythons, made):
        print(row, flush=True)


if __name__ == "__main__":
    main()
