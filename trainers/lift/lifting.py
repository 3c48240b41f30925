"""One call from variants to a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datakit.errors import InputError, did_you_mean
from trainers.lift.budget import Budget, Match
from trainers.lift.carrying import carry_out
from trainers.lift.controls import duplicated, equal_tokens, shuffled, thinned
from trainers.lift.result import Lift
from trainers.lift.study import declare, encoder
from trainers.lift.terms import Terms
from trainers.lift.variants import Variant, open_variant
from trainers.lift.written import page_of, save
from trainers.quiet import quiet

__all__ = ["CONTROLS", "lift"]


@dataclass(frozen=True)
class Given:
    """What a control is made from.

    Args:
        variant: The first variant.
        baseline: The baseline.
        terms: Of the study.
    """

    variant: Variant
    baseline: Variant
    terms: Terms

    def random(self) -> Variant:
        """Returns a random part of the baseline with as many tokens as the variant.

        Raises:
            InputError: If the baseline has no more than that.
        """
        encode = encoder(self.terms)
        own, rows = encode(self.variant), encode(self.baseline)
        most, whole = (sum(tokens for tokens, _ in each.lengths) for each in (own, rows))
        if whole <= most:
            raise InputError(
                f"--control random: {self.baseline.name} has {whole:,} tokens, no more than "
                f"{self.variant.name} with {most:,}: a random part of as many is all of it."
            )
        sizes = zip(rows.variant.records, rows.lengths, strict=True)
        tokens = {id(record): count for record, (count, _) in sizes}
        return equal_tokens(rows.variant, lambda each: tokens[id(each)], most, self.terms.seed)


CONTROLS: Mapping[str, Callable[[Given], Variant]] = {
    "shuffled": lambda it: shuffled(it.variant, 1.0, it.terms.seed),
    "half-shuffled": lambda it: shuffled(it.variant, 0.5, it.terms.seed),
    "duplicates": lambda it: duplicated(it.variant, 4, it.terms.seed),
    "half": lambda it: thinned(it.variant, max(1, len(it.variant) // 2), it.terms.seed),
    "random": Given.random,
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
        controls: Names of `CONTROLS`, made from the first of `variants`; `random`, from the
            baseline.
        **terms: `task` and whatever else `trainers.lift.terms.Terms` takes.

    Raises:
        InputError: If something is missing or wrong, or test items stand in a variant.
    """
    held = Terms(**terms)
    page = page_of(held.out)
    opened = _opened([baseline, *variants], held)
    given = Given(opened[min(1, len(opened) - 1)], opened[0], held)
    opened += [_control(name, given) for name in controls]
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
    # The baseline may be named among the variants, too. Variants are not equal for equal records.
    fresh = {each if isinstance(each, str) else id(each): each for each in given}
    return [
        open_variant(each, store=terms.store, fields=terms.fields)
        if isinstance(each, str)
        else each
        for each in fresh.values()
    ]


def _control(name: str, given: Given) -> Variant:
    if name not in CONTROLS:
        near = did_you_mean(name, CONTROLS) or f"; there are {', '.join(CONTROLS)}."
        raise InputError(f'--control: there is no "{name}"{near}')
    return CONTROLS[name](given)
