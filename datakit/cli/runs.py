"""run and plan."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

from datakit import api
from datakit.amounts import counted, money
from datakit.api import Run
from datakit.cli import flags
from datakit.cli.console import Console, command, one_line
from datakit.config import load_pipeline
from datakit.running.pipeline import Pipeline
from datakit.running.plan import Plan
from datakit.running.progress import Progress
from datakit.store.manifest import packages as installed

__all__ = ["plan", "run"]

_BAR = 28
_ENDS = {
    "target": "target reached",
    "max_candidates": "ended at max_candidates",
    "novelty": "ended: the last rounds kept nothing new",
    "budget": "ended at the budget",
}


def _run_args(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pipeline", help="a pipeline file (YAML)")
    parser.add_argument("--budget", type=flags.usd, metavar="USD", help="a hard cap in US dollars")
    parser.add_argument("--limit", type=flags.positive, metavar="N", help="stop at N kept records")
    parser.add_argument("--name", type=flags.name, help="another name for the dataset")
    parser.add_argument("--engine", choices=["local"], default="local", help="where it runs")
    parser.add_argument("--fresh", action="store_true", help="ask the teacher anew")


def _plan_args(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pipeline", help="a pipeline file (YAML)")


@command(_run_args)
def run(args: argparse.Namespace, console: Console) -> int:
    """Run a pipeline and write a version with its report; resumes by itself."""
    prepared = api.prepare(
        args.pipeline, store=args.store, name=args.name, budget=args.budget, limit=args.limit
    )
    console.say(_headline(prepared.pipeline))
    done = api.execute(prepared, fresh=args.fresh, tell=_Meter(console).tell)
    console.document(_document(done))
    if not done.new:
        console.result(f"{done.version.ref} already is what this pipeline gives; nothing changed.")
        console.result(f"look   {done.version.report()}")
        return 0
    _told(done, console)
    if done.stopped:
        console.say(done.stopped)
        return 3
    return 0


@command(_plan_args)
def plan(args: argparse.Namespace, console: Console) -> int:
    """Say what a run would send, cost and take; nothing is sent and nothing is spent."""
    pipeline = load_pipeline(args.pipeline)
    console.say(_headline(pipeline))
    estimate = api.plan(pipeline, store=args.store)
    console.document(estimate.to_json())
    console.result(_plan_line(estimate))
    for each in estimate.unsent:
        console.say(f"not sent, since the provider has no such setting: {each}")
    if estimate.logged:
        answers = counted(estimate.logged, "answer")
        console.say(f"The log has {answers}; what is asked again of these is not paid again.")
    if estimate.requests[1] and not estimate.known:
        console.say("The range is wide: no earlier version has measured what is kept.")
    return 0


def _headline(pipeline: Pipeline) -> str:
    parts = [pipeline.name]
    for teacher in dict.fromkeys(map(_teacher(pipeline), pipeline.askers)):
        parts.append(f"teacher {teacher}")
    if pipeline.target:
        parts.append(f"target {pipeline.target:,} kept")
    parts.append(counted(len(pipeline.steps), "step"))
    return " · ".join(parts)


def _teacher(pipeline: Pipeline) -> Any:  # noqa: ANN401
    def named(place: int) -> str:
        told = pipeline.teacher_of(place).describe()
        return f"{told['provider']}/{told['model']}"

    return named


def _plan_line(estimate: Plan) -> str:
    if not estimate.requests[1]:
        return "plan   no requests: the pipeline asks no teacher"
    low, high = estimate.seconds
    price = f"{money(estimate.usd[0])}-{money(estimate.usd[1])}" if estimate.usd[1] else "$0.00"
    price = price if estimate.priced else "price not known"
    return (
        f"plan   {estimate.requests[0]:,}-{estimate.requests[1]:,} requests   "
        f"{estimate.tokens[0]:,}-{estimate.tokens[1]:,} tokens   {price}   "
        f"{_minutes(low)}-{_minutes(high)}"
    )


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class _Meter:
    """The line that shows where a run stands."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = time.monotonic()
        self._kept = 0

    def tell(self, progress: Progress) -> None:
        if progress.step:
            records = counted(progress.done, "record")
            self._console.repaint(f"{progress.step}   {records}   {money(progress.spent)}")
            return
        share = min(1.0, progress.kept / progress.target) if progress.target else 0.0
        filled = round(share * _BAR)
        goal = f"/{progress.target:,}" if progress.target else ""
        line = (
            f"round {progress.round}  {'█' * filled}{'░' * (_BAR - filled)}  "
            f"{progress.kept:,}{goal} kept   {progress.made:,} made   "
            f"request {progress.done}/{progress.requests}   {money(progress.spent)}"
            f"{self._left(progress)}"
        )
        self._console.repaint(line, last=progress.done == 0)

    def _left(self, progress: Progress) -> str:
        if not progress.target or not progress.kept:
            return ""
        passed = time.monotonic() - self._start
        rounds = progress.round - 1 + progress.done / max(1, progress.requests)
        per_round = passed / max(rounds, 0.1)
        needed = (progress.target - progress.kept) / (progress.kept / max(1, progress.round - 1))
        left = max(0.0, per_round * (needed - progress.done / max(1, progress.requests)))
        return f"   about {_minutes(left)} left"


def _document(done: Run) -> dict[str, Any]:
    version = done.version
    keys = ("records", "made", "dropped", "funnel", "cost", "ended", "interrupted")
    return {
        "version": version.ref,
        "path": str(version.path),
        "report": str(version.report()),
        "new": done.new,
        **{key: version.manifest[key] for key in keys},
    }


def _told(done: Run, console: Console) -> None:
    version, manifest = done.version, done.version.manifest
    console.result()
    funnel(console, manifest["funnel"], manifest["packages"])
    console.result()
    made = manifest["made"]
    parts = [console.bold(version.ref), counted(len(version), "record")]
    if manifest["teachers"]:
        parts.append(_cost(manifest["cost"]))
        if made:
            parts.append(f"{manifest['kept_made'] / made:.0%} of candidates kept")
        parts.append(_ENDS.get(manifest["ended"], ""))
    console.result("   ".join(parts))
    if manifest["teachers"] and made and not manifest["kept_made"]:
        console.result("Nothing that the teacher wrote was kept; the table says what became of it.")
    console.result()
    console.result(f"look   {version.report()}")
    console.result(f"next   datakit show {version.ref}")
    if manifest["dropped"]:
        console.result(f"       datakit show {version.ref} --dropped")
    console.result(f"       datakit verify {version.ref}")


def _cost(cost: dict[str, Any]) -> str:
    words = {"refused": "refused", "cut_short": "cut short", "cached": "from the log"}
    told = [f"{cost[key]:,} {text}" for key, text in words.items() if cost[key]]
    price = money(float(cost["usd"])) if cost["priced"] else "cost not known"
    return price + (f" ({', '.join(told)})" if told else "")


def funnel(
    console: Console, rows: list[dict[str, Any]], packages: Mapping[str, str] | None = None
) -> None:
    """Prints the ledger as a table.

    Args:
        console: Where.
        rows: The ledger, as in a manifest.
        packages: The manifest's versions of packages; None takes those of this process.
    """
    cells = []
    for row in rows:
        reasons = sorted(row["dropped"].items(), key=lambda each: -each[1])
        mostly = ", ".join(f"{reason} {count:,}" for reason, count in reasons[:3])
        counts = (row["in"], row["made"], row["kept"], sum(row["dropped"].values()))
        seconds = [f"{row['seconds']:.3f}"] if console.verbose else []
        cells.append([row["step"], *(f"{count:,}" for count in counts), *seconds, mostly])
    if console.verbose:
        head = ["step", "in", "made", "kept", "dropped", "seconds", "mostly"]
        console.table(head, cells, "lrrrrrl")
        versions = packages if packages is not None else installed()
        told = ", ".join(f"{name} {number}" for name, number in versions.items())
        console.result(one_line(f"with   {told}"))
    else:
        console.table(["step", "in", "made", "kept", "dropped", "mostly"], cells, "lrrrrl")
