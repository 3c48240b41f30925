"""`datakit ablate`: what each step of a finished pipeline was worth."""

from __future__ import annotations

import argparse

from datakit.cli.console import Console, command
from datakit.errors import InputError
from trainers.commands.flags import add_flags
from trainers.commands.lift import WATCHED, add_study, study_options
from trainers.sft import SFT

__all__ = ["ablate"]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pipeline", metavar="PIPELINE", help="a pipeline file that has run")
    parser.add_argument(
        "--step",
        action="append",
        default=[],
        metavar="STEP",
        help="a step to leave out; may be given several times (each of them, in turn)",
    )
    add_study(parser, page="reports/ablation.html")
    add_flags(parser, SFT, without=("steps", "epochs", "seed", *WATCHED))


@command(_configure)
def ablate(args: argparse.Namespace, console: Console) -> int:
    """Leave each step of a finished run out, and measure what it was worth; asks nobody."""
    if args.match != "steps":
        raise InputError("--match: the trials of an ablation have steps alike.")
    options = study_options(args, console)
    for name in ("examples", "tokens", "effect", "match", "fields"):
        options.pop(name)
    from trainers.lift.ablating import ablate as measured

    found = measured(args.pipeline, only=args.step, **options)
    console.document(found.to_json())
    rows = [
        [
            each.step,
            f"{each.without:,}",
            f"{each.cost.thrown:,}",
            "" if each.cost.usd is None else f"${each.cost.usd:.2f}",
            each.verdict,
        ]
        for each in found.steps
    ]
    console.result()
    console.table(["step", "without it", "dropped", "cost", "worth"], rows, "lrrrl")
    if found.lift is not None:
        console.result(f"page      {args.out}")
    return 0
