"""Lift against size: would more records pay?

The records of a smaller size are among those of a larger one, in each replicate; all sizes get the
same steps, so that a small one repeats its records (`match="steps"`), or each record is seen once
(`match="examples"`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from datakit.errors import InputError
from trainers.lift.budget import Budget, Plan
from trainers.lift.checked import Told, guarded, items_of
from trainers.lift.draws import circle
from trainers.lift.judging import judge
from trainers.lift.kept import Kept
from trainers.lift.lab import run
from trainers.lift.power import level
from trainers.lift.restricted import restricted
from trainers.lift.result import Lift
from trainers.lift.study import Study, declare
from trainers.lift.variants import Variant, open_variant
from trainers.lift.written import looks_of, page_of, save, write_json
from trainers.quiet import quiet
from trainers.sft import SFT

__all__ = ["name_of", "scaling"]

_OF_VARIANTS = ("same", "shared", "draws", "budget")


def name_of(size: int) -> str:
    """Returns the variant's name of a size."""
    return f"{size:,} records" if size != 1 else "1 record"


@quiet()
def scaling(
    data: str | Variant,
    sizes: Sequence[int],
    *,
    task: str,
    model: str = "embedded",
    seeds: int = 5,
    settings: SFT | None = None,
    match: str = "steps",
    steps: int | None = None,
    workers: int | None = None,
    store: str | Path | None = None,
    fields: Mapping[str, str] | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    contaminated: str = "stop",
    kept: Kept | None = None,
    told: Told | None = None,
    **more: Any,  # noqa: ANN401  what `declare` takes besides
) -> Lift:
    """Fine-tunes a model on more and more records of one dataset.

    Args:
        data: The dataset.
        sizes: How many records; two at least.
        task: What is measured; see `trainers.evaluate`.
        model: What is fine-tuned.
        seeds: Replicates.
        settings: Of each trial.
        match: `steps` or `examples`.
        steps: Optimizer steps of every trial; None takes each record of the largest size once.
        workers: Trials at once.
        store: The folder of versions.
        fields: Our fields to the file's.
        seed: Of the draws.
        out: The page.
        contaminated: As for `trainers.lift.lift`.
        kept: Where finished trials are.
        told: Who is told what happens.
        **more: As for `trainers.lift.lift`.

    Returns:
        The smallest size is the baseline.

    Raises:
        InputError: If a size is more than there is.
    """
    told = told or Told()
    ready = settings or SFT()
    whole = open_variant(data, store=store, fields=fields) if isinstance(data, str) else data
    wanted = _sizes(sizes, whole)
    batch = ready.batch * ready.accumulate
    if match not in ("steps", "examples"):
        raise InputError(f"--match {match}: sizes have steps or examples alike, not tokens.")
    budget = Budget("steps", steps or math.ceil(wanted[-1] / batch), batch)
    place = None if out is None else page_of(Path(out))
    study = declare(
        [replace(whole, name=name_of(size)) for size in wanted],
        baseline=name_of(wanted[0]),
        model=model,
        task=task,
        settings=ready,
        budget=budget,
        replicates=seeds,
        seed=seed,
        items=lambda text: items_of(text, more.get("options")),
        **more,
    )
    study = _cut(study, wanted, once=match == "examples")
    guarded(study, contaminated, told)
    looks = looks_of(study, place)
    if place is not None:
        write_json(place, {**study.declared(looks), "status": "running"})
    parts = run(study, workers=workers, kept=kept, say=told.say, progress=told.progress)
    found = judge(study, *parts, confidence=level(len(looks)), looks=looks)
    if place is not None:
        save(found, place)
    return found


def _sizes(sizes: Sequence[int], whole: Variant) -> list[int]:
    wanted = sorted(set(sizes))
    if len(wanted) < 2 or wanted[0] < 1:
        raise InputError("--sizes: name two sizes at least, such as 50,100,200.")
    if wanted[-1] > len(whole):
        raise InputError(
            f"--sizes {wanted[-1]}: {whole.name} has {len(whole):,} records. Name smaller sizes."
        )
    return wanted


def _cut(study: Study, sizes: Sequence[int], *, once: bool) -> Study:
    """Gives each size's trials its own records, those of the smaller sizes among them."""
    plans: dict[str, Sequence[Plan]] = {}
    for size in sizes:
        name = name_of(size)
        rows = study.variants[name].lengths
        if size > len(rows):
            raise InputError(f"--sizes {size}: only {len(rows):,} records can be trained on.")
        plans[name] = [
            restricted(
                study,
                name,
                sorted(circle(study.places[name], replicate)[:size]),
                replicate,
                count=size if once else None,
            )
            for replicate in range(study.replicates)
        ]
    # They speak of variants that differ in their records, and of plans that are no more.
    own = tuple(each for each in study.guards if each.name not in _OF_VARIANTS)
    return replace(study, plans=plans, guards=own)
