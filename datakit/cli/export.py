"""export: a version in the form that a trainer reads."""

from __future__ import annotations

import argparse

from datakit.amounts import counted
from datakit.cli.console import Console, command
from datakit.exporting import FORMATS, parse_shares
from datakit.exporting import export as write
from datakit.store import Store

__all__ = ["export"]


def _export_args(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ref", help="a version: sql@v3, sql@latest, sql@best, or its folder")
    parser.add_argument(
        "--format",
        required=True,
        choices=list(FORMATS),
        help="; ".join(f"{name}: {each.summary}" for name, each in FORMATS.items()),
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="a file; a new folder with --split, and for hf, llama-factory and axolotl",
    )
    parser.add_argument(
        "--split",
        metavar="SHARES",
        help="0.9/0.1, or 0.8/0.1/0.1 with a validation part; families and near-duplicates stay "
        "on one side",
    )
    parser.add_argument("--anonymise", action="store_true", help="leave ids and meta out")


@command(_export_args)
def export(args: argparse.Namespace, console: Console) -> int:
    """Write a version in a form that trainers read."""
    version = Store(args.store).load(args.ref)
    shares = parse_shares(args.split) if args.split else None
    found = write(version, args.format, args.output, shares=shares, anonymise=args.anonymise)
    console.document(
        {
            "version": version.ref,
            "format": args.format,
            "files": {name: str(path) for name, path in found.files.items()},
            "rows": dict(found.rows),
            "left_out": dict(found.left_out),
            "notes": list(found.notes),
        }
    )
    for name, path in found.files.items():
        console.result(f"{path}   {counted(found.rows[name], 'row')}")
    for reason, count in found.left_out.most_common():
        console.say(f"left out: {counted(count, 'record')}: {reason}")
    for note in found.notes:
        console.say(note)
    return 0
