"""What each step of a pipeline was worth: the finished run without it, trained and measured.

A step that drops records is held against a control of the same size (`trainers.lift.arms`).
Candidates are held fixed and nobody is asked anything (`datakit.ablation`), unless the user agrees
to a true rerun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datakit.ablation import Ablation, Rerun, StepCost, control_of, open_ablation
from datakit.ablation import Variant as Rebuilt
from datakit.errors import InputError
from datakit.running.pipeline import Pipeline
from trainers.lift.arms import Arm, bound, by_lot, variants_of, worth_of
from trainers.lift.budget import Budget
from trainers.lift.carrying import carry_out, check
from trainers.lift.draws import seed_of
from trainers.lift.rerunning import Reruns
from trainers.lift.result import Lift
from trainers.lift.study import declare
from trainers.lift.terms import Terms
from trainers.lift.variants import Variant
from trainers.lift.worth import HELPLESS, NEEDED, Ablated, Worth, unknown, verdict_of
from trainers.lift.written import page_of, save
from trainers.quiet import quiet

__all__ = ["ablate"]

# Begins the note that every variant with fixed candidates has.
_SAME = "The same candidates"


@quiet()
def ablate(
    pipeline: str | Path | Pipeline,
    *,
    steps: int = 16,
    only: Sequence[str] = (),
    alone: bool = False,
    rerun: Callable[[Rerun], bool] | None = None,
    budget: str | None = None,
    **terms: Any,  # noqa: ANN401  each as `Terms` has it
) -> Ablated:
    """Measures what each step of a finished pipeline was worth.

    Args:
        pipeline: A pipeline or its file; its newest version is taken apart.
        steps: Optimizer steps of every trial.
        only: Labels of the steps to leave out; none is every one.
        alone: Whether each step is also measured alone: the generators, it, and nothing else.
        rerun: Is asked whether the pipeline is run again without a step, where that would ask
            the teacher something new; None never does.
        budget: US dollars for all that is asked anew, such as `"5.00"`; None is no cap.
        **terms: `task` and whatever else `trainers.lift.terms.Terms` takes.

    Raises:
        InputError: If the pipeline has not run, or its run cannot be rebuilt.
    """
    held = Terms(**terms)
    page = page_of(held.out)
    with open_ablation(pipeline, store=held.store) as lab:
        held.ear.say(f"rebuilt   {lab.ref}: all steps give its records again, and nobody was asked")
        matched = Budget("steps", steps, held.batch)
        again = Reruns(rerun, held, budget)
        if rerun is not None:
            # What is wrong is found before the teacher is paid.
            whole = [_variant(lab.ref, lab.all())]
            check(declare(whole, held, matched, baseline=lab.ref), held)
        taken = _Taken.apart(lab, _chosen(only, lab), held, again, steps=steps, alone=alone)
    arms = [each.arm for each in taken.changes if each.arm is not None]
    found = None
    if arms:
        study = declare(
            variants_of(taken.whole, arms),
            held,
            matched,
            baseline=taken.whole.name,
        )
        found = carry_out(bound(study, arms), held, page)
    result = Ablated(
        taken.whole.name,
        tuple(_worth(each, found, len(arms)) for each in taken.changes),
        taken.funnel,
        found,
        taken.notes,
    )
    if page is not None:
        from trainers.lift.page.ablated import render

        save(page, result.to_json(), render(result))
    return result


@dataclass(frozen=True)
class _Change:
    """One step left out, or alone: its arm, if that changed anything."""

    step: str
    alone: bool
    records: int
    whole: int
    cost: StepCost
    arm: Arm | None
    unasked: int = 0
    needs: tuple[StepCost, ...] = ()

    @property
    def makes(self) -> bool:
        """Whether fewer records come out without the step."""
        return not self.alone and self.records < self.whole


@dataclass(frozen=True)
class _Taken:
    """A pipeline taken apart."""

    whole: Variant
    changes: tuple[_Change, ...]
    funnel: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]

    @classmethod
    def apart(
        cls,
        lab: Ablation,
        chosen: Sequence[str],
        terms: Terms,
        again: Reruns,
        *,
        steps: int,
        alone: bool,
    ) -> _Taken:
        every = lab.all()
        costs = {each.step: each for each in lab.costs()}
        notes: list[str] = []
        changes = []
        held = False
        for step in chosen:
            left = lab.without(step)
            if left.held:
                left, note = again.of(lab, step, left)
                notes.append(note)
            held |= left.held
            # What holds for all of them is told once.
            notes += [f"Without {step}: {each}" for each in left.notes if _SAME not in each]
            change = _left_out(lab, step, left, costs[step], terms)
            needs = tuple(costs[each] for each in lab.needs(step))
            changes.append(replace(change, needs=needs))
        if alone:
            filters = (each for each in chosen if each not in lab.generators)
            changes += [_alone(lab, step, costs[step], terms) for step in filters]
        if held and lab.generators:
            notes.insert(
                0,
                "Candidates are held fixed: those that the run made with all steps in place. "
                "Without a step, its generators would have been shown other examples.",
            )
        rows = steps * terms.batch
        if len(every) > rows:
            notes.append(
                f"A trial takes {rows:,} of {len(every):,} records: what a step does to how many "
                "there are is not measured. More --steps take more of them."
            )
        for each in notes:
            terms.ear.say(f"note      {each}")
        return cls(_variant(lab.ref, every), tuple(changes), tuple(_funnel(every)), tuple(notes))


def _chosen(only: Sequence[str], lab: Ablation) -> Sequence[str]:
    for step in only:
        if step not in lab.steps:
            raise InputError(
                f"--step {step}: {lab.ref} has no such step; it has {', '.join(lab.steps)}."
            )
    return [each for each in lab.steps if each in only or not only]


def _variant(name: str, it: Rebuilt, control: str = "") -> Variant:
    return Variant(name, it.records, control, it.gone)


def _funnel(every: Rebuilt) -> Iterator[tuple[str, int]]:
    """Yields what there was at first, and what each step added or took away, in records."""
    yield "at first", int(every.funnel[0]["in"])
    for row in every.funnel:
        yield str(row["step"]), int(row["kept"]) - int(row["in"])


def _left_out(lab: Ablation, step: str, left: Rebuilt, cost: StepCost, terms: Terms) -> _Change:
    every = lab.all()
    change = _Change(step, False, len(left), len(every), cost, None, left.unasked)
    if left.unasked or not left.changed or not left.records:
        return change
    name = f"without {step}"
    if len(left) == len(every):
        words = "what comes out without it, as many records"
        return replace(change, arm=Arm(lab.ref, name, "", (_variant(name, left),), (), words))
    small, large = (every, left) if len(left) > len(every) else (left, every)
    control = f"random instead of {step}"
    drawn = _draws(large, small, terms, apart=large is left)
    without, rival = _variant(name, left), Variant(control, large.records, "", large.gone)
    if large is left:
        words = "records dropped at random instead"
        # With the step, over as many records of what comes out without it.
        arm = Arm(lab.ref, control, control, (without, replace(rival, control=words)), drawn, words)
    else:
        words = "a random part of the whole"
        # What comes out without it is smaller: so is the whole that it is held against.
        arm = Arm(control, name, control, (without, replace(rival, control=words)), drawn, words)
    return replace(change, arm=arm)


def _alone(lab: Ablation, step: str, cost: StepCost, terms: Terms) -> _Change:
    bare, own = lab.bare(), lab.only(step)
    change = _Change(step, True, len(own), len(bare), cost, None, own.unasked)
    if own.unasked or own.sha256 == bare.sha256 or not own.records:
        return change
    control, words = f"random instead of {step} alone", "records dropped at random instead"
    drawn = _draws(bare, own, terms, apart=True)
    alone = _variant(f"{step} alone", own)
    rival = Variant(control, bare.records, words, bare.gone)
    return replace(change, arm=Arm(alone.name, control, control, (alone, rival), drawn, words))


def _draws(
    large: Rebuilt, small: Rebuilt, terms: Terms, *, apart: bool
) -> tuple[frozenset[str], ...]:
    seeds = (seed_of(terms.seed, k) for k in range(terms.seeds))
    drawn = (control_of(large, small, each, apart=apart) for each in seeds)
    return tuple(frozenset(each.id for each in it.records) for it in drawn)


def _worth(change: _Change, found: Lift | None, family: int) -> Worth:
    arm = change.arm
    worth = raw = None
    if arm is not None and found is not None:
        worth = (by_lot if arm.control else worth_of)(found, arm.one, arm.other, family)
        if not change.alone:
            raw = worth_of(found, found.baseline, f"without {change.step}", family)
    none = HELPLESS if change.alone else NEEDED
    if change.unasked:
        none = unknown(change.unasked, rerun=not change.alone)
    rival = "as many at random" if arm is None or arm.control else "what comes out without it"
    costs = (change.cost, *change.needs)
    verdict = verdict_of(worth, raw if change.makes else None, found, costs, rival)
    return Worth(
        step=change.step,
        alone=change.alone,
        records=change.records,
        whole=change.whole,
        changed=arm is not None or not change.records or change.unasked > 0,
        makes=change.makes,
        against="" if arm is None else arm.words,
        worth=worth,
        raw=raw,
        cost=change.cost,
        needs=tuple(each.step for each in change.needs),
        verdict=verdict if change.records and not change.unasked else none,
    )
