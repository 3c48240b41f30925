"""Puts benchmark items into records, and prints what each rule finds and what it flags.

    python -m tests.benchmarks.contamination --data ../data

Recall is the share of the planted items, of 8 words and more, that are found. Flags are records of
public instruction data that hold a question by the rule; they are few enough to be read, and
`--show` prints them. The shares of `by_length` were tuned on GSM8K, MBPP and TruthfulQA alone; the
others are shown apart.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from datakit.benchmark import read_items
from datakit.overlap import RULES, Item, Match, Overlap
from datakit.record import Record
from datakit.rows import read_rows
from datakit.text import words
from tests.benchmarks.contamination.planted import KINDS

TUNED = {
    "gsm8k": "gsm8k/test.jsonl",
    "mbpp": "mbpp/mbpp.jsonl",
    "truthfulqa": "truthfulqa/TruthfulQA.csv",
}
HELD = {
    "humaneval": "humaneval/HumanEval.jsonl.gz",
    "mt_bench": "mt_bench/question.jsonl",
    "alpaca_eval": "alpaca_eval/text_davinci_003_outputs.json",
    "ifeval": "ifeval/input_data.jsonl",
}
CLEAN = (
    "alpaca/alpagasus_random_9k.json",
    "alpaca/alpaca_5000.json",
    "alpaca/longest_1k.json",
    "alpaca/alpagasus_claude_t45.json",
    "dolly/alpagasus_dolly_3k.json",
    "codealpaca/code_alpaca_2k.json",
    "gpteacher/codegen-instruct.json",
    "gpteacher/toolformer-similarity-0.7.json",
    "gsm8k/train.jsonl",
)
_SHORTEST = 8


def items_of(folder: Path, files: Mapping[str, str]) -> list[Item]:
    """Returns the items of those benchmarks that are there."""
    there = [folder / name for name in files.values() if (folder / name).is_file()]
    return [item for path in there for item in read_items(str(path))]


def records_of(folder: Path) -> list[Record]:
    """Returns the records of public data, each prompt once."""
    made: dict[tuple[str, str], Record] = {}
    for name in CLEAN:
        if not (folder / name).is_file():
            continue
        for where, row in read_rows(str(folder / name)):
            asked = row.get("instruction") or row.get("question")
            given = row.get("input") or row.get("context") or ""
            said = row.get("output") or row.get("response") or row.get("answer") or ""
            if isinstance(asked, str):
                made.setdefault((asked, given), Record(asked, given, str(said), id=where))
    return list(made.values())


def recall(overlap: Overlap, items: Sequence[Item]) -> Iterator[float]:
    """Yields for each kind the share of the items that are found."""
    long = [item for item in items if len(words("\n".join(item.question))) >= _SHORTEST]
    for kind, change in KINDS.items():
        rng, found, count = random.Random(kind), 0, 0
        for item in long:
            text = "\n".join(item.question)
            new = change(text, rng)
            if kind != "verbatim" and new == text:
                continue
            count += 1
            matches = overlap.matches(Record(new, output="So it is."))
            found += any(each.of == item.name and each.side == "question" for each in matches)
        yield found / count


def flags(overlap: Overlap, records: Sequence[Record]) -> list[tuple[Record, Match]]:
    """Returns the records with a question, each with the surest match."""
    found = ((record, overlap.matches(record)) for record in records)
    return [(each, got[0]) for each, got in found if got and got[0].side == "question"]


def main() -> None:
    """Prints a table for each half."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with public data")
    parser.add_argument("--show", action="store_true", help="print what by_length flags")
    given = parser.parse_args()
    records = records_of(given.data)
    for title, files in (("tuned on these", TUNED), ("not tuned on", HELD)):
        items = items_of(given.data, files)
        print(f"\n{len(items):,} items ({title}), {len(records):,} records\n")
        print(f"| rule | flags | records a second | {' | '.join(KINDS)} |")
        print("| --- " * (3 + len(KINDS)) + "|")
        for rule in RULES:
            overlap = Overlap(items, rule)
            start = time.process_time()
            flagged = flags(overlap, records)
            speed = len(records) / (time.process_time() - start)
            shares = " | ".join(f"{share:.0%}" for share in recall(overlap, items))
            print(f"| {rule} | {len(flagged)} | {speed:,.0f} | {shares} |", flush=True)
            for record, match in flagged if given.show and rule == "by_length" else ():
                print(f"  {match.of} {match.score:.2f} {record.id}: {match.span.text[:80]!r}")


if __name__ == "__main__":
    main()
