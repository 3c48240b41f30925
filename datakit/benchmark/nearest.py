"""The benchmark items that a text is nearest to in meaning."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from datakit.benchmark.opening import texts_of
from datakit.embedding import open_embedder
from datakit.overlap import Item

__all__ = ["Nearest", "open_nearest"]


class Nearest:
    """Items by the embeddings of their questions.

    Args:
        items: The items, with their texts.
        model: As for `datakit.embedding.open_embedder`.
    """

    def __init__(self, items: Iterable[Item], model: str) -> None:
        self._embedder = open_embedder(model)
        self._items = list(items)
        self._vectors = self._embedder.embed([question(each) for each in self._items])

    def of(self, text: str, count: int = 1) -> list[tuple[Item, float]]:
        """Returns the nearest items with their cosines, the nearest first.

        Args:
            text: A question.
            count: Most items.
        """
        cosines = self._vectors @ self._embedder.embed([text])[0]
        order = np.lexsort((np.arange(len(cosines)), -cosines))[:count]
        return [(self._items[at], float(cosines[at])) for at in order]

    def close(self) -> None:
        """Closes the file of vectors."""
        self._embedder.close()


def open_nearest(model: str, *against: str) -> Nearest:
    """Reads benchmarks and embeds their questions; for `resources.open`.

    Args:
        model: An embedding model.
        *against: As for `open_overlap`; of a name the texts are fetched from the hub.

    Raises:
        InputError: If one cannot be read or fetched, or the model is not there.
    """
    return Nearest((item for each in against for item in texts_of(each)), model)


def question(item: Item) -> str:
    """Returns the question of an item as one text."""
    return "\n\n".join(item.question)
