"""The chapters of a training's page on data, an example, settings, and where it came from."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from datakit.amounts import duration, size
from datakit.report.markup import Child, Markup, el, quote
from trainers.gate import Gate, Lengths
from trainers.page.facts import Told
from trainers.page.parts import chapter, hashed, listed, shown, words

__all__ = ["data", "example", "provenance", "settings"]

_LONGEST_RUN = 8_000
_LONGEST = 60_000
_TEXT = 2_000


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
    note = "Counted before the training, with the model's tokenizer and chat template." + (
        " Rows that were left out are in dropped.jsonl." if told.left_out else ""
    )
    return chapter("data", "Data", el("p", note), words("Data", ("rows", *tables), rows))


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
    rows = [(name, _setting(name, value, told)) for name, value in told.settings.items()]
    memory = [(str(each[0]), str(each[1])) for each in told.facts.get("memory") or ()]
    half = (len(rows) + 1) // 2
    parts = [words("Settings", ("setting", "value"), part) for part in (rows[:half], rows[half:])]
    return chapter(
        "settings",
        "Settings",
        el("div", [el("div", part) for part in parts], class_="parts") if rows else None,
        [
            el("h3", "Memory"),
            el("p", "As it was estimated before the model was loaded.", class_="note"),
            words("Memory", ("of", "estimate"), memory),
        ]
        if memory
        else None,
    )


def _setting(name: str, value: object, told: Told) -> str:
    used = told.part("used").get(name)
    if name == "learning_rate" and not value:
        return f"{shown(used)} (the method's own)" if used else "0 (the method's own)"
    if name == "optimizer" and value == "auto" and used:
        return f"{used} (auto)"
    if name == "steps" and not value and told.steps:
        return f"{told.steps:,} (of {told.settings.get('epochs')} epochs)"
    if name == "epochs" and told.settings.get("steps"):
        seen = told.result.get("epochs")
        return f"{seen:.3g} (by the steps)" if seen is not None else "as many as the steps make"
    if name == "save_every" and not value:
        return "0 (ten in a run)"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if value == "":
        return "empty"
    return ("on" if value else "off") if isinstance(value, bool) else shown(value)


def provenance(told: Told) -> Markup:
    """Returns what it was made of, what it took and what it made."""
    command = told.facts.get("command")
    line = shlex.join(map(str, command)) if isinstance(command, list | tuple) else command
    parts = [_parameters(told), _cost(told), _hardware(told), _packages(told)]
    return chapter(
        "provenance",
        "Where it came from",
        [el("h3", "Command"), el("pre", el("code", quote(str(line), _TEXT)))] if line else None,
        el("h3", "Model and data"),
        words("Model and data", ("what", "which", "records", "content"), _sources(told)),
        _files(told),
        el("div", [el("div", each) for each in parts if each], class_="parts"),
    )


def _sources(told: Told) -> list[Sequence[Child]]:
    model = told.model
    which = str(model.get("given") or "-")
    if model.get("base") not in (None, model.get("given")):
        which += f", on {model['base']}"
    rows: list[Sequence[Child]] = [("model", which, "", hashed(model.get("sha256")))]
    for name, title in (("train", "trained on"), ("held_out", "held out")):
        source = told.data(name)
        if source:
            share = source.get("share")
            ref = f"{source.get('ref')}{f' (share {share})' if share else ''}"
            n = source.get("records")
            content = hashed(source.get("content"))
            rows.append((title, ref, f"{n:,}" if isinstance(n, int) else "", content))
    rows.append(("run", "method, model, data and settings", "", hashed(told.facts.get("identity"))))
    return rows


def _files(told: Told) -> list[Child] | None:
    files = told.part("files")
    rows = [(name, hashed(value)) for name, value in files.items()]
    trackers = [(name, str(place)) for name, place in told.part("trackers").items()]
    body: list[Child] = []
    if rows:
        body += [el("h3", "Weights"), words("Weights", ("file", "SHA-256"), rows)]
    if trackers:
        body += [el("h3", "Trackers"), words("Trackers", ("tracker", "where"), trackers)]
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
    return listed("Parameters", rows)


def _cost(told: Told) -> list[Child] | None:
    cost = told.cost
    if not cost:
        return None
    rows = [
        ("time", duration(cost.get("seconds", 0))),
        ("of it training", duration(cost.get("train_seconds", 0))),
        ("of it evaluations", duration(cost.get("evaluate_seconds", 0))),
        ("processor time", duration(cost.get("cpu_seconds", 0))),
        ("rows", f"{cost.get('rows', 0):,}"),
        ("tokens", f"{told.tokens:,}"),
        ("operations", f"{cost.get('operations', 0):.3g}"),
    ]
    return listed("Cost", rows)


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
    return listed("Hardware", rows)


def _packages(told: Told) -> list[Child] | None:
    found = told.part("packages")
    rows = [(name, str(each)) for name, each in found.items()]
    return listed("Packages", rows) if rows else None
