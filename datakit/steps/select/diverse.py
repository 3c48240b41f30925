"""select.diverse: keeps records that are good and unlike each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from msgspec import Meta

from datakit.embedding import DEFAULT_MODEL, near_pairs, open_embedder
from datakit.outcome import Drop
from datakit.pairs import Fields, Mask, Pairs, View
from datakit.record import Record
from datakit.step import FileRef, Resources, step
from datakit.thinning import thinned


@step("select.diverse")
class Diverse:
    """Keeps `n` records, the best first, and of those none that is too near to one kept before.

    The greedy choice of DEITA (Liu et al. 2024, https://github.com/hkust-nlp/deita): it goes
    through the records by score, takes each that is not too similar to what it has, and ends when
    it has enough. A record without that score comes last.

    Args:
        n: Records that are kept.
        by: The score, as a step before this one measured it.
        threshold: Cosine from which a record is too near to another.
        view: What is compared: `prompt` (instruction and input, each), `full` (and output),
            `instruction`, `output`, or `joined` (instruction and input as one text).
        model: A sentence-transformers or model2vec model: a hub id, a folder, or `static`.
    """

    n: Annotated[int, Meta(ge=1)]
    by: Annotated[str, Meta(min_length=1)]
    threshold: Annotated[float, Meta(gt=0, le=1)] = 0.9
    view: View = "full"
    model: FileRef = FileRef(DEFAULT_MODEL)

    def select(self, records: Iterable[Record], resources: Resources) -> dict[str, Drop]:
        """Drops what is near to a kept record, and what comes after the last."""
        embedder = resources.open(open_embedder, self.model)
        detail: dict[str, Any] = {"threshold": self.threshold}

        def find(fields: Fields, kept: Mask, start: int) -> Iterator[Pairs]:
            vectors = [embedder.embed(texts) for texts in fields]
            return near_pairs(vectors, self.threshold, kept, start, found=detail)

        return thinned(
            records,
            find,
            "not_diverse",
            view=self.view,
            keep=f"best:{self.by}",
            max_kept=self.n,
            detail=detail,
        )
