"""Generators without a pipeline file: three lines of a notebook."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from datakit.api import run
from datakit.config import parse_step, parse_teacher
from datakit.direct import open_input
from datakit.errors import InputError
from datakit.llm.teacher import Teacher
from datakit.record import Record
from datakit.running.pipeline import Pipeline
from datakit.running.progress import Progress
from datakit.step import FilePath, verb_of
from datakit.steps.source.jsonl import JsonLines
from datakit.store import Version

__all__ = ["generate"]


def generate(
    records: str | Path | Iterable[Record | Mapping[str, Any]],
    *steps: Any,  # noqa: ANN401  step objects, or YAML
    target: int | None = None,
    teacher: Teacher | Mapping[str, Any] | None = None,
    name: str = "generated",
    store: str | Path | None = None,
    budget: str | None = None,
    tell: Callable[[Progress], None] | None = None,
) -> Version:
    """Runs a generator, or several steps, over seeds or records; returns the version it gives.

    What `run` does for a pipeline holds here, too: answers are logged, a second call asks nothing
    twice, and every dropped record is in the version.

    Args:
        records: Seeds, where a step makes records, else what the steps are about: a file, a version
            or its reference, records, or dictionaries with their fields.
        *steps: Step objects, or YAML such as `"generate.evol_instruct: {rounds: 1}"`.
        target: Kept records to stop at, seeds not counted; for steps that make records.
        teacher: Who answers, such as `{"provider": "openai", "model": "m"}`; None is the embedded
            model.
        name: The dataset's name.
        store: The folder of versions; None is `DATAKIT_STORE`, or `datasets`.
        budget: US dollars, such as `"5.00"`; a hard cap.
        tell: Called with the run's progress.

    Raises:
        InputError: With all that is wrong; nothing is written and nothing is spent then.
        ProviderError: If a provider failed for good; what it answered is saved.
        BudgetError: If the budget was reached before and is no higher now.
    """
    if not steps:
        raise InputError("no step is given.")
    built = tuple(map(_built, steps))
    makes = any(verb_of(step) == "make" for step in built)
    if makes and target is None:
        raise InputError("target: say how many records to make.")
    if target is not None and not makes:
        raise InputError("target: no step makes records; these are done with what there is.")
    if isinstance(teacher, Mapping):
        teacher = parse_teacher(json.dumps(teacher))
    with ExitStack() as stack:
        given = str(records) if isinstance(records, Path) else records
        source = JsonLines(FilePath(_file(given, store, stack)), answers=makes)
        start = {"seeds": source, "target": target} if makes else {"source": source}
        pipeline = Pipeline(name, built, teacher=teacher, **start)
        return run(pipeline, store=store, budget=budget, tell=tell)


def _built(step: Any) -> Any:  # noqa: ANN401
    if isinstance(step, str):
        return parse_step(step)
    if not hasattr(step, "step_verb"):
        raise InputError(
            f"{step!r} is no step: give a step object, or YAML such as "
            '"filter.length: {min_chars: 20}".'
        )
    return step


def _file(
    records: str | Iterable[Record | Mapping[str, Any]],
    store: str | Path | None,
    stack: ExitStack,
) -> str:
    """Returns the path of a file of records; what is in none is written to one for a while."""
    if isinstance(records, str) and Path(records).is_file():
        return records
    listed = open_input(records, store=store)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="datakit-"))
    path = Path(folder) / "records.jsonl"
    with open(path, "wb") as file:
        file.writelines(record.to_line() for record in listed)
    return str(path)
