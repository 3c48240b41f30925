"""`datakit lift`: which dataset variant makes a model better, by how much, how sure."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from datakit.cli.console import Console, command
from datakit.cli.files import fields_option
from datakit.errors import InputError
from trainers.commands.flags import add_flags, settings_from
from trainers.evaluate import TASKS, TaskOptions
from trainers.running.ear import Ear
from trainers.sft import SFT

__all__ = ["WATCHED", "add_fields", "add_study", "lift", "shown_lift", "study_options"]

_PAGE = "reports/lift.html"


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("refs", nargs="+", metavar="REF", help="a variant: a version or a file")
    parser.add_argument("--baseline", required=True, metavar="REF", help="what they are held to")
    add_study(parser, match=("steps", "examples", "tokens"))
    parser.add_argument("--examples", type=int, metavar="N", help="examples of a trial")
    parser.add_argument("--tokens", type=int, metavar="N", help="tokens of a trial")
    add_fields(parser)
    parser.add_argument(
        "--control",
        action="append",
        default=[],
        metavar="NAME",
        help="also measure the first variant spoilt: shuffled (its answers), half-shuffled, "
        "duplicates (each record 4 times), half (a random half); or random (as many tokens as "
        "it has, out of the baseline); may be given several times",
    )
    add_flags(parser, SFT, without=("steps", "epochs", "seed", *WATCHED))


def _looks(text: str) -> tuple[int, ...]:
    try:
        found = tuple(int(each) for each in text.split(","))
    except ValueError:
        found = (0,)
    if min(found) < 1:
        raise argparse.ArgumentTypeError(f'"{text}" is not of the form 5,10')
    return found


# A trial has no checkpoints and is measured at its end.
WATCHED = ("evaluate_every", "patience", "save_every", "report_to")


def add_study(
    parser: argparse.ArgumentParser,
    *,
    page: str = _PAGE,
    steps: int | None = 16,
    match: Sequence[str] = (),
) -> None:
    """Adds what every study takes.

    Args:
        parser: Is added to.
        page: Where the page goes if nothing is said.
        steps: Of a trial, if nothing is said; None leaves it to the study.
        match: What may be alike in all trials; empty is steps alone.
    """
    tasks = ", ".join(name for name, kind in TASKS.items() if not kind.judged)
    parser.add_argument("--task", required=True, metavar="NAME:FILE", help=f"one of {tasks}")
    parser.add_argument("--model", default="embedded", help="what is fine-tuned (embedded)")
    parser.add_argument(
        "--seeds", type=int, default=5, metavar="K", help="replicates; a verdict needs 5 (5)"
    )
    parser.add_argument(
        "--looks",
        type=_looks,
        default=(),
        metavar="K,K,...",
        help="replicates at each look, declared before the first; others cost more (one look)",
    )
    if match:
        parser.add_argument(
            "--match", choices=match, default="steps", help="what all trials have alike (steps)"
        )
    parser.add_argument(
        "--steps",
        type=int,
        default=steps,
        metavar="N",
        help=f"steps of a trial ({steps or 'each record of the largest size once'})",
    )
    parser.add_argument("--metric", metavar="NAME", help="what the verdict is about")
    parser.add_argument(
        "--detect",
        type=float,
        metavar="X",
        help="smallest difference of interest, in the metric's unit: says what it takes to see it",
    )
    parser.add_argument(
        "--contaminated",
        choices=["stop", "keep"],
        default="stop",
        help="where test items stand in a variant: stop first, or go on without a verdict (stop)",
    )
    _add_measuring(parser)
    parser.add_argument(
        "-o", "--out", default=page, metavar="FILE", help=f"the page ({page}); .json beside it"
    )
    parser.add_argument("--settings", metavar="FILE", help="settings as YAML; options win")


def add_fields(parser: argparse.ArgumentParser) -> None:
    """Adds `--fields`, for data of the user's own."""
    parser.add_argument(
        "--fields",
        type=fields_option,
        metavar="OURS=THEIRS,...",
        help="names of fields: instruction=question,...",
    )


def _add_measuring(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N test items")
    parser.add_argument("--max-new-tokens", type=int, metavar="N", help="most tokens of an answer")
    parser.add_argument("--no-general", action="store_true", help="leave the general set out")
    parser.add_argument("--workers", type=int, metavar="N", help="trials at once (as fits)")
    parser.add_argument(
        "--draw-seed", type=int, default=0, metavar="N", help="seed of the draws (0)"
    )
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")


def study_options(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Returns what `add_study` read: the steps, and what `trainers.lift.terms.Terms` takes.

    Raises:
        InputError: If a number is below 1.
    """
    wrong = [
        f"--{name.replace('_', '-')}: must be a whole number of at least 1, not {value}."
        for name in ("steps", "examples", "tokens", "limit", "max_new_tokens")
        if (value := getattr(args, name, None)) is not None and value < 1
    ]
    for name in ("examples", "tokens"):
        if getattr(args, name, None) is not None and args.match != name:
            wrong.append(f"--{name}: belongs to --match {name}.")
    if wrong:
        raise InputError(wrong)
    return {
        "task": args.task,
        "model": args.model,
        "seeds": args.seeds,
        "looks": args.looks,
        "settings": settings_from(SFT, args, args.settings, without=("steps", "seed")),
        "steps": args.steps,
        "metric": args.metric,
        "effect": args.detect,
        "contaminated": args.contaminated,
        "general": not args.no_general,
        "options": TaskOptions(args.limit, args.max_new_tokens, args.store),
        "workers": args.workers,
        "device": args.device,
        "store": args.store,
        "fields": getattr(args, "fields", None),
        "seed": args.draw_seed,
        "out": args.out,
        "ear": Ear(console.say, lambda text, last: console.repaint(text, last=last)),
    }


@command(_configure)
def lift(args: argparse.Namespace, console: Console) -> int:
    """Compare dataset variants by what they make of a model, with a verdict and its interval."""
    options = study_options(args, console)
    from trainers.lift.lifting import lift as measured

    found = measured(
        args.refs,
        baseline=args.baseline,
        controls=args.control,
        match=args.match,
        examples=args.examples,
        tokens=args.tokens,
        **options,
    )
    console.document(found.to_json())
    shown_lift(found, console)
    console.result(f"page      {args.out}")
    return 0


def shown_lift(
    found: Any,  # noqa: ANN401  trainers.lift.result.Lift
    console: Console,
    verdicts: Sequence[str] = (),
) -> None:
    """Prints a result: scores, differences, and verdicts, its own if no others are given."""
    from trainers.lift.words import share

    unit = found.unit
    sure = found.comparison.critical is not None
    ends = f"simultaneous {100 * found.comparison.confidence:.4g} %" if sure else ""
    head = [found.metric, "score", f"over {found.baseline}", ends, "best" if sure else ""]
    rows = [["untrained", unit.value(found.untrained_score), "", "", ""]]
    for name in found.variants:
        row = [name, unit.value(found.comparison.means[name]), "", ""]
        if name != found.baseline:
            each = found.comparison.difference(name, found.baseline)
            row[2:] = [unit.signed(each.value), unit.ends(each)]
        best = found.comparison.best.get(name)
        rows.append([*row, "" if best is None else share(best)])
    console.result()
    console.table(head, rows, "lrrlr")
    console.result()
    for text in verdicts or found.verdicts:
        console.result(text)
    for text in found.notes():
        console.result(text)
