"""What a judge's words come to: figures, what people think of the judge, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from datakit.amounts import counted
from datakit.judge import Comparison, Grade, Standing
from datakit.outcome import Drop
from trainers.stats import Interval

__all__ = ["Cost", "Judged", "Said"]

_WORTH = {"a": 1.0, "tie": 0.5, "b": 0.0}


@dataclass(frozen=True)
class Cost:
    """What was asked, and what that cost.

    Args:
        requests: Requests to the judge.
        cached: Those of them whose answer was in the log.
        usd: US dollars, answers of the log included; None if the price is not known.
    """

    requests: int = 0
    cached: int = 0
    usd: float | None = None

    def __str__(self) -> str:
        money = "cost not known" if self.usd is None else f"${self.usd:.4f}"
        return f"{money} ({counted(self.requests, 'request')}, {self.cached:,} from the log)"


@dataclass(frozen=True)
class Said:
    """What a judge says of one text or of two.

    Args:
        item: What was drawn: a question; its turns are not independent.
        id: Of what was asked about.
        outcome: Its words, or why there are none; None of two texts that are the same.
        lengths: Characters of the answer, and of the other one if there is one.
        category: The kind of question, if it has one.
        text: The other answer.
    """

    item: str
    id: str
    outcome: Comparison | Grade | Drop | None
    lengths: tuple[int, ...]
    category: str = ""
    text: str = ""

    @property
    def worth(self) -> float | None:
        """1 for a win, 0 for a loss, a half for a tie; the grade; None if nothing was said."""
        if isinstance(self.outcome, Comparison):
            return _WORTH[self.outcome.winner]
        if isinstance(self.outcome, Grade):
            return self.outcome.score
        return 0.5 if self.outcome is None else None

    def to_json(self) -> dict[str, Any]:
        """Returns it as a JSON object."""
        told: dict[str, Any] = {"id": self.id}
        if isinstance(self.outcome, Comparison):
            words = self.outcome
            told |= {"winner": {"a": "model", "b": "other"}.get(words.winner, "tie")}
            told |= {"verdicts": list(words.verdicts), "reasons": list(words.reasons)}
        elif isinstance(self.outcome, Grade):
            told |= {"grade": self.outcome.score, "reason": self.outcome.reason}
        elif self.outcome is None:
            told |= {"winner": "tie", "same": True}
        else:
            told["dropped"] = self.outcome.reason
        return told | ({"other": self.text} if self.text else {})


@dataclass(frozen=True)
class Judged:
    """What a judge found of one model by one task in one form.

    Args:
        form: `pair` or `grade`.
        judge: Who judged and how, as `Asking.describe` returns it.
        standing: Whether a verdict may rest on it.
        figures: By name, each with its interval.
        verdict: In words; of a task without two sides, what is known of the judge.
        opponent: What the model was compared with; empty if with nothing.
        counts: How many `judged`, `wins`, `losses`, `ties`, `flips`, `same`.
        failed: Those without a verdict, by reason.
        categories: The first figure by category.
        cost: What it cost.
        rows: Each item's words.
    """

    form: str
    judge: Mapping[str, Any]
    standing: Standing
    figures: Mapping[str, Interval]
    verdict: str
    opponent: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    categories: Mapping[str, Interval] = field(default_factory=dict)
    cost: Cost = Cost()
    rows: tuple[Said, ...] = ()

    @property
    def who(self) -> str:
        """Provider and model of the judge."""
        return f"{self.judge['provider']}/{self.judge['model']}"

    def sentences(self) -> Iterator[str]:
        """Yields the verdict, and what else to know."""
        yield self.verdict
        if self.form == "pair":
            told = [counted(self.counts["wins"], "win"), f"{self.counts['losses']:,} lost"]
            told += [counted(self.counts["ties"], "tie")]
            flips = self.counts["flips"]
            yield f"{', '.join(told)}; the order of the answers changes {flips:,} of the verdicts"
            if self.counts["same"]:
                yield f"not asked about, and ties: {counted(self.counts['same'], 'equal text')}"
        if self.failed:
            why = ", ".join(f"{reason} {count:,}" for reason, count in self.failed.items())
            yield f"left out, without a usable verdict: {why}"
        yield f"judge {self.who}, {self.cost}"

    def to_json(self) -> dict[str, Any]:
        """Returns it as a JSON object, the items left out."""
        return {
            "form": self.form,
            "judge": dict(self.judge),
            "against": self.opponent or None,
            "calibrated": self.standing.may,
            "calibration": self.standing.text,
            "verdict": self.verdict,
            "figures": {name: _json(each) for name, each in self.figures.items()},
            **self.counts,
            "failed": dict(self.failed),
            "categories": {name: _json(each) for name, each in self.categories.items()},
            "cost": {
                "usd": self.cost.usd,
                "requests": self.cost.requests,
                "cached": self.cost.cached,
            },
        }


def _json(each: Interval) -> dict[str, float | int | None]:
    return {**each.to_json(), "n": each.n}
