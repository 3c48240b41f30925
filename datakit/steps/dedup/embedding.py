"""dedup.embedding: keeps one of several records that say the same in other words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from msgspec import Meta

from datakit.embedding import DEFAULT_MODEL, Search, near_pairs, open_embedder
from datakit.outcome import Drop
from datakit.pairs import KEEP, Fields, Mask, Pairs, View
from datakit.record import Record
from datakit.step import DataRef, FileRef, Resources, step
from datakit.thinning import thinned


@step("dedup.embedding")
class Embedding:
    """Drops records whose meaning is nearly that of a kept one.

    Similarity is the cosine of sentence embeddings. With view `prompt` it is that of the less
    similar of instruction and input. The default model reads the first 256 tokens of a text, and
    hardly tells "over 5000" from "over 6000". Above 300,000 records a faiss index finds the pairs;
    how many of them it finds is measured on a sample, and noted with each drop as `recall`.

    Args:
        threshold: Lowest cosine of a duplicate.
        view: What is compared: `prompt` (instruction and input, each), `full` (and output),
            `instruction`, `output`, or `joined` (instruction and input as one text).
        keep: Which one is kept: `first` in the corpus, `longest`, or `best:SCORE`.
        against: Other datasets, files or versions (`other@v3`); what is similar to a record of
            theirs is dropped.
        max_kept: Most records that are kept; those after are dropped as `enough`.
        model: A sentence-transformers or model2vec model: a hub id, or a folder. `static` is made
            of the default model on this machine, and some hundred times as fast; the cosines of
            static models are lower, so look at the drops before you trust a threshold.
        search: `exact`: all pairs. `ivf`: those that an index finds, tuned to 99.9 % of them.
            `clusters`: those in one cluster, as SemDeDup does (Abbas et al. 2023,
            https://arxiv.org/abs/2303.09540). `auto`: exact up to 300,000 records, then `ivf`.
    """

    threshold: Annotated[float, Meta(gt=0, le=1)] = 0.9
    view: View = "prompt"
    keep: Annotated[str, Meta(pattern=KEEP)] = "first"
    against: tuple[DataRef, ...] = ()
    max_kept: Annotated[int, Meta(ge=1)] | None = None
    model: FileRef = FileRef(DEFAULT_MODEL)
    search: Search = "auto"

    def select(self, records: Iterable[Record], resources: Resources) -> dict[str, Drop]:
        """Drops what is similar to a record that is kept."""
        embedder = resources.open(open_embedder, self.model)
        detail: dict[str, Any] = {"threshold": self.threshold}

        def find(fields: Fields, kept: Mask, start: int) -> Iterator[Pairs]:
            vectors = [embedder.embed(texts) for texts in fields]
            return near_pairs(vectors, self.threshold, kept, start, self.search, detail)

        return thinned(
            records,
            find,
            "similar_meaning",
            view=self.view,
            keep=self.keep,
            against=self.against,
            max_kept=self.max_kept,
            detail=detail,
        )
