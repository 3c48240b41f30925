"""Metrics as a person reads them: numbers of three digits, intervals, and a table of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainers.stats import Interval

if TYPE_CHECKING:
    from trainers.evaluate.judged import Judged
    from trainers.evaluate.outcome import Outcome

__all__ = ["SIDES", "ends", "figure", "figure_lines", "number", "table", "text_table"]

SIDES = "llrlrrl"
"""On which side the columns of `table` stand: left or right."""


def number(value: float, sign: str = "") -> str:
    """Returns a number with some three digits; `+` as sign shows that of a difference."""
    digits = 3 if abs(value) < 10 else 2 if abs(value) < 1000 else 0
    return format(value, f"{sign},.{digits}f")


def ends(interval: Interval, sign: str = "") -> str:
    """Returns `[low, high]`, or nothing where the items allow no interval."""
    if interval.low is None or interval.high is None:
        return ""
    return f"[{number(interval.low, sign)}, {number(interval.high, sign)}]"


def table(outcomes: Sequence[Outcome]) -> tuple[list[str], list[list[str]]]:
    """Returns head and rows, one for each metric; with the base's where it was measured."""
    compared = any(each.base is not None for each in outcomes)
    head = ["task", "metric", "value", "95 % interval", "n"]
    rows = [
        [outcome.task, name, number(each.value), ends(each), f"{each.n:,}"]
        + ([_base(outcome, name), _difference(outcome, name)] if compared else [])
        for outcome in outcomes
        for name, each in outcome.scores.items()
    ]
    return head + (["base", "difference"] if compared else []), rows


def text_table(outcomes: Sequence[Outcome]) -> str:
    """Returns the table as text of equally wide columns."""
    head, rows = table(outcomes)
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if side == "l" else cell.rjust(width)
            for cell, width, side in zip(row, widths, SIDES, strict=False)
        ).rstrip()
        for row in (head, *rows)
    )


def _base(outcome: Outcome, name: str) -> str:
    found = outcome.base_scores.get(name)
    return "" if found is None else number(found.value)


def _difference(outcome: Outcome, name: str) -> str:
    found = outcome.lift.get(name)
    return "" if found is None else f"{number(found.value, '+')}  {ends(found, '+')}".rstrip()


_SHARES = ("win_rate", "length_controlled")


def figure(name: str, each: Interval) -> tuple[str, str]:
    """Returns a judged figure and its interval: win rates in percent, grades as they are."""
    if name in _SHARES:
        within = "" if each.low is None else f"[{100 * each.low:.1f}, {100 * (each.high or 0):.1f}]"
        return f"{100 * each.value:.1f} %", within
    sign = "+" if name == "gain" else ""
    within = ""
    if each.low is not None and each.high is not None:
        within = f"[{each.low:{sign}.2f}, {each.high:{sign}.2f}]"
    return f"{each.value:{sign}.2f}", within


def figure_lines(judged: Judged) -> list[str]:
    """Returns a line for each judged figure, and beside it what people think of the judge."""
    found = []
    for name, each in judged.figures.items():
        value, within = figure(name, each)
        compared = name in (*_SHARES, "gain")
        against = f" against {judged.opponent}" if compared else ""
        told = f"{name.replace('_', ' ')} {value} {within}".rstrip()
        found.append(f"{told} of {each.n:,}{against}; {judged.standing.text}")
    return found
