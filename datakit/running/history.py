"""What earlier runs have measured, for the plan of the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datakit.llm.log import read_log

__all__ = ["History", "history_of", "history_of_log"]


@dataclass(frozen=True)
class History:
    """What an earlier run of the dataset has measured.

    Args:
        kept: Share of made records that were kept; None if no version tells.
        per_request: Records made by a request; None likewise.
        output_tokens: Output tokens of a request.
        seconds: Wall time of a request, with all that were in flight beside it; None if most
            answers came from the log.
    """

    kept: float | None
    per_request: float | None
    output_tokens: float
    seconds: float | None = None


def history_of(funnel: Sequence[Mapping[str, Any]], manifest: Mapping[str, Any]) -> History | None:
    """Returns what a version's manifest has measured, or None if it made nothing."""
    made = sum(row["made"] for row in funnel if row["step"].startswith("generate."))
    cost = manifest["cost"]
    waited = sum(row["seconds"] for row in funnel if row["step"].startswith("generate."))
    kept = manifest["kept_made"]
    if not made or not cost["requests"] or not kept:
        return None
    return History(
        kept=min(1.0, kept / made),
        per_request=made / cost["requests"],
        output_tokens=cost["output_tokens"] / cost["requests"],
        seconds=None if cost["cached"] * 2 > cost["requests"] else waited / cost["requests"],
    )


def history_of_log(path: Path) -> tuple[History | None, int]:
    """Returns what the answers of a run that came to no version have measured, and their number.

    Args:
        path: The response log, which is only read.
    """
    answers, known = 0, []
    for _, response in read_log(path):
        answers += 1
        # What was typed in, or refused, was counted by nobody.
        if response.usage.known and response.usage.output_tokens:
            known.append(response.usage.output_tokens)
    return History(None, None, sum(known) / len(known)) if known else None, answers
