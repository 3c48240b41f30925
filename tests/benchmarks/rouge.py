"""ROUGE-L of 5,000 texts with 5,000 others: equal to `rouge-score`, and how much faster.

    python -m tests.benchmarks.rouge
    python -m tests.benchmarks.rouge --peer VENV/bin/python     a Python that has rouge-score

Without `--peer`, or the package here, the ratio is left out. The peer is timed on a sample of the
pairs, since all of them take it hours.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np

from datakit.rouge import Pool

_PEER = """
import json, sys, time
from rouge_score.rouge_scorer import RougeScorer
pairs = json.load(sys.stdin)
scorer = RougeScorer(["rougeL"], use_stemmer=False)
started = time.process_time()
found = [scorer.score(a, b)["rougeL"].fmeasure for a, b in pairs]
json.dump({"seconds": time.process_time() - started, "scores": found}, sys.stdout)
"""


def instructions(count: int, seed: int) -> list[str]:
    """Returns sentences of 5 to 30 words of a vocabulary of 3,000."""
    rng = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(3000)]
    weights = [1 / at for at in range(1, 3001)]
    return [" ".join(rng.choices(words, weights, k=rng.randint(5, 30))) for _ in range(count)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints times, the largest difference, and the ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peer", default=sys.executable, help="a Python that has rouge-score")
    parser.add_argument("--count", type=int, default=5000)
    given = parser.parse_args(arguments)
    one, other = instructions(given.count, 0), instructions(given.count, 1)
    started = time.process_time()
    pool = Pool()
    pool.add(other)
    scores = pool.to(one)
    own = (time.process_time() - started) / scores.size
    print(f"datakit      {scores.size:,} pairs, {1e6 * own:.2f} us of CPU each")
    at = np.random.default_rng(0).integers(given.count, size=(3000, 2))
    pairs = json.dumps([[other[b], one[a]] for a, b in at])
    done = subprocess.run(
        [given.peer, "-c", _PEER], input=pairs, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print("rouge-score  is not installed there: no ratio")
        return
    peer = json.loads(done.stdout)
    off = max(abs(scores[a, b] - score) for (a, b), score in zip(at, peer["scores"], strict=True))
    each = peer["seconds"] / len(at)
    print(f"rouge-score  {len(at):,} pairs, {1e6 * each:.0f} us of CPU each")
    print(f"largest difference {off:.1e}; {each / own:,.0f} times as fast")


if __name__ == "__main__":
    main()
