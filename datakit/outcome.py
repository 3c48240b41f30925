"""What a step says of a record that it does not keep."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from datakit.record import Record

__all__ = ["Drop", "Rejected"]

_WORD = re.compile(r"[a-z][a-z0-9_]*\Z")


@dataclass(frozen=True, init=False)
class Drop:
    """The reason why a record is dropped, with its evidence.

    Args:
        reason: A stable snake_case word, such as `too_short`.
        of: The id of the record, or the `benchmark/item`, that it was compared with.
        score: The similarity to `of`, from 0 to 1.
        **detail: The evidence: measured values, their thresholds, spans, messages.

    Raises:
        ValueError: If `reason` is not a snake_case word.
    """

    reason: str
    of: str | None
    score: float | None
    detail: dict[str, Any]

    def __init__(
        self,
        reason: str,
        *,
        of: str | None = None,
        score: float | None = None,
        **detail: Any,  # noqa: ANN401  evidence is any JSON value
    ) -> None:
        if not _WORD.match(reason):
            raise ValueError(f"a reason is one snake_case word, not {reason!r}")
        object.__setattr__(self, "reason", reason)
        object.__setattr__(self, "of", of)
        object.__setattr__(self, "score", score)
        object.__setattr__(self, "detail", detail)

    def to_json(self, step: str) -> dict[str, Any]:
        """Returns the value of `"dropped"` in `dropped.jsonl`."""
        return {
            "step": step,
            "reason": self.reason,
            "detail": self.detail,
            "of": self.of,
            "score": self.score,
        }


@dataclass(frozen=True)
class Rejected:
    """A candidate that a `make` step refuses itself, such as an answer that was cut short.

    Args:
        record: What there is of the candidate; its raw text belongs into `output`.
        drop: Why it is refused.
    """

    record: Record
    drop: Drop
