"""revise.normalize: one form for characters, line ends and outer white space."""

from __future__ import annotations

import re
import unicodedata

from datakit.record import Record
from datakit.step import step

_BLANK_LINES = re.compile(r"\A(?:[^\S\n]*\n)+")


@step("revise.normalize")
class Normalize:
    """Composes characters (NFC), makes line ends LF and strips instruction, input and output.

    The indentation of a first line stays if more lines follow: it may be code.
    """

    def revise(self, record: Record) -> Record | None:
        """Returns the cleaned child, or None if nothing changes."""
        old = {name: getattr(record, name) for name in ("instruction", "input", "output")}
        new = {name: _clean(text) for name, text in old.items()}
        if new == old:
            return None
        return record.child(**new, meta={**record.meta, "parents": [record.id]})


def _clean(text: str) -> str:
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    text = _BLANK_LINES.sub("", text).rstrip()
    return text if "\n" in text else text.lstrip()
