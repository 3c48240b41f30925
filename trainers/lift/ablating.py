"""What each step of a pipeline was worth: the finished run without it, trained and measured.

A set that is smaller scores otherwise for its size alone. So a step that drops records is held
against a control: what comes out without it, with as many records dropped at random, others in
each replicate. Candidates are held fixed: nobody is asked anything (`datakit.ablation`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datakit.ablation import Ablation, StepCost, open_ablation
from datakit.errors import InputError
from datakit.running.pipeline import Pipeline
from trainers.evaluate import Items
from trainers.lift.budget import Budget, Plan
from trainers.lift.checked import Told, guarded, items_of
from trainers.lift.estimate import Difference, compare
from trainers.lift.judging import LOWER, judge, table_of
from trainers.lift.kept import Kept
from trainers.lift.lab import run
from trainers.lift.restricted import restricted
from trainers.lift.result import Lift
from trainers.lift.study import Study, declare
from trainers.lift.variants import Variant
from trainers.lift.worth import NEEDED, Ablated, Worth, verdict_of
from trainers.lift.written import page_of, save, write_json
from trainers.quiet import quiet
from trainers.sft import SFT

__all__ = ["ablate"]


@quiet()
def ablate(
    pipeline: str | Path | Pipeline,
    *,
    task: str,
    model: str = "embedded",
    seeds: int = 5,
    settings: SFT | None = None,
    steps: int = 16,
    only: Sequence[str] = (),
    workers: int | None = None,
    store: str | Path | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    contaminated: str = "stop",
    kept: Kept | None = None,
    told: Told | None = None,
    **more: Any,  # noqa: ANN401  what `declare` takes besides
) -> Ablated:
    """Measures what each step of a finished pipeline was worth.

    Args:
        pipeline: A pipeline or its file; its newest version is taken apart.
        task: What is measured; see `trainers.evaluate`.
        model: What is fine-tuned.
        seeds: Replicates; a verdict needs 5.
        settings: Of each trial.
        steps: Optimizer steps of every trial.
        only: Labels of the steps to leave out; none is every one.
        workers: Trials at once.
        store: The folder of versions.
        seed: Of the draws.
        out: The page.
        contaminated: As for `trainers.lift.lift`.
        kept: Where finished trials are.
        told: Who is told what happens.
        **more: As for `trainers.lift.lift`.

    Raises:
        InputError: If the pipeline has not run, or its run cannot be rebuilt.
    """
    told = told or Told()
    ready = settings or SFT()
    place = None if out is None else page_of(Path(out))
    with open_ablation(pipeline, store=store) as lab:
        told.say(f"rebuilt   {lab.ref}: all steps give its records again, and nobody was asked")
        chosen = _chosen(only, lab)
        arms = [_arm(lab, step, seeds) for step in chosen]
        costs = {each.step: each for each in lab.costs()}
        whole = Variant(lab.ref, tuple(lab.all().records), gone=tuple(lab.all().gone))
        notes = _notes(lab, chosen, told)
        ref = lab.ref
    live = [each for each in arms if each.variants]
    if not live:
        worths = tuple(_worth(each, costs[each.step], None, None) for each in arms)
        return Ablated(ref, worths, None, notes)
    batch = ready.batch * ready.accumulate
    study = declare(
        [whole, *(variant for arm in live for variant in arm.variants)],
        baseline=whole.name,
        model=model,
        task=task,
        settings=ready,
        budget=Budget("steps", steps, batch),
        replicates=seeds,
        seed=seed,
        items=lambda text: items_of(text, more.get("options")),
        **more,
    )
    study = _restricted(study, live)
    guarded(study, contaminated, told)
    if place is not None:
        write_json(place, {**study.declared([seeds]), "status": "running"})
    told.say(f"trials    {len(study.names)} variants, {seeds} replicates, {steps} steps each")
    parts = run(study, workers=workers, kept=kept, say=told.say, progress=told.progress)
    found = judge(study, *parts, looks=[seeds])
    differences = _differences(study, found, live)
    worths = tuple(
        _worth(each, costs[each.step], found, differences.get(each.step)) for each in arms
    )
    result = Ablated(ref, worths, found, notes)
    if place is not None:
        save(found, place)
        write_json(place, {**result.to_json(), "status": "done"})
    return result


@dataclass(frozen=True)
class _Arm:
    """One step's variants, and which records of the control each replicate may use."""

    step: str
    without: int
    whole: int
    variants: tuple[Variant, ...]
    control: str
    rival: str
    against: str
    drawn: tuple[frozenset[str], ...]


def _chosen(only: Sequence[str], lab: Ablation) -> tuple[str, ...]:
    wrong = [each for each in only if each not in lab.steps]
    if wrong:
        raise InputError(
            f"--step {wrong[0]}: {lab.ref} has no such step; it has {', '.join(lab.steps)}."
        )
    return tuple(only) or lab.steps


def _arm(lab: Ablation, step: str, replicates: int) -> _Arm:
    left, every = lab.without(step), lab.all()
    name = f"without {step}"
    if not left.changed or not left.records:
        return _Arm(step, len(left), len(every), (), "", "", "", ())
    without = Variant(name, tuple(left.records), gone=tuple(left.gone))
    control = f"random instead of {step}"
    drawn = tuple(
        frozenset(each.id for each in lab.control(step, seed=k).records) for k in range(replicates)
    )
    larger = left if len(left) >= len(every) else every
    words = "records dropped at random instead" if larger is left else "a random part of the whole"
    made = Variant(control, tuple(larger.records), words, tuple(larger.gone))
    # Where fewer come out without it, it is the absence that is held against a part of the whole.
    rival = lab.ref if larger is left else name
    return _Arm(step, len(left), len(every), (without, made), control, rival, words, drawn)


def _restricted(study: Study, arms: Sequence[_Arm]) -> Study:
    plans: dict[str, Sequence[Plan]] = dict(study.plans)
    for arm in arms:
        records = study.variants[arm.control].variant.records
        plans[arm.control] = [
            restricted(
                study,
                arm.control,
                [at for at, each in enumerate(records) if each.id in drawn],
                replicate,
            )
            for replicate, drawn in enumerate(arm.drawn)
        ]
    return replace(study, plans=plans)


def _notes(lab: Ablation, steps: Sequence[str], told: Told) -> tuple[str, ...]:
    notes = list(lab.all().notes)
    held = [step for step in steps if lab.without(step).held]
    if held:
        notes.append(
            "Candidates are held fixed: those that the run made with all steps in place. Without a "
            "step, its generators would have been shown other examples."
        )
    notes += [_rerun(lab, step) for step in held]
    for each in notes:
        told.say(f"note      {each}")
    return tuple(notes)


def _rerun(lab: Ablation, step: str) -> str:
    try:
        return f"A true rerun without {step}: {lab.rerun(step)}"
    except InputError as error:
        return f"There is no true rerun without {step}: {error}"


def _differences(
    study: Study, found: Lift, arms: Sequence[_Arm]
) -> Mapping[str, tuple[Difference, Difference]]:
    """Holds each step against its control: as many comparisons as steps, by Bonferroni."""
    level = 1 - 0.05 / len(arms)
    differences = {}
    for arm in arms:
        # With the step, over without it.
        sides = (
            (study.baseline, arm.control)
            if arm.rival == study.baseline
            else (arm.control, arm.rival)
        )
        differences[arm.step] = (
            _difference(found, *sides, level, len(arms)),
            _difference(found, study.baseline, f"without {arm.step}", level, len(arms)),
        )
    return differences


def _difference(found: Lift, one: str, other: str, level: float, family: int) -> Difference:
    items: Items = found.untrained
    it = compare(
        {name: table_of(found.trials, name, found.metric) for name in (other, one)},
        weights=items.weights.get(found.metric),
        confidence=level,
        lower_is_better=found.metric in LOWER,
    ).difference(one, other)
    return replace(it, p=None if it.p is None else min(1.0, it.p * family))


def _worth(
    arm: _Arm,
    cost: StepCost,
    found: Lift | None,
    differences: tuple[Difference, Difference] | None,
) -> Worth:
    worth, raw = differences or (None, None)
    return Worth(
        step=arm.step,
        without=arm.without,
        whole=arm.whole,
        changed=bool(arm.variants) or not arm.without,
        against=arm.against,
        worth=worth,
        raw=raw,
        cost=cost,
        verdict=verdict_of(worth, found, cost) if arm.without else NEEDED,
    )
