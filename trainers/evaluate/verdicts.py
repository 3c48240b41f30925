"""From a judge's words to figures and a verdict, of comparisons and of grades."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from datakit.judge import Comparison, Standing
from datakit.judge.statistics import length_controlled, share
from datakit.outcome import Drop
from trainers.evaluate.judged import Cost, Judged, Said
from trainers.stats import Interval, mean, paired

__all__ = ["graded", "won"]

_APART = "cannot be told apart"


def won(
    said: Sequence[Said],
    *,
    model: str,
    opponent: str,
    judge: Mapping[str, Any],
    standing: Standing,
    cost: Cost,
) -> Judged:
    """Returns win rates and the verdict of comparisons; the model's answer was `a`.

    A verdict takes both win rates: one that length control takes away is none.

    Args:
        said: The comparisons.
        model: What the model is called.
        opponent: What it is compared with.
        judge: Who judged.
        standing: Whether a verdict may rest on that.
        cost: What it cost.
    """
    there = [(each, worth) for each in said if (worth := each.worth) is not None]
    values, items = [worth for _, worth in there], [each.item for each, _ in there]
    apart = [float(each.lengths[0] - each.lengths[1]) for each, _ in there]
    figures = {}
    found = share(values, items), length_controlled(values, apart, items)
    for name, each in zip(("win_rate", "length_controlled"), found, strict=True):
        if each is not None:
            figures[name] = Interval(each.value, each.low, each.high, each.n)
    compared = [each.outcome for each, _ in there if isinstance(each.outcome, Comparison)]
    counts = {
        "judged": len(there),
        "wins": values.count(1.0),
        "losses": values.count(0.0),
        "ties": values.count(0.5),
        "flips": sum(len({*each.verdicts}) > 1 for each in compared),
        "same": len(there) - len(compared),
    }
    return Judged(
        form="pair",
        judge=judge,
        standing=standing,
        figures=figures,
        verdict=standing.text if not standing.may else _verdict(figures, model, opponent),
        opponent=opponent,
        counts=counts,
        failed=_failed(said),
        categories=_by_category(there),
        cost=cost,
        rows=tuple(said),
    )


def _verdict(figures: Mapping[str, Interval], model: str, opponent: str) -> str:
    if not figures:
        return "nothing was judged: no verdict"
    plain, controlled = (_side(each, 0.5) for each in figures.values())
    if plain == controlled and plain:
        winner, loser = (model, opponent) if plain > 0 else (opponent, model)
        return f"{winner} beats {loser}"
    text = f"{model} and {opponent} {_APART}"
    return f"{text} once the length of the answers is taken out" if plain else text


def _side(each: Interval, even: float) -> int:
    """Returns 1 or -1 if all of the interval is on that side of what is even, else 0."""
    if each.low is None or each.high is None:
        return 0
    return (each.low > even) - (each.high < even)


def _failed(said: Sequence[Said]) -> dict[str, int]:
    drops = Counter(each.outcome.reason for each in said if isinstance(each.outcome, Drop))
    return dict(drops.most_common())


def _by_category(there: Sequence[tuple[Said, float]]) -> dict[str, Interval]:
    groups: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for each, worth in there:
        if each.category:
            groups[each.category].append((worth, each.item))
    found = {}
    for name, rows in groups.items():
        rate = share([worth for worth, _ in rows], [item for _, item in rows])
        if rate is not None:
            found[name] = Interval(rate.value, rate.low, rate.high, rate.n)
    return found


def graded(
    said: Sequence[Said],
    others: Sequence[Said],
    *,
    model: str,
    opponent: str,
    judge: Mapping[str, Any],
    standing: Standing,
    cost: Cost,
) -> Judged:
    """Returns the mean grade of questions of two turns, each turn's, and the gain over another.

    Args:
        said: The grades; `id` is `item/turn`.
        others: The other model's, of the same turns; empty if there is none.
        model: What the model is called.
        opponent: What the other one is called; empty if there is none.
        judge: Who judged.
        standing: Whether a verdict may rest on that.
        cost: What it cost.
    """
    mine, theirs = _means(said), _means(others)
    figures = {}
    if mine:
        figures["grade"] = mean(list(mine.values()))
    for turn in ("1", "2"):
        grades = [worth for each in said if _turn(each) == turn and (worth := each.worth)]
        if grades:
            figures[f"grade_turn_{turn}"] = mean(grades)
    both = [item for item in mine if item in theirs]
    if theirs:
        figures["other_grade"] = mean(list(theirs.values()))
    if both:
        gain = paired([theirs[each] for each in both], [mine[each] for each in both])
        figures["gain"] = gain
    verdict = standing.text
    if standing.may and both:
        verdict = _gained(figures["gain"], model, opponent)
    return Judged(
        form="grade",
        judge=judge,
        standing=standing,
        figures=figures,
        verdict=verdict,
        opponent=opponent,
        counts={"judged": len(mine)},
        failed=_failed([*said, *others]),
        categories=_grades_by_category(said, mine),
        cost=cost,
        rows=tuple(said),
    )


def _grades_by_category(said: Sequence[Said], means: Mapping[str, float]) -> dict[str, Interval]:
    kinds = {each.item: each.category for each in said}
    groups: dict[str, list[float]] = defaultdict(list)
    for item, value in means.items():
        groups[kinds[item]].append(value)
    return {name: mean(values) for name, values in groups.items() if name}


def _turn(each: Said) -> str:
    return each.id.rpartition("/")[2]


def _means(said: Sequence[Said]) -> dict[str, float]:
    """Returns the mean of both turns of each question that has both."""
    found: dict[str, list[float]] = defaultdict(list)
    for each in said:
        if (worth := each.worth) is not None:
            found[each.item].append(worth)
    return {item: math.fsum(both) / 2 for item, both in found.items() if len(both) == 2}


def _gained(gain: Interval, model: str, opponent: str) -> str:
    side = _side(gain, 0.0)
    if not side:
        return f"{model} and {opponent} {_APART} by their grades"
    winner, loser = (model, opponent) if side > 0 else (opponent, model)
    return f"{winner} beats {loser} by {abs(gain.value):.2f} in grade"
