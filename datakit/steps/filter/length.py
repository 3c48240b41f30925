"""filter.length: drops what is too short or too long."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from datakit.outcome import Drop
from datakit.record import Record
from datakit.step import step


@step("filter.length")
class Length:
    """Drops records with a field that is shorter or longer than asked.

    Args:
        min_chars: Fewest characters, after stripping.
        max_chars: Most characters, after stripping.
        fields: Fields that are measured, each on its own.
    """

    min_chars: Annotated[int, Meta(ge=0)] = 1
    max_chars: Annotated[int, Meta(ge=1)] = 8_000
    fields: Annotated[tuple[Literal["instruction", "input", "output"], ...], Meta(min_length=1)] = (
        "output",
    )

    def __post_init__(self) -> None:
        if self.min_chars > self.max_chars:
            raise ValueError(f"min_chars ({self.min_chars}) is over max_chars ({self.max_chars})")

    def check(self, record: Record) -> Drop | None:
        """Drops a record whose field is out of range."""
        for field in self.fields:
            chars = len(getattr(record, field).strip())
            if chars < self.min_chars:
                return Drop("too_short", field=field, chars=chars, min_chars=self.min_chars)
            if chars > self.max_chars:
                return Drop("too_long", field=field, chars=chars, max_chars=self.max_chars)
        return None
