"""dedup, filter and contamination: single steps over any file."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from datakit import registry
from datakit.amounts import counted
from datakit.benchmark import NAMES, check_against, open_overlap_by
from datakit.cli.console import Console, command, visible
from datakit.cli.runs import funnel
from datakit.config import parse_step
from datakit.direct import open_input, sweep
from datakit.errors import InputError
from datakit.overlap import RULES, Match
from datakit.record import Record
from datakit.running.flow import Flow
from datakit.step import DataRef, StepError
from datakit.store import Store, located
from datakit.store.store import is_reference

__all__ = ["contamination", "dedup", "fields_option", "filter"]


def _input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", help="a version, a file, - (standard input) or a hub dataset")
    parser.add_argument(
        "--fields",
        type=fields_option,
        metavar="OURS=THEIRS,...",
        help="names of fields: instruction=question,output=answer",
    )


def fields_option(text: str) -> dict[str, str]:
    """Reads the value of --fields, such as `instruction=question,output=answer`."""
    pairs = dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)
    if len(pairs) != len(text.split(",")) or set(pairs) - {"instruction", "input", "output"}:
        raise argparse.ArgumentTypeError(
            f'"{text}" is not of the form instruction=question,input=context,output=answer'
        )
    return pairs


def _in_out(parser: argparse.ArgumentParser) -> None:
    _input(parser)
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help=".jsonl, .ndjson or .json (a list), also .gz; or -",
    )
    parser.add_argument("--dropped", metavar="FILE", help="where dropped records go, with reasons")


def _list_option(text: str) -> tuple[str, ...]:
    return tuple(each for each in text.split(",") if each)


def _dedup_args(parser: argparse.ArgumentParser) -> None:
    _in_out(parser)
    methods = [name.partition(".")[2] for name in registry.names() if name.startswith("dedup.")]
    parser.add_argument("--method", choices=methods, default="minhash", help="(minhash)")
    parser.add_argument("--threshold", type=float, metavar="T", help="lowest similarity")
    parser.add_argument(
        "--view", help="what is compared: prompt, full, instruction, output, joined"
    )
    parser.add_argument("--keep", help="which one stays: first, longest, best:SCORE")
    parser.add_argument(
        "--against",
        type=_list_option,
        metavar="DATA,...",
        help="keep only what is new beside these files or versions",
    )
    parser.add_argument(
        "--max-kept", type=int, metavar="N", help="stop when N records are kept, the best first"
    )
    parser.add_argument("--model", help="of --method embedding: static, a folder or a hub id")


@command(_dedup_args)
def dedup(args: argparse.Namespace, console: Console) -> int:
    """Drop duplicates from any file; every dropped record names the one that was kept."""
    names = ("threshold", "view", "keep", "against", "max_kept", "model")
    options = {name: getattr(args, name) for name in names}
    given = {key: value for key, value in options.items() if value is not None}
    cls = registry.find(f"dedup.{args.method}")
    unknown = sorted(set(given) - set(cls.__dataclass_fields__))  # type: ignore[attr-defined]
    if unknown:
        flag = unknown[0].replace("_", "-")
        raise InputError(f"--{flag} does not go with --method {args.method}.")
    started = time.perf_counter()
    try:
        step = cls(**given)
    except StepError as error:
        raise InputError(
            f"--{key.replace('_', '-')}: {text}" if key in given else text
            for key, text in error.fields.items()
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
    targets = [target for target in (args.output, args.dropped) if target]
    for target in targets:
        _check(target)
    places = {target if target == "-" else os.path.realpath(target) for target in targets}
    if len(places) < len(targets):
        raise InputError(f"--dropped {args.dropped}: is where -o writes to; name another file.")
    if "-" in targets and args.json:
        raise InputError("--json: standard output takes the records or the document, not both.")
    steps = located(steps, Store(args.store))
    with _work(targets) as work:
        flow = sweep(open_input(args.input, store=args.store, fields=args.fields), steps, work)
        _write(flow.kept.path, args.output)
        if args.dropped:
            _write(flow.dropped.path, args.dropped)
        yield flow


@contextmanager
def _work(targets: Sequence[str]) -> Iterator[Path]:
    """Makes a folder for the files between steps, where there is room for the output too."""
    place = next((target for target in targets if target != "-"), None)
    try:
        folder = tempfile.TemporaryDirectory(
            prefix=".datakit-" if place else "datakit-", dir=Path(place).parent if place else None
        )
    except OSError as error:
        raise InputError(f"{place}: cannot be written: {error.strerror or error}.") from None
    with folder as work:
        yield Path(work)


def _dropped(flow: Flow) -> Iterator[dict[str, Any]]:
    with open(flow.dropped.path, "rb") as file:
        yield from map(json.loads, file)


def _check(target: str) -> None:
    """Finds out before the work whether its result could not be written anyway."""
    if target == "-":
        return
    path = Path(target)
    if not target.removesuffix(".gz").endswith((".jsonl", ".json", ".ndjson")):
        text = "name it .jsonl or .ndjson, or .json for a list, each also .gz"
        raise InputError(f"{target}: what is written is JSONL; {text}.")
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
            if target.removesuffix(".gz").endswith(".json"):
                writer.writelines(_list(reader))
            else:
                shutil.copyfileobj(reader, writer)
        os.replace(draft, path)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror or error}.") from None
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _opened(draft: Path, target: str) -> Iterator[IO[bytes]]:
    with open(draft, "wb") as file:
        if not target.endswith(".gz"):
            yield file
            return
        # Without name and time, the same records are the same bytes.
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as zipped:
            yield zipped  # type: ignore[misc]


def _list(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yields the pieces of a JSON list whose items are these lines of JSONL."""
    mark = b"["
    for line in lines:
        yield mark + b"\n" + line.rstrip(b"\n")
        mark = b","
    yield b"[]\n" if mark == b"[" else b"\n]\n"


def _told(args: argparse.Namespace, flow: Flow, console: Console) -> None:
    if "-" in (args.output, args.dropped):
        return
    funnel(console, [row.to_json() for row in flow.rows])
    console.result(f"{counted(len(flow.kept), 'record')} in {args.output}")
    if args.dropped:
        console.result(f"{len(flow.dropped):,} dropped in {args.dropped}")


def _contamination_args(parser: argparse.ArgumentParser) -> None:
    _input(parser)
    parser.add_argument(
        "--against",
        required=True,
        metavar="DATA,...",
        help=f"benchmarks: {', '.join(NAMES)}; files, versions or hub datasets",
    )
    parser.add_argument(
        "--method", choices=list(RULES), default="by_length", help="the rule (by_length)"
    )
    parser.add_argument(
        "--fail-over", type=int, metavar="N", help="exit 1 if more than N records match"
    )
    parser.add_argument("-n", type=int, default=20, help="how many matches to show (20)")


@command(_contamination_args)
def contamination(args: argparse.Namespace, console: Console) -> int:
    """Find benchmark items in any file: the item, its side, the span that is shared."""
    paths = [path for path in args.against.split(",") if path]
    if not paths:
        raise InputError("--against: name a benchmark, or several with commas between.")
    overlap = open_overlap_by(args.method, *_places(paths, args.store))
    count = hits = total = 0
    shown: list[dict[str, Any]] = []
    for name, record in _named(args):
        found = list(overlap.matches(record))
        count += 1
        total += len(found)
        hits += any(match.side == "question" for match in found)
        room = len(found) if console.json else max(0, args.n - len(shown))
        shown += [_match(name, match) for match in found[:room]]
    console.document({"records": count, "matches": shown})
    _matches(shown, console)
    console.result(
        f"{counted(count, 'record')}, {hits:,} with a question of {', '.join(paths)}; "
        f"{total:,} matches in all, {len(overlap.uncheckable):,} items too short to check"
    )
    return 1 if args.fail_over is not None and hits > args.fail_over else 0


def _places(against: Sequence[str], store: str | None) -> list[str]:
    """Returns what is looked for, versions as the paths of their records."""
    refs = [
        DataRef(Store(store).load(each).data_path) if is_reference(each) else DataRef(each)
        for each in against
    ]
    try:
        check_against(refs)
    except ValueError as error:
        raise InputError(f"--{error}.") from None
    return list(refs)


def _named(args: argparse.Namespace) -> Iterator[tuple[Any, Record]]:
    """Yields each record with its line's own id, or with the line's number if it has none."""
    name: Any = None

    def note(where: str, row: dict[str, Any]) -> None:
        nonlocal name
        own = row.get("id")
        name = int(where.rpartition(":")[2].strip("[]")) if own in (None, "") else own

    for record in open_input(args.input, store=args.store, fields=args.fields, seen=note):
        yield record.id if name is None else name, record


def _match(name: Any, match: Match) -> dict[str, Any]:  # noqa: ANN401  any JSON value
    benchmark, _, item = match.of.rpartition("/")
    span = match.span
    return {
        "record": name,
        "benchmark": benchmark,
        "item": item,
        "method": match.rule,
        "side": match.side,
        "score": match.score,
        "spans": [{"field": span.field, "start": span.start, "end": span.end, "text": span.text}],
    }


def _matches(found: Iterable[dict[str, Any]], console: Console) -> None:
    rows = [
        [
            str(each["record"]),
            f"{each['benchmark']}/{each['item']}",
            each["side"],
            f"{each['score']:.2f}",
            _clip(each["spans"][0]["text"]),
        ]
        for each in found
    ]
    if rows:
        console.table(["record", "item", "side", "score", "shared text"], rows, "lllrl")


def _clip(text: str) -> str:
    text = visible(" ".join(text.split()))
    return text if len(text) <= 60 else text[:59] + "…"
