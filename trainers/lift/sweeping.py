"""Where to draw the line: a score's cutoff moved through its quantiles.

Each cut set is held against as many records drawn at random (`trainers.lift.arms`), so that what is
seen is the choice and not the size.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datakit.ablation import open_ablation, size_matched
from datakit.errors import InputError, did_you_mean
from datakit.running.pipeline import Pipeline
from datakit.steps.filter.where import number_of
from trainers.lift.arms import Arm, bound, by_lot, variants_of, worth_of
from trainers.lift.budget import Budget
from trainers.lift.carrying import carry_out
from trainers.lift.draws import seed_of
from trainers.lift.estimate import Difference
from trainers.lift.result import Lift, difference_json
from trainers.lift.study import declare
from trainers.lift.terms import Terms
from trainers.lift.variants import Variant
from trainers.lift.words import held_against
from trainers.lift.written import page_of, save
from trainers.quiet import quiet

__all__ = ["Cut", "Swept", "sweep"]


@dataclass(frozen=True)
class Cut:
    """The records on one side of a cutoff.

    Args:
        share: Of the records, as asked for, that are taken away; in percent.
        cutoff: The score from which on records stay.
        records: How many stay.
        worth: How much better the model is with them than with as many at random.
        whole: How much better than with all records.
    """

    share: float
    cutoff: float
    records: int
    worth: Difference
    whole: Difference


@dataclass(frozen=True)
class Swept:
    """A score, cut at several places.

    Args:
        ref: The version whose records were cut.
        score: The score's name.
        low: Whether low scores stay.
        cuts: From the mildest to the sharpest.
        lift: The study.
    """

    ref: str
    score: str
    low: bool
    cuts: tuple[Cut, ...]
    lift: Lift

    @property
    def verdicts(self) -> tuple[str, ...]:
        """For each cut what it is worth, in words."""
        return tuple(self._verdict(each) for each in self.cuts)

    def _verdict(self, cut: Cut) -> str:
        side = "<=" if self.low else ">="
        name = f"{self.score} {side} {cut.cutoff:.6g} ({cut.records:,} records)"
        lift, unit, worth = self.lift, self.lift.unit, cut.worth
        if lift.stopped or not lift.comparison.enough:
            return f"{name}: no verdict."
        lower = lift.lower_is_better
        return f"{name}: {held_against(worth, unit, 'as many at random', lower_is_better=lower)}."

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        return {
            **self.lift.to_json(),
            "ref": self.ref,
            "score": self.score,
            "keep": "low" if self.low else "high",
            "cuts": [
                {
                    "share": each.share,
                    "cutoff": each.cutoff,
                    "records": each.records,
                    "worth": difference_json(each.worth),
                    "over_whole": difference_json(each.whole),
                }
                for each in self.cuts
            ],
            "verdicts": list(self.verdicts),
            "verdict": self.verdicts[0],
        }


@quiet()
def sweep(
    pipeline: str | Path | Pipeline,
    score: str,
    *,
    cuts: Sequence[float] = (25, 50, 75),
    low: bool = False,
    without: str | None = None,
    steps: int = 16,
    **terms: Any,  # noqa: ANN401  each as `Terms` has it
) -> Swept:
    """Measures where a score's cutoff should be.

    Args:
        pipeline: A pipeline or its file; the records of its newest version are cut.
        score: A score in them, or what else `filter.where` reads: `len(output)`.
        cuts: Shares of the records that are taken away, in percent.
        low: Whether low scores are the good ones.
        without: A step to leave out first: the filter that has cut by this score already.
        steps: Optimizer steps of every trial.
        **terms: `task` and whatever else `trainers.lift.terms.Terms` takes.

    Raises:
        InputError: If the pipeline has not run, or its records lack the score.
    """
    held = Terms(**terms)
    page = page_of(held.out)
    with open_ablation(pipeline, store=held.store) as lab:
        every = lab.all() if without is None else lab.without(without)
        name = lab.ref if without is None else f"{lab.ref} without {without}"
        whole = Variant(name, every.records, gone=every.gone)
    arms = _arms(whole, score, cuts, held, low=low)
    budget = Budget("steps", steps, held.batch)
    study = declare(variants_of(whole, arms.values()), held, budget, baseline=whole.name)
    found = carry_out(bound(study, arms.values()), held, page)
    made = tuple(
        Cut(
            share,
            at,
            len(arm.drawn[0]),
            by_lot(found, arm.one, arm.other, len(arms)),
            worth_of(found, arm.one, whole.name, len(arms)),
        )
        for (share, at), arm in arms.items()
    )
    result = Swept(whole.name, score, low, made, found)
    if page is not None:
        from trainers.lift.page.swept import render

        save(page, result.to_json(), render(result))
    return result


def _arms(
    whole: Variant, score: str, cuts: Sequence[float], terms: Terms, *, low: bool
) -> dict[tuple[float, float], Arm]:
    """Returns the arm of each cut, by its share and its score."""
    scores = _scores(whole, score)
    arms = {}
    for share, at in _cutoffs(scores, score, cuts, low=low):
        kept = {id for id, own in scores.items() if (own <= at if low else own >= at)}
        # Whole, for two cutoffs may differ in a late digit only.
        name = f"{score} {'<=' if low else '>='} {at!r}".removesuffix(".0")
        arms[share, at] = _arm(whole, name, kept, terms)
    return arms


def _scores(whole: Variant, score: str) -> Mapping[str, float]:
    """Returns the score of each record, by id."""
    try:
        given = {each.id: number_of(score, each) for each in whole.records}
    except ValueError as error:
        raise InputError(f"--sweep: {error}.") from None
    found = {id: value for id, value in given.items() if value is not None}
    if not found:
        names = {name for each in whole.records for name in each.scores}
        near = did_you_mean(score, names)
        there = f"scores: {', '.join(sorted(names))}." if names else "there are no scores."
        raise InputError(
            f"--sweep {score}: is no number in any record of {whole.name}"
            + (near or f"; {there} A length is one too: len(output).")
        )
    if missing := len(whole) - len(found):
        raise InputError(
            f"--sweep {score}: is no number in {missing:,} of {len(whole):,} records of "
            f"{whole.name}: they came after the step that measures it, or it passed them by."
        )
    return found


def _cutoffs(
    scores: Mapping[str, float], score: str, cuts: Sequence[float], *, low: bool
) -> list[tuple[float, float]]:
    """Returns shares and the scores there; shares at which the score does not differ are one."""
    ranked = sorted(scores.values(), reverse=low)
    found: dict[float, float] = {}
    for share in sorted(set(cuts)):
        if not 0 < share < 100:
            raise InputError(f"--cuts {share:g}: must be between 0 and 100, in percent.")
        at = ranked[min(len(ranked) - 1, math.ceil(len(ranked) * share / 100))]
        if at != ranked[0]:
            found.setdefault(at, share)
    if not found:
        raise InputError(
            f"--sweep {score}: no cut takes anything away: its values differ too little among "
            f"{len(scores):,} records."
        )
    return [(share, at) for at, share in found.items()]


def _arm(whole: Variant, name: str, ids: Collection[str], terms: Terms) -> Arm:
    control, words = f"random {len(ids):,}", "as many records drawn at random"
    drawn = tuple(
        frozenset(each.id for each in size_matched(whole.records, len(ids), seed_of(terms.seed, k)))
        for k in range(terms.seeds)
    )
    kept = tuple(each for each in whole.records if each.id in ids)
    rival = Variant(control, whole.records, words, whole.gone)
    return Arm(name, control, control, (Variant(name, kept, gone=whole.gone), rival), drawn, words)
