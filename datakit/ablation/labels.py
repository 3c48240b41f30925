"""Names of a pipeline's steps, and a pipeline with fewer of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from datakit.errors import InputError, did_you_mean
from datakit.running.pipeline import Pipeline
from datakit.step import verb_of

__all__ = ["labels", "place_of", "reduced", "rerun_name"]


def labels(pipeline: Pipeline) -> tuple[str, ...]:
    """Returns the names of the steps; one that is there several times is numbered: `name#2`."""
    names = [step.step_name for step in pipeline.steps]
    several = {name for name, times in Counter(names).items() if times > 1}
    seen: Counter[str] = Counter()
    seen_labels = []
    for name in names:
        seen[name] += 1
        seen_labels.append(f"{name}#{seen[name]}" if name in several else name)
    return tuple(seen_labels)


def place_of(pipeline: Pipeline, label: str) -> int:
    """Returns the place of a step.

    Raises:
        InputError: If there is none of that name, or several.
    """
    known = labels(pipeline)
    if label in known:
        return known.index(label)
    several = [each for each in known if each.partition("#")[0] == label]
    if several:
        raise InputError(f'"{label}" is there several times; name one: {", ".join(several)}.')
    near = did_you_mean(label, known) or f"; there are {', '.join(known) or 'none'}."
    raise InputError(f'{pipeline.name}: has no step "{label}"{near}')


def reduced(pipeline: Pipeline, places: Sequence[int], name: str) -> Pipeline:
    """Returns a pipeline with the steps at some places only, under another name."""
    steps = tuple(pipeline.steps[at] for at in places)
    teachers = {
        new: pipeline.teachers[old] for new, old in enumerate(places) if old in pipeline.teachers
    }
    makes = any(verb_of(step) == "make" for step in steps)
    return replace(
        pipeline,
        name=name,
        steps=steps,
        teachers=teachers,
        target=pipeline.target if makes else None,
        recipe="",
    )


def rerun_name(name: str, label: str) -> str:
    """Returns the name of the dataset that a rerun without a step gives."""
    return f"{name[: 64 - len(label) - 4]}.no-{label.replace('#', '-')}".lower()
