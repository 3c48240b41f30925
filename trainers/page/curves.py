"""The chapter of a training's page on its curves, and on what was watched on held-out pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from datakit.report.markup import Child, Markup, el, quote
from trainers.page.charts import Series, figures_of, line_chart, smooth
from trainers.page.facts import Told
from trainers.page.parts import chapter, words

__all__ = ["curves"]

# What the Trainer logs beside figures of the training.
_NO_CURVE = ("loss", "step", "epoch", "num_tokens", "learning_rate", "total_flos")
_NO_CURVE_END = ("runtime", "per_second")
_NAMES = {
    "rewards/margins": "Margin of the implied reward",
    "rewards/accuracies": "Pairs ranked as labelled",
    "rewards/*": "Implied reward",
    "logps/*": "Log-probability of the answers",
    "logits/*": "Logits",
    "mean_token_accuracy": "Tokens that are the likeliest",
    "entropy": "Entropy of the prediction",
    "grad_norm": "Norm of the gradient",
    # Of the watch over held-out pairs; run.json has a word on its `kl`.
    "margin": "Margin on watched pairs",
    "accuracy": "Watched pairs ranked as labelled",
    "*_shift": "Shift of log-probability, nats per answer",
    "*_shift_per_token": "Shift of log-probability, nats per token",
    "kl": "Distance from the reference, nats per token",
}
# Drawn with another curve.
_PARTNERS = {"margin": "train_margin"}
_SIDES = ("chosen", "rejected")
_CHARTS = 24


def curves(told: Told) -> Markup:
    """Returns every curve but the loss, and the figures of what was watched."""
    watched = told.watch.get("points")
    entries = [each for each in watched if isinstance(each, dict)] if watched else []
    charts = [
        *(_chart(name, (("watched", entries),)) for name in _groups(entries)),
        *(
            _chart(name, (("training", told.train), ("held out", told.held_out)))
            for name in _groups([*told.train, *told.held_out])
        ),
    ]
    drawn = [each for each in charts if each is not None][:_CHARTS]
    watch = _watch(told.watch)
    if not drawn and not watch:
        return chapter("curves", "Curves", el("p", "Nothing was logged.", class_="none"))
    grid = el("div", drawn, class_="grid") if drawn else None
    return chapter("curves", "Curves", grid, watch)


def _watch(watch: Mapping[str, Any]) -> list[Child]:
    """Returns what was measured on held-out pairs at the end."""
    rows = [(_named(name), _interval(each)) for name, each in (watch.get("end") or {}).items()]
    by_length = [
        (str(each["lengths"]), f"{each['pairs']:,}", _interval(each["accuracy"]))
        for each in watch.get("by_length") or ()
    ]
    body: list[Child] = []
    if rows:
        n = watch.get("pairs") or watch.get("answers") or 0
        title = f"On {n:,} watched {'pairs' if watch.get('pairs') else 'answers'}, at the end"
        body += [el("h3", title), words(title, ("of", "mean and 95 % interval"), rows)]
    if by_length:
        title = "Accuracy by length"
        head = ("chosen against rejected", "pairs", "accuracy")
        body += [el("h3", title), words(title, head, by_length)]
    greedy = watch.get("greedy_answers")
    if greedy and greedy["tokens_before"]:
        n = len(greedy["tokens_before"])
        before, after = (sum(greedy[name]) / n for name in ("tokens_before", "tokens_after"))
        text = f"Greedy answers to {n:,} prompts: {before:.0f} tokens before, {after:.0f} after."
        body.append(el("p", text))
    if watch.get("kl"):
        body.append(
            el("p", "The distance from the reference is in ", quote(watch["kl"]), class_="note")
        )
    return body


def _interval(value: Mapping[str, Any]) -> str:
    middle, low, high = (value.get(name) for name in ("value", "low", "high"))
    if middle is None:
        return "-"
    text = figures_of(middle)
    return (
        text if low is None or high is None else f"{text} [{figures_of(low)}, {figures_of(high)}]"
    )


def _groups(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns what is drawn: names of fields, with `*` for a pair of chosen and rejected."""
    found: dict[str, None] = {}
    for each in entries:
        for name in each:
            if name not in (*_NO_CURVE, *_PARTNERS.values()) and not name.endswith(_NO_CURVE_END):
                found.setdefault(_group(name))
    order = [name for name in _NAMES if name in found]
    return [*order, *(name for name in found if name not in _NAMES)]


def _group(name: str) -> str:
    for side in _SIDES:
        if side in name:
            return name.replace(side, "*")
    return name


def _chart(name: str, sources: Sequence[tuple[str, list[dict[str, Any]]]]) -> Markup | None:
    if "*" in name:
        return line_chart(_named(name), _sides(name, sources))
    series: list[Series] = []
    for label, entries in sources:
        held = label != "training"
        one = Series.of(
            label or _named(name), entries, name, "held" if held else "train", dots=held
        )
        series += [one] if held else smooth(one)
        if name in _PARTNERS:
            series.append(Series.of("training", entries, _PARTNERS[name], "train"))
    return line_chart(_named(name), series)


def _sides(name: str, sources: Sequence[tuple[str, list[dict[str, Any]]]]) -> list[Series]:
    series: list[Series] = []
    for at, (label, entries) in enumerate(sources):
        for side, look in zip(_SIDES, ("held", "other"), strict=True):
            called = f"{side}, {label}"
            # What comes second is marked by dots alone: four lines are a tangle.
            marks = {"dots": True, "line": False} if at else {}
            one = Series.of(called, entries, name.replace("*", side), look, **marks)
            series.append(one if at else replace(smooth(one)[-1], row=True))
    return series


def _named(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    words = name.replace("*", "").replace("_", " ").replace("/", " ").split()
    text = " ".join(words) or "chosen and rejected"
    return text[:1].upper() + text[1:60]
