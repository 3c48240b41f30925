"""What of a model decides what it computes: the files by which a step that uses it is known."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datakit.step import FileRef

__all__ = ["deciding", "settings_in"]

# Of a model's folder, what decides. A page, a log or a checkpoint beside it does not.
_WEIGHTS = ("adapter_model.*", "model*.safetensors", "pytorch_model*.bin")
_CONFIGS = ("adapter_config.json", "config.json", "*.index.json")
_TOKENIZER = (
    *("tokenizer*", "chat_template*", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.*", "merges.txt"),
)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?\Z")


def deciding(folder: Path) -> list[FileRef]:
    """Returns what tells a folder's model from another: its first file of weights, then the rest.

    That is its weights, its settings, its tokenizer and, for an adapter, the same of its base.

    Raises:
        ValueError: If it holds no weights, or the base of its adapter is not there.
    """
    weights = _files(folder, *_WEIGHTS)
    if not weights:
        raise ValueError(f"model: {folder} holds no weights.")
    found = [*weights, *_files(folder, *_CONFIGS), *_files(folder, *_TOKENIZER)]
    if (folder / "adapter_config.json").is_file():
        found += _base(folder, has_tokenizer=(folder / "tokenizer_config.json").is_file())
    return found


def settings_in(path: Path) -> dict[str, Any]:
    """Returns a model's JSON file; empty if there is none.

    Raises:
        ValueError: If it cannot be read.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ValueError(f"model: {path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise ValueError(f"model: {path} cannot be read: it is no JSON ({error})") from None
    return value if isinstance(value, dict) else {}


def _files(folder: Path, *patterns: str) -> list[FileRef]:
    named = {each for pattern in patterns for each in folder.glob(pattern) if each.is_file()}
    return [FileRef(each) for each in sorted(named)]


def _base(folder: Path, *, has_tokenizer: bool) -> Iterator[FileRef]:
    """Yields what an adapter's base counts by: its files, or its name and commit on the hub."""
    noted = settings_in(folder / "run.json").get("model") or {}
    named = settings_in(folder / "adapter_config.json").get("base_model_name_or_path")
    given = str(noted.get("base") or named)
    if given == "embedded":
        from datakit.llm.embedded import default_gguf

        yield FileRef(default_gguf())
        return
    there = (Path(each) for each in (noted.get("base_path"), given) if each)
    path = next((each for each in there if each.exists()), None)
    if path is None:
        if not _HUB_ID.match(given) or noted.get("base_path"):
            raise ValueError(f"model: the base of {folder}, {given}, is not there any more.")
        name, _, revision = given.partition("@")
        yield FileRef(f"{name}@{noted.get('revision') or revision}")
    elif path.is_file():
        yield FileRef(path.resolve())
    else:
        patterns = _WEIGHTS + _CONFIGS + (() if has_tokenizer else _TOKENIZER)
        yield from _files(path.resolve(), *patterns)
