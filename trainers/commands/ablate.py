"""`datakit ablate`: what each step of a finished pipeline was worth; where to cut by a score."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from datakit.amounts import money
from datakit.cli.console import Console, command
from datakit.cli.flags import usd
from datakit.errors import InputError
from trainers.commands.flags import add_flags
from trainers.commands.lift import WATCHED, add_study, shown_lift, study_options
from trainers.sft import SFT

__all__ = ["ablate"]


_PAGE = "reports/ablation.html"
_SWEPT = "reports/sweep.html"


def _cuts(text: str) -> list[float]:
    try:
        return [float(each) for each in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is not of the form 25,50,75') from None


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pipeline", metavar="PIPELINE", help="a pipeline file that has run")
    parser.add_argument(
        "--step",
        action="append",
        default=[],
        metavar="STEP",
        help="a step to leave out; may be given several times (each of them, in turn). With "
        "--sweep: the filter that cut by this score already",
    )
    parser.add_argument("--alone", action="store_true", help="also measure each step alone")
    parser.add_argument(
        "--rerun",
        action="store_true",
        help="run the pipeline again without a step where its teacher would be asked something "
        "else; says what that costs, and asks first",
    )
    parser.add_argument(
        "--budget",
        type=usd,
        metavar="USD",
        help="with --rerun: a cap for all that the teacher is asked anew, in US dollars",
    )
    parser.add_argument(
        "--sweep",
        metavar="SCORE",
        help="instead: move the cutoff of a score, or of len(output), against random removal "
        f"({_SWEPT})",
    )
    parser.add_argument(
        "--cuts",
        type=_cuts,
        metavar="P,P,...",
        help="percent of the records that --sweep takes away (25,50,75)",
    )
    parser.add_argument("--keep", choices=["high", "low"], help="scores that --sweep leaves (high)")
    add_study(parser, page=_PAGE)
    add_flags(parser, SFT, without=("steps", "epochs", "seed", *WATCHED))


@command(_configure)
def ablate(args: argparse.Namespace, console: Console) -> int:
    """Leave each step of a finished run out, and measure what it was worth."""
    _check(args)
    options = study_options(args, console)
    if args.sweep is not None:
        if args.out == _PAGE:
            args.out = options["out"] = _SWEPT
        return _swept(args, console, options)
    from trainers.lift.ablating import ablate as measured

    rerun = _asking(args, console) if args.rerun else None
    found = measured(
        args.pipeline,
        only=args.step,
        alone=args.alone,
        rerun=rerun,
        budget=args.budget,
        **options,
    )
    console.document(found.to_json())
    rows = [
        [
            each.name,
            f"{each.records:,}",
            f"{each.cost.thrown:,}",
            "" if each.cost.usd is None else money(each.cost.usd),
            each.verdict,
        ]
        for each in found.steps
    ]
    console.result()
    console.table(["step", "records", "dropped", "cost", "worth"], rows, "lrrrl")
    console.result()
    console.result(found.verdict)
    console.result(f"page      {args.out}")
    return 0


def _check(args: argparse.Namespace) -> None:
    wrong: list[str] = []
    if args.sweep is None:
        given = [name for name in ("cuts", "keep") if getattr(args, name) is not None]
        wrong += [f"--{name}: belongs to --sweep SCORE." for name in given]
        if args.budget is not None and not args.rerun:
            wrong.append("--budget: belongs to --rerun; nothing else asks a teacher.")
    else:
        wrong += [f"--{each}: not with --sweep." for each in ("alone", "rerun") if vars(args)[each]]
        if args.budget is not None:
            wrong.append("--budget: not with --sweep.")
        if len(args.step) > 1:
            wrong.append("--step: with --sweep, one step at most is left out.")
    if wrong:
        raise InputError(wrong)


def _swept(args: argparse.Namespace, console: Console, options: dict[str, Any]) -> int:
    from trainers.lift.sweeping import sweep

    found = sweep(
        args.pipeline,
        args.sweep,
        cuts=args.cuts or (25, 50, 75),
        low=args.keep == "low",
        without=args.step[0] if args.step else None,
        **options,
    )
    console.document(found.to_json())
    shown_lift(found.lift, console, found.verdicts)
    console.result(f"page      {args.out}")
    return 0


def _asking(args: argparse.Namespace, console: Console) -> Callable[[Any], bool]:
    def asked(rerun: object) -> bool:
        console.say(f"note      {rerun}")
        if args.yes:
            return True
        if args.json or not sys.stdin.isatty():
            console.say(
                "note      not run again: nobody can be asked here; --yes agrees beforehand"
            )
            return False
        sys.stderr.write("Run it again, and ask the teacher? [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    return asked
