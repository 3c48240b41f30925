"""Checkpoints of a run that may have been killed."""

from __future__ import annotations

import json
import re
from pathlib import Path

__all__ = ["FOLDER", "last_checkpoint"]

FOLDER = "checkpoints"
"""Where they are in the folder of a run."""

_NAME = re.compile(r"checkpoint-(\d+)")


def last_checkpoint(folder: Path) -> Path | None:
    """Returns the newest whole checkpoint; half of one, of a killed run, is passed by."""
    if not folder.is_dir():
        return None
    named = ((_NAME.fullmatch(each.name), each) for each in folder.iterdir())
    found = [(int(match[1]), each) for match, each in named if match]
    return next((each for _, each in sorted(found, reverse=True) if _whole(each)), None)


def _whole(folder: Path) -> bool:
    try:
        json.loads((folder / "trainer_state.json").read_bytes())
    except (OSError, ValueError):
        return False
    # FSDP and DeepSpeed have folders for the optimizer, under names of their own.
    optimizer = any(folder.glob("optimizer*")) or any(folder.glob("global_step*"))
    return optimizer and any(folder.glob("rng_state*.pth"))
