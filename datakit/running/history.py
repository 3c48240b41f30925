"""What earlier runs have measured, for the plan of the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datakit.llm.log import read_log

__all__ = ["History", "Measured", "history_of", "history_of_log", "numbered"]


@dataclass(frozen=True)
class Measured:
    """What an earlier run has measured of one step that asks.

    Args:
        made: Records made by a request; 0 for a step that makes none.
        came: Share of all records, seeds too, that came to the step; None if that tells nothing.
        each: Requests for one record that came; None for a step that makes records.
        output_tokens: Output tokens of a request.
        seconds: Wall time of a request, with all that were in flight beside it; None if most
            answers came from the log.
    """

    output_tokens: float
    made: float = 0.0
    came: float | None = None
    each: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class History:
    """What an earlier run of the dataset has measured.

    Args:
        kept: Share of made records that were kept; None if no version tells.
        steps: Of the steps that ask, by their names as `numbered` gives them.
        output_tokens: Output tokens of a request, whichever step it is of; None if nothing tells.
    """

    kept: float | None = None
    steps: Mapping[str, Measured] = field(default_factory=dict)
    output_tokens: float | None = None


def numbered(names: Iterable[str]) -> list[str]:
    """Returns names of which none is there twice: `name#0`, and the next of its kind `name#1`."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        found.append(f"{name}#{seen[name]}")
        seen[name] += 1
    return found


def history_of(manifest: Mapping[str, Any]) -> History | None:
    """Returns what a version's manifest has measured, or None if nothing tells."""
    made, kept = manifest["made"], manifest["kept_made"]
    steps = dict(_measured(manifest))
    if not steps or (made and not kept):
        return None
    return History(kept=min(1.0, kept / made) if made else None, steps=steps)


def _measured(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Measured]]:
    start = manifest["seeds"] or manifest["sources"][0]
    there = start["records"] + manifest["made"]
    for row, name in zip(
        manifest["funnel"], numbered(row["step"] for row in manifest["funnel"]), strict=True
    ):
        cost = row.get("cost")
        if not cost or not cost["requests"]:
            continue
        requests = cost["requests"]
        asked = row["in"] and not row["made"]
        yield (
            name,
            Measured(
                output_tokens=cost["output_tokens"] / requests,
                made=row["made"] / requests,
                came=row["in"] / there if asked else None,
                each=requests / row["in"] if asked else None,
                seconds=None if cost["cached"] * 2 > requests else row["seconds"] / requests,
            ),
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
    return History(output_tokens=sum(known) / len(known)) if known else None, answers
