"""GGUF files as ordinary checkpoints, converted once into a cache."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from datakit.errors import InputError, MissingExtraError
from datakit.fingerprint import file_sha256

__all__ = ["cache_folder", "checkpoint_of"]


def cache_folder() -> Path:
    """Returns the folder for what can be made again: `DATAKIT_CACHE`, or `~/.cache/datakit`."""
    given = os.environ.get("DATAKIT_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(given) if given else Path(base) / "datakit"


def checkpoint_of(gguf: Path) -> Path:
    """Returns a folder with the model of a GGUF file as transformers saves it, in float32.

    transformers reads GGUF, but saves no model that it read from there ("quantized with gguf"). So
    the weights go into a model that was built from the configuration without that mark. The folder
    is kept in the cache under the file's hash; making it takes about 20 s for 135 M parameters.

    Raises:
        InputError: If the file is not in GGUF format, or of an architecture transformers lacks.
    """
    with open(gguf, "rb") as file:
        if file.read(4) != b"GGUF":
            raise InputError(f"{gguf}: is not a model in GGUF format.")
    folder = cache_folder() / "models" / f"{gguf.stem}-{file_sha256(gguf)[:16]}"
    if (folder / "config.json").is_file():
        return folder
    draft = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
        _convert(gguf, draft)
        # Another process may have made the same folder meanwhile; either is good.
        if not folder.exists():
            os.replace(draft, folder)
    except OSError as error:
        raise InputError(
            f"{folder}: the model cannot be unpacked there: {error.strerror or error}. Set the "
            "variable DATAKIT_CACHE to a folder that can be written."
        ) from None
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)
    return folder


def _convert(gguf: Path, folder: Path) -> None:
    try:
        import gguf as _  # noqa: F401  transformers needs it, and says so only in a traceback
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtraError.of(str(error.name), "train", "Training the model") from None
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        read = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.float32
        )
        config = type(read.config).from_dict(
            {k: v for k, v in read.config.to_dict().items() if k != "quantization_config"}
        )
        model = type(read)(config)
        model.load_state_dict(read.state_dict())
        model.generation_config = read.generation_config
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    except (ValueError, RuntimeError, KeyError) as error:
        raise InputError(f"{gguf}: transformers cannot read it: {error}.") from error
    finally:
        if bars:
            logging.enable_progress_bar()
