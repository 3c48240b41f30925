"""revise.redact: takes personal data and keys out of records."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from datakit.private import KINDS, Kind, keys_in, personal_in
from datakit.record import Record
from datakit.step import step


@step("revise.redact")
class Redact:
    """Puts a mark such as `[EMAIL]` in place of personal data, and of keys if that is asked for.

    Telephone numbers are told by a country's number or the form of North America, cards and IBANs
    by their checksum, addresses of the internet if they are public ones. Names of people are not
    told.

    Args:
        kinds: What is taken out.
        keys: Whether keys and tokens are taken out too; see `filter.secrets`.
        fields: Fields that are looked at.
    """

    kinds: tuple[Kind, ...] = KINDS
    keys: bool = False
    fields: Annotated[tuple[Literal["instruction", "input", "output"], ...], Meta(min_length=1)] = (
        "instruction",
        "input",
        "output",
    )

    def revise(self, record: Record) -> Record | None:
        """Returns the record without them, or None if there are none."""
        new = {field: self._clean(getattr(record, field)) for field in self.fields}
        if all(getattr(record, field) == text for field, text in new.items()):
            return None
        return record.child(**new, meta={**record.meta, "parents": [record.id]})

    def _clean(self, text: str) -> str:
        if self.keys:
            text = _marked(text, [(each.start, each.end, "KEY") for each in keys_in(text)])
        found = personal_in(text, self.kinds)
        return _marked(text, [(each.start, each.end, each.kind.upper()) for each in found])


def _marked(text: str, places: list[tuple[int, int, str]]) -> str:
    for start, end, mark in reversed(places):
        text = f"{text[:start]}[{mark}]{text[end:]}"
    return text
