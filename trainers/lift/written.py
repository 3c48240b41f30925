"""The files of a study: its page, and the JSON beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datakit.errors import InputError

__all__ = ["page_of", "save", "write_json"]


def page_of(out: str | Path | None) -> Path | None:
    """Returns where the page will be, its folder made; None if there will be none.

    Raises:
        InputError: If it cannot be there.
    """
    if out is None:
        return None
    path = Path(out)
    if path.suffix != ".html":
        raise InputError(f"-o {path}: name an .html file; its .json is written beside it.")
    if path.is_dir():
        raise InputError(f"-o {path}: is a folder; name a file in it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"-o {path}: cannot be written: {error.strerror or error}.") from None
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"-o {path}: {path.parent} cannot be written to.")
    return path


def save(page: Path, value: Mapping[str, Any], text: str) -> None:
    """Writes a finished study.

    Args:
        page: Where the page will be.
        value: Of the JSON file beside it.
        text: The page.

    Raises:
        InputError: If it cannot be written.
    """
    write_json(page, {**value, "status": "done"})
    _replace(page, text)


def write_json(page: Path, value: Mapping[str, Any]) -> None:
    """Writes the JSON file that stands beside a page.

    Raises:
        InputError: If it cannot be written.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n"
    _replace(page.with_suffix(".json"), text)


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        raise InputError(f"-o {path}: cannot be written: {error.strerror or error}.") from None
    finally:
        draft.unlink(missing_ok=True)
