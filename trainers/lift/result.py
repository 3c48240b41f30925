"""What a study found: scores, differences, verdicts, as rows, as JSON, as words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from trainers.evaluate import Items
from trainers.lift.estimate import Comparison, Difference
from trainers.lift.guards import Guard
from trainers.lift.words import Unit, unit_of

__all__ = ["UNTRAINED", "Lift", "Trial"]

UNTRAINED = "untrained"


@dataclass(frozen=True)
class Trial:
    """One fine-tuning of one variant in one replicate.

    Args:
        variant: The variant's name.
        replicate: From 0.
        items: Its scores, item by item.
        general: Those on the general set, if it was measured.
        loss: Training loss, as (step, nats per token).
        seconds: What it took, measuring included.
        steps: Optimizer steps.
        examples: Rows trained on, repeats included.
        distinct: Of these, how many different ones.
        tokens: Tokens of those rows, prompts included.
        cached: Whether it was done before.
    """

    variant: str
    replicate: int
    items: Items
    general: Items | None
    loss: tuple[tuple[int, float], ...]
    seconds: float
    steps: int
    examples: int
    distinct: int
    tokens: int
    cached: bool


@dataclass(frozen=True)
class Lift:
    """A finished study.

    Args:
        study: What was declared before the first trial: variants, baseline, model, task, settings,
            budget, replicates; and the looks.
        metric: The one that the verdicts are about.
        lower_is_better: Of the metric.
        untrained: Scores of the base model, item by item.
        trials: All of them.
        comparison: Every pair of variants, in `metric`, simultaneously.
        over_untrained: Each variant against the base model, a family of its own.
        others: Other metrics of the task, for reading only: no verdict rests on them.
        forgotten: For each variant the change on the general set against the base model, in nats
            per token: under 0 is better.
        guards: What was looked at before anything was spent.
        smallest: The smallest true difference over the baseline that a study of this size would
            find four times in five; None with one replicate.
        looks: What looking again means for the intervals, in a sentence; empty for one look.
        by_family: What the differences over the baseline are with each family of items as one item,
            in a sentence; empty where there are none.
        need: What it takes to find the effect that was asked for, in a sentence; empty if none was.
        verdicts: In words.
    """

    study: Mapping[str, Any]
    metric: str
    lower_is_better: bool
    untrained: Items
    trials: tuple[Trial, ...]
    comparison: Comparison
    over_untrained: Mapping[str, Difference]
    others: Mapping[str, Comparison]
    forgotten: Mapping[str, Difference]
    guards: tuple[Guard, ...]
    smallest: float | None
    need: str = ""
    by_family: str = ""
    looks: str = ""
    verdicts: tuple[str, ...] = field(default=())

    @property
    def baseline(self) -> str:
        """The variant that the others are held against."""
        return str(self.study["baseline"])

    @property
    def variants(self) -> tuple[str, ...]:
        """Names, the baseline first."""
        return tuple(self.comparison.means)

    @property
    def verdict(self) -> str:
        """The first of the verdicts."""
        return self.verdicts[0]

    @property
    def stopped(self) -> bool:
        """Whether nothing may be concluded: test items stand in a variant."""
        return any(each.level == "stop" for each in self.guards)

    @property
    def unit(self) -> Unit:
        """How values of the metric are written."""
        return unit_of(self.metric, [each.items.scores[self.metric] for each in self.trials])

    @property
    def untrained_score(self) -> float:
        """The base model's, over all items."""
        return _mean(self.untrained, self.metric)

    def notes(self) -> list[str]:
        """Returns what a reader should know besides the verdicts, in sentences."""
        said = [each for each in (self.looks, self.need) if each]
        if self.stopped or not self.comparison.enough:
            return said
        said += [self.by_family] if self.by_family else []
        lost = [name for name, each in self.forgotten.items() if each.low and each.low > 0]
        if lost:
            most = max(self.forgotten[name].value for name in lost)
            said.append(
                f"Forgetting: {', '.join(lost)} made the model worse on the general set, by up to "
                f"{most:.3f} nats per token."
            )
        elif open := [each.high for each in self.forgotten.values() if each.high is not None]:
            most = max(open)
            ruled = f"more than {most:.3f} nats per token worse" if most > 0 else "it"
            said.append(
                f"Forgetting: no variant is clearly worse on the general set; {ruled} is ruled out."
            )
        worse = [
            name
            for name, each in self.over_untrained.items()
            if each.clear and (each.value > 0) == self.lower_is_better
        ]
        if worse:
            said.append(f"Worse than no training at all: {', '.join(worse)}.")
        return said

    def rows(self) -> list[dict[str, Any]]:
        """Returns a tidy table: a row for each item of each trial and metric.

        Columns: variant, replicate, item, metric, score, weight; the untrained model's rows have
        no replicate.
        """
        rows: list[dict[str, Any]] = []
        for trial in self.trials:
            rows += _tidy(trial.variant, trial.replicate, trial.items)
        return rows + _tidy(UNTRAINED, None, self.untrained)

    def frame(self) -> Any:  # noqa: ANN401  pandas.DataFrame
        """Returns `rows()` as a pandas DataFrame.

        Raises:
            MissingExtraError: If pandas is not installed.
        """
        from trainers.models import need

        return need("pandas", "train", "A DataFrame").DataFrame(self.rows())

    def to_json(self) -> dict[str, Any]:
        """Returns scores, lifts and verdicts as JSON values, without the items."""
        return {
            **self.study,
            "metric": self.metric,
            "lower_is_better": self.lower_is_better,
            "replicates": self.comparison.replicates,
            "items": self.comparison.items,
            "confidence": self.comparison.confidence,
            "critical_t": self.comparison.critical,
            "untrained": {"score": self.untrained_score},
            "variants": [self._variant(name) for name in self.variants],
            "differences": [difference_json(each) for each in self.comparison.differences],
            "smallest_effect": self.smallest,
            "guards": [
                {"name": each.name, "level": each.level, "text": each.text} for each in self.guards
            ],
            "notes": self.notes(),
            "verdicts": list(self.verdicts),
            "verdict": self.verdict,
        }

    def _variant(self, name: str) -> dict[str, Any]:
        own = [each for each in self.trials if each.variant == name]
        scores = [_mean(each.items, self.metric) for each in own]
        value: dict[str, Any] = {
            "ref": name,
            "score": self.comparison.means[name],
            "seeds": scores,
            "best": self.comparison.best.get(name),
            "seconds": round(sum(each.seconds for each in own), 1),
        }
        base = self.over_untrained[name]
        value |= {"over_untrained": difference_json(base)}
        if name != self.baseline:
            value["lift"] = difference_json(self.comparison.difference(name, self.baseline))
        if name in self.forgotten:
            value["general"] = difference_json(self.forgotten[name])
        return value


def difference_json(it: Difference) -> dict[str, Any]:
    """Returns a difference as JSON values."""
    return {
        "variant": it.variant,
        "over": it.over,
        "value": it.value,
        "low": it.low,
        "high": it.high,
        "p": it.p,
        "error": it.error,
        "components": None if it.components is None else asdict(it.components),
        "sees": it.sees,
        "by_replicate": list(it.by_replicate),
    }


def _tidy(variant: str, replicate: int | None, items: Items) -> list[dict[str, Any]]:
    return [
        {
            "variant": variant,
            "replicate": replicate,
            "item": items.ids[at],
            "metric": metric,
            "score": score,
            "weight": items.weights[metric][at] if metric in items.weights else 1.0,
        }
        for metric, scores in items.scores.items()
        for at, score in enumerate(scores)
    ]


def _mean(items: Items, metric: str) -> float:
    scores = items.scores[metric]
    weights = items.weights.get(metric, (1.0,) * len(scores))
    return sum(a * b for a, b in zip(scores, weights, strict=True)) / sum(weights)
