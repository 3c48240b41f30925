"""The budget that all variants get alike: steps, examples or tokens; and what a trial makes of it.

At equal steps a variant with longer texts gets more tokens, at equal tokens fewer examples. Neither
is the right one: a study says which it was, and `trainers.lift.guards` how far the others went.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from datakit.amounts import counted
from datakit.errors import InputError
from trainers.lift.draws import circle, draw

__all__ = ["Budget", "Lengths", "Match", "Plan", "plan", "planned", "sentence"]

Match = Literal["steps", "examples", "tokens"]
Lengths = Sequence[tuple[int, int]]
"""Of each record all tokens, and those of its answers."""


@dataclass(frozen=True)
class Budget:
    """What every trial may spend.

    Args:
        match: What is equal in all trials.
        steps: Optimizer steps, where those are matched.
        batch: Rows in an optimizer step: the settings' batch times accumulate.
        examples: Rows of a trial, where those are matched; None is as many as the smallest variant
            has.
        tokens: Most tokens of a trial, prompts included, where those are matched; None is what
            `steps` steps of the baseline take in the first replicate.

    Raises:
        InputError: If one of them is below 1.
    """

    match: Match
    steps: int
    batch: int
    examples: int | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        if self.match not in get_args(Match):
            raise InputError(
                f"match: must be one of {', '.join(get_args(Match))}, not {self.match!r}."
            )
        for name in ("steps", "batch", "examples", "tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be 1 or more, not {value:,}.")


@dataclass(frozen=True)
class Plan:
    """What one trial is trained on.

    Args:
        indices: Of the variant's records, in the order in which they are trained on, repeats
            included.
        steps: Optimizer steps; the last may have fewer rows than the others.
        tokens: Tokens of all those rows.
        answer_tokens: How many of them are learnt.
        pool: Records that they were drawn from, where those are a part of the variant.
    """

    indices: tuple[int, ...]
    steps: int
    tokens: int
    answer_tokens: int
    pool: int | None = None


def plan(
    budget: Budget,
    lengths: Mapping[str, Lengths],
    places: Mapping[str, Sequence[float]],
    replicates: int,
    *,
    baseline: str | None = None,
) -> dict[str, list[Plan]]:
    """Returns for each variant a plan for each replicate.

    Those of the first replicates do not depend on how many there are.

    Args:
        budget: Of each trial.
        lengths: Of each variant's records.
        places: Of each variant's records, in the same order.
        replicates: How many.
        baseline: The variant whose tokens are the measure; None is the first.

    Raises:
        InputError: If a variant has no records, or not even one fits the tokens.
        ValueError: If a variant has not as many places as lengths.
    """
    for name, rows in lengths.items():
        if not rows:
            raise InputError(f"{name}: there is no record to train on.")
        if len(rows) != len(places[name]):
            raise ValueError(f"{name}: {len(rows)} lengths, {len(places[name])} places")
    first = next(iter(lengths)) if baseline is None else baseline
    most = _most(budget, lengths[first], places[first])
    smallest = min(map(len, lengths.values()))

    def one(name: str, replicate: int) -> Plan:
        if budget.match == "steps":
            size = budget.steps * budget.batch
        elif budget.match == "examples":
            size = budget.examples or smallest
        else:
            size = _fitting(name, lengths[name], circle(places[name], replicate), most)
        return planned(draw(places[name], replicate, size), lengths[name], budget.batch)

    return {name: [one(name, each) for each in range(replicates)] for name in lengths}


def _most(budget: Budget, rows: Lengths, places: Sequence[float]) -> int:
    if budget.tokens is not None:
        return budget.tokens
    return sum(rows[at][0] for at in draw(places, 0, budget.steps * budget.batch))


def _fitting(name: str, rows: Lengths, order: Sequence[int], most: int) -> int:
    """Returns how many rows, from the first of `order` on and around, have at most `most` tokens.

    None is skipped for being long: short texts would be preferred.
    """
    whole = sum(tokens for tokens, _ in rows)
    if whole < 1:
        raise ValueError(f"{name}: no record has a token")
    passes, left = divmod(most, whole)
    size = passes * len(rows)
    for at in order:
        left -= rows[at][0]
        if left < 0:
            break
        size += 1
    if not size:
        longest = max(tokens for tokens, _ in rows)
        raise InputError(
            f"{name}: a trial has {most:,} tokens, too few for its first record. Its longest has "
            f"{longest:,}; give each trial that many or more."
        )
    return size


def planned(indices: Sequence[int], rows: Lengths, batch: int) -> Plan:
    """Returns a plan of some records, in this order.

    Args:
        indices: Repeats included.
        rows: Lengths of all records.
        batch: Rows in an optimizer step.
    """
    return Plan(
        tuple(indices),
        math.ceil(len(indices) / batch),
        sum(rows[at][0] for at in indices),
        sum(rows[at][1] for at in indices),
    )


def sentence(budget: Budget, plans: Mapping[str, Sequence[Plan]]) -> str:
    """Returns what a trial has, in words.

    Such as "16 steps of 4 examples each: 64 examples, 9,100 to 9,300 tokens a trial".

    Args:
        budget: As given to `plan`.
        plans: As `plan` returned them; one at least.
    """
    listed = [each for own in plans.values() for each in own]
    rows = _range((len(each.indices) for each in listed), "example")
    steps = _range((each.steps for each in listed), "step")
    tokens = _range((each.tokens for each in listed), "token")
    if budget.match == "steps":
        per = counted(budget.batch, "example")
        return f"{steps} of {per} each: {rows}, {tokens} a trial"
    if budget.match == "examples":
        return f"{rows} each, in {steps} of {budget.batch}: {tokens} a trial"
    top = "at most as many tokens each as the baseline's first trial has"
    if budget.tokens is not None:
        top = f"at most {counted(budget.tokens, 'token')} each"
    return f"{top}: {tokens}, {rows}, {steps} of {budget.batch} a trial"


def _range(numbers: Iterable[int], word: str) -> str:
    """Returns `64 examples`, or `9,100 to 9,300 tokens`."""
    listed = list(numbers)
    low, high = min(listed), max(listed)
    return counted(low, word) if low == high else f"{low:,} to {counted(high, word)}"
