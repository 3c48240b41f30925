"""batch export and batch import: a teacher's requests and answers as files."""

from __future__ import annotations

import argparse
import shlex

from datakit.amounts import counted
from datakit.cli import flags
from datakit.cli.console import Console, command
from datakit.errors import InputError
from datakit.offline import Exported, Imported, export_batch, import_batch

__all__ = ["batch"]


def _args(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["export", "import"])
    parser.add_argument("pipeline", help="a pipeline file (YAML)")
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help='import: answers as the provider\'s batch API writes them, or {"custom_id", "text"}',
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="export: where the requests go, a line each"
    )
    parser.add_argument(
        "--limit", type=flags.positive, metavar="N", help="stop at N kept records, as for run"
    )
    parser.add_argument("--name", type=flags.name, help="another name for the dataset")


@command(_args)
def batch(args: argparse.Namespace, console: Console) -> int:
    """Carry a teacher's requests out to a file, and its answers in; round by round, without a key.

    Repeat until the export writes the version: the one that the batch API would have given.
    """
    _check(args)
    options = {"store": args.store, "name": args.name, "limit": args.limit}
    if args.action == "export":
        _exported(export_batch(args.pipeline, args.output, **options), args, console)
    else:
        _imported(import_batch(args.pipeline, args.files, **options), args, console)
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.action == "export" and args.files:
        raise InputError(f"{args.files[0]}: export reads no answers; did you mean import?")
    if args.action == "export" and not args.output:
        raise InputError("-o FILE: say where the requests go.")
    if args.action == "import" and not args.files:
        raise InputError("import: name the files of answers.")
    if args.action == "import" and args.output:
        raise InputError("-o: belongs to export.")


def _exported(done: Exported, args: argparse.Namespace, console: Console) -> None:
    console.document(
        {
            "files": [
                {"path": str(each.path), "teacher": each.teacher, "requests": each.requests}
                for each in done.files
            ],
            "version": None if done.version is None else done.version.ref,
        }
    )
    for each in done.files:
        console.result(f"{each.path}   {counted(each.requests, 'request')} to {each.teacher}")
    if done.version is None:
        console.say(f"next   datakit batch import {args.pipeline} ANSWERS{_same(args)}")
        return
    said = "is written" if done.new else "was there already"
    console.result(f"All is answered: {done.version.ref} {said}.")
    console.result(f"look   {done.version.report()}")


def _imported(done: Imported, args: argparse.Namespace, console: Console) -> None:
    console.document(
        {
            "taken": done.taken,
            "there": done.there,
            "refused": done.refused,
            "unanswered": done.unanswered,
            "open": done.left,
        }
    )
    parts = [f"{counted(done.taken, 'answer')} taken"]
    parts += [f"{done.refused:,} of them refusals"] if done.refused else []
    parts += [f"{done.there:,} there already"] if done.there else []
    parts += [f"{done.unanswered:,} lines without an answer"] if done.unanswered else []
    console.result("   ".join([*parts, f"{counted(done.left, 'request')} open"]))
    console.say(f"next   datakit batch export {args.pipeline} -o FILE{_same(args)}")


def _same(args: argparse.Namespace) -> str:
    """Returns the options that the next command needs as well."""
    given = {"--name": args.name, "--limit": args.limit, "--store": args.store}
    return "".join(f" {name} {shlex.quote(str(value))}" for name, value in given.items() if value)
