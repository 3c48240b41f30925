"""What each rule for quality drops of public data, where most answers are good.

    python -m tests.benchmarks.quality --data ../data

`filter.quality` first, rule by rule; then the rules for web pages; then planted faults, which must
be found.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from datakit.quality import WEB_RULES
from datakit.record import Record
from datakit.rows import read_rows
from datakit.steps.filter.quality import Quality

SETS = {
    "alpaca": ("alpaca/alpagasus_random_9k.json", "instruction", "input", "output"),
    "dolly": ("dolly/alpagasus_dolly_3k.json", "instruction", "input", "output"),
    "gsm8k": ("gsm8k/train.jsonl", "question", "", "answer"),
    "code": ("codealpaca/code_alpaca_2k.json", "instruction", "input", "output"),
    "mbpp": ("mbpp/mbpp.jsonl", "text", "", "code"),
}
FAULTS = {
    "loop": lambda text: f"{text} " + "and then he went on to say it again and " * 12,
    "refusal": lambda text: f"I'm sorry, but I cannot help with that request. {text}",
    "fence": lambda text: f"{text}\n```python\nprint(1)\n",
    "mojibake": lambda text: f"{text} Das ist sch\u00c3\u00b6n, nicht wahr?",
    "leak": lambda text: f"{text}\n\n### Instruction:\nWrite another one.",
}


def records_of(folder: Path, name: str) -> list[Record]:
    """Returns the records of a set."""
    file, *keys = SETS[name]
    rows = (row for _, row in read_rows(str(folder / file)))
    return [Record(*(str(row.get(key) or "") if key else "" for key in keys)) for row in rows]


def table(folder: Path) -> Iterator[str]:
    """Yields the lines of a table."""
    there = [name for name in SETS if (folder / SETS[name][0]).is_file()]
    sets = {name: records_of(folder, name) for name in there}
    yield "| rule | " + " | ".join(f"{name} ({len(sets[name]):,})" for name in there) + " |"
    yield "| --- " * (1 + len(there)) + "|"
    step = Quality()
    found = {name: Counter(_reason(step, each) for each in sets[name]) for name in there}
    reasons = sorted({reason for each in found.values() for reason in each} - {""})
    for reason in reasons:
        yield _line(reason, [found[name][reason] / len(sets[name]) for name in there])
    whole = [1 - found[name][""] / len(sets[name]) for name in there]
    yield _line("**filter.quality**", whole)
    for rule, finds in WEB_RULES.items():
        shares = [
            sum(next(finds(each.output), None) is not None for each in sets[name]) / len(sets[name])
            for name in there
        ]
        yield _line(f"filter.web {rule}", shares)
    for fault, break_it in FAULTS.items():
        broken = {
            name: [each.replace(output=break_it(each.output)) for each in sets[name]]
            for name in there
        }
        shares = [
            sum(step.check(each) is not None for each in broken[name]) / len(broken[name])
            for name in there
        ]
        yield _line(f"planted: {fault}", shares)


def _reason(step: Quality, record: Record) -> str:
    drop = step.check(record)
    return drop.reason if drop else ""


def _line(name: str, shares: list[float]) -> str:
    return f"| {name} | " + " | ".join(f"{share:.2%}" for share in shares) + " |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with public data")
    for line in table(parser.parse_args().data):
        print(line, flush=True)


if __name__ == "__main__":
    main()
