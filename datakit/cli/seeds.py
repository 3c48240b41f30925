"""seeds check: what is wrong with a file of seeds, before money is spent on it."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from datakit import registry
from datakit.benchmark import open_overlap
from datakit.cli.console import Console, command, one_line
from datakit.errors import MissingExtraError
from datakit.outcome import Drop
from datakit.reading import identified, read_rows
from datakit.record import Record
from datakit.running.local import LocalEngine

__all__ = ["seeds"]

# Fewer seeds than this and the teacher copies them; one input with more than this share rules.
_FEW = 20
_MOST_SHARE = 0.34
_SHORT = 3


@dataclass(frozen=True)
class _Finding:
    where: str
    kind: str
    text: str
    fails: bool = True


def _args(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["check"])
    parser.add_argument("file", help="a file of seeds")
    parser.add_argument("--against", default="", metavar="FILES", help="benchmarks, by commas")


@command(_args)
def seeds(args: argparse.Namespace, console: Console) -> int:
    """Lint a file of seeds: duplicates, coverage, contamination, licences. Exit 1 if any fails."""
    places: list[str] = []

    def noted() -> Iterator[tuple[str, dict[str, Any]]]:
        for where, row in read_rows(args.file):
            places.append(where)
            yield where, row

    records = list(identified(noted(), args.file, answers=True))
    where = {record.id: place for record, place in zip(records, places, strict=True)}
    found = [
        *_duplicates(records, where, console),
        *_licences(records, where),
        *_coverage(records, args.file),
        *_contamination(records, where, args.against),
    ]
    failed = sum(each.fails for each in found)
    console.document(
        {"records": len(records), "ok": not failed, "findings": [vars(each) for each in found]}
    )
    for each in found:
        mark = "" if each.fails else " (a hint)"
        console.result(one_line(f"{each.where}: {each.kind}: {each.text}{mark}"))
    inputs = len({record.input for record in records if record.input})
    topics = f", {inputs} different inputs" if inputs else ""
    console.result(f"{len(records)} seeds{topics}: {failed} to mend, {len(found) - failed} hints")
    return 1 if failed else 0


def _duplicates(
    records: list[Record], where: dict[str, str], console: Console
) -> Iterator[_Finding]:
    with closing(LocalEngine()) as engine:
        for name, fails in (("exact", True), ("minhash", True), ("embedding", False)):
            step = registry.find(f"dedup.{name}")()
            try:
                drops = engine.select(step, records)
            except MissingExtraError as error:
                console.say(f"not checked: dedup.{name}: {error}")
                continue
            records = [record for record in records if record.id not in drops]
            for id_, drop in drops.items():
                yield _Finding(where[id_], drop.reason, _rival(drop, where), fails)


def _rival(drop: Drop, where: dict[str, str]) -> str:
    score = f" (similarity {drop.score:.2f})" if drop.score is not None else ""
    return f"like {where.get(drop.of or '', drop.of)}{score}"


def _licences(records: list[Record], where: dict[str, str]) -> Iterator[_Finding]:
    for record in records:
        for key in ("license", "source"):
            if not record.meta.get(key):
                yield _Finding(where[record.id], f"no_{key}", f"meta.{key} says where it is from")


def _coverage(records: list[Record], file: str) -> Iterator[_Finding]:
    if len(records) < _FEW:
        text = f"{len(records)} seeds; below {_FEW} a teacher copies them"
        yield _Finding(file, "few_seeds", text, fails=False)
    inputs = Counter(record.input for record in records if record.input)
    for text, count in inputs.most_common(1):
        if len(records) >= _FEW and count / len(records) > _MOST_SHARE:
            share = f"{count / len(records):.0%} of the seeds have the input {text[:40]!r}"
            yield _Finding(file, "one_input", share, fails=False)
    starts = Counter(" ".join(record.instruction.lower().split()[:_SHORT]) for record in records)
    for start, count in starts.most_common(1):
        if len(records) >= _FEW and count / len(records) > _MOST_SHARE:
            share = f'{count / len(records):.0%} of the instructions begin with "{start}"'
            yield _Finding(file, "one_opening", share, fails=False)


def _contamination(
    records: list[Record], where: dict[str, str], against: str
) -> Iterator[_Finding]:
    paths = [path for path in against.split(",") if path]
    if not paths:
        return
    overlap = open_overlap(*paths)
    for record in records:
        for match in overlap.matches(record):
            if match.side == "question":
                text = f'is {match.of} (shared: "{match.span.text[:60]}")'
                yield _Finding(where[record.id], "contaminated", text)
