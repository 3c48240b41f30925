"""What a judge's verdicts are worth: how far people agree with them, and where they lean."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from datakit.amounts import counted
from datakit.errors import InputError
from datakit.judge.grading import Grade
from datakit.judge.labels import GradedAnswer, LabelledPair
from datakit.judge.pairwise import Comparison
from datakit.judge.statistics import Interval, average, kappa, lean, ordering, share
from datakit.outcome import Drop

__all__ = ["Calibration", "calibrate", "calibrate_grades", "read_calibration"]

# What a verdict gives to `a`.
_WORTH = {"a": 1.0, "tie": 0.5, "b": 0.0}
_CHANCE = 0.5


@dataclass(frozen=True)
class Calibration:
    """A judge beside people, over the same pairs; or, of the form `grade`, the same answers.

    Args:
        judge: Who it is and how it is asked, as `Asking.describe` returns it.
        labels: The file of people's labels.
        pairs: Pairs in it; of the form `grade`, answers.
        judged: Those that the judge has a verdict of, in both orders.
        same: Those with the same text on both sides, which are not asked about.
        failed: Those without a verdict, by reason.
        agreement: Share of the pairs in which people prefer one that the judge's is the same; a tie
            of the judge is half. None if people prefer none. Of grades, `statistics.ordering`.
        ties: Share of the pairs in which people prefer none that are a tie of the judge too.
        kappa: Cohen's, over `a`, `b` and `tie`.
        first: Share of the decided verdicts, of both orders, that the answer shown first won.
        flips: Share of the pairs whose verdict changes with the order.
        longer: How much the judge leans to the longer answer; see `statistics.lean`.
        own: How much it leans to answers of its own model; None if the pairs do not tell.
        offset: Of grades: the judge's less people's, on average.
    """

    judge: Mapping[str, Any]
    labels: str
    pairs: int
    judged: int
    same: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    agreement: Interval | None = None
    ties: Interval | None = None
    kappa: Interval | None = None
    first: Interval | None = None
    flips: Interval | None = None
    longer: Interval | None = None
    own: Interval | None = None
    offset: Interval | None = None

    @property
    def form(self) -> str:
        """What it was asked for: `pair` or `grade`."""
        return str(self.judge.get("form", "pair"))

    @property
    def agrees(self) -> bool:
        """Whether people agree with it more often than with a coin."""
        return self.agreement is not None and self.agreement.low > _CHANCE

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        graded = self.form == "grade"
        what = "answer" if graded else "pair"
        if not self.judged:
            return f"this judge has no usable verdict on any {what}: no verdict may rest on it"
        if self.agreement is None:
            same = "people grade alike what" if graded else "people prefer neither in any pair"
            return f"{same} it judged: nothing is known of this judge"
        told = f"agrees with people in {_percent(self.agreement)} of {_pairs(self.agreement.n)}"
        told += " of graded answers" if graded else ""
        if self.agrees:
            return told
        return f"people do not agree with this judge: no verdict may rest on it ({told})"

    def sentences(self) -> list[str]:
        """Returns the verdict, and what else to know."""
        told = [self.verdict]
        if self.agreement and not self.agrees and self.agreement.value > _CHANCE:
            what = "graded answers" if self.form == "grade" else "labelled pairs"
            told.append(f"more {what} may tell it from chance")
        if self.offset:
            ends = f"{self.offset.value:+.1f} ({self.offset.low:+.1f} to {self.offset.high:+.1f})"
            told.append(f"its grades less people's: {ends}, {counted(self.offset.n, 'answer')}")
        if self.kappa:
            ends = f"{self.kappa.value:.2f} ({self.kappa.low:.2f} to {self.kappa.high:.2f})"
            told.append(f"kappa {ends} over a, b and tie, {_pairs(self.kappa.n)}")
        if self.ties:
            told.append(f"where people see a tie, so does it in {_percent(self.ties)}")
        if self.first:
            verdicts = counted(self.first.n, "decided verdict")
            told.append(f"the answer shown first wins {_percent(self.first)} of {verdicts}")
        if self.flips:
            told.append(f"the order of the answers changes {_percent(self.flips)} of the verdicts")
        for name, figure in (("the longer answer", self.longer), ("its own answers", self.own)):
            if figure:
                told.append(f"leans to {name} by {_points(figure)}, {_pairs(figure.n)}")
        if self.same:
            told.append(f"not asked about: {_pairs(self.same)} with the same text on both sides")
        if self.failed:
            why = ", ".join(f"{reason} {count:,}" for reason, count in self.failed.items())
            what = "answer" if self.form == "grade" else "pair"
            told.append(f"no verdict on {counted(sum(self.failed.values()), what)}: {why}")
        return told

    def to_json(self) -> dict[str, Any]:
        """Returns all figures, and the verdict."""
        return {**asdict(self), "agrees": self.agrees, "verdict": self.verdict}


def calibrate(
    pairs: Sequence[LabelledPair],
    said: Mapping[str, Comparison | Drop],
    *,
    judge: Mapping[str, Any],
    labels: str = "",
) -> Calibration:
    """Sets a judge's comparisons beside people's labels.

    Args:
        pairs: The pairs.
        said: What the judge says, by the key of the pair; the same text twice needs no entry.
        judge: Who it is; `model` tells its own answers.
        labels: Where the pairs are from.
    """
    asked = [pair for pair in pairs if pair.a != pair.b]
    found = [(pair, outcome) for pair in asked if isinstance(outcome := said[pair.key], Comparison)]
    drops = (outcome for pair in asked if isinstance(outcome := said[pair.key], Drop))
    questions = [pair.question for pair, _ in found]
    decided = [(pair, outcome) for pair, outcome in found if pair.label != "tie"]
    even = [(pair, outcome) for pair, outcome in found if pair.label == "tie"]
    firsts = [(float(won), pair.question) for pair, outcome in found for won in outcome.firsts]
    return Calibration(
        judge=dict(judge),
        labels=labels,
        pairs=len(pairs),
        judged=len(found),
        same=len(pairs) - len(asked),
        failed=dict(Counter(drop.reason for drop in drops).most_common()),
        agreement=share(
            [1 - abs(_WORTH[each.winner] - _WORTH[pair.label]) for pair, each in decided],
            [pair.question for pair, _ in decided],
        ),
        ties=share(
            [float(each.winner == "tie") for _, each in even], [pair.question for pair, _ in even]
        ),
        kappa=kappa(
            [pair.label for pair, _ in found], [each.winner for _, each in found], questions
        ),
        first=share([won for won, _ in firsts], [question for _, question in firsts]),
        flips=share([float(len({*each.verdicts}) > 1) for _, each in found], questions),
        longer=_leaning(found, [_longer(pair) for pair, _ in found]),
        own=_leaning(found, [_own(pair, judge.get("model", "")) for pair, _ in found]),
    )


def calibrate_grades(
    answers: Sequence[GradedAnswer],
    said: Mapping[str, Grade | Drop],
    *,
    judge: Mapping[str, Any],
    labels: str = "",
) -> Calibration:
    """Sets a judge's grades beside people's; arguments as for `calibrate`."""
    outcomes = [(each, said[each.key]) for each in answers]
    found = [(each, outcome) for each, outcome in outcomes if isinstance(outcome, Grade)]
    drops = (outcome for _, outcome in outcomes if isinstance(outcome, Drop))
    judged = [outcome.score for _, outcome in found]
    people = [each.grade for each, _ in found]
    questions = [each.question for each, _ in found]
    return Calibration(
        judge=dict(judge),
        labels=labels,
        pairs=len(answers),
        judged=len(found),
        failed=dict(Counter(drop.reason for drop in drops).most_common()),
        agreement=ordering(judged, people, questions),
        offset=average([one - other for one, other in zip(judged, people, strict=True)], questions),
    )


def read_calibration(path: str | Path) -> Calibration:
    """Reads what `datakit judge check` has written.

    Raises:
        InputError: If the file cannot be read, is none of these, or does not say how the judge was
            asked, as those of older versions.
    """
    try:
        found = msgspec.json.decode(Path(path).read_bytes(), type=Calibration)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        text = f"{path}: is not what datakit judge check writes: {error}."
        raise InputError(text) from None
    if missing := [key for key in ("server", "form", "settings") if key not in found.judge]:
        raise InputError(
            f"{path}: does not name the judge's {', '.join(missing)}: an older datakit wrote it. "
            "Run the same datakit judge check again; what is in its log is not asked again."
        )
    return found


def _leaning(
    found: Sequence[tuple[LabelledPair, Comparison]], sides: Sequence[str]
) -> Interval | None:
    """Returns how much the judge leans to a side of each pair; a pair without one is left out."""
    taken = [
        (_worth(outcome.winner, side), _worth(pair.label, side), pair.question)
        for (pair, outcome), side in zip(found, sides, strict=True)
        if side
    ]
    return lean([row[0] for row in taken], [row[1] for row in taken], [row[2] for row in taken])


def _worth(winner: str, side: str) -> float:
    return _WORTH[winner] if side == "a" else 1 - _WORTH[winner]


def _longer(pair: LabelledPair) -> str:
    if len(pair.a) == len(pair.b):
        return ""
    return "a" if len(pair.a) > len(pair.b) else "b"


def _own(pair: LabelledPair, model: str) -> str:
    """Returns the side that the judge's model wrote, if it wrote one of them."""
    mine = [bool(each) and _name(each) == _name(model) for each in pair.models]
    if mine[0] == mine[1]:
        return ""
    return "a" if mine[0] else "b"


def _name(model: str) -> str:
    """Returns a model's name without whose it is: `openai/gpt-x` and `gpt-x` are one."""
    return model.rpartition("/")[2].casefold()


def _percent(figure: Interval) -> str:
    value, low, high = (
        math.floor(100 * each + 0.5) for each in (figure.value, figure.low, figure.high)
    )
    return f"{value} % ({low} to {high})"


def _points(figure: Interval) -> str:
    value, low, high = (
        math.floor(100 * each + 0.5) for each in (figure.value, figure.low, figure.high)
    )
    return f"{value:+} points ({low:+} to {high:+})"


def _pairs(count: int) -> str:
    return counted(count, "pair")
