"""The chapters of a training's page below its first screen."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from datakit.report.charts import table
from datakit.report.markup import Child, Markup, el, quote
from trainers.charts import Series, figures_of, line_chart, smooth
from trainers.gate import Gate, Lengths
from trainers.page_facts import Told, duration, size

__all__ = ["curves", "data", "example", "provenance", "settings"]

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
    "*_shift": "Shift of log-probability, nats an answer",
    "*_shift_per_token": "Shift of log-probability, nats a token",
    "kl": "Distance from the reference, nats a token",
}
# Drawn with another curve.
_PARTNERS = {"margin": "train_margin"}
_SIDES = ("chosen", "rejected")
_CHARTS = 24
_LONGEST_RUN = 8_000
_LONGEST = 60_000
_TEXT = 2_000


def chapter(id: str, title: str, *body: Child) -> Markup:
    """Returns a chapter."""
    return el("section", el("h2", title), body, id=id, class_="chapter")


def curves(told: Told) -> Markup:
    """Returns every curve but the loss, and the figures of what was watched."""
    watched = told.watch.get("points")
    entries = [each for each in watched if isinstance(each, dict)] if watched else []
    charts = [
        *(_chart(name, (("", entries),)) for name in _groups(entries)),
        *(
            _chart(name, (("training", told.train), ("held out", told.held_out)))
            for name in _groups([*told.train, *told.held_out])
        ),
    ]
    shown = [each for each in charts if each is not None][:_CHARTS]
    watch = _watch(told.watch)
    if not shown and not watch:
        return chapter("curves", "Curves", el("p", "Nothing was logged.", class_="none"))
    grid = el("div", shown, class_="grid") if shown else None
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
        body += [el("h3", title), _words(title, ("of", "mean and 95 % interval"), rows)]
    if by_length:
        title = "Accuracy by length"
        head = ("chosen against rejected", "pairs", "accuracy")
        body += [el("h3", title), _words(title, head, by_length)]
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
            called = f"{side}, {label}" if label else side
            # What comes second is marked by dots alone: four lines are a tangle.
            marks = {"dots": True, "line": False} if at else {}
            one = Series.of(called, entries, name.replace("*", side), look, **marks)
            series.append(one if at else smooth(one)[-1])
    return series


def _named(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    words = name.replace("*", "").replace("_", " ").replace("/", " ").split()
    text = " ".join(words) or "chosen and rejected"
    return text[:1].upper() + text[1:60]


def _value(value: object) -> str:
    if isinstance(value, float):
        return figures_of(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def data(told: Told) -> Markup:
    """Returns what the gate counted."""
    tables = {
        name: dict(_gate(told.part(part)))
        for name, part in (("training", "gate"), ("held out", "held_out_gate"))
        if told.part(part)
    }
    if not tables:
        return chapter("data", "Data", el("p", "Nothing was counted.", class_="none"))
    names = list(dict.fromkeys(name for each in tables.values() for name in each))
    rows = [(name, *(each.get(name, "") for each in tables.values())) for name in names]
    note = (
        "Counted before the training, with the model's tokenizer and chat template. Rows that were "
        "left out are in dropped.jsonl."
    )
    return chapter("data", "Data", el("p", note), _words("Data", ("rows", *tables), rows))


def _gate(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    lengths = {
        name: Lengths(**value[name]) if value.get(name) else None
        for name in ("lengths", "answers", "rejected")
    }
    return Gate(**{**value, **lengths}).table()


def example(told: Told) -> Markup | None:
    """Returns the first row as the model sees it, with what is learnt marked."""
    runs = told.facts.get("example") or ()
    if not runs:
        return None
    text, marks = "", []
    for piece, learnt in runs:
        piece = _clipped(str(piece))
        if learnt:
            marks.append((len(text), len(text) + len(piece)))
        text += piece
    note = (
        "The first row, decoded from its tokens. What is marked is learnt; the rest is only read."
    )
    return chapter(
        "example",
        "An example",
        el("p", note),
        el(
            "div",
            quote(text, _LONGEST, marks),
            class_="decoded",
            tabindex=0,
            role="region",
            aria_label="The first row",
        ),
    )


def _clipped(text: str) -> str:
    """Returns a text without its middle if it is long: the answer comes after the prompt."""
    over = len(text) - _LONGEST_RUN
    if over <= 0:
        return text
    half = _LONGEST_RUN // 2
    return f"{text[:half]}\n[{over:,} characters are not shown]\n{text[-half:]}"


def settings(told: Told) -> Markup:
    """Returns the settings and the estimate of memory."""
    rows = [(name, _setting(name, value)) for name, value in told.settings.items()]
    memory = [(str(each[0]), str(each[1])) for each in told.facts.get("memory") or ()]
    half = (len(rows) + 1) // 2
    parts = [_words("Settings", ("setting", "value"), part) for part in (rows[:half], rows[half:])]
    return chapter(
        "settings",
        "Settings",
        el("div", [el("div", part) for part in parts], class_="parts") if rows else None,
        [
            el("h3", "Memory"),
            el("p", "As it was estimated before the model was loaded.", class_="note"),
            _words("Memory", ("of", "estimate"), memory),
        ]
        if memory
        else None,
    )


def _setting(name: str, value: object) -> str:
    if name in ("learning_rate", "save_every") and not value:
        return f"{value:g} (the method's own)" if name == "learning_rate" else "0 (ten in a run)"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if value == "":
        return "empty"
    return ("on" if value else "off") if isinstance(value, bool) else _value(value)


def provenance(told: Told) -> Markup:
    """Returns what it was made of, what it took and what it made."""
    command = told.facts.get("command")
    words = shlex.join(map(str, command)) if isinstance(command, list | tuple) else command
    parts = [_parameters(told), _cost(told), _hardware(told), _packages(told)]
    return chapter(
        "provenance",
        "Where it came from",
        [el("h3", "Command"), el("pre", el("code", quote(str(words), _TEXT)))] if words else None,
        el("h3", "Model and data"),
        _words("Model and data", ("what", "which", "records", "content"), _sources(told)),
        _files(told),
        el("div", [el("div", each) for each in parts if each], class_="parts"),
    )


def _sources(told: Told) -> list[Sequence[Child]]:
    model = told.model
    which = str(model.get("given") or "-")
    if model.get("base") not in (None, model.get("given")):
        which += f", on {model['base']}"
    rows: list[Sequence[Child]] = [("model", which, "", _hash(model.get("sha256")))]
    for name, title in (("train", "trained on"), ("held_out", "held out")):
        source = told.data(name)
        if source:
            share = source.get("share")
            ref = f"{source.get('ref')}{f' (share {share})' if share else ''}"
            n = source.get("records")
            content = _hash(source.get("content"))
            rows.append((title, ref, f"{n:,}" if isinstance(n, int) else "", content))
    rows.append(("run", "method, model, data and settings", "", _hash(told.facts.get("identity"))))
    return rows


def _files(told: Told) -> list[Child] | None:
    files = told.part("files")
    rows = [(name, _hash(value)) for name, value in files.items()]
    trackers = [(name, str(place)) for name, place in told.part("trackers").items()]
    body: list[Child] = []
    if rows:
        body += [el("h3", "Weights"), _words("Weights", ("file", "SHA-256"), rows)]
    if trackers:
        body += [el("h3", "Trackers"), _words("Trackers", ("tracker", "where"), trackers)]
    return body or None


def _parameters(told: Told) -> list[Child] | None:
    found = told.parameters
    if not found:
        return None
    share = 100 * found.get("share", 0)
    rows = [
        ("trained", f"{found.get('trainable', 0):,}"),
        ("all", f"{found.get('total', 0):,}"),
        ("share", f"{share:.3g} %"),
    ]
    return _list("Parameters", rows)


def _cost(told: Told) -> list[Child] | None:
    cost = told.cost
    if not cost:
        return None
    rows = [
        ("time", duration(cost.get("seconds", 0))),
        ("of it training", duration(cost.get("train_seconds", 0))),
        ("processor time", duration(cost.get("cpu_seconds", 0))),
        ("rows", f"{cost.get('rows', 0):,}"),
        ("tokens", f"{told.tokens:,}"),
        ("operations", f"{cost.get('flops', 0):.3g}"),
    ]
    return _list("Cost", rows)


def _hardware(told: Told) -> list[Child] | None:
    found = told.part("hardware")
    if not found:
        return None
    rows = [("device", str(told.facts.get("device") or "-"))]
    rows += [
        (name, str(found[key]))
        for key, name in (("machine", "machine"), ("cpus", "processors"), ("threads", "threads"))
        if key in found
    ]
    if isinstance(found.get("memory_bytes"), int):
        rows.append(("memory", size(found["memory_bytes"])))
    rows += [("GPU", str(name)) for name in found.get("gpus", ())]
    return _list("Hardware", rows)


def _packages(told: Told) -> list[Child] | None:
    found = told.part("packages")
    return _list("Packages", [(name, str(each)) for name, each in found.items()]) if found else None


def _list(title: str, rows: Sequence[Sequence[Child]]) -> list[Child]:
    return [el("h3", title), _words(title, ("of", "value"), rows)]


def _words(title: str, head: Sequence[str], rows: Sequence[Sequence[Child]]) -> Markup:
    """Returns a table whose cells stand left; texts are quoted."""
    cells = [[quote(each, 400) if isinstance(each, str) else each for each in row] for row in rows]
    return el("div", table(head, cells, title), class_="words")


def _hash(value: object) -> Markup:
    return el("code", quote(str(value or "-"), 200), class_="hash")
