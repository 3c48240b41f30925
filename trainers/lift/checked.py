"""What is told and what is checked before a study spends anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from datakit.errors import InputError
from datakit.record import Record
from trainers.evaluate import TASKS, TaskOptions
from trainers.lift.study import Study

__all__ = ["Told", "guarded", "items_of"]

# Pieces of evidence that are printed.
_SHOWN = 5


@dataclass
class Told:
    """Who is told what happens.

    Args:
        say: A line of words.
        progress: A line that replaces the one before, and whether it is the last.
    """

    say: Callable[[str], None] = lambda text: None
    progress: Callable[[str, bool], None] = lambda text, last: None


def items_of(task: str, options: TaskOptions | None) -> list[Record] | None:
    """Returns a task's items as records, if it has a file."""
    from trainers.evaluate.reading import task_records

    name, _, argument = task.partition(":")
    kind = TASKS.get(name)
    if kind is None or "FILE" not in kind.argument or not argument:
        return None
    try:
        return list(task_records(argument, options or TaskOptions(), "chat"))
    except InputError:
        # What has another shape, as multiple choice, is read by its task alone.
        return None


def guarded(study: Study, contaminated: str, told: Told) -> None:
    """Tells what was found; stops where test items stand in a variant.

    Raises:
        InputError: If they do and `contaminated` is `stop`.
    """
    for each in study.guards:
        if each.level != "stop":
            told.say(f"guards    {each.text}")
    stops = [each for each in study.guards if each.level == "stop"]
    if stops and contaminated == "stop":
        problems = []
        for each in stops:
            shown = [_evidence(row) for row in each.records[:5]]
            more = len(each.records) - len(shown)
            problems.append(
                "\n".join([each.text, *shown, *([f"  and {more:,} more"] * (more > 0))])
            )
        raise InputError(
            [
                *problems,
                "nothing was trained. Take them out of the variants or of the test items; or "
                "measure all the same, without a verdict: --contaminated keep.",
            ]
        )


def _evidence(row: Mapping[str, Any]) -> str:
    return "  " + ", ".join(f"{key} {value}" for key, value in row.items() if value is not None)
