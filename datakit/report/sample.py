"""A record as the report carries it: clipped, so that no text is too long for a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datakit.record import Record
from datakit.report.about import clipped, kind_of

__all__ = ["CLIP", "FIELDS", "Drop", "Sample", "take"]

FIELDS = ("instruction", "input", "output")
CLIP = 2_000


@dataclass(frozen=True)
class Drop:
    """Why a record was dropped; see `datakit.outcome.Drop`."""

    step: str
    reason: str
    detail: Mapping[str, Any]
    of: str | None
    score: float | None


@dataclass(frozen=True)
class Sample:
    """A record of the sample, its texts clipped."""

    id: str
    texts: tuple[str, str, str]
    lengths: tuple[int, int, int]
    meta: Mapping[str, Any]
    drop: Drop | None = None
    lang: str = ""
    tags: tuple[str, ...] = ()

    @property
    def is_benchmark(self) -> bool:
        """Whether `of` is an item of a benchmark, rather than a record."""
        return self.drop is not None and kind_of(self.drop.step) == "contamination"

    @property
    def step(self) -> str:
        """The step that dropped it, or that made it."""
        return self.drop.step if self.drop else str(self.meta.get("step") or "")


def take(
    record: Record, drop: Mapping[str, Any] | None = None, tags: tuple[str, ...] = ()
) -> Sample:
    """Returns a record as a sample; `drop` is what `dropped.jsonl` says of it."""
    texts = (record.instruction, record.input, record.output)
    why = None
    if drop is not None:
        detail = {clipped(k, 40): _short(v) for k, v in list(drop["detail"].items())[:12]}
        of = drop.get("of")
        why = Drop(drop["step"], drop["reason"], detail, of and clipped(of, 120), drop["score"])
    return Sample(
        id=record.id,
        texts=(texts[0][:CLIP], texts[1][:CLIP], texts[2][:CLIP]),
        lengths=(len(texts[0]), len(texts[1]), len(texts[2])),
        meta={clipped(k, 40): _short(v) for k, v in list(record.meta.items())[:20]},
        drop=why,
        tags=tags,
    )


def _short(value: object) -> object:
    """Returns a JSON value whose size is bounded."""
    if isinstance(value, list):
        return [clipped(each, 120) for each in value[:20]]
    if isinstance(value, dict):
        return {clipped(k, 40): clipped(v, 120) for k, v in list(value.items())[:12]}
    return value if isinstance(value, int | float | None) else clipped(value, 400)
