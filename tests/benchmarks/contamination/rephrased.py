"""Items of GSM8K in other words: what finds them, and what a teacher says of them.

    python -m tests.benchmarks.contamination.rephrased --data ../data
    python -m tests.benchmarks.contamination.rephrased --data ../data --teacher openai:gpt-5-mini

The twenty questions of `rephrased.jsonl` were written by hand. Beside them stand as many questions
of GSM8K's training half, which are of the same kind and are not items: those nearest to one.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datakit.benchmark import Nearest, open_nearest, open_overlap
from datakit.judge import Session
from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import Resources
from datakit.steps.contamination.paraphrase import Paraphrase

_ITEMS, _OTHERS = "gsm8k/test.jsonl", "gsm8k/train.jsonl"
_FLOORS = (0.3, 0.4, 0.5, 0.6, 0.7)


def rephrased() -> list[dict[str, str]]:
    """Returns the questions, each with the name of its item and its kind."""
    text = Path(__file__).with_suffix(".jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def retrieval(nearest: Nearest, items: Path, rows: Sequence[dict[str, str]]) -> None:
    """Prints what each kind's items are found by."""
    overlap = open_overlap(str(items))
    print("| kind | questions | by_length | nearest item | among three | lowest cosine |")
    print("| --- " * 6 + "|")
    for kind in dict.fromkeys(row["kind"] for row in rows):
        of = [row for row in rows if row["kind"] == kind]
        seen = sum(
            any(match.of == row["of"] for match in overlap.matches(Record(row["text"])))
            for row in of
        )
        near = [nearest.of(row["text"], 3) for row in of]
        first = [found[0][0].name == row["of"] for row, found in zip(of, near, strict=True)]
        three = [
            row["of"] in [item.name for item, _ in found]
            for row, found in zip(of, near, strict=True)
        ]
        lowest = min(found[0][1] for found in near)
        print(f"| {kind} | {len(of)} | {seen} | {sum(first)} | {sum(three)} | {lowest:.2f} |")


def others_of(nearest: Nearest, path: Path, count: int) -> list[str]:
    """Prints how many requests a floor leaves, and returns the questions nearest to an item."""
    questions = [json.loads(line)["question"] for line in path.read_text().splitlines()[:1000]]
    cosines = np.array([nearest.of(each)[0][1] for each in questions])
    print(f"\n{len(questions):,} other questions of the same kind, of which the teacher is asked:")
    print(", ".join(f"{(cosines >= floor).mean():.0%} from {floor}" for floor in _FLOORS))
    return [questions[at] for at in np.argsort(-cosines)[:count]]


def verdicts(teacher: str, items: Path, texts: Sequence[str]) -> list[bool | None]:
    """Returns what a teacher says of each question; None is no verdict."""
    step, resources = Paraphrase(against=(str(items),), floor=-1), Resources()
    records = [Record(text, id=str(at)) for at, text in enumerate(texts)]
    with tempfile.TemporaryDirectory() as folder:

        async def ask(record: Record, llm: object) -> bool | None:
            (said,) = await step.score([record], llm, resources)  # type: ignore[arg-type]
            if isinstance(said, Drop):
                return True if said.reason == "contaminated" else None
            return False

        provider, _, model = teacher.partition(":")
        fields = {"provider": provider, "model": model}
        with Session(fields, Path(folder) / "log") as session:
            return list(session.map(records, ask, lambda record: record.id))


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with public data")
    parser.add_argument("--teacher", help="embedded, or provider:model")
    given = parser.parse_args()
    rows, items = rephrased(), given.data / _ITEMS
    nearest = open_nearest("all-MiniLM-L6-v2", str(items))
    retrieval(nearest, items, rows)
    others = others_of(nearest, given.data / _OTHERS, len(rows))
    if given.teacher:
        for name, texts in (("rephrased", [row["text"] for row in rows]), ("others", others)):
            said = verdicts(given.teacher, items, texts)
            print(f"{name}: {said.count(True)} of {len(said)} said to be an item, ", end="")
            print(f"{said.count(None)} without a verdict")


if __name__ == "__main__":
    main()
