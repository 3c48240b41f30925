"""`datakit scaling`: lift against size: would more records pay?"""

from __future__ import annotations

import argparse

from datakit.cli.console import Console, command
from trainers.commands.flags import add_flags
from trainers.commands.lift import WATCHED, add_fields, add_study, shown_lift, study_options
from trainers.sft import SFT

__all__ = ["scaling"]


def _sizes(text: str) -> list[int]:
    try:
        return [int(each) for each in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is not of the form 50,100,200') from None


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ref", metavar="REF", help="a version or a file")
    parser.add_argument(
        "--sizes", required=True, type=_sizes, metavar="N,N,...", help="how many records"
    )
    add_study(parser, page="reports/scaling.html", steps=None, match=("steps", "examples"))
    add_fields(parser)
    add_flags(parser, SFT, without=("steps", "epochs", "seed", *WATCHED))


@command(_configure)
def scaling(args: argparse.Namespace, console: Console) -> int:
    """Measure what more and more records of one dataset make of a model."""
    options = study_options(args, console)
    from trainers.lift.scaling import scaling as measured

    found = measured(args.ref, args.sizes, match=args.match, **options)
    console.document(found.to_json())
    shown_lift(found.lift, console, found.verdicts)
    console.result(f"page      {args.out}")
    return 0
