"""dedup.exact: keeps one of several equal records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta

from datakit.outcome import Drop
from datakit.pairs import KEEP, View
from datakit.record import Record, digest
from datakit.step import DataRef, step
from datakit.text import collapse, tokens
from datakit.thinning import apart, thinned


@step("dedup.exact")
class Exact:
    """Drops records whose texts are equal to those of a kept one.

    Args:
        normalize: What makes no difference: `none`: every character counts. `whitespace`: runs of
            white space. `words`: also upper and lower case and punctuation, but not operators.
        view: What is compared: `prompt` (instruction and input), `full` (and output),
            `instruction`, `output`, or `joined` (instruction and input as one text).
        keep: Which one is kept: `first` in the corpus, `longest`, or `best:SCORE`.
        against: Other datasets, files or versions (`other@v3`); what equals a record of theirs is
            dropped.
        max_kept: Most records that are kept; those after are dropped as `enough`.
    """

    normalize: Literal["none", "whitespace", "words"] = "whitespace"
    view: View = "prompt"
    keep: Annotated[str, Meta(pattern=KEEP)] = "first"
    against: tuple[DataRef, ...] = ()
    max_kept: Annotated[int, Meta(ge=1)] | None = None

    def select(self, records: Iterable[Record]) -> dict[str, Drop]:
        """Drops all but the best of equal records."""
        return thinned(
            records,
            apart,
            "exact_duplicate",
            view=self.view,
            keep=self.keep,
            against=self.against,
            max_kept=self.max_kept,
            form=self._form,
            detail={"normalize": self.normalize},
        )

    def _form(self, text: str) -> str:
        normal = self._normal(text)
        # A digest takes less memory than the text.
        return digest(normal, size=16) if len(normal) > 32 else normal

    def _normal(self, text: str) -> str:
        if self.normalize == "words":
            return " ".join(tokens(text)) or collapse(text)
        return collapse(text) if self.normalize == "whitespace" else text
