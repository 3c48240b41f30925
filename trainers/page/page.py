"""The page of a training: run.html, one file without a network, locked by its own security policy.

It has the look of the reports, and holds nothing that runs. What it shows is in run.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datakit.amounts import counted, duration, million, size
from datakit.report.charts import bar_line
from datakit.report.document import contents, document
from datakit.report.markup import Child, Markup, el, quote
from trainers.page import chapters
from trainers.page.charts import Series, Size, figures_of, line_chart, smooth
from trainers.page.curves import curves
from trainers.page.facts import Told, change
from trainers.page.notes import Note, notes

__all__ = ["render"]

_CHAPTERS = {
    "curves": "Curves",
    "data": "Data",
    "example": "An example",
    "settings": "Settings",
    "provenance": "Where it came from",
}
_STYLES = ("datakit.report/style.css", "trainers.page/page.css")
_LOSS = Size(660, 250)


def render(facts: Mapping[str, Any]) -> str:
    """Returns the page of a run as one HTML file.

    Args:
        facts: What run.json has; of a run that goes on or failed, what is there by then.
    """
    told = Told(facts)
    example = chapters.example(told)
    shown = [id for id in _CHAPTERS if id != "example" or example is not None]
    body = el(
        "body",
        _overview(told),
        contents({id: _CHAPTERS[id] for id in shown}),
        el(
            "main",
            curves(told),
            chapters.data(told),
            example,
            chapters.settings(told),
            chapters.provenance(told),
        ),
        el("footer", el("p", "Written by datakit from run.json.")),
    )
    model = str(told.model.get("given") or "a model")[:80]
    return document(f"{told.method} of {model}: training", body, styles=_STYLES)


def _overview(told: Told) -> Markup:
    model = str(told.model.get("given") or "A model")
    title = el(
        "div",
        el("h1", quote(model, 60), el("span", f" {told.method}", class_="version")),
        el(
            "p",
            el("time", quote(told.when, 80)),
            class_="day" if told.done else "day status",
        ),
        el("p", quote(told.sentence, 300), class_="lead"),
        class_="title",
    )
    return el(
        "header",
        title,
        el(
            "dl",
            [el("div", el("dt", name), el("dd", value)) for value, name in _figures(told)],
            class_="figures",
        ),
        el("section", el("h2", "Loss"), _loss(told), id="loss"),
        el("section", el("h2", "Findings"), _findings(told), id="findings"),
        class_="overview",
    )


def _figures(told: Told) -> list[tuple[Child, Child]]:
    return [_loss_figure(told), _steps_figure(told), _weights_figure(told), _cost_figure(told)]


def _loss_figure(told: Told) -> tuple[Child, Child]:
    before, after = told.losses
    if before is not None and after is not None:
        text = f"held-out loss before and after, {change(before, after)}"
        return f"{_loss_text(before)} \u2192 {_loss_text(after)}", text
    if before is not None:
        return f"{before:.3f}", "held-out loss before; none after"
    last = told.result.get("train_loss")
    if last is not None:
        return f"{last:.3f}", "training loss at the end; nothing was held out"
    return "\u2013", "loss; nothing was measured"


def _loss_text(value: float) -> str:
    return f"{value:.3f}" if abs(value) >= 0.1 else figures_of(value)


def _steps_figure(told: Told) -> tuple[Child, Child]:
    if not told.steps:
        return "\u2013", "optimizer steps"
    epochs = told.result.get("epochs")
    rows = told.cost.get("rows")
    text = "optimizer step" if told.steps == 1 else "optimizer steps"
    if epochs is not None:
        text += f", {epochs:.3g} epoch{'' if epochs == 1 else 's'}"
    return f"{told.steps:,}", text + (f", {counted(rows, 'row')}" if rows else "")


def _weights_figure(told: Told) -> tuple[Child, Child]:
    found = told.parameters
    if not found:
        return "\u2013", "parameters trained"
    share, total = 100 * found.get("share", 0), found.get("total", 0)
    text = f"parameters trained, {share:.2g}\u00a0% of {million(total)}"
    sizes = told.part("file_bytes")
    if sizes:
        what = "weights" if told.settings.get("lora") == "none" else "adapter"
        text += f"; {what} {size(sum(sizes.values()))}"
    return million(found.get("trainable", 0)), text


def _cost_figure(told: Told) -> tuple[Child, Child]:
    seconds = told.cost.get("seconds")
    if seconds is None:
        return "\u2013", "time"
    text = f"for {told.tokens:,} tokens" if told.tokens else "from the first to the last"
    device = str(told.facts.get("device") or "")
    on = {"cpu": "a CPU", "cuda": "a GPU"}.get(device, device)
    return duration(seconds), text + (f", on {on}" if on else "")


def _loss(told: Told) -> Markup:
    train = Series.of("training", told.train, "loss", "train")
    held = Series.of("held out", told.held_out, "loss", dots=True)
    rate = Series.of("learning rate", told.train, "learning_rate", "faint")
    # The loss of a preference has no such unit.
    up = "nats per token" if told.method in ("sft", "qlora") else "loss"
    title = "Training and held-out loss"
    chart = line_chart(title, [*smooth(train), held], up=up, size=_LOSS, below=[rate])
    return chart or el("p", "No step was logged yet.", class_="none")


def _findings(told: Told) -> Markup:
    found = notes(told)
    if not found:
        return el("p", "None of the rules found anything.", class_="none")
    return el("ol", [_finding(each) for each in found], class_="findings")


def _finding(note: Note) -> Markup:
    return el(
        "li",
        el("p", quote(note.text, 400)),
        el(
            "p",
            el("span", "needs a look" if note.look else "good to know", class_="level"),
            bar_line(note.count, note.of) if note.of else None,
            el("span", f"{note.count:,} of {note.of:,}", class_="value") if note.of else None,
            class_="measure",
        ),
        el("p", note.do, " ", el("code", note.code), class_="do") if note.do else None,
    )
