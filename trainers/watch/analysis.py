"""What training on preferences did, told on held-out pairs: not the loss alone, which can mislead.

A margin grows when the chosen answer becomes likelier, but also when both become less likely and
the rejected one more so; an accuracy can come from length; and what grows in training can fall on
other pairs. So all of it is measured on the same held-out pairs at several steps, and put in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainers import stats
from trainers.stats import Interval
from trainers.watch.pairs import Grown, Held, Reading, wins

__all__ = ["KL", "LIMITS", "report"]

KL = (
    "nats per token, by the estimator k3 = r - 1 - ln r with r = reference / trained probability "
    "(Schulman 2020), over the tokens of the chosen held-out answers. The model did not write "
    "these answers: it tells how far the model moved on them, not the KL over answers of its own."
)


@dataclass(frozen=True)
class Limit:
    """Where a warning begins.

    Args:
        value: The limit.
        reason: Why it lies there.
    """

    value: float
    reason: str


LIMITS: Mapping[str, Limit] = {
    "few_pairs": Limit(30, "of fewer, an accuracy of 0.7 may as well be 0.5"),
    "chosen_shift": Limit(-1.0, "a nat: the chosen answer is then 2.7 times less likely"),
    "lead_over_length": Limit(0.0, "the whole interval of the lead must lie over it"),
    "margin_lost": Limit(0.0, "the whole interval of the change since the best step lies under it"),
    "answers_grew": Limit(1.25, "a quarter; with so few prompts, less may be chance"),
}

# Edges of length of chosen / length of rejected.
_BUCKETS = (
    (0.5, "chosen is at most half as long"),
    (0.9, "chosen is shorter"),
    (1.1, "about equal (within 10 %)"),
    (2.0, "chosen is longer"),
    (float("inf"), "chosen is at least twice as long"),
)


def report(held: Held, readings: Sequence[Reading], grown: Grown | None = None) -> dict[str, Any]:
    """Returns what is written to run.json: figures by step, figures at the end, and warnings.

    Args:
        held: The held-out answers.
        readings: By rising step; the last is the model that is saved.
        grown: Lengths of greedy answers, if they were measured.
    """
    end = readings[-1]
    told: dict[str, Any] = {
        "pairs": len(held.chosen_tokens) if held.paired else 0,
        "answers": len(held.chosen_tokens) + len(held.rejected_tokens),
        "points": [_point(held, each) for each in readings],
        "end": _end(held, end),
    }
    if held.reference is not None:
        told["kl"] = KL
    if held.paired:
        told["by_length"] = _by_length(held, end)
    if grown is not None:
        told["greedy_answers"] = {
            "tokens_before": grown.before,
            "tokens_after": grown.after,
            "cut_at": grown.most,
        }
    found = (
        _few(held),
        _displaced(held, end),
        _length_alone(held, end),
        _overfit(held, readings),
        _grew(grown),
    )
    return told | {"warnings": [each for each in found if each]}


def _point(held: Held, reading: Reading) -> dict[str, float | None]:
    point: dict[str, float | None] = {"step": reading.step, "margin": held.margin(reading)}
    if held.paired:
        point["accuracy"] = stats.mean(wins(held.margins(reading))).value
    if held.reference is not None:
        for name, shifts, tokens in zip(
            ("chosen", "rejected"),
            held.shifts(reading),
            (held.chosen_tokens, held.rejected_tokens),
            strict=True,
        ):
            point[f"{name}_shift"] = sum(shifts) / len(shifts)
            point[f"{name}_shift_per_token"] = sum(shifts) / sum(tokens)
        point["kl"] = sum(reading.chosen.k3) / sum(held.chosen_tokens)
    return point | {"train_margin": reading.train_margin}


def _end(held: Held, reading: Reading) -> dict[str, Any]:
    told: dict[str, Interval] = {}
    if held.reference is not None:
        chosen, rejected = held.shifts(reading)
        told |= {"chosen_shift": stats.mean(chosen), "rejected_shift": stats.mean(rejected)}
    if held.paired:
        margins = held.margins(reading)
        told |= {"margin": stats.mean(margins), "accuracy": stats.mean(wins(margins))}
        told |= {name: stats.mean(right) for name, right in held.baselines().items()}
    return {name: each.to_json() for name, each in told.items()}


def _by_length(held: Held, reading: Reading) -> list[dict[str, Any]]:
    buckets: list[list[float]] = [[] for _ in _BUCKETS]
    right = wins(held.margins(reading))
    for a, b, win in zip(held.chosen_tokens, held.rejected_tokens, right, strict=True):
        ratio = a / b
        at = next(at for at, (edge, _) in enumerate(_BUCKETS) if ratio <= edge)
        # Twice as long, exactly, belongs to the last one as half as long does to the first.
        buckets[min(at + (ratio == _BUCKETS[3][0]), len(_BUCKETS) - 1)].append(win)
    return [
        {"lengths": name, "pairs": len(found), "accuracy": stats.mean(found).to_json()}
        for (_, name), found in zip(_BUCKETS, buckets, strict=True)
        if found
    ]


def _few(held: Held) -> str:
    count, least = len(held.chosen_tokens), LIMITS["few_pairs"].value
    if not held.paired or count >= least:
        return ""
    return (
        f"Only {count} held-out pairs were watched; under {least:.0f} an accuracy says little. "
        "Hold out more."
    )


def _displaced(held: Held, reading: Reading) -> str:
    if held.reference is None:
        return ""
    chosen, margin = stats.mean(held.shifts(reading)[0]), held.margin(reading)
    clearly = chosen.high is not None and chosen.high < 0
    if margin <= 0 or chosen.value >= LIMITS["chosen_shift"].value or not clearly:
        return ""
    return (
        f"The margin rose to {margin:.2f}, yet the chosen answers became less likely, by "
        f"{-chosen.value:.1f} nats each: the model moves away from both answers (likelihood "
        "displacement, arXiv 2410.08847). Lower --learning-rate, take fewer steps, raise --beta, "
        "or start from a model that was fine-tuned on the chosen answers."
    )


def _length_alone(held: Held, reading: Reading) -> str:
    if not held.paired:
        return ""
    right = wins(held.margins(reading))
    name, baseline = max(held.baselines().items(), key=lambda item: sum(item[1]))
    lead = stats.paired(baseline, right)
    if lead.low is None or lead.high is None or lead.low > LIMITS["lead_over_length"].value:
        return ""
    which = name.partition("_")[0]
    return (
        f"Accuracy {sum(right) / len(right):.2f} on held-out pairs; always choosing the {which} "
        f"answer has {sum(baseline) / len(baseline):.2f}. The lead over that, {lead.low:+.2f} to "
        f"{lead.high:+.2f}, may be none: what was learnt may be no more than length. See the "
        "accuracy by length."
    )


def _overfit(held: Held, readings: Sequence[Reading]) -> str:
    best, end = max(readings, key=held.margin), readings[-1]
    before, after = best.train_margin or 0.0, end.train_margin
    if not held.paired or after is None or after <= before:
        return ""
    lost = stats.paired(held.margins(best), held.margins(end))
    if lost.high is None or lost.high >= LIMITS["margin_lost"].value:
        return ""
    return (
        f"Since step {best.step} the margin grew in training, {before:.2f} to {after:.2f}, and "
        f"fell on held-out pairs, {held.margin(best):.2f} to {held.margin(end):.2f}: overfitting. "
        "Take fewer steps or more pairs, or let --evaluate-every and --patience stop it."
    )


def _grew(grown: Grown | None) -> str:
    if grown is None:
        return ""
    before, after = sum(grown.before), sum(grown.after)
    if after <= LIMITS["answers_grew"].value * before:
        return ""
    count = len(grown.before)
    return (
        f"Answers to {count} held-out prompts grew from {before / count:.0f} to "
        f"{after / count:.0f} tokens (cut at {grown.most}). Longer alone is not better."
    )
