"""Gives the same vectors to each tool in turn, and prints a table in Markdown.

    python -m tests.benchmarks.meaning --data ../data --venvs build/peers

The vectors are those of the static model, and a near pair has a cosine of 0.9 and more. Recall is
the share of the records with an earlier near one that are near to a kept one or dropped: 100 % says
that no two kept records are near. Precision is the share of what was dropped that is near to a
record that was kept; the rest is gone for nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datakit.embedding import Vectors, near_pairs, open_embedder
from tests.benchmarks.dedup.corpus import corpus
from tests.benchmarks.meaning.tools import THRESHOLD
from tests.benchmarks.peers import python_of
from tests.benchmarks.running import took

_TOOLS = Path(__file__).with_name("tools.py")
_OWN = ("datakit-exact", "datakit-ivf", "datakit-clusters")


class Truth:
    """All near pairs.

    Args:
        vectors: Unit vectors as rows.
    """

    def __init__(self, vectors: Vectors) -> None:
        blocks = [block[:2] for block in near_pairs([vectors], THRESHOLD, search="exact")]
        self._later, self._earlier = (np.concatenate(each) for each in zip(*blocks, strict=True))
        self._count = len(vectors)

    def of(self, dropped: Sequence[int]) -> tuple[float, float]:
        """Returns recall and precision of what was dropped."""
        gone = np.zeros(self._count, dtype=bool)
        gone[list(dropped)] = True
        left = ~gone[self._later] & ~gone[self._earlier]
        near = len(np.unique(self._later))
        missed = len(np.unique(self._later[left]))
        right = np.zeros(self._count, dtype=bool)
        for one, other in ((self._later, self._earlier), (self._earlier, self._later)):
            right[one[gone[one] & ~gone[other]]] = True
        return 1 - missed / near, float(right.sum()) / max(1, len(dropped))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venvs", type=Path, help="a folder for the peers' environments")
    parser.add_argument("--data", type=Path, help="a folder with public instruction data")
    parser.add_argument("--count", type=int, default=50_000)
    given = parser.parse_args()
    pythons = dict.fromkeys(_OWN, sys.executable)
    if given.venvs and (python := python_of("semhash", given.venvs)):
        pythons["semhash"] = python
    texts = list(dict.fromkeys(corpus(given.count, given.data).texts))
    vectors = open_embedder("static").embed(texts)
    truth, first = Truth(vectors), 0.0
    print(
        f"{len(texts):,} vectors of {vectors.shape[1]} numbers\n\n"
        "| tool | CPU | by the first | dropped | recall | precision | own recall |\n"
        "| --- | --- | --- | --- | --- | --- | --- |"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "vectors.npy")
        np.save(path, vectors)
        for tool, python in pythons.items():
            found = took(python, _TOOLS, tool, path)
            first = first or found["cpu"]
            recall, precision = truth.of(found["dropped"])
            own = f"{found['recall']:.2%}" if "recall" in found else ""
            print(
                f"| {tool} | {found['cpu']:.2f} s | {found['cpu'] / first:.1f} "
                f"| {len(found['dropped']):,} | {recall:.2%} "
                f"| {precision:.2%} | {own} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
