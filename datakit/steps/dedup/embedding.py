"""dedup.embedding: keeps one of several records that say the same in other words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from msgspec import Meta

from datakit.embed import DEFAULT_MODEL, open_embedder
from datakit.outcome import Drop
from datakit.pairs import KEEP, Fields, Mask, Pairs, View, best_first, cosine_pairs, fields_of, thin
from datakit.record import Record
from datakit.step import FileRef, Resources, step


@step("dedup.embedding")
class Embedding:
    """Drops records whose meaning is nearly that of a kept one.

    Similarity is the cosine of sentence embeddings, computed for all pairs. With view `prompt` it
    is that of the less similar of instruction and input. The default model reads the first 256
    tokens of a text, and hardly tells "over 5000" from "over 6000".

    Args:
        threshold: Lowest cosine of a duplicate.
        view: What is compared: `prompt` (instruction and input, each), `full` (and output),
            `instruction`, `output`, or `joined` (instruction and input as one text).
        keep: Which one is kept: `first` in the corpus, `longest`, or `best:SCORE`.
        model: A sentence-transformers model: a hub id, or a folder.
    """

    threshold: Annotated[float, Meta(gt=0, le=1)] = 0.9
    view: View = "prompt"
    keep: Annotated[str, Meta(pattern=KEEP)] = "first"
    model: FileRef = FileRef(DEFAULT_MODEL)

    def select(self, records: Iterable[Record], resources: Resources) -> dict[str, Drop]:
        """Drops what is similar to a record that is kept."""
        embedder = resources.open(open_embedder, self.model)

        def find(fields: Fields, kept: Mask) -> Iterator[Pairs]:
            return cosine_pairs([embedder.embed(texts) for texts in fields], self.threshold, kept)

        walked = best_first(records, self.keep)
        found = thin([fields_of(record, self.view) for record in walked], find)
        return {
            walked[at].id: Drop(
                "similar_meaning",
                of=walked[kept].id,
                score=round(score, 4),
                view=self.view,
                threshold=self.threshold,
            )
            for at, (kept, score) in found.items()
        }
