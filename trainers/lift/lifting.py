"""One call from variants to a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from datakit.errors import InputError, did_you_mean
from trainers.evaluate import TaskOptions
from trainers.lift.budget import Budget, Match
from trainers.lift.checked import Told, guarded, items_of
from trainers.lift.controls import duplicated, shuffled, thinned
from trainers.lift.judging import judge
from trainers.lift.kept import Kept
from trainers.lift.lab import run
from trainers.lift.power import level
from trainers.lift.result import Lift
from trainers.lift.study import declare
from trainers.lift.variants import Variant, open_variant
from trainers.lift.written import looks_of, page_of, save, write_json
from trainers.page.facts import counted
from trainers.quiet import quiet
from trainers.sft import SFT

__all__ = ["CONTROLS", "Told", "lift"]

CONTROLS: Mapping[str, Callable[[Variant, int], Variant]] = {
    "shuffled": lambda variant, seed: shuffled(variant, 1.0, seed),
    "half-shuffled": lambda variant, seed: shuffled(variant, 0.5, seed),
    "duplicates": lambda variant, seed: duplicated(variant, 4, seed),
    "half": lambda variant, seed: thinned(variant, max(1, len(variant) // 2), seed),
}


@quiet()
def lift(
    variants: Sequence[str | Variant],
    *,
    baseline: str | Variant,
    task: str,
    model: str = "embedded",
    seeds: int = 5,
    settings: SFT | None = None,
    match: Match = "steps",
    steps: int = 16,
    examples: int | None = None,
    tokens: int | None = None,
    controls: Sequence[str] = (),
    metric: str | None = None,
    effect: float | None = None,
    contaminated: Literal["stop", "keep"] = "stop",
    general: bool = True,
    options: TaskOptions | None = None,
    workers: int | None = None,
    device: str = "auto",
    store: str | Path | None = None,
    fields: Mapping[str, str] | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    kept: Kept | None = None,
    told: Told | None = None,
) -> Lift:
    """Fine-tunes one model on each variant under one budget, and says which is better.

    Finished trials are kept: a study that was interrupted goes on, and one with more replicates
    does only those that are new.

    Args:
        variants: Datasets: versions, files, hub or public sets.
        baseline: The one that the others are held against.
        task: What is measured on data that no variant has; see `trainers.evaluate`.
        model: What is fine-tuned.
        seeds: Replicates; a verdict needs 5.
        settings: Of each trial; steps and seed are the study's.
        match: What is equal in all trials: `steps`, `examples` or `tokens`.
        steps: Optimizer steps of a trial, where those are matched.
        examples: Examples of a trial, likewise.
        tokens: Tokens of a trial, likewise.
        controls: Names of `CONTROLS`, made from the first of `variants`.
        metric: What the verdicts are about; None takes the task's first.
        effect: The smallest difference of interest, in the metric's unit.
        contaminated: Where test items stand in a variant: `stop` before anything is spent, or
            `keep` them, without a verdict.
        general: Whether the general set is measured too: what was forgotten.
        options: Of the task.
        workers: Trials at once.
        device: `auto`, `cpu` or `cuda`.
        store: The folder of versions.
        fields: Our fields to the files'.
        seed: Of the draws.
        out: The page, an .html file; a .json file of the same name is written beside it.
        kept: Where finished trials are.
        told: Who is told what happens.

    Raises:
        InputError: If something is missing or wrong, or test items stand in a variant.
    """
    told = told or Told()
    ready = settings or SFT()
    opened = _opened([baseline, *variants], store, fields)
    opened += [_control(name, opened[min(1, len(opened) - 1)], seed) for name in controls]
    if len(opened) < 2:
        raise InputError("nothing to compare: name a variant besides the baseline.")
    place = None if out is None else page_of(Path(out))
    study = declare(
        opened,
        baseline=opened[0].name,
        model=model,
        task=task,
        settings=ready,
        budget=Budget(match, steps, ready.batch * ready.accumulate, examples, tokens),
        replicates=seeds,
        seed=seed,
        general=general,
        options=options,
        metric=metric,
        device=device,
        items=lambda text: items_of(text, options),
    )
    guarded(study, contaminated, told)
    looks = looks_of(study, place)
    if place is not None:
        write_json(place, {**study.declared(looks), "status": "running"})
    told.say(f"budget    {study.declared()['budget']['text']}; {counted(seeds, 'replicate')}")
    untrained, on_general, trials = run(
        study, workers=workers, kept=kept, say=told.say, progress=told.progress
    )
    found = judge(
        study,
        untrained,
        on_general,
        trials,
        confidence=level(len(looks)),
        looks=looks,
        effect=effect,
    )
    if place is not None:
        save(found, place)
    return found


def _opened(
    given: Sequence[str | Variant],
    store: str | Path | None,
    fields: Mapping[str, str] | None,
) -> list[Variant]:
    names: dict[str, str | Variant] = {}
    for each in given:
        names.setdefault(each if isinstance(each, str) else each.name, each)
    return [
        open_variant(each, store=store, fields=fields) if isinstance(each, str) else each
        for each in names.values()
    ]


def _control(name: str, variant: Variant, seed: int) -> Variant:
    if name not in CONTROLS:
        near = did_you_mean(name, CONTROLS) or f"; there are {', '.join(CONTROLS)}."
        raise InputError(f'--control: there is no "{name}"{near}')
    return CONTROLS[name](variant, seed)
