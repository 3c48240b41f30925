"""A declared study, carried out: looked at, run, judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from datakit.errors import InputError
from trainers.lift.guards import Guard
from trainers.lift.judging import judge, metric_of
from trainers.lift.kept import Kept
from trainers.lift.lab import run
from trainers.lift.looking import Looks
from trainers.lift.result import Lift
from trainers.lift.study import Study
from trainers.lift.terms import Terms
from trainers.lift.written import write_json

__all__ = ["carry_out", "check"]

# Pieces of evidence that are printed.
_SHOWN = 5


def carry_out(study: Study, terms: Terms, page: Path | None) -> Lift:
    """Does all trials of a study and says what they show.

    Args:
        study: What was declared.
        terms: What holds for it.
        page: Where its page will be; what was declared is written beside it before the first trial.

    Raises:
        InputError: If test items stand in a variant, or a trial cannot be done.
    """
    check(study, terms)
    kept = terms.kept or Kept()
    looks = Looks(kept, study.identity(), terms.looks)
    declared = study.declared()
    if page is not None:
        write_json(page, {**declared, "status": "running"})
    trials = len(study.names) * study.replicates
    terms.ear.say(
        f"budget    {declared['budget']['text']}; {len(study.names)} variants, "
        f"{study.replicates} of each: {trials:,} trials"
    )
    untrained, general, done = run(
        study,
        workers=terms.workers,
        kept=kept,
        ear=terms.ear,
        seen=lambda items: metric_of(study, items),
    )
    return judge(
        study,
        untrained,
        general,
        done,
        look=looks.at(study.seed, study.replicates, metric_of(study, untrained)),
        effect=terms.effect,
    )


def check(study: Study, terms: Terms) -> None:
    """Tells what was found before anything is spent; stops where test items stand in a variant.

    Raises:
        InputError: If they do, and `terms.contaminated` is `stop`.
    """
    for each in study.guards:
        if each.level != "stop":
            terms.ear.say(f"guards    {each.text}")
    stops = [each for each in study.guards if each.level == "stop"]
    if stops and terms.contaminated == "stop":
        raise InputError(
            [
                *("\n".join(_lines(each)) for each in stops),
                "nothing was trained. Take them out of the variants or of the test items; or "
                "measure all the same, without a verdict: --contaminated keep.",
            ]
        )


def _lines(stop: Guard) -> Iterator[str]:
    yield stop.text
    yield from (_evidence(row) for row in stop.records[:_SHOWN])
    if (more := len(stop.records) - _SHOWN) > 0:
        yield f"  and {more:,} more"


def _evidence(row: Mapping[str, Any]) -> str:
    return "  " + ", ".join(f"{key} {value}" for key, value in row.items() if value is not None)
