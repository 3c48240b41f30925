"""What a reader of a training's page should know first: a table of rules over run.json."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from datakit.amounts import counted
from trainers.page.facts import Told

__all__ = ["Note", "notes"]

# Held-out rows below which a loss says little.
_FEW = 30
# A loss that ends so much above its lowest rose again.
_ROSE = 0.02
# Epochs are rounded: the last batch of one may be smaller.
_ALL = 0.999


@dataclass(frozen=True)
class Note:
    """One thing to know.

    Args:
        text: A sentence.
        look: Whether it needs a look; else it is good to know.
        count: How many rows it is about.
        of: How many there are; 0 if it is about no rows.
        do: What can be done.
        code: An option or command that does it.
    """

    text: str
    look: bool = True
    count: int = 0
    of: int = 0
    do: str = ""
    code: str = ""


def notes(told: Told) -> list[Note]:
    """Returns what the rules find, what needs a look first."""
    found = [note for rule in _RULES for note in rule(told)]
    return sorted(found, key=lambda note: not note.look)


def _ended(told: Told) -> Iterator[Note]:
    if told.status == "failed":
        why = str(told.facts.get("error") or "")
        why = f": {why}" if why else "."
        text = f"The training failed after {counted(told.steps, 'step')}{why}"
        yield Note(text, do="The same command goes on from the last checkpoint:", code="--resume")
    elif told.status == "running":
        yield Note(
            "There is no result yet.",
            look=False,
            do="If it was killed, the same command goes on:",
            code="--resume",
        )


def _apart(told: Told) -> Iterator[Note]:
    for text in told.warnings:
        yield Note(text)


def _warned(told: Told) -> Iterator[Note]:
    warnings = told.watch.get("warnings")
    for text in warnings if isinstance(warnings, list | tuple) else ():
        yield Note(str(text))


def _held_out(told: Told) -> Iterator[Note]:
    if not told.data("held_out"):
        yield Note(
            "Nothing was held out, so nothing here tells learning from learning by heart.",
            do="Hold some rows out:",
            code="--held-out 0.1",
        )
        return
    used = told.part("held_out_gate").get("used")
    if isinstance(used, int) and used < _FEW:
        yield Note(
            f"The held-out loss rests on {counted(used, 'row')}: small changes say little.",
            look=False,
        )


def _course(told: Told) -> Iterator[Note]:
    before, after = told.losses
    if before is None or after is None:
        return
    if told.warnings:
        # They have said it.
        return
    if after >= before:
        yield Note(
            "The held-out loss did not fall.",
            do="Try a lower learning rate, or look at the data:",
            code="--learning-rate",
        )
        return
    seen = [(e["loss"], e.get("step", 0)) for e in told.held_out if "loss" in e]
    lowest, step = min(seen, default=(after, 0))
    if after > lowest * (1 + _ROSE):
        yield Note(
            f"The held-out loss was lowest at step {step:,} ({lowest:.3f}) and rose to "
            f"{after:.3f}: the rest was learning by heart.",
            do="Stop there and keep the best:",
            code="--evaluate-every N --patience 3",
        )
    if told.result.get("stopped_early"):
        best = told.result.get("best_step", 0)
        yield Note(f"It stopped early; the weights are those of step {best:,}.", look=False)


def _rows(told: Told) -> Iterator[Note]:
    gate = told.part("gate")
    rows, used = gate.get("rows", 0), gate.get("used", 0)
    long = gate.get("too_long", 0)
    if rows > used:
        text = f"{counted(rows - used, 'row')} of {rows:,} were left out; dropped.jsonl lists them."
        yield Note(text, count=rows - used, of=rows)
    if long and told.settings.get("long") == "cut":
        text = f"{counted(long, 'row')} of {rows:,} lost their end: they are longer than the limit."
        yield Note(text, count=long, of=rows, do="Keep all of them:", code="--max-length")
    stopped = gate.get("stopped", used)
    if stopped < used:
        yield Note(
            f"{counted(used - stopped, 'row')} of {used:,} do not teach the model when to stop.",
            count=used - stopped,
            of=used,
        )


def _part(told: Told) -> Iterator[Note]:
    epochs, used = told.result.get("epochs"), told.part("gate").get("used")
    if told.done and isinstance(epochs, int | float) and 0 < epochs < _ALL:
        of = f" of {counted(used, 'row')}" if isinstance(used, int) else ""
        yield Note(
            f"The training saw {100 * epochs:.2g} % of the data{of}: it ended after "
            f"{counted(told.steps, 'step')}, before the first epoch did.",
            look=False,
            do="See all of it once:",
            code="--steps 0 --epochs 1",
        )


_RULES: tuple[Callable[[Told], Iterator[Note]], ...] = (
    *(_ended, _apart, _warned),
    *(_course, _rows, _part, _held_out),
)
