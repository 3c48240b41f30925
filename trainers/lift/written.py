"""The files of a study: its page, and the JSON beside it that knows the looks so far."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datakit.errors import InputError
from trainers.lift.result import Lift
from trainers.lift.study import Study

__all__ = ["looks_of", "page_of", "save", "write_json"]


def page_of(path: Path) -> Path:
    """Returns where the page will be, its folder made.

    Raises:
        InputError: If it cannot be there.
    """
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


def looks_of(study: Study, place: Path | None) -> list[int]:
    """Returns the replicates at each look so far, this one the last.

    The same study with more replicates, after a look at fewer, is another look.
    """
    before: list[int] = []
    if place is not None:
        try:
            value = json.loads(place.with_suffix(".json").read_text("utf-8"))
            if value["identity"] == study.identity() and value["status"] == "done":
                before = [int(each) for each in value["declared"]["looks"]]
        except (OSError, ValueError, KeyError, TypeError):
            before = []
    return [*(each for each in before if each < study.replicates), study.replicates]


def save(found: Lift, place: Path) -> None:
    """Writes the page and its JSON.

    Raises:
        InputError: If it cannot be written.
    """
    from trainers.lift.page.page import render

    write_json(place, {**found.to_json(), "status": "done"})
    _replace(place, render(found))


def write_json(place: Path, value: Mapping[str, Any]) -> None:
    """Writes the JSON file that stands beside a page.

    Raises:
        InputError: If it cannot be written.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n"
    _replace(place.with_suffix(".json"), text)


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        raise InputError(f"-o {path}: cannot be written: {error.strerror or error}.") from None
    finally:
        draft.unlink(missing_ok=True)
