"""What a study found, in the form in which its page uses it."""

from __future__ import annotations

import math
from functools import cached_property

from datakit.report.markup import Child, Markup, el, quote
from trainers.lift.estimate import Comparison, Difference
from trainers.lift.page.axes import Measure, measure_of
from trainers.lift.page.forest import Row
from trainers.lift.result import Lift, Trial
from trainers.lift.words import Unit

__all__ = ["Told", "cell", "chance"]

_NAME = 60


class Told:
    """A study, its variants in order: the best first, controls last.

    Args:
        lift: The study.
    """

    def __init__(self, lift: Lift) -> None:
        self.lift = lift
        self.unit = lift.unit
        few = not lift.comparison.enough
        # Why nothing may be concluded; empty if something may.
        self.without = "no verdict" if lift.stopped else ("not enough" if few else "")
        self.task = str(lift.study["task"]["given"])
        self.model = str(lift.study["model"]["given"])

    @cached_property
    def controls(self) -> dict[str, str]:
        """By name, what was done to a control."""
        declared = self.lift.study["declared"]["variants"]
        return {str(each["ref"]): str(each["control"]) for each in declared if each.get("control")}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All variants, the best first, controls after the others."""
        means, sign = self.lift.comparison.means, 1 if self.lift.lower_is_better else -1
        return tuple(
            sorted(means, key=lambda name: (name in self.controls, sign * means[name], name))
        )

    @property
    def others(self) -> tuple[str, ...]:
        """All but the baseline."""
        return tuple(name for name in self.names if name != self.lift.baseline)

    @property
    def better(self) -> str:
        """Which way is better, in words."""
        return "lower is better" if self.lift.lower_is_better else "higher is better"

    @property
    def unit_name(self) -> str:
        """The unit of a difference: `points`, `nats per token`."""
        return self.unit.name

    @property
    def confidence(self) -> str:
        """Of all intervals together: `95 %`."""
        return f"{100 * self.lift.comparison.confidence:.4g}\u00a0%"

    @property
    def when(self) -> str:
        """When it was declared; empty if that is not known."""
        text = str(self.lift.study.get("created") or "")
        return f"{text[:16].replace('T', ' ')} UTC" if text else ""

    @property
    def best(self) -> str:
        """The best variant besides the baseline; a control only if there is nothing else."""
        return self.others[0]

    def trials(self, name: str) -> list[Trial]:
        """Returns a variant's trials in the order of the replicates."""
        own = (each for each in self.lift.trials if each.variant == name)
        return sorted(own, key=lambda each: each.replicate)

    def scores(self, name: str) -> list[float]:
        """Returns the score of each replicate of a variant."""
        metric = self.lift.metric
        found = []
        for each in self.trials(name):
            scores = each.items.scores[metric]
            weights = each.items.weights.get(metric, (1.0,) * len(scores))
            total = math.fsum(a * b for a, b in zip(scores, weights, strict=True))
            found.append(total / math.fsum(weights))
        return found

    def over_baseline(self, name: str, comparison: Comparison | None = None) -> Difference:
        """Returns how much a variant is over the baseline."""
        return (comparison or self.lift.comparison).difference(name, self.lift.baseline)

    def row(self, it: Difference) -> Row:
        """Returns a difference as a picture shows it."""
        control = it.variant in self.controls
        return Row(it.variant, it.value, it.low, it.high, it.by_replicate, control)

    def measure(self, over: str) -> Measure:
        """Returns how differences over something are shown on an axis."""
        side = "left" if self.lift.lower_is_better else "right"
        return measure_of(self.unit, f"{self.unit_name} over {over}; {side} of 0 is better")

    def named(self, name: str) -> Markup:
        """Returns a name, with what it is if it is the baseline or a control."""
        tag = "baseline" if name == self.lift.baseline else ""
        tag = "control" if name in self.controls else tag
        return el(
            "span", quote(name, _NAME), [" ", el("small", tag, class_="tag")] if tag else None
        )


def cell(it: Difference, unit: Unit, *, sure: bool) -> Markup:
    """Returns a difference with its interval for a table; a clear one is strong.

    Args:
        it: The difference.
        unit: Of its metric.
        sure: Whether something may be concluded.
    """
    value: Child = unit.signed(it.value)
    strong = el("strong", value) if sure and it.clear else el("span", value)
    ends = unit.ends(it)
    return el("span", strong, [" ", el("small", ends)] if ends else None, class_="interval")


def chance(p: float | None) -> str:
    """Returns a probability of chance: `0.032`, `< 0.001`; a dash if there is none."""
    if p is None:
        return "\u2013"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
