"""One call from variants to a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from datakit.errors import InputError, did_you_mean
from trainers.lift.budget import Budget, Match
from trainers.lift.carrying import carry_out
from trainers.lift.controls import duplicated, shuffled, thinned
from trainers.lift.result import Lift
from trainers.lift.study import declare
from trainers.lift.terms import Terms
from trainers.lift.variants import Variant, open_variant
from trainers.lift.written import page_of, save
from trainers.quiet import quiet

__all__ = ["CONTROLS", "lift"]

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
    match: Match = "steps",
    steps: int = 16,
    examples: int | None = None,
    tokens: int | None = None,
    controls: Sequence[str] = (),
    **terms: Any,  # noqa: ANN401  each as `Terms` has it
) -> Lift:
    """Fine-tunes one model on each variant under one budget, and says which is better.

    Args:
        variants: Datasets: versions, files, hub or public sets.
        baseline: The one that the others are held against.
        match: What is equal in all trials: `steps`, `examples` or `tokens`.
        steps: Optimizer steps of a trial, where those are matched.
        examples: Examples of a trial, likewise.
        tokens: Tokens of a trial, likewise.
        controls: Names of `CONTROLS`, made from the first of `variants`.
        **terms: `task` and whatever else `trainers.lift.terms.Terms` takes.

    Raises:
        InputError: If something is missing or wrong, or test items stand in a variant.
    """
    held = Terms(**terms)
    page = page_of(held.out)
    opened = _opened([baseline, *variants], held)
    opened += [_control(name, opened[min(1, len(opened) - 1)], held.seed) for name in controls]
    if len(opened) < 2:
        raise InputError("nothing to compare: name a variant besides the baseline.")
    budget = Budget(match, steps, held.batch, examples, tokens)
    study = declare(opened, held, budget, baseline=opened[0].name)
    found = carry_out(study, held, page)
    if page is not None:
        from trainers.lift.page.page import render

        save(page, found.to_json(), render(found))
    return found


def _opened(given: Sequence[str | Variant], terms: Terms) -> list[Variant]:
    # The baseline may be named among the variants, too.
    fresh = [each for at, each in enumerate(given) if not any(each is one for one in given[:at])]
    texts = dict.fromkeys(each for each in fresh if isinstance(each, str))
    return [
        open_variant(each, store=terms.store, fields=terms.fields)
        if isinstance(each, str)
        else each
        for each in fresh
        if not isinstance(each, str) or texts.pop(each, "first") is None
    ]


def _control(name: str, variant: Variant, seed: int) -> Variant:
    if name not in CONTROLS:
        near = did_you_mean(name, CONTROLS) or f"; there are {', '.join(CONTROLS)}."
        raise InputError(f'--control: there is no "{name}"{near}')
    return CONTROLS[name](variant, seed)
