"""Whether IFD knows an answer from another record's, and whether selecting by it helps.

    python -m tests.benchmarks.following --data ../data
    python -m tests.benchmarks.following --data ../data --lift

The first line is `score.ifd`. The second takes the answer alone without any template, as the papers
do. The answers of the swapped records are those of records seven places on. With `--lift`, the
records with the highest `ifd` below 1 are compared with random ones, by `datakit lift`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import datakit
from datakit.record import Record
from trainers.evaluate.local import open_local
from trainers.following import Follower
from trainers.models import resolve
from trainers.tokens import IGNORED, Encoded, encode_prompt

_ALPACA = "alpaca/alpaca_5000.json"
_COUNT = 300
_POOL, _HELD_OUT, _TOP = 2_000, 200, 0.1


def alpaca(folder: Path) -> list[Record]:
    """Returns the records of the sample of Alpaca that have a short answer."""
    rows = json.loads((folder / _ALPACA).read_text())
    return [
        Record(row["instruction"], input=row["input"], output=row["output"])
        for row in rows
        if 40 < len(row["output"]) < 800
    ]


def swapped(records: Sequence[Record]) -> list[Record]:
    """Returns the records with the answers of others."""
    answers = [each.output for each in (*records[7:], *records[:7])]
    return [
        Record(each.instruction, input=each.input, output=answer)
        for each, answer in zip(records, answers, strict=True)
    ]


def as_published(follower: Follower, records: Sequence[Record]) -> list[float]:
    """Returns the log of IFD, with the answer alone as a bare text."""
    subject = follower._subject
    tokenizer = subject.tokenizer
    rows = []
    for record in records:
        prompt = encode_prompt(tokenizer, [{"role": "user", "content": record.prompt}])
        answer = list(tokenizer(record.output, add_special_tokens=False)["input_ids"])
        for before in (prompt, []):
            labels = [IGNORED] * (len(before) + 1) + answer[1:]
            rows.append(Encoded([*before, *answer], labels))
    means = [
        total / row.answer_tokens for total, row in zip(subject.row_nll(rows), rows, strict=True)
    ]
    return [given - alone for given, alone in zip(means[::2], means[1::2], strict=True)]


def as_scored(follower: Follower, records: Sequence[Record]) -> list[float]:
    """Returns the log of IFD, as `score.ifd` takes it."""
    return [each.given - each.alone for each in follower.follow(records) if each]


def compare(records: Sequence[Record]) -> None:
    """Prints both forms' medians, shares from 1 on, and how well they tell own from others'."""
    follower = Follower(open_local(resolve("embedded")))
    print("| form | median | swapped | from 1 on | swapped | AUC | records a second |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, measure in (("score.ifd", as_scored), ("as published", as_published)):
        start = time.perf_counter()
        own, other = (np.array(measure(follower, each)) for each in (records, swapped(records)))
        rate = 2 * len(records) / (time.perf_counter() - start)
        auc = (own[:, None] < other[None, :]).mean()
        print(
            f"| {name} | {np.exp(np.median(own)):.2f} | {np.exp(np.median(other)):.2f} | "
            f"{(own >= 0).mean():.1%} | {(other >= 0).mean():.1%} | {auc:.3f} | {rate:.1f} |"
        )


def lift(records: Sequence[Record], options: Sequence[str]) -> int:
    """Scores a pool, and has `datakit lift` hold the chosen tenth to random records of it."""
    pool, rest = list(records[:_POOL]), records[_POOL : _POOL + _HELD_OUT]
    scored = datakit.apply(pool, ["score.ifd"]).kept
    below = [each for each in scored if each.scores.get("ifd", 1) < 1]
    below.sort(key=lambda each: -each.scores["ifd"])
    parts = {
        "ifd_top": below[: round(_TOP * len(pool))],
        "ifd_below_1": below,
        "pool": scored,
        "held_out": rest,
    }
    print({name: len(part) for name, part in parts.items()})
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder, f"{name}.jsonl") for name in parts}
        for name, part in parts.items():
            files[name].write_bytes(b"".join(each.to_line() for each in part))
        words = [
            *("lift", str(files["ifd_top"]), str(files["ifd_below_1"])),
            *("--baseline", str(files["pool"]), "--task", f"perplexity:{files['held_out']}"),
            *("--steps", "24", "--no-general", "--learning-rate", "4e-4", "--contaminated", "keep"),
            *("-o", "reports/lift-ifd.html", *options),
        ]
        return subprocess.run([sys.executable, "-m", "datakit.cli.main", *words]).returncode


def main() -> int:
    """Compares the forms, or measures the lift."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--lift", action="store_true")
    args, more = parser.parse_known_args()
    records = alpaca(args.data)
    if args.lift:
        return lift(records, more)
    compare(records[:_COUNT])
    return 0


if __name__ == "__main__":
    sys.exit(main())
