"""dedup.minhash: keeps one of several records that share most of their word sequences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from msgspec import Meta

from datakit.minhash import minhash_pairs
from datakit.outcome import Drop
from datakit.pairs import KEEP, Fields, Mask, Pairs, View
from datakit.record import Record
from datakit.sketching import Backend
from datakit.step import DataRef, step
from datakit.text import Shingle
from datakit.thinning import thinned


@step("dedup.minhash")
class MinHash:
    """Drops records that are nearly the same, word for word, as a kept one.

    Similarity is the Jaccard similarity of the sets of shingles, computed for every candidate. With
    view `prompt` it is that of the less similar of instruction and input: questions over one shared
    schema are no duplicates for that, nor are inputs under one shared instruction.

    Args:
        threshold: Lowest similarity of a duplicate.
        view: What is compared: `prompt` (instruction and input, each), `full` (and output),
            `instruction`, `output`, or `joined` (instruction and input as one text).
        keep: Which one is kept: `first` in the corpus, `longest`, or `best:SCORE`.
        against: Other datasets, files or versions (`other@v3`); what is similar to a record of
            theirs is dropped.
        max_kept: Most records that are kept; those after are dropped as `enough`.
        shingle: What a shingle is made of: `word` or `char`.
        size: Words or characters of a shingle; a shorter text is one shingle.
        num_perm: Values of a signature; more find more and take longer.
        backend: What makes the signatures: `rensa`, or `datasketch`, which is the reference and
            takes some twenty times as long. Either finds pairs, and all of them are verified.
    """

    threshold: Annotated[float, Meta(gt=0, le=1)] = 0.7
    view: View = "prompt"
    keep: Annotated[str, Meta(pattern=KEEP)] = "first"
    against: tuple[DataRef, ...] = ()
    max_kept: Annotated[int, Meta(ge=1)] | None = None
    shingle: Shingle = "word"
    size: Annotated[int, Meta(ge=1, le=100)] = 5
    num_perm: Annotated[int, Meta(ge=16, le=1024)] = 128
    backend: Backend = "rensa"

    def select(self, records: Iterable[Record]) -> dict[str, Drop]:
        """Drops what is similar to a record that is kept."""
        return thinned(
            records,
            self._find,
            "near_duplicate",
            view=self.view,
            keep=self.keep,
            against=self.against,
            max_kept=self.max_kept,
            detail={"threshold": self.threshold},
        )

    def _find(self, fields: Fields, kept: Mask, start: int) -> Iterator[Pairs]:
        return minhash_pairs(
            fields,
            self.threshold,
            kept,
            start,
            num_perm=self.num_perm,
            kind=self.shingle,
            size=self.size,
            backend=self.backend,
        )
