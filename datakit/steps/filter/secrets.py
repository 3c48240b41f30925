"""filter.secrets: drops records with a key or a token in them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from datakit.outcome import Drop
from datakit.private import keys_in
from datakit.record import Record
from datakit.step import step


@step("filter.secrets")
class Secrets:
    """Drops records that hold a key or a token of a known form: of AWS, GitHub, OpenAI, Slack, ...

    The evidence says what it is and where it stands, never what it reads. `revise.redact` takes it
    out instead.

    Args:
        fields: Fields that are looked at.
    """

    fields: Annotated[tuple[Literal["instruction", "input", "output"], ...], Meta(min_length=1)] = (
        "instruction",
        "input",
        "output",
    )

    def check(self, record: Record) -> Drop | None:
        """Drops a record with a key in it."""
        for field in self.fields:
            for found in keys_in(getattr(record, field)):
                return Drop(
                    "secret", kind=found.kind, field=field, start=found.start, end=found.end
                )
        return None
