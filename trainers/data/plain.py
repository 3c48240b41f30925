"""Sets with one sample in each row, under other names: alpaca and its like, dolly, gsm8k, orca."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from datakit.record import Record
from datakit.rows import Row
from trainers.data.build import Built, pair, turn
from trainers.examples import Refused

__all__ = ["alpaca", "dolly", "gsm8k", "orca_dpo"]


def alpaca(rows: Iterable[Row]) -> Iterator[Built]:
    """Yields a record for each row of instruction, input and output."""
    for where, row in rows:
        yield _asked(where, row["instruction"], row["input"], row["output"])


def dolly(rows: Iterable[Row]) -> Iterator[Built]:
    """Yields a record for each row; its context is the input, its category is in `meta`."""
    for where, row in rows:
        category = {"category": row["category"]} if row["category"] else {}
        yield _asked(where, row["instruction"], row["context"], row["response"], **category)


def gsm8k(rows: Iterable[Row]) -> Iterator[Built]:
    """Yields a record for each row; the answer stays as it is.

    It has `<<1+1=2>>` after each calculation, and `#### NUMBER` as its last line.
    """
    for where, row in rows:
        yield _asked(where, row["question"], "", row["answer"])


def orca_dpo(rows: Iterable[Row]) -> Iterator[Built]:
    """Yields a pair for each row of system, question, chosen and rejected."""
    for where, row in rows:
        system = row["system"] or ""
        prompt = [turn("system", system)] if system.strip() else []
        prompt.append(turn("user", row["question"]))
        yield pair(where, prompt, (row["chosen"], row["rejected"]))


def _asked(where: str, instruction: str, input: str, output: str, **meta: str) -> Built:
    if not instruction.strip():
        return where, Refused(where, "empty_prompt", "there is no instruction.")
    if not output.strip():
        return where, Refused(where, "empty_output", "there is no answer.")
    return where, Record(instruction, input, output, meta=meta)
