"""dedup.exact: keeps one of several equal records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta

from datakit.outcome import Drop
from datakit.pairs import KEEP, View, best_first, fields_of
from datakit.record import Record, digest
from datakit.step import step
from datakit.text import collapse, tokens


@step("dedup.exact")
class Exact:
    """Drops records whose texts are equal to those of a kept one.

    Args:
        normalize: What makes no difference: `none`: every character counts. `whitespace`: runs of
            white space. `words`: also upper and lower case and punctuation, but not operators.
        view: What is compared: `prompt` (instruction and input), `full` (and output),
            `instruction`, `output`, or `joined` (instruction and input as one text).
        keep: Which one is kept: `first` in the corpus, `longest`, or `best:SCORE`.
    """

    normalize: Literal["none", "whitespace", "words"] = "whitespace"
    view: View = "prompt"
    keep: Annotated[str, Meta(pattern=KEEP)] = "first"

    def select(self, records: Iterable[Record]) -> dict[str, Drop]:
        """Drops all but the best of equal records."""
        kept: dict[str, str] = {}
        drops: dict[str, Drop] = {}
        for record in best_first(records, self.keep):
            key = digest([self._normal(text) for text in fields_of(record, self.view)], size=16)
            first = kept.setdefault(key, record.id)
            if first != record.id:
                drops[record.id] = Drop(
                    "exact_duplicate", of=first, score=1.0, view=self.view, normalize=self.normalize
                )
        return drops

    def _normal(self, text: str) -> str:
        if self.normalize == "words":
            return " ".join(tokens(text)) or collapse(text)
        return collapse(text) if self.normalize == "whitespace" else text
