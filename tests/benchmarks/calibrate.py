"""Is the lift lab right? It must tell apart what differs, and nothing else. Prints Markdown.

    python -m tests.benchmarks.calibrate --report reports/lift_calibration.md
    python -m tests.benchmarks.calibrate --fast

1. A/A: many runs of one version, each on records of its own, with its own order and
   initialisation. Chosen at random and called A and B, they must be told apart in 5 % at most.
2. Planted differences: answers shuffled, made wrong or there several times, and another domain.

Exit code 1 if the interval of 1 is not below 5 % as a whole, or if shuffled answers, judged beside
gold alone, do not lose.
Finished trials are kept in `--folder`: the same command goes on, or only prints again.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from datakit.amounts import duration
from datakit.errors import DatakitError, InputError
from tests.benchmarks.calibration import CONTROL, aa_lines, alone, judged, planted_lines, verdict
from tests.benchmarks.schemas import TEST, TRAIN
from tests.benchmarks.templated import noisy, templated
from trainers.gguf import cache_folder
from trainers.lift.budget import Budget
from trainers.lift.carrying import check
from trainers.lift.controls import duplicated, shuffled
from trainers.lift.draws import circle
from trainers.lift.judging import judge
from trainers.lift.kept import Kept
from trainers.lift.lab import run
from trainers.lift.restricted import restricted
from trainers.lift.result import Trial
from trainers.lift.study import Study, declare
from trainers.lift.terms import Terms
from trainers.lift.variants import Variant, open_variant
from trainers.quiet import quiet
from trainers.running.ear import Ear
from trainers.running.run import hardware, packages
from trainers.sft import SFT

GENERAL = Path(__file__).resolve().parents[2] / "seeds" / "general.jsonl"
FAST = {"runs": 12, "replicates": 3, "steps": 4, "items": 20}
WHOLE = {"runs": 40, "replicates": 5, "steps": 8, "items": 40}


def planted(gold: Variant, general: Variant, seed: int, *, fast: bool) -> list[Variant]:
    """Returns gold and what was made of it, each under a short name."""
    made = {f"{100 * each:.0f} % shuffled": shuffled(gold, each, seed) for each in (0.5, 1.0)}
    if not fast:
        wrong = Variant(
            "noisy", tuple(noisy(gold.records, 0.5, seed)), "Half of the queries are wrong ones."
        )
        made = {
            "25 % shuffled": shuffled(gold, 0.25, seed), **made,
            "noisy 50 %": wrong,
            "duplicates 2x": duplicated(gold, 2, seed), "duplicates 4x": duplicated(gold, 4, seed),
            "generic": general,
        }  # fmt: skip
    return [gold, *(replace(each, name=name) for name, each in made.items())]


def declared(variants: Sequence[Variant], replicates: int, args: argparse.Namespace) -> Study:
    """Returns a study of variants on the templated test items."""
    settings = SFT(batch=args.batch, learning_rate=args.rate, max_length=512)
    terms = Terms(
        task=f"perplexity:{_items(args)}",
        model=args.model,
        seeds=replicates,
        settings=settings,
        seed=args.seed,
        general=False,
        device=args.device,
        ear=Ear(_tell),
    )
    budget = Budget("steps", args.steps, args.batch)
    study = declare(variants, terms, budget, baseline=variants[0].name)
    check(study, terms)
    return study


def disjoint(study: Study, name: str, runs: int) -> Study:
    """Gives each run records of its own: one stretch of the circle after another.

    Raises:
        InputError: If there are not records enough.
    """
    order, size = circle(study.places[name], 0), study.budget.steps * study.budget.batch
    if runs * size > len(order):
        raise InputError(
            f"--runs {runs}: of {size} records each, {runs * size:,} are needed, and there are "
            f"{len(order):,}. Take fewer runs or steps, or more --records."
        )
    plans = [
        restricted(study, name, sorted(order[at * size : (at + 1) * size]), at)
        for at in range(runs)
    ]
    return replace(study, plans={name: plans})


def calibrate(args: argparse.Namespace) -> tuple[bool, list[str]]:
    """Does both parts; returns whether it passes, and the report.

    Raises:
        InputError: If there are too few runs or records, or a trial cannot be done.
    """
    # The jackknife leaves out each run in turn.
    if args.runs <= 2 * args.replicates:
        need = f"{args.replicates} replicates need {2 * args.replicates + 1} or more"
        raise InputError(f"--runs {args.runs}: {need}.")
    with quiet():
        return _calibrated(args)


def _calibrated(args: argparse.Namespace) -> tuple[bool, list[str]]:
    kept = Kept(args.folder / "trials")
    gold = Variant("gold", tuple(templated(args.records, TRAIN, args.seed)))
    general = replace(open_variant(str(args.general)), name="generic")
    first = disjoint(declared([gold], args.runs, args), "gold", args.runs)
    second = declared(planted(gold, general, args.seed, fast=args.fast), args.replicates, args)
    common = {"workers": args.workers, "kept": kept, "ear": Ear(_tell, _Progress())}
    untrained, _, runs = run(first, **common)
    table = np.array([each.items.scores["nll"] for each in runs])
    found = judged(table, np.array(untrained.weights["nll"]), args.replicates)
    lift = judge(second, *run(second, **common))
    control = alone(lift, CONTROL, "gold")
    claims = lift.comparison.enough and not args.fast
    passes, line = verdict(found.rates["ours"], control, claims=claims)
    return passes, [
        *_head(args, first, [*runs, *lift.trials]),
        *aa_lines(found, lift),
        *planted_lines(lift),
        "## Verdict",
        "",
        line,
    ]


def _head(args: argparse.Namespace, study: Study, trials: Sequence[Trial]) -> Iterator[str]:
    words = shlex.join(Path(word).name if "/" in word else word for word in args.words)
    machine = {k: v for k, v in hardware().items() if k in ("machine", "cpus", "threads", "gpus")}
    yield from ("# Calibration of the lift lab", "")
    yield from (f"    python -m tests.benchmarks.calibrate {words}".rstrip(), "")
    yield f"Machine: {json.dumps(machine)}. Packages: {json.dumps(packages())}."
    seconds = sum(each.seconds for each in trials)
    yield ""
    yield (
        f"Model {Path(args.model).name}, learning rate {args.rate:g}; "
        f"{study.declared()['budget']['text']}; {args.records:,} templated text-to-SQL records "
        f"over {len(TRAIN)} schemas, {args.items} test items over {len(TEST)} others. "
        f"{len(trials)} trials, {duration(seconds)} in all; scores are nats per token of the "
        "answers, lower is better."
    )
    yield ""


def _items(args: argparse.Namespace) -> Path:
    """Writes the test items, always to the same place: a task is known by it."""
    path: Path = args.folder / f"items-{args.items}-{args.seed}.jsonl"
    made = templated(args.items, TEST, args.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(each.to_line() for each in made))
    return path


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


class _Progress:
    """A line that replaces the one before; in a log a line for each trial."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, text: str, last: bool) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{text:<100}{chr(10) if last else ''}")
            return
        trial = text.partition(" ")[2].partition(",")[0].partition(" ")[0]
        if trial != self._last:
            self._last = trial
            sys.stderr.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--fast", action="store_true", help=f"a try, no verdict: {FAST}")
    parser.add_argument("--report", type=Path, metavar="FILE")
    for name, default in WHOLE.items():
        parser.add_argument(f"--{name}", type=int, help=f"default {default}")
    parser.add_argument("--records", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate", type=float, default=4e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--general", type=Path, default=GENERAL, metavar="FILE")
    parser.add_argument("--folder", type=Path, help="where finished trials are")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Calibrates; prints the report, and writes it where --report says."""
    args = _parser().parse_args(argv)
    args.words = list(sys.argv[1:] if argv is None else argv)
    for name, value in (FAST if args.fast else WHOLE).items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    args.folder = args.folder or cache_folder() / "calibrate"
    try:
        passes, lines = calibrate(args)
    except DatakitError as error:
        _tell(f"error: {error}")
        return 2
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text)
    if args.report:
        args.report.parent.mkdir(parents=True, exist_ok=True)
        args.report.write_text(text, encoding="utf-8")
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())
