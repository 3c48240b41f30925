"""Held-out answers that are watched in a training on preferences, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Grown", "Held", "Reading", "Side", "wins"]


@dataclass(frozen=True)
class Side:
    """The chosen or the rejected answers at one moment.

    Args:
        scores: Summed log-probability of each answer, in nats; of a reward model, its reward.
        k3: k3 of `watch.analysis.KL`, summed over each answer's tokens; empty for a reward model.
    """

    scores: tuple[float, ...]
    k3: tuple[float, ...] = ()


@dataclass(frozen=True)
class Reading:
    """All held-out answers at one step.

    Args:
        step: Optimizer steps until then.
        chosen: The better answers.
        rejected: The worse answers.
        train_margin: Mean margin on training pairs since the reading before; None where unknown.
    """

    step: int
    chosen: Side
    rejected: Side
    train_margin: float | None = None


@dataclass(frozen=True)
class Held:
    """Held-out answers, and what they are compared with.

    Args:
        chosen_tokens: Tokens of each better answer.
        rejected_tokens: Tokens of each worse answer.
        paired: Whether the answers at one place are of one prompt.
        beta: Scale of the implicit reward, beta times the change of the log-probability; None for a
            reward model, whose scores are rewards.
        reference: The reference's log-probabilities; None for a reward model.
    """

    chosen_tokens: tuple[int, ...]
    rejected_tokens: tuple[int, ...]
    paired: bool = True
    beta: float | None = None
    reference: Reading | None = None

    def shifts(self, reading: Reading) -> tuple[list[float], list[float]]:
        """Returns by how much each answer's score changed since the reference; chosen, rejected."""
        if self.reference is None:
            return list(reading.chosen.scores), list(reading.rejected.scores)
        now = (reading.chosen, reading.rejected)
        then = (self.reference.chosen, self.reference.rejected)
        chosen, rejected = (
            [x - y for x, y in zip(a.scores, b.scores, strict=True)]
            for a, b in zip(now, then, strict=True)
        )
        return chosen, rejected

    def margins(self, reading: Reading) -> list[float]:
        """Returns by how much each chosen answer leads in reward; nothing without pairs."""
        if not self.paired:
            return []
        scale = 1.0 if self.beta is None else self.beta
        return [scale * (a - b) for a, b in zip(*self.shifts(reading), strict=True)]

    def margin(self, reading: Reading) -> float:
        """Returns the mean margin; without pairs, the difference of the means."""
        scale = 1.0 if self.beta is None else self.beta
        chosen, rejected = self.shifts(reading)
        return scale * (sum(chosen) / len(chosen) - sum(rejected) / len(rejected))

    def baselines(self) -> dict[str, list[float]]:
        """Returns for each pair whether choosing by length alone is right."""
        leads = zip(self.chosen_tokens, self.rejected_tokens, strict=True)
        shorter = wins([float(b - a) for a, b in leads])
        return {"shorter_wins": shorter, "longer_wins": [1 - each for each in shorter]}


@dataclass(frozen=True)
class Grown:
    """Greedy answers to held-out prompts, before and after.

    Args:
        before: Tokens of each answer.
        after: Likewise.
        most: Where answers were cut off.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    most: int


def wins(margins: Sequence[float]) -> list[float]:
    """Returns 1 where the chosen answer leads, 0 where the other does, 0.5 for a tie."""
    return [0.5 if each == 0 else float(each > 0) for each in margins]
