"""What an evaluation found: printed, as rows for pandas, as JSON, and item by item."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from datakit.errors import DatakitError, visible
from trainers.evaluate.general import Forgetting
from trainers.evaluate.outcome import Outcome
from trainers.evaluate.shown import figure_lines, text_table
from trainers.stats import Interval

__all__ = ["Evaluation", "Interrupted"]


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What tasks say of a model; printed, it is a table.

    Args:
        model: What the user called it; a URL without its query.
        dtype: What it computed in; empty if a server did.
        outcomes: One for each task.
        base: What it was compared with, if anything.
        forgetting: How it does on the general set, against its base.
        unfinished: What was not finished when it was interrupted; usually nothing.
        stopped: Why the judge, or what comes after other models, did not finish; usually None.
    """

    model: str
    dtype: str
    outcomes: tuple[Outcome, ...]
    base: str | None = None
    forgetting: Forgetting | None = None
    unfinished: tuple[str, ...] = ()
    stopped: DatakitError | None = None

    def __repr__(self) -> str:
        """Returns a line on the model, and a table with a row for each metric."""
        against = f" against {self.base}" if self.base is not None else ""
        lines = [f"{self.model}{f' in {self.dtype}' if self.dtype else ''}{against}"]
        if any(each.scores for each in self.outcomes):
            lines.append(text_table(self.outcomes))
        lines += [
            f"{outcome.task}: {line}"
            for outcome in self.outcomes
            for each in outcome.judged
            for line in (*figure_lines(each), *each.sentences())
        ]
        lines += [each.sentence() for each in self.forgetting.changes] if self.forgetting else []
        if self.unfinished:
            lines.append(f"Not finished: {'; '.join(self.unfinished)}.")
        return visible("\n".join(lines))

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        value: dict[str, Any] = {
            "model": self.model,
            "dtype": self.dtype or None,
            "tasks": [each.to_json() for each in self.outcomes],
        }
        if self.base is not None:
            value["base"] = self.base
        if self.forgetting is not None:
            value["general"] = self.forgetting.to_json()
        if self.unfinished:
            value |= {"interrupted": True, "unfinished": list(self.unfinished)}
        if self.stopped:
            value["stopped"] = str(self.stopped)
        return value

    def with_outcome(self, outcome: Outcome) -> Evaluation:
        """Returns it with an outcome in the place of the one of the same task."""
        return replace(
            self,
            outcomes=tuple(
                outcome if each.task == outcome.task else each for each in self.outcomes
            ),
        )

    def halted(self, unfinished: Iterable[str], stopped: DatakitError | None = None) -> Evaluation:
        """Returns it with what was not finished, and why if it was no interrupt."""
        return replace(self, unfinished=(*self.unfinished, *unfinished), stopped=stopped)

    def rows(self) -> list[dict[str, Any]]:
        """Returns a row for each model, task and metric: `pandas.DataFrame(found.rows())`.

        A row has `model`, `task`, `metric`, `value`, the ends of its 95 % interval `low` and
        `high` (None if the items allow none), and `items`, their number. The base has rows of its
        own; differences are in `outcomes[...].lift`, as they are not those of two rows' ends.
        """
        found: list[dict[str, Any]] = []
        for outcome in self.outcomes:
            found += _rows(self.model, outcome.task, outcome.scores)
            found += _rows(self.base, outcome.task, outcome.base_scores)
            for each in outcome.judged:
                found += _rows(self.model, outcome.task, each.figures)
        for change in self.forgetting.changes if self.forgetting else ():
            found += _rows(self.model, "general", {change.name: change.after})
            found += _rows(self.base, "general", {change.name: change.before})
        return found

    def items(self) -> Iterator[dict[str, Any]]:
        """Yields a JSON object for each item of each task; marked, if it was interrupted."""
        mark = {"interrupted": True} if self.unfinished else {}
        for outcome in self.outcomes:
            for row in outcome.rows():
                yield {**row, **mark}


def _rows(model: str | None, task: str, scores: Mapping[str, Interval]) -> Iterator[dict[str, Any]]:
    for name, each in scores.items():
        yield {"model": model, "task": task, "metric": name, **each.to_json(), "items": each.n}


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in an evaluation, with what was measured until then.

    Args:
        found: The tasks that were finished.
        earlier: What was found of models before that one.
    """

    def __init__(self, found: Evaluation, earlier: tuple[Evaluation, ...] = ()) -> None:
        super().__init__("interrupted")
        self.found, self.earlier = found, earlier
