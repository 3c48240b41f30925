"""What to do after a training: a command that works on what it left."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datakit.record import Record
from trainers.examples import Refused, pairs

__all__ = ["HELD_OUT", "following", "task_for"]

HELD_OUT = "held_out.jsonl"
"""The file of held-out records in the folder of a run, where a share was held out."""


def task_for(
    method: str,
    records: Sequence[Record] | None,
    given: object,
    *,
    plainly: bool,
) -> dict[str, Any] | None:
    """Returns the task of `datakit eval` that fits a training, for run.json.

    Args:
        method: `sft`, `dpo`, `kto` or `reward`.
        records: The held-out records, if there are any.
        given: What the user named for them; None if a share of the data was held out.
        plainly: Whether that can be read without names of fields and a folder of versions.

    Returns:
        `task` and `data`: a name, the file in the run's folder, or None where there is no name.
        None where no task is about what was learnt: a reward model gives no answers, and half of
        the answers with labels should not become likelier.
    """
    if method == "reward":
        return None
    if method == "kto":
        refused: list[Refused] = []
        found = sum(1 for _ in pairs(records or (), refused))
        if refused or not found:
            return None
    data = None
    if records is not None and given is None:
        data = HELD_OUT
    elif isinstance(given, str | os.PathLike) and str(given) != "-" and plainly:
        data = str(given)
    return {"task": "perplexity" if method == "sft" else "preference", "data": data}


def following(folder: Path, facts: Mapping[str, Any]) -> str:
    """Returns the next command, which fits the method and what was held out.

    Args:
        folder: Of the run.
        facts: What run.json holds.
    """
    if facts.get("warnings"):
        return "the same command with a lower --learning-rate or fewer --steps, and another -o"
    out, fitting = shlex.quote(str(folder)), facts.get("eval_by")
    if facts.get("method") == "reward":
        return f"in a pipeline, this step rates records: score.reward: {{model: {folder}}}"
    if not fitting:
        return f"datakit chat {out}"
    data = fitting["data"]
    name = str(folder / HELD_OUT) if data == HELD_OUT else str(data or "FILE")
    return f"datakit eval {out} --task {shlex.quote(fitting['task'] + ':' + name)}"
