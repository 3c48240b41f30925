"""ls, log, show, verify, lineage and report."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datakit.amounts import counted
from datakit.cli.console import Console, command, one_line, visible
from datakit.cli.runs import funnel
from datakit.errors import StoreError, did_you_mean
from datakit.record import Record
from datakit.report import render
from datakit.store import Store, Version

__all__ = ["lineage", "log", "ls", "report", "show", "verify"]


def _ref(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ref", help="a version: sql@v3, sql@latest, sql@v3~1, or its folder")


@command(lambda parser: None)
def ls(args: argparse.Namespace, console: Console) -> int:
    """List the datasets and their newest versions."""
    store = Store(args.store)
    newest = []
    for name in store.names():
        version = store.versions(name)[-1]
        try:
            _summary(version)
        except (StoreError, KeyError) as error:
            console.say(f"left out: {version.path}: {error}")
        else:
            newest.append(version)
    console.document([_summary(version) for version in newest])
    if not newest:
        console.say(f"There are no datasets in {store.root}. Make one: datakit run PIPELINE")
        return 0
    _list(newest, console)
    return 0


def _log_args(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a dataset")


@command(_log_args)
def log(args: argparse.Namespace, console: Console) -> int:
    """List the versions of a dataset, newest first."""
    store = Store(args.store)
    found = store.versions(args.name)
    if not found:
        near = did_you_mean(args.name, store.names())
        hint = near or ". See: datakit ls"
        raise StoreError(f'there is no dataset "{args.name}" in the folder {store.root}{hint}')
    tags = store.tags(args.name).all().items()
    named = {each.ref: [tag for tag, of in tags if each.path.name == of] for each in found}
    console.document(
        [_summary(version) | {"tags": named[version.ref]} for version in reversed(found)]
    )
    _list(list(reversed(found)), console, named if any(named.values()) else None)
    return 0


def _summary(version: Version) -> dict[str, Any]:
    keys = ("created", "records", "made", "dropped", "recipe_hash", "data_sha256")
    manifest = version.manifest
    return {
        "ref": version.ref,
        "path": str(version.path),
        **{key: manifest[key] for key in keys},
        "usd": manifest["cost"]["usd"] if manifest["cost"].get("priced", True) else None,
    }


def _list(
    versions: list[Version], console: Console, named: Mapping[str, Sequence[str]] | None = None
) -> None:
    rows = []
    for version in versions:
        told = _summary(version)
        rows.append(
            [
                told["ref"],
                told["created"][:16].replace("T", " "),
                f"{told['records']:,}",
                f"{told['made']:,}",
                f"{told['dropped']:,}",
                version.usd,
                *([", ".join(named[version.ref])] if named else ()),
            ]
        )
    head = [
        "version",
        "created",
        "records",
        "made",
        "dropped",
        "cost",
        *(["tags"] if named else ()),
    ]
    console.table(head, rows, "llrrrrl"[: len(head)])


def _show_args(parser: argparse.ArgumentParser) -> None:
    _ref(parser)
    parser.add_argument("id", nargs="?", help="a record's id, or the beginning of it")
    parser.add_argument("--dropped", action="store_true", help="show dropped records")
    parser.add_argument("--reason", help="only those that were dropped for this reason")
    parser.add_argument("--step", help="only those that this step dropped")
    parser.add_argument("-n", type=int, default=5, help="how many records to show (5)")


@command(_show_args)
def show(args: argparse.Namespace, console: Console) -> int:
    """Show a version's funnel and first records, or one record, kept or dropped."""
    version = Store(args.store).load(args.ref)
    if args.id:
        record, drop = version.find(args.id)
        console.document(_with_drop(record, drop))
        _print(record, drop, console)
        return 0
    if args.dropped or args.reason or args.step:
        found = version.dropped(args.step, args.reason)
        console.document([_with_drop(*each) for each in found[: args.n]])
        for record, drop in found[: args.n]:
            _print(record, drop, console)
        console.say(f"{min(args.n, len(found))} of {len(found):,} shown; -n shows more.")
        return 0
    console.document(version.manifest)
    console.result(
        f"{console.bold(version.ref)}   {counted(len(version), 'record')}   {version.path}"
    )
    console.result()
    funnel(console, version.manifest["funnel"], version.manifest["packages"])
    console.result()
    for number, record in enumerate(version.records()):
        if number == args.n:
            break
        _print(record, None, console)
    return 0


def _with_drop(record: Record, drop: dict[str, Any] | None) -> dict[str, Any]:
    return {**record.to_json(), **({"dropped": drop} if drop else {})}


def _print(record: Record, drop: dict[str, Any] | None, console: Console) -> None:
    console.result(console.bold(one_line(f"{record.id}  {record.meta.get('step', 'seed')}")))
    for name in ("instruction", "input", "output"):
        text = visible(getattr(record, name)).replace("\n", "\n" + " " * 14)
        if text:
            console.result(f"  {name:<12}{text}")
    if drop:
        what = {key: drop[key] for key in ("of", "score") if drop[key] is not None}
        evidence = json.dumps({**what, **drop["detail"]}, ensure_ascii=False)
        why = one_line(f"{drop['step']}: {drop['reason']} {evidence}")
        console.result(f"  {'dropped':<12}{why}")
    console.result()


@command(_ref)
def verify(args: argparse.Namespace, console: Console) -> int:
    """Check that a version is as it was written: hashes, counts, the ledger."""
    version = Store(args.store).load(args.ref)
    wrong = version.verify()
    console.document({"version": version.ref, "ok": not wrong, "problems": wrong})
    for problem in wrong:
        console.result(one_line(problem))
    if not wrong:
        console.result(f"{version.ref}   {counted(len(version), 'record')}   as it was written")
    return 1 if wrong else 0


def _lineage_args(parser: argparse.ArgumentParser) -> None:
    _ref(parser)
    parser.add_argument("id", help="a record's id, or the beginning of it")


@command(_lineage_args)
def lineage(args: argparse.Namespace, console: Console) -> int:
    """Show where a record comes from: its parents, theirs, back to the seeds."""
    line = Store(args.store).load(args.ref).lineage(args.id)
    rows = [{"depth": depth, **_with_drop(record, drop)} for depth, record, drop in line]
    console.document(rows)
    for depth, record, drop in line:
        by = record.meta.get("step") or "seed"
        gone = f"  (dropped: {drop['reason']})" if drop else ""
        text = visible(" ".join((record.instruction or record.output).split()))[:80]
        console.result(f"{'  ' * depth}{one_line(f'{record.id}  {by}{gone}')}  {text}")
    return 0


def _report_args(parser: argparse.ArgumentParser) -> None:
    _ref(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write it")


@command(_report_args)
def report(args: argparse.Namespace, console: Console) -> int:
    """Write the quality report of a version: one HTML file that opens offline."""
    version = Store(args.store).load(args.ref)
    if not args.output:
        path = version.report()
    else:
        path = Path(args.output)
        try:
            # A lone surrogate has no UTF-8 form.
            path.write_bytes(render(version).encode(errors="backslashreplace"))
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror}.") from None
    console.document({"version": version.ref, "report": str(path)})
    console.result(str(path))
    return 0
