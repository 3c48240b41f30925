"""dedup, filter and contamination: single steps over any file."""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from datakit import registry
from datakit.benchmark import open_overlap
from datakit.cli.console import Console, command, counted, visible
from datakit.cli.runs import funnel
from datakit.config import parse_step
from datakit.direct import open_input, sweep
from datakit.errors import InputError
from datakit.overlap import Match
from datakit.record import Record
from datakit.running.flow import Flow
from datakit.step import FileRef, StepError

__all__ = ["contamination", "dedup", "filter"]


def _input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", help="a version, a file, - (standard input) or a hub dataset")
    parser.add_argument(
        "--fields",
        type=_fields,
        metavar="OURS=THEIRS,...",
        help="names of fields: instruction=question,output=answer",
    )


def _fields(text: str) -> dict[str, str]:
    pairs = dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)
    if len(pairs) != len(text.split(",")) or set(pairs) - {"instruction", "input", "output"}:
        raise argparse.ArgumentTypeError(
            f'"{text}" is not of the form instruction=question,input=context,output=answer'
        )
    return pairs


def _in_out(parser: argparse.ArgumentParser) -> None:
    _input(parser)
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="JSONL, also .gz; or -"
    )
    parser.add_argument("--dropped", metavar="FILE", help="where dropped records go, with reasons")


def _dedup_args(parser: argparse.ArgumentParser) -> None:
    _in_out(parser)
    methods = [name.partition(".")[2] for name in registry.names() if name.startswith("dedup.")]
    parser.add_argument("--method", choices=methods, default="minhash", help="(minhash)")
    parser.add_argument("--threshold", type=float, metavar="T", help="lowest similarity")
    parser.add_argument(
        "--view", help="what is compared: prompt, full, instruction, output, joined"
    )
    parser.add_argument("--keep", help="which one stays: first, longest, best:SCORE")


@command(_dedup_args)
def dedup(args: argparse.Namespace, console: Console) -> int:
    """Drop duplicates from any file; every dropped record names the one that was kept."""
    options = {k: getattr(args, k) for k in ("threshold", "view", "keep")}
    given = {key: value for key, value in options.items() if value is not None}
    cls = registry.find(f"dedup.{args.method}")
    unknown = sorted(set(given) - set(cls.__dataclass_fields__))  # type: ignore[attr-defined]
    if unknown:
        raise InputError(f"--{unknown[0]} does not go with --method {args.method}.")
    started = time.perf_counter()
    try:
        step = cls(**given)
    except StepError as error:
        raise InputError(
            f"--{key}: {text}" if key in given else text for key, text in error.fields.items()
        ) from None
    with _swept(args, [step]) as flow:
        clusters = len({row["dropped"]["of"] for row in _dropped(flow)})
        console.document(
            {
                "records": flow.rows[0].taken,
                "kept": len(flow.kept),
                "dropped": len(flow.dropped),
                "clusters": clusters,
                "seconds": round(time.perf_counter() - started, 3),
            }
        )
        _told(args, flow, console)
    return 0


def _filter_args(parser: argparse.ArgumentParser) -> None:
    _in_out(parser)
    parser.add_argument(
        "--step",
        action="append",
        required=True,
        metavar="YAML",
        help="'filter.length: {min_chars: 20}'; may be given several times",
    )


@command(_filter_args)
def filter(args: argparse.Namespace, console: Console) -> int:
    """Run filters, or any steps that make no records, over any file."""
    steps: list[Any] = []
    wrong: list[str] = []
    for text in args.step:
        try:
            steps.append(parse_step(text))
        except InputError as error:
            wrong += error.problems
    if wrong:
        raise InputError(wrong)
    with _swept(args, steps) as flow:
        rows = [row.to_json() for row in flow.rows]
        console.document({"records": flow.rows[0].taken, "kept": len(flow.kept), "funnel": rows})
        _told(args, flow, console)
    return 0


@contextmanager
def _swept(args: argparse.Namespace, steps: Sequence[Any]) -> Iterator[Flow]:
    for target in (args.output, args.dropped):
        if target:
            _check(target)
    with tempfile.TemporaryDirectory(prefix="datakit-") as work:
        flow = sweep(
            open_input(args.input, store=args.store, fields=args.fields), steps, Path(work)
        )
        _write(flow.kept.path, args.output)
        if args.dropped:
            _write(flow.dropped.path, args.dropped)
        yield flow


def _dropped(flow: Flow) -> Iterator[dict[str, Any]]:
    import json

    with open(flow.dropped.path, "rb") as file:
        yield from map(json.loads, file)


def _check(target: str) -> None:
    """Finds out before the work whether its result could not be written anyway."""
    if target == "-":
        return
    path = Path(target)
    if not target.removesuffix(".gz").endswith((".jsonl", ".json", ".ndjson")):
        raise InputError(f"{target}: what is written is JSONL; name it .jsonl or .jsonl.gz.")
    if path.is_dir():
        raise InputError(f"{target}: is a folder; name a file in it.")
    if not path.parent.is_dir():
        raise InputError(f"{target}: there is no folder {path.parent}. Make it first.")


def _write(source: Path, target: str) -> None:
    """Writes a file whole or not at all."""
    if target == "-":
        sys.stdout.flush()
        with open(source, "rb") as reader:
            shutil.copyfileobj(reader, sys.stdout.buffer)
        return
    path = Path(target)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(source, "rb") as reader, _opened(draft, target) as writer:
            shutil.copyfileobj(reader, writer)
        os.replace(draft, path)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror or error}.") from None
    finally:
        draft.unlink(missing_ok=True)


def _opened(draft: Path, target: str) -> IO[bytes]:
    if target.endswith(".gz"):
        return gzip.open(draft, "wb")  # type: ignore[return-value]
    return open(draft, "wb")


def _told(args: argparse.Namespace, flow: Flow, console: Console) -> None:
    if args.output == "-":
        return
    funnel(console, [row.to_json() for row in flow.rows])
    console.result(f"{counted(len(flow.kept), 'record')} in {args.output}")
    if args.dropped:
        console.result(f"{len(flow.dropped):,} dropped in {args.dropped}")


def _contamination_args(parser: argparse.ArgumentParser) -> None:
    _input(parser)
    parser.add_argument(
        "--against", required=True, metavar="FILES", help="benchmark files, separated by commas"
    )
    parser.add_argument("--method", choices=["by_length"], default="by_length")
    parser.add_argument(
        "--fail-over", type=int, metavar="N", help="exit 1 if more than N records match"
    )
    parser.add_argument("-n", type=int, default=20, help="how many matches to show (20)")


@command(_contamination_args)
def contamination(args: argparse.Namespace, console: Console) -> int:
    """Find benchmark items in any file: the item, its side, the span that is shared."""
    paths = [path for path in args.against.split(",") if path]
    if not paths:
        raise InputError("--against: name a benchmark file, or several with commas between.")
    for path in paths:
        if not FileRef(path).is_path:
            raise InputError(f'--against: benchmarks are files; write ./{path}, not "{path}".')
    overlap = open_overlap(*paths)
    count = 0
    found: list[tuple[Record, Match]] = []
    for record in open_input(args.input, store=args.store, fields=args.fields):
        count += 1
        found += [(record, match) for match in overlap.matches(record)]
    hit = {record.id for record, match in found if match.side == "question"}
    console.document({"records": count, "matches": [_match(*each) for each in found]})
    _matches(found[: args.n], console)
    console.result(
        f"{counted(count, 'record')}, {len(hit):,} with a question of {', '.join(paths)}; "
        f"{len(found):,} matches in all, {len(overlap.uncheckable):,} items too short to check"
    )
    return 1 if args.fail_over is not None and len(hit) > args.fail_over else 0


def _match(record: Record, match: Match) -> dict[str, Any]:
    benchmark, _, item = match.of.rpartition("/")
    span = match.span
    return {
        "record": record.id,
        "benchmark": benchmark,
        "item": item,
        "method": match.rule,
        "side": match.side,
        "score": match.score,
        "spans": [{"field": span.field, "start": span.start, "end": span.end, "text": span.text}],
    }


def _matches(found: Sequence[tuple[Record, Match]], console: Console) -> None:
    rows = [
        [record.id, match.of, match.side, f"{match.score:.2f}", _clip(match.span.text)]
        for record, match in found
    ]
    if rows:
        console.table(["record", "item", "side", "score", "shared text"], rows, "lllrl")


def _clip(text: str) -> str:
    text = visible(" ".join(text.split()))
    return text if len(text) <= 60 else text[:59] + "…"
