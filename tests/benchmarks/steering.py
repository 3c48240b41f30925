"""Drawing by coverage against drawing uniformly, on the embedded model. Prints Markdown.

    python -m tests.benchmarks.steering --seeds seeds/general.jsonl --store FOLDER

Both ask the same number of requests and differ in nothing else; a pair of runs has the same random
seed. Runs are kept in the folder: what was interrupted goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import datakit as dk
from datakit.config import parse_pipeline
from datakit.embedding import Embedder
from datakit.store import Version
from trainers import stats

PIPELINE = """
name: {name}
seeds: {seeds}
max_candidates: {candidates}
round_size: 6
random_seed: {random_seed}
draw: {draw}
teacher: {{provider: embedded}}
steps:
  - generate.self_instruct: {{examples: 5, samples: 8, temperature: 0.9, max_tokens: 120}}
  - dedup.exact
  - dedup.minhash: {{threshold: 0.7}}
  - dedup.embedding: {{threshold: 0.95}}
  - filter.length: {{min_chars: 8, max_chars: 2000}}
  - filter.language: {{keep: [en]}}
  - filter.quality
"""
# A figure's name, and how many decimals it has.
FIGURES = {
    "records kept": 1,
    "unlike records, by words": 1,
    "unlike records, by embeddings": 1,
    "mean distance, by embeddings": 3,
    "distinct-2": 3,
    "seeds that something came of": 1,
}


def measured(version: Version, embedder: Embedder) -> dict[str, float]:
    """Returns the figures of a run; those by embeddings are of what was made and kept."""
    made = [each for each in version.records() if each.meta.get("step", "").startswith("generate.")]
    vectors = embedder.embed([f"{each.instruction}\n{each.output}" for each in made])
    alike = vectors.astype(np.float64) @ vectors.T
    count, last = len(made), version.manifest["curve"][-1]
    values = np.linalg.eigvalsh(alike / count)
    values = values[values > 1e-12]
    figures = (
        float(count),
        last["unlike"],
        # The Vendi score (Friedman and Dieng 2022, arXiv 2210.02410).
        float(np.exp(-(values * np.log(values)).sum())),
        float((count * count - alike.sum()) / (count * (count - 1))),
        last["distinct"],
        float(last["seeds"]),
    )
    return dict(zip(FIGURES, figures, strict=True))


def run(seeds: Path, draw: str, random_seed: int, requests: int, store: Path) -> Version:
    """Returns the version that a pipeline came to."""
    name = f"{seeds.stem}-{draw}-{random_seed}"
    text = PIPELINE.format(
        name=name,
        seeds=seeds.resolve(),
        candidates=requests * 8,
        random_seed=random_seed,
        draw=draw,
    )
    return dk.run(parse_pipeline(text), store=store)


def table(found: dict[str, list[dict[str, float]]]) -> Iterator[str]:
    """Yields the lines of a table: means, and the mean paired difference with its interval."""
    yield "| | uniform | coverage | difference, 95 % |"
    yield "| --- | --- | --- | --- |"
    for name, digits in FIGURES.items():
        uniform, coverage = ([row[name] for row in found[draw]] for draw in found)
        lift = stats.mean([b - a for a, b in zip(uniform, coverage, strict=True)])
        yield (
            f"| {name} | {np.mean(uniform):.{digits}f} | {np.mean(coverage):.{digits}f} "
            f"| {lift.value:+.{digits}f} [{lift.low:+.{digits}f}, {lift.high:+.{digits}f}] |"
        )


def main() -> None:
    """Runs all pairs and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=36)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--store", type=Path, required=True)
    given = parser.parse_args()
    embedder = Embedder()
    found: dict[str, list[dict[str, float]]] = {"uniform": [], "coverage": []}
    for random_seed in range(given.runs):
        for draw, rows in found.items():
            version = run(given.seeds, draw, random_seed, given.requests, given.store)
            rows.append(measured(version, embedder))
            print(f"{random_seed} {draw} {rows[-1]}", file=sys.stderr, flush=True)
    print(f"{given.seeds.name}: {given.runs} pairs of runs of {given.requests} requests\n")
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
